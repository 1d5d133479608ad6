"""What the figures of lessons share: what a function is given, and how a number is written."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from embedlab.data.corpus import Corpus
from embedlab.errors import EmbedLabError
from embedlab.lab.lab import Lab
from embedlab.lab.lessons import Figure, FigureValue
from embedlab.models.design import Design
from embedlab.progress import Progress

if TYPE_CHECKING:
    from embedlab.analysis.comparison import Embedded


@dataclass(frozen=True, kw_only=True, eq=False)
class Asked:
    """One figure of a lesson, and where it is computed: on the default backbone."""

    lab: Lab
    figure: Figure
    corpus_id: str
    progress: Progress

    @property
    def corpus(self) -> Corpus:
        """The corpus, with as many texts as its first view shows."""
        return self.lab.corpus(self.corpus_id, progress=self.progress)

    @property
    def design(self) -> Design:
        """The design that it is about."""
        return Design.parse(self.figure.design or "")

    @property
    def against(self) -> Design:
        """The design that it is compared with."""
        return Design.parse(self.figure.against or "")

    def embedded(self, design: Design | None = None) -> Embedded:
        """The corpus under a design, by default the one that it is about."""
        return self.lab.embedded(self.corpus, design or self.design, progress=self.progress)


def points(fraction: float | None, what: str) -> FigureValue:
    """A score ×100 with one decimal, as all tabs write it.

    Raises:
        EmbedLabError: there is none of ``what``.
    """
    return FigureValue(number=100 * _there(fraction, what), words=f"{100 * fraction:.1f}")  # type: ignore[operator]


def signed(fraction: float | None, what: str) -> FigureValue:
    """A difference of scores ×100 with its sign; raises as :func:`points`."""
    number = 100 * _there(fraction, what)
    return FigureValue(number=number, words=f"{number:+.1f}".replace("-", "−"))


def whole(number: float) -> FigureValue:
    """A count, or a number so large that its decimals say nothing."""
    return FigureValue(number=float(number), words=f"{number:,.0f}")


def chance(p: float | None) -> FigureValue:
    """A p-value with two figures; raises as :func:`points`."""
    return FigureValue(number=_there(p, "p-value"), words=f"{p:.2g}")


def yes_or_no(fact: bool) -> FigureValue:
    """1 and "yes", or 0 and "no"."""
    return FigureValue(number=float(fact), words="yes" if fact else "no")


def _there(number: float | None, what: str) -> float:
    if number is None or not math.isfinite(number):
        raise EmbedLabError(f"there is no {what} here.")
    return number
