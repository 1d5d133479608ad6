"""A room that predicts together: what its members see of each other, live, and what they do not."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest
from playwright.sync_api import Browser, expect
from support.lesson_visitor import Learner
from support.serving import Served
from support.visitor import visiting

from embedlab.lab.lesson_figures import MEASURES
from embedlab.lab.lessons import all_lessons

LESSON, FIRST = next(iter(all_lessons(None, MEASURES).items()))
QUESTION = FIRST.questions[0]
VISIBLE = "element => getComputedStyle(element.firstElementChild ?? element).visibility"


@contextmanager
def member(browser: Browser, served: Served, name: str) -> Iterator[Learner]:
    """Somebody of a class, in front of the first question."""
    query = f"&lesson={LESSON}" + (f"&class={name}" if name else "")
    with visiting(browser, served.url, query=query) as visitor:
        visitor.shows(points="160")
        learner = Learner(visitor, keyboard=False)
        learner.at(LESSON, 0)
        progress = json.dumps({LESSON: {"step": QUESTION}})
        visitor.page.evaluate("kept => localStorage.setItem('embedlab lessons', kept)", progress)
        visitor.reload()
        visitor.shows(points="160")
        learner.at(LESSON, QUESTION)
        yield learner


@pytest.fixture(scope="module")
def rooms(browser: Browser, served: Served) -> Iterator[list[Learner]]:
    """Two of a class, one of another, one of none."""
    with ExitStack() as stack:
        yield [
            stack.enter_context(member(browser, served, name))
            for name in ("left", "Left", "right", "")
        ]


@pytest.mark.slow
def test_two_classes_see_their_own_answers_as_they_come(rooms: list[Learner]) -> None:
    one, two, other, alone = rooms
    answers = FIRST.steps[QUESTION].predict.answers
    one.predict("A", 90)
    room = one.panel.locator(".ls-class")
    expect(room).to_contain_text("1 prediction")
    two.predict("B", 60)
    other.predict("same", 50)
    alone.predict("A", 100)
    for each in (one, two):  # the first without doing anything
        expect(each.panel.locator(".ls-class h3")).to_contain_text("2 predictions")
        rows = each.panel.locator(".ls-class li")
        expect(rows.filter(has_text=answers[0])).to_contain_text("1 · 90 % sure")
        expect(rows.filter(has_text=answers[1])).to_contain_text("1 · 60 % sure")
        expect(each.panel.locator(".ls-class")).to_contain_text("75 % sure on average")
    expect(other.panel.locator(".ls-class h3")).to_contain_text("1 prediction")
    expect(alone.panel.locator(".ls-class")).to_have_count(0)


@pytest.mark.slow
def test_a_second_answer_of_a_browser_is_not_counted(rooms: list[Learner]) -> None:
    _, _, other, _ = rooms
    page = other.visitor.page
    progress = json.dumps({LESSON: {"step": QUESTION}})
    page.evaluate("kept => localStorage.setItem('embedlab lessons', kept)", progress)
    other.visitor.reload()
    other.visitor.shows(points="160")
    other.at(LESSON, QUESTION)
    other.predict("B", 100)
    expect(other.panel.locator(".ls-class h3")).to_contain_text("1 prediction")
    expect(other.panel.locator(".ls-class")).to_contain_text("50 % sure on average")


@pytest.mark.slow
def test_figures_are_covered_until_one_has_predicted(browser: Browser, served: Served) -> None:
    with member(browser, served, "") as learner:
        quality = learner.page.locator("#quality")
        assert quality.evaluate(VISIBLE) == "hidden"
        learner.predict("A", 50)
        assert quality.evaluate(VISIBLE) == "visible"
        learner.panel.locator(".ls-close").click()
        assert quality.evaluate(VISIBLE) == "visible"
