"""The figures that a lesson can ask for, each computed by the Lab."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial

from embedlab.lab.lab import Lab
from embedlab.lab.lessons import Figure, FigureValue, Lesson
from embedlab.lab.views import quality
from embedlab.models.design import Design
from embedlab.progress import Progress, no_progress


def _knn_accuracy(lab: Lab, figure: Figure, corpus_id: str, progress: Progress) -> FigureValue:
    corpus = lab.corpus(corpus_id, progress=progress)
    embedded = lab.embedded(corpus, Design.parse(figure.design or ""), progress=progress)
    number = 100 * (quality(lab, embedded, progress=progress).knn_accuracy or 0)
    return FigureValue(number=number, words=f"{number:.1f}")


#: What computes a measure: ``(lab, figure, the corpus's id, progress)``.
FIGURES: dict[str, Callable[[Lab, Figure, str, Progress], FigureValue]] = {
    "knn_accuracy": _knn_accuracy,
}


def values(
    lab: Lab, lesson: Lesson, names: Iterable[str], progress: Progress = no_progress
) -> dict[str, FigureValue]:
    """Some of a lesson's figures by name, through :meth:`Lab.compute`.

    Raises:
        EmbedLabError: one of them cannot be computed.
    """
    found = {}
    for name in names:
        figure = lesson.figures[name]
        corpus_id = figure.corpus or lesson.corpus
        work = partial(FIGURES[figure.measure], lab, figure, corpus_id)
        found[name] = lab.compute(("figure", corpus_id, figure), work, progress)
    return found
