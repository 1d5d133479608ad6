"""Lessons: what a file can say, what is wrong in one, and the state that each step needs."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from embedlab.data.corpora import CORPORA
from embedlab.errors import EmbedLabError
from embedlab.lab.address import Address
from embedlab.lab.lesson_figures import MEASURES
from embedlab.lab.lessons import (
    MAX_LESSONS,
    FigureValue,
    Lesson,
    Prediction,
    all_lessons,
    read_lessons,
)
from embedlab.models.design import Design
from embedlab.validation import validated

TOPIC = "causal/mean_last+filter1.5+centre?template=topic"
FIGURES = "figures: {a: {measure: texts}, b: {measure: labels}}\n"
ASKED = "predict: {question: Which, between: [a, b]}, reveal: So."


def written(folder: Path, text: str, name: str = "1-mine.yaml") -> Path:
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(text, encoding="utf-8")
    return folder


def lesson(*steps: str, figures: str = FIGURES) -> Lesson:
    listed = "\n".join(f"  - {{{step}}}" for step in steps)
    data = yaml.safe_load(f"title: Mine\n{figures}steps:\n{listed}")
    return validated(Lesson, data)


def test_the_lessons_that_ship_can_be_read():
    lessons = all_lessons(None, MEASURES)
    for key, each in lessons.items():
        assert each.corpus in CORPORA, key
        assert each.about and each.questions, key
        # The first step says what it needs, or the lesson would begin anywhere.
        first = each.address(0)
        assert first.corpus and first.a and first.b and first.tab, key


def test_a_lesson_of_one_s_own_takes_the_place_of_one_that_ships_or_comes_after(tmp_path):
    mine = "title: Mine\nsteps:\n  - {text: Hello.}\n"
    shipped = list(all_lessons(None, MEASURES))
    written(tmp_path / "own", mine, f"9-{shipped[0]}.yaml")
    written(tmp_path / "own", mine, "another-one.yml")
    (tmp_path / "own" / "notes.txt").write_text("not a lesson")
    found = all_lessons(tmp_path / "own", MEASURES)
    assert list(found) == [*shipped, "another-one"]
    assert found[shipped[0]].title == "Mine"


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("title: [", r"1-mine\.yaml is not valid YAML"),
        ("just words", "it must be a list of 'key: value' lines"),
        ("steps: [{text: x}]", "1-mine.yaml: 'title' is missing"),
        ("title: Mine", "'steps' is missing"),
        ("title: Mine\nsteps: []", "steps is .*; it must have at least 1 entries"),
        ("title: Mine\nminuts: 2\nsteps: [{text: x}]", "unknown key 'minuts'; known are title"),
        ("title: Mine\nsteps: [{txt: x}]", r"steps\[0\]: unknown key 'txt'; known are text"),
        ("title: Mine\nsteps: [{text: 5}]", r"steps\[0\]: text is 5; it must be a text"),
        ("title: Mine\nsteps: [{target: x}]", r"steps\[0\]: a step needs a 'text'"),
        ("title: Mine\nsteps: [{text: x, reveal: y}]", "'predict' and 'reveal' go together"),
        ("title: Mine\nsteps: [{text: x, done: dance}]", "'dance' is not a way to complete"),
        ("title: Mine\nsteps: [{text: x, done: tab}]", "done is 'tab'; write tab:"),
        ("title: Mine\nsteps: [{text: x, done: 'next:5'}]", "done is 'next:5'; write next alone"),
        ("title: Mine\nsteps: [{text: x, done: click}]", "needs a 'target'"),
        ("title: Mine\nsteps: [{text: x, done: 'design-a:causal/nose'}]", "nose"),
        ("title: Mine\nsteps: [{text: x, link: '?colour_of=1'}]", "“colour_of” is no part"),
        ("title: Mine\nsteps: [{text: x, link: '?a=M9'}]", "M9"),
        ("title: Mine\nsteps: [{text: x, link: '?lesson=mask'}]", "lesson is not for a lesson"),
        ("title: Mine\nsteps: [{text: 'so {x}'}]", r"steps\[0\] has the figure \{x\}"),
        (f"title: Mine\nsteps: [{{{ASKED}}}]", r"steps\[0\] has the figure \{a\}"),
        ("title: Mine\nfigures: {a: {measure: magic}}\nsteps: [{text: x}]", "'magic' is not a"),
        ("title: Mine\nfigures: {a: {measure: ndcg_10}}\nsteps: [{text: x}]", "needs 'design'"),
        ("title: Mine\nfigures: {a: {of: 3}}\nsteps: [{text: x}]", "figures"),
    ],
)
def test_what_is_wrong_is_said_in_one_sentence(tmp_path, text, hint):
    with pytest.raises(EmbedLabError, match=hint) as caught:
        read_lessons(written(tmp_path / "own", text), MEASURES)
    assert str(caught.value).startswith("1-mine.yaml")
    assert "\n" not in str(caught.value) or "YAML" in str(caught.value)


def test_a_folder_that_is_none_and_files_that_cannot_be_lessons_are_said(tmp_path):
    with pytest.raises(EmbedLabError, match="nowhere' is no folder"):
        read_lessons(tmp_path / "nowhere", MEASURES)
    good = "title: Mine\nsteps: [{text: x}]"
    with pytest.raises(EmbedLabError, match=r"A Lesson\.yaml: a lesson's file is named by"):
        read_lessons(written(tmp_path / "names", good, "A Lesson.yaml"), MEASURES)
    written(tmp_path / "twice", good, "1-mine.yaml")
    with pytest.raises(EmbedLabError, match="another file is the lesson 'mine'"):
        read_lessons(written(tmp_path / "twice", good, "2-mine.yaml"), MEASURES)
    with pytest.raises(EmbedLabError, match="larger than the 200,000 bytes"):
        read_lessons(written(tmp_path / "large", good + " " * 200_000), MEASURES)
    for number in range(MAX_LESSONS + 1):
        written(tmp_path / "many", good, f"l{number}.yaml")
    with pytest.raises(EmbedLabError, match=f"has {MAX_LESSONS + 1} lessons"):
        read_lessons(tmp_path / "many", MEASURES)


def test_a_step_needs_what_the_links_and_the_deeds_before_it_have_set():
    mine = lesson(
        f'text: x, link: "http://127.0.0.1:7860/?corpus=senses&a=M1&b={TOPIC}&tab=map"',
        "text: x, done: 'design-b:bidirectional/mean'",
        "text: x, done: 'tab:inside'",
        "text: x, link: '?panel=mask&a=causal/mean'",
        "text: x, done: select",
    )
    first = Address(corpus="senses", a=Design.parse("M1"), b=Design.parse(TOPIC), tab="map")
    assert [mine.address(i) for i in range(2)] == [first, first]
    assert mine.address(2) == Address(
        corpus="senses", a=Design.parse("M1"), b=Design.parse("bidirectional/mean"), tab="map"
    )
    assert (
        mine.address(3)
        == mine.address(4)
        == Address(
            corpus="senses",
            a=Design.parse("causal/mean"),
            b=Design.parse("bidirectional/mean"),
            tab="inside",
            panel="mask",
        )
    )
    assert [step.completion for step in mine.steps[1:3]] == [
        ("design-b", "bidirectional/mean"),
        ("tab", "inside"),
    ]


def test_a_design_with_prompts_can_complete_a_step():
    design = "causal/last?template=prompteol&pool=text"
    mine = lesson(f"text: x, done: 'design-a:{design}'")
    assert mine.steps[0].sets == Address(a=Design.parse(design))


@pytest.mark.parametrize(
    ("a", "b", "higher", "margin", "outcome"),
    [
        (34.4, 83.1, True, 3, "B"),
        (83.1, 34.4, True, 3, "A"),
        (34.4, 83.1, False, 3, "A"),
        (50.0, 52.9, True, 3, "same"),
        (50.0, 53.0, True, 3, "B"),
        (50.0, 50.0, True, 0, "same"),
        (50.0, 49.9, True, 0, "A"),
        (1.0, 0.0, True, 0, "A"),
    ],
)
def test_which_answer_is_right(a, b, higher, margin, outcome):
    asked = Prediction(question="?", between=("a", "b"), higher=higher, margin=margin)
    values = {"a": FigureValue(number=a, words="a"), "b": FigureValue(number=b, words="b")}
    assert asked.outcome(values) == outcome


def test_figures_are_asked_for_when_they_are_shown():
    mine = lesson(
        "text: 'There are {n}.'",
        "predict: {question: 'Of {n}, which?', between: [a, b]}, reveal: '{a}, `{code}`.'",
        figures="figures: {a: {measure: texts}, b: {measure: labels}, n: {measure: queries}}\n",
    )
    assert mine.questions == [1]
    assert mine.asked(0, revealed=False) == ["n"]
    assert mine.asked(1, revealed=False) == ["n"]
    assert mine.asked(1, revealed=True) == ["a", "b", "n"]
