"""Which columns of a table hold anchors, positives and hard negatives."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from embedlab.data.columns import KINDS, may_be_labels, normal_name
from embedlab.data.keep import relates_texts
from embedlab.data.pair_cells import holds_lists, kind_of_texts
from embedlab.data.tables import Table, quoted_names
from embedlab.errors import EmbedLabError

_ANCHOR_NAMES = (
    *("anchor", "query", "question", "premise", "claim", "anchor_text", "query_text"),
    *("search_query", "user_query"),
)
#: What belongs to an anchor where no name says that it is the positive, the likeliest first.
_ANSWER_NAMES = (
    *("entailment", "hypothesis", "paraphrase", "passage", "answer", "document", "doc", "context"),
    *("response", "reply", "completion", "output", "abstract", "summary", "body", "text"),
    *("sentence",),
)
_NEGATIVE_WORDS = {"neg", "negative", "contradiction", "distractor"}
_POSITIVE_WORDS = {"pos", "positive"}
#: Last words of names of columns that say something about a text and hold none.
_ABOUT = {"id", "pid", "docid", "idx", "index", "score", "label", "rank", "url", "link", "date"}


@dataclass(frozen=True, kw_only=True)
class PairColumns:
    """The columns of a table of pairs, by name.

    A column that is the anchor and the positive holds lists of texts that all belong together.
    """

    anchor: str
    positives: tuple[str, ...]
    negatives: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """All of them, each once."""
        return tuple(dict.fromkeys((self.anchor, *self.positives, *self.negatives)))

    def __str__(self) -> str:
        """``anchor: 'query'; positives: 'pos'; hard negatives: 'neg'``."""
        if self.positives == (self.anchor,):
            parts = [f"anchor and positives: {self.anchor[:60]!r}"]
        else:
            positives = "positive" + "s" * (len(self.positives) > 1)
            parts = [
                f"anchor: {self.anchor[:60]!r}",
                f"{positives}: {quoted_names(self.positives)}",
            ]
        if self.negatives:
            parts.append(f"hard negatives: {quoted_names(self.negatives)}")
        return "; ".join(parts)


def choose_columns(
    table: Table,
    anchor: str = "",
    positives: Sequence[str] = (),
    negatives: Sequence[str] = (),
    *,
    title: str = "the file",
) -> PairColumns:
    """The columns of pairs: those that are given, and the others by their names and contents.

    Numbered columns such as ``sentence_0, sentence_1, sentence_2`` are anchor, positive and hard
    negatives, whether they count from 0 or from 1. Columns of ids, dates, links, numbers, codes or
    one value are never guessed to be pairs.

    Raises:
        EmbedLabError: no such column, one chosen twice, or no two that can be a pair.
    """
    given = [name for name in (anchor, *positives, *negatives) if name]
    for name in given:
        if name not in table.columns:
            raise EmbedLabError(
                f"{title} has no column {name[:60]!r}; its columns are "
                f"{quoted_names(table.columns)}."
            )
        a_set = tuple(positives) == (anchor,) and holds_lists(table.columns[name])
        if given.count(name) > 1 and not a_set:
            raise EmbedLabError(
                f"Column {name[:60]!r} of {title} is chosen twice; choose different ones of "
                f"{quoted_names(table.columns)}."
            )
        if not table.has_text(name):
            content = "only numbers" if any(map(str.strip, table.columns[name])) else "no text"
            raise EmbedLabError(
                f"Column {name[:60]!r} of {title} holds {content}; choose one with text: its "
                f"columns are {quoted_names(table.columns)}."
            )
    kinds = {
        name: kind_of_texts(cells) for name, cells in table.columns.items() if name not in given
    }
    # A hard negative may be the same everywhere; an anchor or a positive may not.
    filled = [name for name, kind in kinds.items() if kind in ("text", "constant")]
    named = [name for name in filled if _has_word(name, _NEGATIVE_WORDS)]
    labels = [name for name in filled if _are_labels(name, table.columns[name])]
    texts = [name for name in filled if kinds[name] == "text" and name not in (*named, *labels)]
    hard = tuple(negatives) or _hardest(named)
    if anchor and positives:
        return PairColumns(anchor=anchor, positives=tuple(positives), negatives=hard)
    numbered = _numbered(name for name in filled if name not in named)
    guess = _guess(anchor, tuple(positives), texts, numbered)
    if guess is None and len(texts) == 1 and not given and holds_lists(table.columns[texts[0]]):
        guess = texts[0], (texts[0],), ()
    if guess is None:
        contents = [
            f"{name[:40]!r} ({'labels' if name in labels else KINDS[kind]})"
            for name, kind in list(kinds.items())[:12]
        ]
        raise EmbedLabError(
            f"Pairs need two columns with text, an anchor and a positive; {title} has "
            f"{', '.join(contents) or 'no other column'}. Choose the columns, or add one."
        )
    anchor, chosen, more = guess
    return PairColumns(anchor=anchor, positives=chosen, negatives=hard or more)


def _are_labels(name: str, cells: Sequence[str]) -> bool:
    """Whether a column says something of its row's texts: single words, of which some repeat."""
    if _has_word(name, _POSITIVE_WORDS) or normal_name(name) in (*_ANCHOR_NAMES, *_ANSWER_NAMES):
        return False
    filled = [cell for cell in cells if cell.strip()]
    if any(len(cell.split()) > 2 for cell in filled):
        return False
    return may_be_labels(filled) or relates_texts(filled)


def _guess(
    anchor: str, positives: tuple[str, ...], texts: Sequence[str], numbered: Sequence[str]
) -> tuple[str, tuple[str, ...], tuple[str, ...]] | None:
    """Anchor, positives, and the hard negatives that numbers tell; None where two are not hard."""
    rest = [name for name in texts if name not in (anchor, *positives)]
    if not positives:
        positives = tuple(name for name in rest if _has_word(name, _POSITIVE_WORDS))
        rest = [name for name in rest if name not in positives]
    if not anchor and not positives and numbered and set(numbered[:2]) <= set(rest):
        # A file without a header has its columns numbered by us: then a third is not a negative.
        ours = normal_name(numbered[0]).startswith("column_")
        return numbered[0], (numbered[1],), () if ours else tuple(numbered[2:])
    anchor = anchor or _named(rest, _ANCHOR_NAMES)
    rest = [name for name in rest if name != anchor]
    if not positives and (answer := _named(rest, _ANSWER_NAMES)):
        positives = (answer,)
        rest.remove(answer)
    anchor = anchor or (rest.pop(0) if rest else "")
    positives = positives or ((rest.pop(0),) if rest else ())
    return (anchor, positives, ()) if anchor and positives else None


def _hardest(negatives: Sequence[str]) -> tuple[str, ...]:
    """Of columns of negatives those that are named hard, where there are some."""
    hard = [name for name in negatives if "hard" in normal_name(name).split("_")]
    return tuple(hard or negatives)


def _has_word(name: str, words: set[str]) -> bool:
    parts = re.sub(r"_?\d+$", "", normal_name(name)).split("_")
    parts = [normal_name(part) for part in parts]
    return parts[-1] not in _ABOUT and not words.isdisjoint(parts)


def _named(columns: Iterable[str], names: Iterable[str]) -> str:
    """The first column with one of these names, in the order of the names; else ``""``."""
    usual: Mapping[str, str] = {normal_name(name): name for name in reversed([*columns])}
    return next((usual[name] for name in names if name in usual), "")


def _numbered(columns: Iterable[str]) -> list[str]:
    """Columns that share a name but for a number or a letter, in that order, from 0, 1 or a."""
    families: dict[str, dict[int, str]] = {}
    for name in columns:
        if match := re.fullmatch(r"(.*?)(?:_?(\d{1,3})|_([a-e]))", normal_name(name)):
            stem, digits, letter = match.groups()
            families.setdefault(stem, {})[int(digits) if digits else ord(letter) - 96] = name
    for numbers in families.values():
        first = min(numbers)
        counted = [numbers[i] for i in range(first, first + len(numbers)) if i in numbers]
        if first in (0, 1) and len(counted) == len(numbers) > 1:
            return counted
    return []
