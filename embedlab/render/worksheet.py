"""Lessons on paper: a page to print with blanks and figures to sketch, and its answer key."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from embedlab.render.html import Macros

#: Certainties that can be ticked, in percent.
CERTAINTIES = (50, 60, 70, 80, 90, 100)
#: What a figure is on the sheet, to be filled in.
BLANK = "________"
_NOTHING = Markup()


@dataclass(frozen=True, kw_only=True)
class Item:
    """A step of a lesson on paper.

    ``link`` leads to the state that it needs, where that is another than before. A prediction has a
    ``question`` with three ``answers``; ``right`` is the number of the one that is, and ``told``
    what the lesson says then. Both are there in the key alone.
    """

    text: Markup = _NOTHING
    link: str = ""
    question: Markup = _NOTHING
    answers: tuple[str, ...] = ()
    right: int | None = None
    told: Markup = _NOTHING


@dataclass(frozen=True, kw_only=True)
class Sheet:
    """A lesson on paper; ``drawings`` are its figures, each with a caption."""

    title: str
    minutes: int
    about: str
    link: str
    items: tuple[Item, ...]
    drawings: tuple[tuple[str, Markup], ...] = ()

    @property
    def questions(self) -> int:
        """How many predictions it asks for."""
        return sum(bool(item.answers) for item in self.items)


def page(sheets: Sequence[Sheet], *, key: bool, source: str) -> str:
    """The worksheet, or its answer ``key``, as one HTML file that fetches nothing.

    ``source`` says what the figures were measured on.
    """
    numbered = sum(sheet.questions for sheet in sheets)
    html = Macros("worksheet.html").page(list(sheets), key, source, numbered, CERTAINTIES, BLANK)
    return str(html) + "\n"
