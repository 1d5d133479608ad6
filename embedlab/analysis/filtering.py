"""Filters: conditions on the texts of a corpus, which leave one set of them.

A condition keeps the texts that it held for when it was set. So a filter by what two designs
measure, such as the overlap of their neighbourhoods, shows the same texts under other designs.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from embedlab.analysis.colouring import Colouring
from embedlab.data.corpus import Corpus
from embedlab.errors import EmbedLabError
from embedlab.text import shorten

#: What a legend and a filter call the texts without a category.
NO_CATEGORY = "unlabelled"
#: What conditions on a selection and on a text's letters ask about.
SELECTION, LETTERS = "selection", "letters"
#: Names that a condition's words list.
_NAMED = 4
#: Characters of a text to search for, in a condition's words.
_QUOTED = 40


@dataclass(frozen=True, kw_only=True)
class Condition:
    """One condition: what it asks about, in which words, and the texts that it holds for.

    ``what`` names the question: of two conditions with the same one the later counts. ``rows`` are
    the texts' indices in rising order.
    """

    what: str
    words: str
    rows: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class TextFilter:
    """Conditions on the n texts of one corpus, all of which have to hold.

    ``corpus_key`` is the key of that corpus; other texts have another.
    """

    corpus_key: tuple[str, str]
    n: int
    conditions: tuple[Condition, ...]

    @cached_property
    def rows(self) -> tuple[int, ...]:
        """The texts that are left, by index in rising order."""
        left = set(range(self.n)).intersection(*(c.rows for c in self.conditions))
        return tuple(sorted(left))

    @property
    def words(self) -> str:
        """All conditions: ``label = bank and “loan” in the text``."""
        return " and ".join(condition.words for condition in self.conditions)

    @property
    def sentence(self) -> str:
        """What holds: ``57 of 400 texts: label = bank``."""
        return f"{len(self.rows):,} of {self.n:,} texts: {self.words}"

    def without(self, what: str) -> TextFilter | None:
        """The filter without the condition on something; None where no other is left."""
        rest = tuple(c for c in self.conditions if c.what != what)
        return replace(self, conditions=rest) if rest else None


def narrowed(corpus: Corpus, before: TextFilter | None, condition: Condition) -> TextFilter:
    """A filter with one more condition; an earlier one on the same thing is replaced.

    Args:
        corpus: the texts.
        before: the filter so far; one of other texts counts as none.
        condition: the new condition.

    Raises:
        EmbedLabError: no text would be left.
    """
    same = before is not None and before.corpus_key == corpus.key
    earlier = before.conditions if same and before else ()
    kept = tuple(c for c in earlier if c.what != condition.what)
    made = TextFilter(corpus_key=corpus.key, n=len(corpus.texts), conditions=(*kept, condition))
    if not made.rows:
        also = f", but of none of them also {' and '.join(c.words for c in kept)}" if kept else ""
        count = f"true of {texts_in_words(len(condition.rows))}"
        raise EmbedLabError(
            f"No text would be left: {condition.words} is {count}{also}. The filter stays as it "
            "was."
        )
    return made


def in_categories(
    what: str, colouring: Colouring, codes: Iterable[int], title: str = ""
) -> Condition:
    """The texts of some categories.

    Args:
        what: names the question.
        colouring: has the categories.
        codes: of the categories; -1 stands for the texts that have none.
        title: the question in the condition's words; by default the colouring's title.

    Raises:
        EmbedLabError: no category, or one that there is not.
    """
    title = title or colouring.title
    chosen = sorted(set(codes))
    known = len(colouring.names)
    if not chosen:
        raise EmbedLabError(f"Choose at least one of the values of {title}.")
    if colouring.kind != "categories" or chosen[0] < -1 or chosen[-1] >= known:
        wrong = chosen[0] if chosen[0] < -1 else chosen[-1]
        raise EmbedLabError(f"{title} has {known:,} values; {wrong} is the number of none of them.")
    names = [NO_CATEGORY if code < 0 else colouring.names[code] for code in chosen]
    rest = known + bool((colouring.codes < 0).any()) - len(chosen)
    words = f"{title} = {_listed(names)}"
    if len(chosen) > _NAMED and 0 < rest <= _NAMED:
        left_out = [c for c in (*range(known), -1) if c not in chosen][:rest]
        others = [NO_CATEGORY if code < 0 else colouring.names[code] for code in left_out]
        words = f"{title} is not {_listed(others)}"
    return Condition(what=what, words=words, rows=_rows(np.isin(colouring.codes, chosen)))


def within_range(
    what: str, colouring: Colouring, low: float | None, high: float | None, title: str = ""
) -> Condition:
    """The texts whose number is from ``low`` to ``high``; None leaves that end open.

    Texts without a number are left out. ``what`` and ``title`` as in :func:`in_categories`.

    Raises:
        EmbedLabError: neither end, the ends are in the wrong order, or there are no numbers.
    """
    title, known = title or colouring.title, colouring.range
    if known is None:
        raise EmbedLabError(f"{title} has no numbers to choose from. {colouring.note}".strip())
    ends = [end for end in (low, high) if end is not None]
    if not ends or any(math.isnan(end) for end in ends):
        raise EmbedLabError(
            f"Write the least number, the largest, or both; {title} is {known[0]:g} to "
            f"{known[1]:g} here."
        )
    if low is not None and high is not None and low > high:
        raise EmbedLabError(f"{low:g} to {high:g} is no range; the smaller number comes first.")
    values = colouring.values
    holds = ~np.isnan(values)
    # What is shown of a number is rounded, and the text that it was read from has to count.
    slack = 1e-9 * max(1.0, abs(known[0]), abs(known[1]))
    if low is not None:
        holds &= values >= low - slack
    if high is not None:
        holds &= values <= high + slack
    if low is None:
        words = f"{title} at most {high:g}"
    elif high is None:
        words = f"{title} at least {low:g}"
    else:
        words = f"{title} {low:g} to {high:g}"
    if not holds.any():
        words += f" (here {known[0]:g} to {known[1]:g})"
    return Condition(what=what, words=words, rows=_rows(holds))


def containing(corpus: Corpus, words: str) -> Condition:
    """The texts in which some letters stand, upper or lower case alike; no pattern of any kind.

    Raises:
        EmbedLabError: nothing to search for.
    """
    wanted = words.strip().casefold()
    if not wanted:
        raise EmbedLabError("Write the letters or words that the texts have to contain.")
    rows = tuple(i for i, text in enumerate(corpus.texts) if wanted in text.casefold())
    return Condition(what=LETTERS, words=f"“{shorten(words, _QUOTED)}” in the text", rows=rows)


def selected(
    corpus: Corpus,
    before: TextFilter | None,
    rows: Iterable[int],
    words: str,
    *,
    hide: bool = False,
) -> Condition:
    """The texts that somebody selected, or all others.

    What an earlier condition of this kind hides stays hidden.

    Args:
        corpus: the texts.
        before: the filter so far.
        rows: indices; each counts once.
        words: says which these are, such as ``marked on the map``.
        hide: take the others.

    Raises:
        EmbedLabError: no index, or one outside the corpus.
    """
    chosen = set(checked_rows(rows, len(corpus.texts)))
    of_kind = (c for c in before.conditions if c.what == SELECTION) if before else iter(())
    earlier = next(of_kind, None)
    left = set(earlier.rows) if earlier else set(range(len(corpus.texts)))
    if hide:
        words = f"{earlier.words}, not {words}" if earlier else f"not {words}"
    left = left - chosen if hide else left & chosen
    return Condition(what=SELECTION, words=words, rows=tuple(sorted(left)))


def checked_rows(rows: Iterable[int], n: int) -> tuple[int, ...]:
    """Indices of texts, each once and in rising order.

    Raises:
        EmbedLabError: there is none, or one outside 0 … n - 1.
    """
    chosen = sorted(set(rows))
    if not chosen:
        raise EmbedLabError(
            "No text is selected; draw a lasso or a box on the map, or select texts with the "
            "control beside it."
        )
    if chosen[0] < 0 or chosen[-1] >= n:
        raise EmbedLabError(
            f"The selection has text {chosen[0] if chosen[0] < 0 else chosen[-1]}, but there are "
            f"{n:,} texts; select again."
        )
    return tuple(chosen)


def texts_in_words(n: int) -> str:
    """``no text``, ``1 text`` or ``3 texts``."""
    return "no text" if n == 0 else "1 text" if n == 1 else f"{n:,} texts"


def _rows(holds: np.ndarray) -> tuple[int, ...]:
    return tuple(np.flatnonzero(holds).tolist())


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED:,} more" if len(names) > _NAMED else ""
    shown = [shorten(name, 30) for name in names[:_NAMED]]
    if more or len(shown) == 1:
        return ", ".join(shown) + more
    return f"{', '.join(shown[:-1])} or {shown[-1]}"
