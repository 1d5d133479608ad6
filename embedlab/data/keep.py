"""Which rows of a labelled table hold pairs that belong together: ``label=entailment``."""

from __future__ import annotations

import operator
import re
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from embedlab.data.columns import cell_kind, normal_name
from embedlab.data.tables import Table, quoted_names
from embedlab.errors import EmbedLabError

#: The condition that takes every row.
EVERY_ROW = "all"
#: The most values of a column of labels, and of them in a message.
MOST_VALUES = 20
_SHOWN_VALUES = 6

_OPERATORS: dict[str, Callable[[float, float], bool]] = {
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
}
_SIGNED = r"\s*(>=|<=|==|!=|=|>|<)\s*(.*)"

#: The last words of the names of columns that say whether two texts belong together.
_DECIDING_NAMES = {
    *("label", "score", "duplicate", "similarity", "sim", "paraphrase", "relatedness", "judgment"),
    *("judgement", "relevance", "relevant", "rel", "match", "grade", "rating", "gold", "verdict"),
    *("target", "entailment", "equivalent", "y"),
}
#: What inference data call the three relations, in words and in the usual numbers.
_ENTAILED = {"entailment", "entails", "entailed", "entail", "e"}
_NEUTRAL = {"neutral", "n", "unknown"}
_CONTRADICTED = {"contradiction", "contradicts", "contradicted", "contradictory", "contradict", "c"}
_NUMBERED_RELATIONS = {"0": "entailment", "1": "neutral", "2": "contradiction"}
_INFERENCE_NAMES = {"premise", "hypothesis"}
#: Texts that annotators did not agree about, or nobody judged.
_UNDECIDED = {"", "-", "-1", "none", "nan", "null", "unlabeled", "unlabelled"}
_AFFIRMED = {
    *("1", "true", "yes", "t", "y", "duplicate", "paraphrase", "similar", "match", "positive"),
    *("relevant", "equivalent", "same", "related", "matched", "pos", "is_duplicate"),
}
_DENIED = {
    *("0", "-1", "false", "no", "f", "n", "not_duplicate", "not_paraphrase", "dissimilar"),
    *("not_similar", "no_match", "negative", "irrelevant", "not_relevant", "not_equivalent"),
    *("different", "unrelated", "non_duplicate", "non_paraphrase", "not_entailment", "neg"),
    *("distinct", "nonduplicate", "mismatch", "nonrelevant", "non_relevant", "not_match"),
}


class KeepNeeded(EmbedLabError):
    """A column decides which rows belong together, and nobody has said how.

    ``proposal`` is a condition that would make sense, or ``""``.
    """

    def __init__(self, message: str, proposal: str) -> None:
        super().__init__(message)
        self.proposal = proposal


@dataclass(frozen=True, kw_only=True)
class Keep:
    """A condition on one column: the rows that it holds for are pairs that belong together.

    ``contradicted`` are the column's values that say the opposite; ``note`` says how the condition
    was read where that is not plain; of ``few_values`` each is a reason of its own.
    """

    text: str
    column: str
    kept: frozenset[str]
    contradicted: frozenset[str]
    note: str = ""
    few_values: bool = True

    def __str__(self) -> str:
        return self.text

    def reason(self, cell: str) -> str:
        """Why a row with this cell is not kept."""
        if not self.few_values:
            return f"not {self.text[:60]}"
        return f"{self.column[:40]} is {repr(cell.strip()[:40]) if cell.strip() else 'blank'}"


def plain(cell: str) -> str:
    """A label for comparison: ``1.0``, `` 1`` and ``1`` are one, and so are ``Yes`` and ``yes``."""
    cell = cell.strip()
    if (number := _number(cell)) is not None:
        return f"{number:g}"
    return re.sub(r"[\s_-]+", "_", cell.casefold()) if len(cell) > 1 else cell.casefold()


def parse_keep(text: str, table: Table, others: Collection[str] = ()) -> Keep:
    """The condition in ``label=entailment``, ``label=a,b``, ``label!=2`` or ``score>=4``.

    ``entailment``, ``neutral`` and ``contradiction`` also mean 0, 1 and 2 where a column has these
    numbers instead.

    Args:
        text: the condition.
        table: whose column it names.
        others: the names of columns that hold the pairs, which show what kind of labels these are.

    Raises:
        EmbedLabError: it is no condition, or names no column, or no row has the value.
    """
    column, sign, wanted = _parts(text, table)
    cells = table.columns[column]
    values = {plain(cell) for cell in cells} - {""}
    note = ""
    if sign in _OPERATORS:
        kept = _compared(text, sign, wanted, values)
    else:
        kept, note = _listed(column, wanted, values)
        if sign == "!=":
            kept = values - kept - _UNDECIDED
    if not kept:
        raise EmbedLabError(f"No row has {text[:60]!r}; {_counts(column, cells)}.")
    contradicted = _contradicted(kept, values, others)
    return Keep(
        text=text.strip(),
        column=column,
        kept=frozenset(kept),
        contradicted=frozenset(contradicted),
        note=note,
        few_values=len(values) <= _SHOWN_VALUES,
    )


def _parts(text: str, table: Table) -> tuple[str, str, str]:
    """The column, the sign and the value of a condition; a column's name may have a sign in it."""
    for column in sorted(table.columns, key=len, reverse=True):
        rest = text.strip().removeprefix(column)
        if rest != text.strip() and (match := re.fullmatch(_SIGNED, rest, re.DOTALL)):
            return column, match[1], match[2]
    match = re.fullmatch("(.+?)" + _SIGNED, text.strip(), re.DOTALL)
    if match is None:
        raise EmbedLabError(
            f"{text[:60]!r} is no condition on a column; write one such as label=entailment or "
            f"score>=4, or {EVERY_ROW!r} for every row."
        )
    name, sign, wanted = match.groups()
    same = [column for column in table.columns if normal_name(column) == normal_name(name)]
    if len(same) != 1:
        raise EmbedLabError(
            f"There is no column {name[:60]!r}; the columns are {quoted_names(table.columns)}."
        )
    return same[0], sign, wanted


def _compared(text: str, sign: str, wanted: str, values: set[str]) -> set[str]:
    bound = _number(wanted)
    if bound is None:
        raise EmbedLabError(f"{text[:60]!r} compares with {wanted[:40]!r}; write a number there.")
    numbers = {value: _number(value) for value in values}
    return {v for v, n in numbers.items() if n is not None and _OPERATORS[sign](n, bound)}


def _listed(column: str, wanted: str, values: set[str]) -> tuple[set[str], str]:
    """The values that a condition names, and how names were read where the column has numbers."""
    names = [wanted] if plain(wanted) in values else wanted.split(",")
    kept = {plain(name) for name in names}
    if kept <= values or not values <= {*_NUMBERED_RELATIONS, *_UNDECIDED}:
        return kept & values, ""
    meant = {
        number
        for number, relation in _NUMBERED_RELATIONS.items()
        for name in kept
        if name == number or relation in _synonyms(name)
    }
    meaning = ", ".join(f"{n} as {_NUMBERED_RELATIONS[n]}" for n in sorted(meant & values))
    return meant & values, f"The numbers of {column[:60]!r} were read as usual: {meaning}."


def _synonyms(name: str) -> set[str]:
    groups = (_ENTAILED, _NEUTRAL, _CONTRADICTED)
    return next((group for group in groups if name in group), {name})


def _contradicted(kept: set[str], values: set[str], others: Collection[str]) -> set[str]:
    """The values that say the opposite of those that are kept; none where that is not known."""
    if kept & _ENTAILED:
        return (values & (_CONTRADICTED | _DENIED)) - kept - _NEUTRAL
    if _numbers_relations(values, others) and kept == {"0"}:
        return values & {"2"}
    judged = values - _UNDECIDED | (values & {"-1"} if values <= {"1", "-1"} else set())
    rest = judged - kept
    # A column of two values has no third.
    return rest if len(judged) == 2 and len(rest) == 1 and not rest & _NEUTRAL else set()


def _numbers_relations(values: set[str], others: Collection[str]) -> bool:
    """Whether 0, 1 and 2 stand for entailment, neutral and contradiction."""
    if not values <= {*_NUMBERED_RELATIONS, *_UNDECIDED} or not values & {"1", "2"}:
        return False
    inference = not _INFERENCE_NAMES.isdisjoint(map(normal_name, others))
    return inference or values >= set(_NUMBERED_RELATIONS)


def deciding_column(table: Table, others: Collection[str], *, by_name: bool = False) -> str:
    """The column that says which rows of pairs belong together, or ``""``.

    It is known by its name, or by its values: yes and no, relations, or scores. A column that
    affirms every row decides nothing.

    Args:
        table: of pairs.
        others: the columns that hold the pairs.
        by_name: whether a name is needed; where the columns' names say what belongs together,
            values alone do not decide.
    """
    rest = {name: cells for name, cells in table.columns.items() if name not in others}
    named = [name for name in rest if normal_name(name).split("_")[-1] in _DECIDING_NAMES]
    named = [name for name in named if _may_decide(rest[name])]
    # A label before the same label in words, and before a score.
    named.sort(key=lambda name: ("label" not in normal_name(name), len(name)))
    if named or by_name:
        return named[0] if named else ""
    return next((name for name in rest if _decides_by_values(name, rest[name])), "")


def _may_decide(cells: Sequence[str]) -> bool:
    """Whether there are few values or numbers, and not one that affirms every row."""
    filled = [cell for cell in cells if cell.strip()]
    values = set(map(plain, filled))
    if not values or any(cell_kind(cell) in ("json", "link", "date") for cell in filled[:50]):
        return False
    if len(values) == 1 and len(filled) == len(cells):
        return not values <= _AFFIRMED | _ENTAILED
    return len(values) <= MOST_VALUES or _are_numbers(values)


def _decides_by_values(name: str, cells: Sequence[str]) -> bool:
    """Whether the values are yes and no, relations, a few grades, or fractions on a usual scale."""
    values = {plain(cell) for cell in cells} - {""}
    if len(values) < 2 or normal_name(name).split("_")[-1] in _COUNTING_NAMES:
        return False
    if relates_texts(cells):
        return True
    if not _are_numbers(values):
        return False
    numbers = [float(value) for value in values - _UNDECIDED]
    low, high = min(numbers), max(numbers)
    if all(number == int(number) for number in numbers):
        # Whole numbers that do not repeat only count the rows.
        return low >= 0 and high <= 5 and len(values) < len(cells)
    return low >= -1 and high <= 10


def relates_texts(cells: Sequence[str]) -> bool:
    """Whether all values say how two texts relate: yes and no, or entailment, neutral …"""
    known = _AFFIRMED | _DENIED | _ENTAILED | _NEUTRAL | _CONTRADICTED | _UNDECIDED
    return {plain(cell) for cell in cells} <= known | {""}


_COUNTING_NAMES = {
    *("id", "idx", "index", "row", "number", "no", "nr", "page", "year", "count", "vote", "length"),
    *("len", "fold", "split", "version", "qid", "pid", "rank", "position", "month", "day"),
}


@dataclass(frozen=True, kw_only=True)
class Proposal:
    """A condition that would make sense, in words too; ``""`` where none is known."""

    condition: str
    meaning: str = ""


def propose(table: Table, column: str, others: Collection[str]) -> Proposal:
    """The condition on a deciding column that most people would choose."""
    cells = table.columns[column]
    written = {plain(cell): cell.strip() for cell in reversed(cells) if cell.strip()}
    values = set(written)
    if entailed := sorted(values & _ENTAILED):
        return Proposal(condition=f"{column}={written[entailed[0]]}")
    inference = not _INFERENCE_NAMES.isdisjoint(map(normal_name, others))
    graded = normal_name(column).split("_")[-1] in _GRADES
    if not graded and "0" in values and _numbers_relations(values, others):
        return Proposal(condition=f"{column}={written['0']}", meaning="0 usually means entailment")
    if inference and values <= {"0", "1"}:
        return Proposal(
            condition=f"{column}={written.get('0', '0')}", meaning="0 usually means entailment"
        )
    affirmed = sorted(values & _AFFIRMED)
    if affirmed and values <= _AFFIRMED | _DENIED | _UNDECIDED:
        return Proposal(condition=f"{column}={written[affirmed[0]]}")
    if _are_numbers(values) and not values <= _DENIED | _UNDECIDED:
        highest = max(float(value) for value in values - _UNDECIDED)
        scale = next((top for top in (1, 3, 5, 10, 100) if highest <= top), highest)
        bound = 2.0 if scale == 3 else 0.8 * scale
        # Where nothing reaches that, the top fifth of what there is.
        bound = bound if bound <= highest else min(highest, 0.8 * highest)
        return Proposal(condition=f"{column}>={bound:.3g}")
    return Proposal(condition="")


_GRADES = {"relevance", "relevant", "rel", "score", "grade", "rating", "similarity", "relatedness"}


def question(
    table: Table, column: str, others: Collection[str], title: str, example: Callable[[Keep], str]
) -> KeepNeeded:
    """Ask which rows belong together, with a proposal and a pair that it would keep.

    Args:
        table: of pairs.
        column: that decides.
        others: the columns that hold the pairs.
        title: of the table, for the message.
        example: the first pair that a condition keeps, in words.
    """
    proposal = propose(table, column, others)
    words = [
        f"Only some rows of {title} may belong together, and column {column[:60]!r} decides: "
        f"{_counts(column, table.columns[column])}."
    ]
    if proposal.condition:
        keep = parse_keep(proposal.condition, table, others)
        meaning = f" ({proposal.meaning})" if proposal.meaning else ""
        words.append(f"Proposed: {proposal.condition}{meaning}, such as {example(keep)}")
        if keep.contradicted:
            opposite = ", ".join(sorted(keep.contradicted))
            words.append(f"with {column[:60]}={opposite} as hard negatives of the same anchor")
        words = [words[0], ", ".join(words[1:]) + "."]
    words.append(f"Say which rows to keep; {EVERY_ROW!r} takes every row.")
    return KeepNeeded(" ".join(words), proposal.condition)


def choices(table: Table, column: str) -> list[str]:
    """Conditions on a deciding column to choose from: each of a few labels, or some scores."""
    cells = table.columns[column]
    written: Mapping[str, str] = {
        plain(cell): cell.strip() for cell in reversed(cells) if cell.strip()
    }
    numbers = sorted(written, key=lambda v: (_number(v) is None, _number(v) or 0, v))
    if len(written) <= MOST_VALUES and not any("." in value for value in written):
        return [f"{column}={written[value]}" for value in numbers]
    return []


def _counts(column: str, cells: Sequence[str]) -> str:
    counts = Counter(cell.strip() or "(blank)" for cell in cells)
    numbers = [number for number in map(_number, counts) if number is not None]
    if len(numbers) > MOST_VALUES:
        return f"{column[:60]!r} has numbers from {min(numbers):g} to {max(numbers):g}"
    shown = [f"{value[:30]!r} ({n:,}×)" for value, n in counts.most_common(_SHOWN_VALUES)]
    more = [f"{len(counts) - len(shown):,} other values"] if len(counts) > len(shown) else []
    return f"{column[:60]!r} is {', '.join([*shown, *more])}"


def _are_numbers(values: set[str]) -> bool:
    """Whether there are numbers, and nothing else but what was not judged."""
    judged = values - _UNDECIDED
    return bool(judged) and all(_number(value) is not None for value in judged)


def _number(text: str) -> float | None:
    text = text.strip()
    if re.fullmatch(r"[+-]?\d+,\d{1,2}", text):
        text = text.replace(",", ".")
    try:
        number = float(text)
    except ValueError:
        return None
    return number if abs(number) < float("inf") else None
