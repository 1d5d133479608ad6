"""Lessons as worksheets: the texts with blanks or with their figures, and what is drawn."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from markupsafe import Markup

from embedlab.errors import EmbedLabError, check_known
from embedlab.lab import inside
from embedlab.lab.address import UNTRAINED, Address
from embedlab.lab.lab import Lab
from embedlab.lab.lesson_figures import curve, values
from embedlab.lab.lessons import ANSWERS, Drawing, FigureValue, Lesson
from embedlab.models.design import Design
from embedlab.progress import Progress, no_progress
from embedlab.render import drawings
from embedlab.render.markdown import markdown
from embedlab.render.worksheet import BLANK, Item, Sheet


@dataclass(frozen=True, kw_only=True)
class Paper:
    """What kind of worksheet is made: with answers or blanks, and where its links lead."""

    lab: Lab
    answers: bool = False
    address: str = "http://127.0.0.1:7860"
    class_name: str = ""

    def link(self, to: Address) -> str:
        """A full address of the application; of the class, where there is one."""
        # On paper as short as can be: a page that is opened has untrained models.
        model_a, model_b = ("" if m == UNTRAINED else m for m in (to.model_a, to.model_b))
        short = replace(to, class_name=self.class_name, model_a=model_a, model_b=model_b)
        return f"{self.address.rstrip('/')}/{short}"


def sheets(
    paper: Paper, lessons: Mapping[str, Lesson], progress: Progress = no_progress
) -> list[Sheet]:
    """Each lesson as a sheet.

    Raises:
        EmbedLabError: a figure cannot be computed or drawn; the sentence names the lesson.
    """
    made = []
    for number, (key, lesson) in enumerate(lessons.items()):
        progress(number, len(lessons), f"lesson {key}")
        try:
            made.append(_sheet(paper, key, lesson))
        except EmbedLabError as error:
            raise EmbedLabError(f"Lesson {key!r}: {error}") from error
    return made


def _sheet(paper: Paper, key: str, lesson: Lesson) -> Sheet:
    found = values(paper.lab, lesson, lesson.figures) if paper.answers else {}
    words = {name: found[name].words if found else BLANK for name in lesson.figures}
    return Sheet(
        title=lesson.title,
        minutes=lesson.minutes,
        about=lesson.about,
        link=paper.link(Address(lesson=key)),
        items=tuple(_item(paper, lesson, i, words, found) for i in range(len(lesson.steps))),
        drawings=tuple(
            (one.caption, DRAWN[one.kind](paper, lesson, one)) for one in lesson.drawings
        ),
    )


def _item(
    paper: Paper,
    lesson: Lesson,
    number: int,
    words: Mapping[str, str],
    found: Mapping[str, FigureValue],
) -> Item:
    step = lesson.steps[number]
    # The lesson's own link opens its first step.
    link = paper.link(lesson.address(number)) if step.link and number else ""
    text = markdown(step.text, words) if step.text else Markup()
    if step.predict is None:
        return Item(text=text, link=link)
    outcome = step.predict.outcome(found) if found else None
    return Item(
        text=text,
        link=link,
        question=markdown(step.predict.question, words),
        answers=step.predict.answers,
        right=ANSWERS.index(outcome) if outcome else None,
        told=markdown(step.told(outcome), words) if outcome else Markup(),
    )


# What is drawn


def _designs(lesson: Lesson) -> tuple[Design, Design]:
    """The designs that the lesson begins with."""
    begins = lesson.steps[0].address
    if begins.a is None or begins.b is None:
        raise EmbedLabError("a drawing needs a first step whose link names the designs a and b.")
    return begins.a, begins.b


def _maps(paper: Paper, lesson: Lesson, drawing: Drawing) -> Markup:
    """Both designs' maps, with the labels of the texts for which ``where`` holds marked."""
    corpus, designs = paper.lab.corpus(lesson.corpus), _designs(lesson)
    a, b = (paper.lab.embedded(corpus, design) for design in designs)
    field, _, value = drawing.where.partition("=")
    check_known(field, "a field of this corpus", corpus.fields)
    chosen = [each == value for each in corpus.fields[field]]
    labels = corpus.labels or ()
    groups = [label if here else "" for label, here in zip(labels, chosen, strict=True)]
    found = paper.lab.maps(a, b)
    titles = str(designs[0]), str(designs[1])
    return drawings.maps(titles, (found.a, found.b), groups, found.method)


def _layers(paper: Paper, lesson: Lesson, drawing: Drawing) -> Markup:
    """The scores of both designs' poolings over layers; without answers an empty frame."""
    corpus = paper.lab.corpus(lesson.corpus)
    # Two layers of one pooling are one line.
    shown = {f"{each.attention}/{each.pooling}": each for each in _designs(lesson)}
    if not paper.answers:
        shown = {}
    drawn = [
        drawings.Line(name=name, values=100 * curve(paper.lab, corpus, each, "knn_accuracy"))
        for name, each in shown.items()
    ]
    n = paper.lab.backbone().num_layers + 1
    return drawings.lines(drawn, n, x_title="layer", y_title="kNN accuracy × 100")


def _tokens(paper: Paper, lesson: Lesson, drawing: Drawing) -> Markup:
    """The norms of a text's tokens under A; without answers an empty frame above the tokens."""
    view = inside.token_view(paper.lab, drawing.text, _designs(lesson)[0])
    norms = view.norms.tolist() if paper.answers else []
    return drawings.bars(view.tokens, norms, y_title="length of the vector")


#: Every kind of drawing.
DRAWN = {"maps": _maps, "layers": _layers, "tokens": _tokens}
