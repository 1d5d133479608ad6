"""Lessons: YAML files of a few steps each, which a teacher writes without code.

This is what a file can say; ``lesson_figures`` has the figures that it can ask for, and
docs/teaching.md shows how one is written.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import quote

from pydantic import Field, model_validator

from embedlab.errors import EmbedLabError, check_known
from embedlab.lab.address import PARAMETERS, Address, in_one_line
from embedlab.models.design import DesignText
from embedlab.render import markdown
from embedlab.resources import ASSETS
from embedlab.text import one_line, shorten
from embedlab.validation import validated
from embedlab.yaml_files import ListOf, YamlModel, read_yaml

#: The lessons that ship with EmbedLab.
SHIPPED = ASSETS / "lessons"
#: Bounds of a folder of lessons: what is more was not meant for people to read.
MAX_LESSONS, MAX_BYTES = 60, 200_000
#: What of an address is no state that a step could need.
NOT_A_STATE = ("lesson", "hide", "class")
_NOTHING: tuple[Any, ...] = (None, "", ())
#: What completes a step, with what stands behind its colon ("" for nothing).
DONE = {
    "next": "",
    "click": "",  # on the target
    "select": "",  # a text on the map
    "query": "",  # asked in Retrieve or on the map
    "tab": "the id of a tab",
    "panel": "the id of a panel of the Inside tab",
    "corpus": "the id of a corpus",
    "design-a": "a design",
    "design-b": "a design",
}
#: What can be predicted: one of the two figures, or that they do not differ.
ANSWERS = ("A", "B", "same")
_ID = re.compile(r"(?:\d+-)?([a-z0-9][a-z0-9-]{0,39})")

Words = Annotated[str, Field(min_length=1, max_length=4000)]
Line = Annotated[str, Field(min_length=1, max_length=200)]
Short = Annotated[str, Field(max_length=500)]


class Figure(YamlModel):
    """A figure that is computed when it is needed: which measure, of what.

    ``corpus`` is the lesson's where it is empty. What of the rest counts depends on the measure
    (docs/teaching.md has them all): designs, ``texts`` and a ``word`` of theirs, ``where`` for some
    texts of the corpus (``context=before``), the score ``of`` which something is asked, a
    ``layer`` (a number, ``best`` or ``last``), a ``category`` of the study, and ``when``, before or
    after a training.
    """

    measure: Line
    corpus: Short = ""
    design: DesignText | None = None
    against: DesignText | None = None
    texts: ListOf[Short] = ()
    word: Short = ""
    where: Short = ""
    of: Short = ""
    layer: Short = ""
    category: Short = ""
    when: Short = ""


@dataclass(frozen=True, kw_only=True)
class FigureValue:
    """A computed figure: the number that predictions compare, and how it is written in a text."""

    number: float
    words: str


class Prediction(YamlModel):
    """A question that is answered before the figures are shown.

    The answer is A or B, the first or the second of ``between``, whichever is higher (or lower,
    where ``higher`` is false), or that there is no difference: they are less than ``margin``
    apart, in the unit of the figures. ``answers`` are the words for the three.
    """

    question: Words
    between: Annotated[ListOf[str], Field(min_length=2, max_length=2)]
    higher: bool = True
    margin: Annotated[float, Field(ge=0)] = 0
    answers: Annotated[ListOf[Line], Field(min_length=3, max_length=3)] = (
        "A",
        "B",
        "No difference",
    )

    def outcome(self, values: Mapping[str, FigureValue]) -> str:
        """Which of :data:`ANSWERS` is right for these figures."""
        a, b = (values[name].number for name in self.between)
        if abs(a - b) < self.margin or a == b:
            return "same"
        return "A" if (a > b) == self.higher else "B"


class Reveal(YamlModel):
    """What follows a prediction, by the answer that turns out right, and ``then`` after each."""

    A: Words
    B: Words
    same: Words
    then: Annotated[str, Field(max_length=4000)] = ""


class Step(YamlModel):
    """One step: words, or a prediction with what is revealed after it.

    A ``reveal`` is one text, which then has to be true however the figures come out, or one for
    each answer.

    ``link`` is the state that it needs, as an address has it; what it does not name stays as it
    is. ``target`` is a CSS selector of what is pointed at, and ``done`` what completes the step.
    """

    text: Annotated[str, Field(max_length=4000)] = ""
    link: Annotated[str, Field(max_length=2000)] = ""
    target: Short = ""
    done: Line = "next"
    predict: Prediction | None = None
    reveal: Annotated[str, Field(max_length=4000)] | Reveal = ""

    @model_validator(mode="after")
    def _is_one_step(self) -> Self:
        if self.predict is None and not self.text:
            raise EmbedLabError("a step needs a 'text', or a 'predict' with its 'reveal'.")
        if (self.predict is None) != (not self.reveal):
            raise EmbedLabError("'predict' and 'reveal' go together: a question and its answer.")
        if self.predict is not None and self.done != "next":
            raise EmbedLabError(
                f"done is {self.done[:60]!r}, but a prediction is done once its answer is shown; "
                "leave 'done' out."
            )
        kind, value = self.completion
        check_known(kind, "a way to complete a step", DONE)
        if bool(value) != bool(DONE[kind]):
            raise EmbedLabError(
                f"done is {self.done[:60]!r}; write {kind}"
                + (f":… with {DONE[kind]} behind the colon." if DONE[kind] else " alone.")
            )
        if kind == "click" and not self.target:
            raise EmbedLabError("done is 'click', so the step needs a 'target' to be clicked.")
        _ = self.sets, self.address
        return self

    @property
    def completion(self) -> tuple[str, str]:
        """What completes it, and of what kind: ``("tab", "inside")``."""
        kind, _, value = self.done.partition(":")
        return kind, value.strip()

    @cached_property
    def address(self) -> Address:
        """What the link says.

        Raises:
            EmbedLabError: something in it cannot be read, or a lesson has no say in it.
        """
        found = Address.parse(self.link)
        refused = [key for key in NOT_A_STATE if PARAMETERS[key].of(found) is not None]
        unread = [*found.unread, *(f"{key} is not for a lesson to say" for key in refused)]
        if unread:
            raise EmbedLabError(f"link: {in_one_line(unread)}")
        return found

    @cached_property
    def sets(self) -> Address:
        """What a visitor has set once the step is complete.

        Raises:
            EmbedLabError: it cannot be set to that.
        """
        kind, value = self.completion
        key = kind.removeprefix("design-")
        found = Address.parse(f"?{key}={quote(value, safe='/+=?:@')}" if value else "")
        if found.unread:
            raise EmbedLabError(f"done: {found.said}")
        return found

    @property
    def texts(self) -> tuple[str, ...]:
        """All its Markdown."""
        question = (self.predict.question,) if self.predict else ()
        told = self.reveal.model_dump().values() if isinstance(self.reveal, Reveal) else ()
        reveal = (self.reveal,) if isinstance(self.reveal, str) else tuple(told)
        return tuple(filter(None, (self.text, *question, *reveal)))

    def told(self, outcome: str) -> str:
        """The Markdown that is revealed where ``outcome`` of :data:`ANSWERS` is right."""
        if isinstance(self.reveal, str):
            return self.reveal
        return "\n\n".join(filter(None, (getattr(self.reveal, outcome), self.reveal.then)))


class Drawing(YamlModel):
    """What a worksheet draws of a lesson, for the designs and the corpus that it begins with.

    ``maps`` marks the texts for which ``where`` holds (``word=bank``); ``layers`` and ``tokens``
    are frames to sketch in, drawn in the answer key; ``tokens`` is about one ``text``.
    """

    kind: Literal["maps", "layers", "tokens"]
    caption: Line
    where: Short = ""
    text: Short = ""

    @model_validator(mode="after")
    def _has_what_it_draws(self) -> Self:
        needs = {"maps": "where", "tokens": "text"}.get(self.kind)
        if needs and not getattr(self, needs):
            raise EmbedLabError(f"a drawing of {self.kind} needs {needs!r} as well.")
        return self


class Lesson(YamlModel):
    """A lesson: what a visitor sees, does, predicts and learns in a minute or two.

    ``about`` is one line for the list of lessons, ``corpus`` what its figures are computed on.
    """

    title: Line
    minutes: Annotated[int, Field(ge=1, le=60)] = 2
    about: Annotated[str, Field(max_length=200)] = ""
    corpus: Line = "senses"
    figures: dict[str, Figure] = Field(default_factory=dict)
    drawings: ListOf[Drawing] = ()
    steps: Annotated[ListOf[Step], Field(min_length=1, max_length=40)]

    @model_validator(mode="after")
    def _has_its_figures(self) -> Self:
        for number, step in enumerate(self.steps):
            asked = [name for text in step.texts for name in markdown.names(text)]
            asked += step.predict.between if step.predict else ()
            for name in asked:
                if name not in self.figures:
                    known = ", ".join(self.figures) or "none"
                    raise EmbedLabError(
                        f"steps[{number}] has the figure {{{one_line(name)[:40]}}}, which is not "
                        f"under 'figures' ({known}); add it, or write `braces` as code."
                    )
        return self

    @property
    def questions(self) -> list[int]:
        """The steps that are predictions, by their number."""
        return [number for number, step in enumerate(self.steps) if step.predict]

    def asked(self, number: int, *, revealed: bool) -> list[str]:
        """The figures that a step needs, before its answer is revealed or after."""
        step = self.steps[number]
        if step.predict is None:
            return _named([step.text])
        if not revealed:
            return _named([step.text, step.predict.question])
        return list(dict.fromkeys([*step.predict.between, *_named(step.texts)]))

    def address(self, number: int) -> Address:
        """The page when a step begins, as far as this step and those before it say."""
        said = [each for step in self.steps[:number] for each in (step.address, step.sets)]
        values: dict[str, Any] = {}
        for each in (*said, self.steps[number].address):
            values |= {key: value for key, value in vars(each).items() if value not in _NOTHING}
        return Address(**values)


def read_lessons(folder: Path, measures: Mapping[str, Collection[str]]) -> dict[str, Lesson]:
    """The lessons of a folder by their ids, in the order of the files' names.

    A lesson's id is its file's name without a number in front: ``02-mask.yaml`` is ``mask``.

    Args:
        folder: holds a ``.yaml`` file for each lesson.
        measures: what a figure may measure, each with what it has to say besides.

    Raises:
        EmbedLabError: there is no such folder, or a file is not a lesson; the sentence names the
            file and what is wrong in it.
    """
    if not folder.is_dir():
        raise EmbedLabError(
            f"{str(folder)[:200]!r} is no folder; 'lessons' names one with a .yaml file for each "
            "lesson."
        )
    files = sorted(path for path in folder.iterdir() if path.suffix in (".yaml", ".yml"))
    if len(files) > MAX_LESSONS:
        raise EmbedLabError(
            f"{str(folder)[:200]!r} has {len(files):,} lessons; up to {MAX_LESSONS} are shown."
        )
    found: dict[str, Lesson] = {}
    for path in files:
        lesson_id = _id_of(path)
        if lesson_id in found:
            raise EmbedLabError(
                f"{path.name}: another file is the lesson {lesson_id!r}; rename it."
            )
        found[lesson_id] = _read(path, measures)
    return found


def all_lessons(folder: Path | None, measures: Mapping[str, Collection[str]]) -> dict[str, Lesson]:
    """The lessons that ship, and those of a deployment's own folder behind them.

    One of its own with the id of one that ships takes its place.
    """
    shipped = read_lessons(SHIPPED, measures)
    return shipped | (read_lessons(folder, measures) if folder else {})


def _id_of(path: Path) -> str:
    match = _ID.fullmatch(path.stem)
    if match is None:
        raise EmbedLabError(
            f"{shorten(path.name, 80)}: a lesson's file is named by up to 40 small letters, digits "
            "and hyphens, such as 02-mask.yaml."
        )
    return match[1]


def _read(path: Path, measures: Mapping[str, Collection[str]]) -> Lesson:
    if path.stat().st_size > MAX_BYTES:
        raise EmbedLabError(f"{path.name} is larger than the {MAX_BYTES:,} bytes of a lesson.")
    lesson = validated(Lesson, read_yaml(path, "a lesson"), path.name)
    for name, figure in lesson.figures.items():
        try:
            check_known(figure.measure, "a known measure", measures)
        except EmbedLabError as error:
            raise EmbedLabError(f"{path.name}: figures.{name}.measure: {error}") from None
        missing = [key for key in measures[figure.measure] if not getattr(figure, key)]
        if missing:
            raise EmbedLabError(
                f"{path.name}: figures.{name}: {figure.measure} needs {missing[0]!r} as well."
            )
    return lesson


def _named(texts: Sequence[str]) -> list[str]:
    return list(dict.fromkeys(name for text in texts for name in markdown.names(text)))
