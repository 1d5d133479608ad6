"""Lessons in the browser: each to its end, by clicks and by keyboard, and what goes wrong."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect
from support.lesson_visitor import Learner
from support.serving import ROOT, Served, serving
from support.visitor import Visitor, visiting

from embedlab.lab.lesson_figures import MEASURES
from embedlab.lab.lessons import all_lessons

LESSONS = all_lessons(None, MEASURES)
FIRST, *OTHERS = LESSONS
#: One lesson by default; all of them, each way, take some minutes.
KEYS = [FIRST, *(pytest.param(key, marks=pytest.mark.slow) for key in OTHERS)]
#: A lesson of one's own: every way to complete a step, a target that is nowhere, hostile texts.
OWN = """
title: <img src=x onerror=window.pwned=1>
about: "${window.pwned=1} {{constructor.constructor('window.pwned=1')()}}"
figures: {a: {measure: texts}, b: {measure: labels}}
steps:
  - text: "<script>window.pwned=1</script> **{a}** texts [x](javascript:window.pwned=1)"
    link: "?corpus=senses&a=causal/mean&b=bidirectional/mean&tab=map"
    target: "#nowhere-at-all"
  - {text: Select., target: "#linked-map", done: select}
  - {text: Open it., target: "[data-tab-id=retrieve]", done: "tab:retrieve"}
  - {text: Ask., target: "#query", done: query}
  - {text: Inside., link: "?tab=inside&panel=mask", target: "#proof-a"}
  - {text: Tokens., target: "[data-tab-id=tokens]", done: "panel:tokens"}
  - {text: Back., link: "?tab=map", target: "#preset-b", done: "design-b:causal/eos"}
  - {text: Not a selector., target: ":::"}
  - text: Press.
    target: ".lm-bar [data-tool=reset]"
    done: click
  - predict:
      question: "<b onmouseover=window.pwned=1>Which?</b>"
      between: [a, b]
      answers: ["<svg onload=window.pwned=1>", Labels, Equal]
    reveal: "There are {a}. <iframe srcdoc=x></iframe>"
"""


def test_every_lesson_has_a_question() -> None:
    assert len(LESSONS) == 8
    assert all(lesson.questions for lesson in LESSONS.values())


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize(
    ("width", "keyboard"), [pytest.param(1280, False, marks=pytest.mark.slow), (390, True)]
)
def test_a_lesson_to_its_end(
    browser: Browser, served: Served, key: str, width: int, keyboard: bool
) -> None:
    with visiting(browser, served.url, width) as visitor:
        visitor.shows(points="160")
        learner = Learner(visitor, keyboard=keyboard)
        right = learner.follow(key, LESSONS[key])
        assert len(right) == len(LESSONS[key].questions)
        told = learner.panel.locator(".ls-calibration").first
        expect(told).to_contain_text(f"Right: {sum(right)} of {len(right)}")
        expect(told).to_contain_text("80 % sure on average")
        visitor.fits()


@pytest.mark.slow
def test_a_lesson_by_its_link_and_the_way_back(browser: Browser, served: Served) -> None:
    with visiting(browser, served.url, query=f"&lesson={FIRST}") as visitor:
        learner = Learner(visitor, keyboard=False)
        learner.at(FIRST, 0)
        visitor.titled("b", "causal/mean")
        expect(learner.note()).to_be_hidden()
        # The view is changed by hand.
        visitor.tab("Retrieve")
        expect(learner.note()).to_contain_text("This step needs the tab Map")
        visitor.choose("preset-b", "M4")
        expect(learner.note()).to_contain_text("design B causal/mean")
        learner.press(".ls-back")
        visitor.titled("b", "causal/mean")
        expect(learner.note()).to_be_hidden()
        assert re.search(rf"[?&]lesson={FIRST}\b", visitor.page.url)
        # Escape: from the page back to the panel, and out of it; the next opening goes on.
        learner.press(".ls-next")
        learner.at(FIRST, 1)
        visitor.page.locator("#stop").focus()
        visitor.page.keyboard.press("Escape")
        assert visitor.page.evaluate("document.activeElement.matches('.ls-next')")
        visitor.page.keyboard.press("Escape")
        expect(learner.panel).to_be_hidden()
        expect(visitor.page.locator(".ls-ring")).to_be_hidden()
        assert "lesson=" not in visitor.page.url
        assert visitor.page.evaluate("document.activeElement.matches('.ls-open')")
        visitor.reload()
        visitor.shows(points="160")
        learner.open(FIRST)
        learner.at(FIRST, 1)


#: Progress that is none, but for the lesson named last.
CORRUPTED = f"""{{
  "{FIRST}": {{"step": 1e9, "done": "yes", "predictions": [{{"answer": "Q"}}]}},
  "{OTHERS[0]}": null, "{OTHERS[1]}": {{"step": -1, "done": 1}}, "{OTHERS[2]}": [3],
  "__proto__": {{"step": 3}}, "gone": {{"step": 3}}, "constructor": 5,
  "{OTHERS[3]}": {{"step": 2, "done": false, "predictions": {{"x": {{}}, "1": {{"sure": 55}}}}}}
}}"""


@pytest.mark.slow
def test_corrupted_progress_is_ignored(browser: Browser, served: Served) -> None:
    with visiting(browser, served.url) as visitor:
        for kept, steps in (("{", 0), ("[1, 2]", 0), (CORRUPTED, 1)):
            visitor.shows(points="160", method="UMAP")
            visitor.idle()
            script = "kept => localStorage.setItem('embedlab lessons', kept)"
            visitor.page.evaluate(script, kept)
            visitor.reload()
            visitor.page.locator(".ls-open").click()
            states = visitor.page.locator(".ls-state")
            expect(states).to_have_count(len(LESSONS))
            expect(states.filter(has_text="step")).to_have_count(steps)
            expect(states.filter(has_text="done")).to_have_count(0)
        expect(states.nth(4)).to_have_text(f"step 3 of {len(LESSONS[OTHERS[3]].steps)}")


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """The application on tiny models, with a lesson of its own."""
    folder: Path = tmp_path_factory.mktemp("own")
    (folder / "lessons").mkdir()
    (folder / "lessons" / "mine.yaml").write_text(OWN, encoding="utf-8")
    command = ["tests/support/slow_app.py", str(folder / "busy"), "20", str(folder / "lessons")]
    with serving(folder, [str(ROOT / command[0]), *command[1:]]) as found:
        yield found


@pytest.mark.slow
@pytest.mark.parametrize(("width", "theme"), [(1280, "light"), (390, "dark")])
def test_a_lesson_of_ones_own_with_everything_in_it(
    browser: Browser, own: Served, width: int, theme: str
) -> None:
    with visiting(browser, own.url, width, theme) as visitor:
        visitor.shows(points="160")
        learner = Learner(visitor, keyboard=False)
        learner.open("mine")
        learner.at("mine", 0)
        expect(learner.panel).to_contain_text("160 texts")
        expect(learner.note()).to_contain_text("is not on the page; you can go on without it")
        learner.press(".ls-next")
        _everything(learner, visitor)
        learner.predict("A", 100)
        learner.press(".ls-next")
        learner.at("mine", "end")
        expect(learner.panel).to_contain_text("Right: 1 of 1")
        assert visitor.page.evaluate("window.pwned") is None
        assert visitor.page.locator(".lessons img, .lessons iframe, .lessons svg").count() == 0


def _everything(learner: Learner, visitor: Visitor) -> None:
    learner.points()
    learner._select()
    learner.press(".ls-primary.ls-next")
    learner.points()
    learner._open_tab("retrieve")
    learner.press(".ls-primary.ls-next")
    learner.points()
    learner._ask()
    learner.press(".ls-primary.ls-next")
    learner.points()
    expect(visitor.page.locator("#proof-a")).to_be_visible()
    learner.press(".ls-next")
    learner._open_tab("tokens")
    learner.press(".ls-primary.ls-next")
    learner.at("mine", 6)
    learner.points()
    visitor.choose("preset-b", "M1")
    learner.press(".ls-primary.ls-next")
    learner.press(".ls-next")  # what is pointed at is no selector
    learner.points()
    learner._press_target()
    learner.press(".ls-primary.ls-next")
