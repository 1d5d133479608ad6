"""The lessons' panel without a browser: what the server answers it."""

from __future__ import annotations

import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gradio as gr
import pytest
from support.scripts import SCRIPTS

from embedlab.analysis.calibration import calibration
from embedlab.errors import EmbedLabError
from embedlab.lab.config import BackboneEntry, Config, Limits, load_config
from embedlab.lab.lab import Lab
from embedlab.progress import no_progress
from embedlab.ui.shared.lessons import CERTAINTIES, Lessons, verdict
from embedlab.ui.shared.session import Sessions

#: Figures of the first corpus for which no model is needed: 160 texts, 40 queries or so.
LESSON = """
title: Texts and labels
about: Counting.
figures: {a: {measure: texts}, b: {measure: labels}}
steps:
  - {text: "There are {a}.", link: "?corpus=senses&tab=map&a=M1&b=causal/mean", target: "#map"}
  - {text: Open it., done: "tab:inside"}
  - predict:
      {question: "Of which are there more?", between: [a, b], answers: [Texts, Labels, Equal]}
    reveal: {A: "{a} texts.", B: "{b} labels.", same: "{a} of both."}
"""


def lessons_of(folder: Path, text: str = LESSON) -> Lessons:
    folder.mkdir(exist_ok=True)
    (folder / "counting.yaml").write_text(text, encoding="utf-8")
    config = Config(
        backbones=(BackboneEntry(id="tiny"),), lessons=str(folder), limits=Limits(state_disk_mb=0)
    )
    with gr.Blocks():
        return Lessons(Lab(config), Sessions())


@pytest.fixture
def lessons(tmp_path: Path) -> Lessons:
    return lessons_of(tmp_path / "own")


def predicted(lessons: Lessons, **more: Any) -> dict[str, Any]:
    data = {"lesson": "counting", "step": 2, "answer": "A", "sure": 80, "first": True}
    return lessons.reveal({**data, **more}, no_progress)


def test_a_lesson_is_there_before_its_figures(lessons):
    found = lessons.lesson({"lesson": "counting"}, no_progress)
    assert (found["title"], found["count"]) == ("Texts and labels", 3)
    assert (found["figures"], found["questions"]) == ([0], [2])
    assert found["loading"] is True  # nothing has loaded the backbone
    first, second, third = found["steps"]
    assert first["text"] == "<p>There are ….</p>\n"
    assert first["state"] == {"corpus": "senses", "a": "M1", "b": "causal/mean", "tab": "map"}
    assert first["link"] == "?corpus=senses&a=M1&b=causal/mean&tab=map"
    assert (second["done"], second["sets"]) == ("tab", {"tab": "inside"})
    assert third["state"]["tab"] == "inside"
    assert third["answers"] == ["Texts", "Labels", "Equal"]
    # What a prediction is about stays with the server until it is made.
    assert "160" not in str(found)
    asked = {"lesson": "counting", "step": 0}
    assert lessons.figures(asked, no_progress)["text"] == "<p>There are 160.</p>\n"
    ahead = lessons.figures({"lesson": "counting", "step": 2, "ahead": True}, no_progress)
    assert ahead == {"text": "", "question": third["question"]}


def test_a_prediction_is_right_or_not_and_both_are_told(lessons):
    right = predicted(lessons)
    assert (right["right"], right["outcome"]) == (True, "A")
    assert "Right." in right["html"] and "80 % sure" in right["html"]
    assert "<p>160 texts.</p>" in right["html"] and right["room"] == ""
    wrong = predicted(lessons, answer="same", sure=50)
    assert not wrong["right"] and "the figures say “Texts”" in wrong["html"]


def test_a_class_is_counted_once_a_person(lessons):
    for who, answer in (("one", "A"), ("two", "B"), ("two", "A"), ("three", "A")):
        shown = predicted(lessons, **{"class": "Room-12"}, who=who, answer=answer)["room"]
    assert "3</span> predictions" in shown
    again = predicted(lessons, **{"class": "room-12"}, who="four", first=False)["room"]
    assert "3</span> predictions" in again
    question = {"lesson": "counting", "step": 2, "class": "room-12"}
    assert lessons.room(question)["html"] == again
    assert lessons.room({**question, "class": ""})["html"] == ""
    other = lessons.room({**question, "class": "room-13"})["html"]
    assert "0</span> predictions" in other


@pytest.mark.parametrize("script", SCRIPTS)
def test_nothing_that_is_given_becomes_html(tmp_path, script):
    quoted = script.replace("'", "''")
    text = LESSON.replace("Counting.", f"'{quoted}'").replace("[Texts,", f"['{quoted}',")
    text = text.replace('"Of which are there more?"', f"'{quoted}'")
    hostile = lessons_of(tmp_path / "own", text)
    html = predicted(hostile)["html"]
    html += predicted(hostile, **{"class": script}, who=script)["room"]
    html += hostile.lesson({"lesson": "counting"}, no_progress)["steps"][2]["question"]
    for tag in ("<img", "<script", "<svg", "<iframe", "<b ", 'href="javascript'):
        assert tag not in html
    assert ".pwned" in html  # it is shown as it was written


@pytest.mark.parametrize(
    ("data", "hint"),
    [
        ({"lesson": "none"}, "There is no lesson 'none' here; there are .*counting"),
        ({"lesson": ["x"]}, "must be a string"),
        ({"lesson": "x" * 10_000}, "names have up to"),
        ({"lesson": "counting", "step": 0}, "asks for no prediction"),
        ({"lesson": "counting", "step": 99}, "has 3 steps, and none 99"),
        ({"lesson": "counting", "step": -1}, "'step' is '-1'"),
        ({"lesson": "counting", "step": True}, "'step' is 'True'"),
        ({"lesson": "counting", "step": 2, "answer": "C", "sure": 80}, "'C' is not an answer"),
        ({"lesson": "counting", "step": 2, "answer": "A", "sure": 49}, "'49' is not a certainty"),
        ({"lesson": "counting", "step": 2, "answer": "A", "sure": math.nan}, "'sure' is 'nan'"),
        ({}, "The lesson is 'None'"),
    ],
)
def test_what_no_panel_sends_is_refused(lessons, data, hint):
    with pytest.raises(EmbedLabError, match=hint):
        lessons.reveal(data, no_progress)


def test_an_error_is_an_answer_of_its_own(lessons):
    handle = lessons._answering(lessons.lesson, "lesson")
    event = SimpleNamespace(_data={"lesson": "gone", "asked": 7})
    (update,) = handle({}, no_progress, event).values()
    assert update["lesson"]["asked"] == 7
    assert update["lesson"]["error"].startswith("There is no lesson 'gone' here")


def test_how_well_one_was_calibrated_is_told(lessons):
    here = [{"sure": 90, "right": True}, {"sure": 50, "right": False}]
    html = lessons.result({"here": here, "everywhere": here}, no_progress)["html"]
    assert "1 of 2" in html and "(50 %)" in html and "70 % sure on average" in html
    assert "0.13" in html  # (0.01 + 0.25) / 2
    assert "surer than" not in html and "say little about you" in html
    assert "In all lessons" not in html
    more = lessons.result({"here": here, "everywhere": here * 6}, no_progress)["html"]
    assert "In all lessons so far" in more and "6 of 12" in more
    assert "surer than you were right" in more
    assert more.count("say little about you") == 1  # twelve say a little more


@pytest.mark.parametrize(
    "kept",
    [
        None,
        "x",
        5,
        {},
        [1, None, "a", {}],
        [{"sure": 75, "right": True}],
        [{"sure": 80, "right": 1}],
    ],
)
def test_what_a_browser_kept_that_is_no_prediction_is_left_out(lessons, kept):
    assert lessons.result({"here": kept, "everywhere": kept}, no_progress) == {"html": ""}


def test_the_verdict_has_three_words():
    assert verdict(calibration([(0.9, False)])) == "You were surer than you were right."
    assert verdict(calibration([(0.6, True)])) == "You were right more often than you were sure."
    assert verdict(calibration([(1.0, True)])) == "You were about as sure as you were right."
    assert CERTAINTIES[0] == 50 and CERTAINTIES[-1] == 100


def test_a_config_names_its_lessons_beside_itself(tmp_path):
    (tmp_path / "mine").mkdir()
    path = tmp_path / "spaces_config.yaml"
    path.write_text("lessons: mine", encoding="utf-8")
    assert load_config(path).lessons == str(tmp_path / "mine")
    with pytest.raises(EmbedLabError, match="lessons is 5; it must be a text"):
        path.write_text("lessons: 5", encoding="utf-8")
        load_config(path)
