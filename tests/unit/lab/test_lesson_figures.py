"""The lessons that ship, and the registry of figures that they draw on, without a backbone."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest
from support.labs import tiny_lab

from embedlab.errors import EmbedLabError
from embedlab.lab.address import UNTRAINED
from embedlab.lab.lesson_figures import FIGURES, MEASURES, values
from embedlab.lab.lessons import SHIPPED, Figure, Lesson, read_lessons
from embedlab.resources import ASSETS

LESSONS = read_lessons(SHIPPED, MEASURES)
REPORT = json.loads((ASSETS / "study" / "report.json").read_text(encoding="utf-8"))
BOTH = {"causal/eos", "bidirectional/multi_layer_trainable"}
STEP = {"steps": ({"text": "some words"},)}


def lesson_with(**entry) -> Lesson:
    return Lesson(title="one", corpus="senses", figures={"x": Figure(**entry)}, **STEP)


def test_eight_lessons_ship_in_their_order():
    assert list(LESSONS) == [
        *("two-senses", "mask", "sink", "best-layer"),
        *("bidirectional", "sentence", "heads", "statistics"),
    ]


@pytest.mark.parametrize("key", LESSONS)
def test_a_lesson_asks_before_it_shows_and_uses_all_of_its_figures(key):
    lesson = LESSONS[key]
    assert lesson.questions, "no prediction"
    begins = lesson.steps[0].address
    assert all((begins.corpus, begins.tab, begins.a, begins.b)), "it begins wherever one was"
    assert begins.model_a == begins.model_b == UNTRAINED, "figures are of the backbone as loaded"
    used = {
        name
        for number in range(len(lesson.steps))
        for name in lesson.asked(number, revealed=bool(lesson.steps[number].predict))
    }
    assert used == set(lesson.figures)
    shown_before = {
        name for n in range(len(lesson.steps)) for name in lesson.asked(n, revealed=False)
    }
    for number in lesson.questions:
        earlier = {n for i in range(number) for n in lesson.asked(i, revealed=False)}
        told = set(lesson.steps[number].predict.between) & earlier
        assert not told, f"{told} is told before it is asked"
    assert shown_before <= set(lesson.figures)


@pytest.mark.parametrize("key", LESSONS)
def test_an_answer_says_what_counts_as_no_difference(key):
    lesson = LESSONS[key]
    for predict in (lesson.steps[number].predict for number in lesson.questions):
        said = re.search(r"less than (\d+)", predict.answers[2])
        assert float(said[1] if said else 0) == predict.margin


@pytest.mark.parametrize("key", LESSONS)
def test_no_score_is_typed_into_a_text(key):
    # Scores have a decimal; whole numbers in texts are scales, layers of designs and lessons.
    for step in LESSONS[key].steps:
        for text in (*step.texts, *(step.predict.answers[:2] if step.predict else ())):
            plain = text.replace("95 % interval", "")
            assert not re.search(r"\d\.\d|\d %|\d{3,}(?<!100)", plain), text


def test_every_measure_has_its_function_and_says_what_it_needs():
    assert set(MEASURES) == set(FIGURES)
    fields = set(Figure.model_fields)
    assert all(set(needs) <= fields for needs in MEASURES.values())
    assert all(function.__doc__ for function in FIGURES.values())


@pytest.mark.parametrize(
    ("entry", "says"),
    [
        ({"measure": "knn_acuracy", "design": "causal/eos"}, "'knn_acuracy' is not a known"),
        ({"measure": "knn_accuracy"}, "knn_accuracy needs 'design' as well"),
        ({"measure": "gain", "design": "M1", "against": "M2"}, "gain needs 'of' as well"),
        ({"measure": "moved", "design": "M1", "texts": ["a", "b"]}, "moved needs 'word'"),
        ({"measure": "texts", "colour": "red"}, "unknown key 'colour'"),
        ({"measure": "knn_accuracy", "design": "casual/eos"}, "casual"),
    ],
)
def test_a_file_that_asks_for_what_there_is_not_is_told_so(tmp_path, entry, says):
    file = {"title": "one", "figures": {"x": entry}, "steps": [{"text": "some words"}]}
    (tmp_path / "1-one.yaml").write_text(json.dumps(file), encoding="utf-8")
    with pytest.raises(EmbedLabError, match=says) as refused:
        read_lessons(tmp_path, MEASURES)
    assert "1-one.yaml" in str(refused.value) and "x" in str(refused.value)


@pytest.mark.parametrize(
    ("entry", "says"),
    [
        ({"measure": "labels", "where": "colour"}, "'colour' is not a field of this corpus"),
        ({"measure": "study_score", "design": "M1", "category": "Chess"}, "'Chess' is not a categ"),
        ({"measure": "study_score", "design": "M1", "when": "during"}, "'during' is not a moment"),
        ({"measure": "study_score", "design": "causal/mean@7"}, "no trained causal/mean@7"),
        ({"measure": "study_gain", "design": "M1", "against": "M1"}, "does not compare"),
        ({"measure": "study_p", "design": "M1", "against": "M5", "category": "Retrieval"}, "no p-"),
        ({"measure": "gain", "of": "beauty", "design": "M1", "against": "M2"}, "'beauty' is not"),
        ({"measure": "head_reads", "design": "causal/mean"}, "no trainable head"),
    ],
)
def test_a_figure_that_cannot_be_computed_says_why_and_which(entry, says):
    with pytest.raises(EmbedLabError, match=says) as refused:
        values(tiny_lab(), lesson_with(**entry), ["x"])
    assert "figure 'x'" in str(refused.value)


def test_figures_of_the_study_are_those_of_its_report():
    lesson, lab = LESSONS["statistics"], tiny_lab()
    got = values(lab, lesson, lesson.figures)
    over = next(
        one["over"]
        for one in REPORT["over_datasets"]
        if one["category"] == "STS"
        and {one["over"]["a"], one["over"]["b"]}
        == {"causal/eos", "bidirectional/multi_layer_trainable"}
    )
    sign = 1 if over["b"].startswith("bidirectional") else -1
    assert got["gain"].number == pytest.approx(100 * sign * over["difference"])
    assert got["low"].number < got["gain"].number < got["high"].number
    assert got["sources"].number == over["n"]
    assert got["smallest"].number == pytest.approx(2 ** (1 - over["n"]))
    assert got["steps"].words == str(REPORT["facts"]["recipe"]["steps"])


def test_a_gain_turned_round_is_the_same_with_the_other_sign():
    lab, entry = tiny_lab(), {"measure": "study_gain", "design": "M1", "against": "M5"}
    one = lesson_with(**entry)
    other = lesson_with(**entry | {"design": "M5", "against": "M1"})
    [a], [b] = (values(lab, each, ["x"]).values() for each in (one, other))
    assert a.number == pytest.approx(-b.number) and a.words[1:] == b.words[1:]
    assert {a.words[0], b.words[0]} == {"+", "−"}


def test_where_the_answer_turns_out_otherwise_the_reveal_says_so():
    lesson = LESSONS["two-senses"]
    step = lesson.steps[lesson.questions[0]]
    a, b = step.predict.between
    got = values(tiny_lab(), lesson, ["n"])["n"]
    for number_a, number_b, answer in ((70, 30, "A"), (30, 70, "B"), (50, 54, "same")):
        figures = {a: replace(got, number=number_a), b: replace(got, number=number_b)}
        assert step.predict.outcome(figures) == answer
        told = step.told(answer)
        assert told.startswith(getattr(step.reveal, answer)) and step.reveal.then in told
