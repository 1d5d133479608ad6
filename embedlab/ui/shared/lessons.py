"""Lessons on the page: the floating button and its panel, and what the server answers it.

``ui/static/lessons.js`` and the files after it draw the panel, point at things on the page and keep
the progress in the browser. Nothing here touches the controls of the page: the panel's events bring
none of them and set none. A step's state is applied by the page's own links.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import gradio as gr
from markupsafe import Markup

from embedlab.analysis.calibration import Calibration, calibration
from embedlab.errors import Cancelled, EmbedLabError, check_known
from embedlab.lab.address import PARAMETERS, UNTRAINED, Address
from embedlab.lab.lab import Lab
from embedlab.lab.lesson_figures import MEASURES, values
from embedlab.lab.lessons import ANSWERS, FigureValue, Lesson, Prediction, all_lessons
from embedlab.progress import Progress, no_progress
from embedlab.render.html import Macros
from embedlab.render.markdown import markdown
from embedlab.ui.shared.html import frame, muted
from embedlab.ui.shared.parse import event_data, word
from embedlab.ui.shared.session import UNEXPECTED, Sessions, Updates, Values
from embedlab.ui.shared.view import LANE, PRIVATE, Pair

#: What the server answers; each is a part of the component that changes by itself.
PARTS = ("lesson", "figures", "reveal", "room", "result", "view")
#: Certainties that can be stated, in percent.
CERTAINTIES = (50, 60, 70, 80, 90, 100)
#: Fewer predictions say little about the one who made them, and fewer still nothing.
FEW, FEWEST = 10, 3
#: By how much certainty and hits differ at least to be called different.
OFF = 0.1
#: What stands for a figure that is still being computed.
COMING = "…"
#: Predictions of one browser that are counted at most.
MOST_PREDICTIONS = 2000
_LESSONS = Macros("lessons.html")

log = logging.getLogger("embedlab")


class Lessons:
    """The floating button, the panel, and the answers to what the panel asks.

    Raises:
        EmbedLabError: a file of the deployment's own lessons is not one.
    """

    def __init__(self, lab: Lab, sessions: Sessions) -> None:
        self.lab, self.sessions = lab, sessions
        own = lab.config.lessons
        self.lessons = all_lessons(Path(own) if own else None, MEASURES)
        self.block = frame(
            "lessons",
            "lessons",
            len(self.lessons),
            CERTAINTIES,
            index=[_entry(key, lesson) for key, lesson in self.lessons.items()],
            **dict.fromkeys(PARTS),
        )
        for trigger, answer, part, lane in (
            (self.block.open_lesson, self.lesson, "lesson", {}),
            (self.block.ask_figures, self.figures, "figures", LANE),
            (self.block.predicted, self.reveal, "reveal", LANE),
            (self.block.ask_room, self.room, "room", {}),
            (self.block.finished, self.result, "result", {}),
        ):
            trigger(
                sessions.event_handler(self._answering(answer, part), f"lessons: {part}"),
                set(),
                [self.block],
                show_progress="hidden",
                trigger_mode="multiple",
                **lane,
                **PRIVATE,
            )

    def view(self, pair: Pair, corpus_id: str, query: str) -> Updates:
        """Tells the panel what is on the screen, as a link says it; the browser knows the tabs."""
        a, b = pair.designs
        n = len(pair.corpus.texts)
        loaded = {entry.id for entry in self.lab.config.backbones}
        models = [UNTRAINED if each in loaded else each for each in pair.backbone_ids]
        shown = Address.of(
            corpus=corpus_id,
            n=n,
            seed=pair.seed,
            model_a=models[0],
            model_b=models[1],
            a=a,
            b=b,
            q=query,
        )
        return {self.block: gr.update(view=_said(shown))}

    def _answering(
        self, answer: Callable[[Mapping[str, Any], Progress], dict[str, Any]], part: str
    ) -> Callable[[Values, Progress, gr.EventData], Updates]:
        """An answer as a handler: an error is a sentence in the panel, which stays as it is."""

        def handle(_: Values, report: Progress, event: gr.EventData) -> Updates:
            data = event_data(event)
            try:
                found = answer(data, report)
            except Cancelled:
                raise
            except EmbedLabError as error:
                found = {"error": str(error)}
            except Exception:
                log.exception("The lessons' answer %r failed", part)
                found = {"error": UNEXPECTED}
            return {self.block: gr.update(**{part: {**found, "asked": _number(data, "asked")}})}

        return handle

    # What the panel asks for

    def lesson(self, data: Mapping[str, Any], _: Progress) -> dict[str, Any]:
        """A lesson with its texts; figures in them are still to come, where there are any."""
        key, lesson = self._named(data)
        numbers = range(len(lesson.steps))
        return {
            **_entry(key, lesson),
            "steps": [_step(lesson, number) for number in numbers],
            "figures": [number for number in numbers if lesson.asked(number, revealed=False)],
            "questions": lesson.questions,
            "loading": self.lab.models.get(self.lab.default_backbone) is None,
        }

    def figures(self, data: Mapping[str, Any], report: Progress) -> dict[str, Any]:
        """The texts of a step anew, with their figures.

        ``ahead`` of a prediction, what its answer needs is computed, too, and not told.
        """
        _, lesson = self._named(data)
        number = _step_number(lesson, data)
        values(self.lab, lesson, lesson.asked(number, revealed=data.get("ahead") is True), report)
        names = lesson.asked(number, revealed=False)
        return _texts(lesson, number, _words(values(self.lab, lesson, names, report)))

    def reveal(self, data: Mapping[str, Any], report: Progress) -> dict[str, Any]:
        """Whether a prediction is right, and what the lesson tells then."""
        key, lesson, number, asked = self._question(data)
        answer, sure = word(data.get("answer"), "The answer"), _number(data, "sure")
        check_known(answer, "an answer", ANSWERS)
        check_known(str(sure), "a certainty in %", map(str, CERTAINTIES))
        found = values(self.lab, lesson, lesson.asked(number, revealed=True), report)
        outcome = asked.outcome(found)
        words = dict(zip(ANSWERS, asked.answers, strict=True))
        told = markdown(lesson.steps[number].told(outcome), _words(found))
        html = _LESSONS.revealed(answer == outcome, words[answer], words[outcome], sure, told)
        room = self._gathered(data, (key, number, answer, sure)) or self.room(data)["html"]
        return {"right": answer == outcome, "outcome": outcome, "html": str(html), "room": room}

    def _gathered(self, data: Mapping[str, Any], made: tuple[str, int, str, int]) -> str:
        """Count a prediction for its class; why it was not counted, "" where it was."""
        name, who = (word(data.get(each) or "", each) for each in ("class", "who"))
        if name and who and data.get("first") is True:
            key, number, answer, sure = made
            try:
                self.lab.classes.answer(name, key, number, who, answer, sure)
            except EmbedLabError as error:
                return str(muted(str(error)))
        return ""

    def room(self, data: Mapping[str, Any], _: Progress = no_progress) -> dict[str, Any]:
        """What a class has predicted so far; "" where the page is of none."""
        key, _lesson, number, asked = self._question(data)
        name = word(data.get("class") or "", "The class")
        if not name:
            return {"html": ""}
        try:
            found = self.lab.classes.distribution(name, key, number)
        except EmbedLabError as error:
            return {"html": str(muted(str(error)))}
        rows = [
            (words, found.counts[each], found.certainty_of[each])
            for each, words in zip(ANSWERS, asked.answers, strict=True)
        ]
        return {"html": str(_LESSONS.room(name, found.n, rows, found.certainty))}

    def result(self, data: Mapping[str, Any], _: Progress) -> dict[str, Any]:
        """How well this lesson's predictions, and all of this browser, are calibrated."""
        here, everywhere = (_predictions(data.get(name)) for name in ("here", "everywhere"))
        parts = [_calibrated("Your predictions in this lesson", here)] if here else []
        if len(everywhere) > len(here):
            parts.append(_calibrated("In all lessons so far", everywhere))
        return {"html": str(Markup("").join(parts))}

    def _question(self, data: Mapping[str, Any]) -> tuple[str, Lesson, int, Prediction]:
        key, lesson = self._named(data)
        number = _step_number(lesson, data)
        asked = lesson.steps[number].predict
        if asked is None:
            raise EmbedLabError(f"Step {number} of this lesson asks for no prediction.")
        return key, lesson, number, asked

    def _named(self, data: Mapping[str, Any]) -> tuple[str, Lesson]:
        key = word(data.get("lesson"), "The lesson")
        if key not in self.lessons:
            there = ", ".join(self.lessons)
            raise EmbedLabError(f"There is no lesson {key[:40]!r} here; there are {there}.")
        return key, self.lessons[key]


def _entry(key: str, lesson: Lesson) -> dict[str, Any]:
    """A line of the list of lessons."""
    about = {"title": lesson.title, "about": lesson.about, "minutes": lesson.minutes}
    return {"id": key, **about, "count": len(lesson.steps)}


def _step(lesson: Lesson, number: int) -> dict[str, Any]:
    """A step as the panel takes it."""
    step, address = lesson.steps[number], lesson.address(number)
    return {
        **_texts(lesson, number, {}),
        "answers": list(step.predict.answers) if step.predict else [],
        "target": step.target,
        "done": step.completion[0],
        "sets": _said(step.sets),
        "state": _said(address),
        "own": list(_said(step.address)),
        "link": str(address),
    }


def _said(address: Address) -> dict[str, str]:
    """What an address says, by parameter and as it is written."""
    given = ((key, each, each.of(address)) for key, each in PARAMETERS.items())
    return {key: each.write(value) for key, each, value in given if value is not None}


def _texts(lesson: Lesson, number: int, figures: Mapping[str, str]) -> dict[str, str]:
    """What is read before a step's answer is revealed, with the figures that are there."""
    step = lesson.steps[number]
    shown = dict.fromkeys(lesson.figures, COMING) | dict(figures)
    question = step.predict.question if step.predict else ""
    return {
        "text": str(markdown(step.text, shown)),
        "question": str(markdown(question, shown)),
    }


def _words(figures: Mapping[str, FigureValue]) -> dict[str, str]:
    return {name: figure.words for name, figure in figures.items()}


def _number(data: Mapping[str, Any], name: str) -> int:
    value = data.get(name)
    if type(value) is not int or not 0 <= value < 10**6:
        raise EmbedLabError(f"{name!r} is {str(value)[:40]!r}; it must be a whole number.")
    return value


def _step_number(lesson: Lesson, data: Mapping[str, Any]) -> int:
    number = _number(data, "step")
    if number >= len(lesson.steps):
        raise EmbedLabError(f"The lesson has {len(lesson.steps)} steps, and none {number}.")
    return number


def _predictions(given: Any) -> list[tuple[float, bool]]:
    """Predictions as the browser has kept them; what is none is left out."""
    pairs: Sequence[Any] = given[:MOST_PREDICTIONS] if isinstance(given, list) else []
    return [
        (pair["sure"] / 100, pair["right"])
        for pair in pairs
        if isinstance(pair, dict)
        and pair.get("sure") in CERTAINTIES
        and isinstance(pair.get("right"), bool)
    ]


def _calibrated(title: str, predictions: Sequence[tuple[float, bool]]) -> Markup:
    found = calibration(predictions)
    told = verdict(found) if found.n >= FEWEST else ""
    return _LESSONS.calibrated(title, found, told, found.n < FEW)


def verdict(found: Calibration) -> str:
    """What certainty against hits says, in a sentence."""
    if found.too_sure > OFF:
        return "You were surer than you were right."
    if found.too_sure < -OFF:
        return "You were right more often than you were sure."
    return "You were about as sure as you were right."
