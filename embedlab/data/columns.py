"""Which column of a table holds the texts, and which the labels.

A column is judged by a sample of its cells. What cannot be read as sentences (numbers, dates,
links, JSON, codes) is never taken for texts; the others are scored by their words, and usual names
count as many words would.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

#: Cells by name of their column, all columns of one length.
Columns = Mapping[str, Sequence[str]]

#: What the kinds of columns hold, in words.
KINDS = {
    "text": "texts",
    "number": "only numbers",
    "date": "dates",
    "link": "links",
    "json": "JSON",
    "code": "codes",
    "constant": "the same value throughout",
    "empty": "no text",
}
#: Between the names of columns whose cells are joined: ``title + text``.
JOINED_BY = " + "
#: Cells of a column that are looked at.
_SAMPLE = 500
#: The share of a column's filled cells that makes it one of numbers, dates, links, JSON or codes.
_MAJORITY = 0.8
#: More words a text than this do not make a column more probable.
_MOST_WORDS = 30
#: Characters of a cell in which words are counted.
_MOST_CHARACTERS = 1_000
#: The most different values of a column that is guessed to hold labels.
_MAX_LABELS = 50

_TEXT_NAMES = {
    *("text", "sentence", "tweet", "review_text", "review", "chunk", "utterance", "body"),
    *("content", "document", "passage", "comment", "message", "headline", "post"),
}
_OFTEN_TEXT = {
    *("question", "query", "answer", "abstract", "description", "summary", "title", "caption"),
    *("paragraph", "article", "response", "prompt", "feedback", "note", "remark", "statement"),
    *("input", "reply", "transcript"),
}
_SELDOM_TEXT = {
    *("id", "url", "uri", "link", "href", "path", "file", "filename", "date", "time", "timestamp"),
    *("created", "updated", "author", "user", "username", "name", "email", "source", "lang"),
    *("language", "dataset", "split", "hash", "metadata", "meta", "country", "city"),
}
_LABEL_NAMES = (
    *("label", "category", "class", "topic", "sense", "intent", "sentiment", "genre", "target"),
    *("gold_label", "tag", "emotion", "stance"),
)
#: What a title beside it belongs to.
_BODY_NAMES = {
    *("text", "body", "content", "passage", "abstract", "document", "article", "description"),
}

# A word has a letter, and of scripts without spaces two characters count as one.
_UNSPACED = re.compile("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff]")
_LETTER = re.compile(r"[^\W\d_]")
_LINK = re.compile(
    r"(?:[a-z][a-z0-9+.-]*://|www\.|mailto:)\S+|[^\s@]+@[^\s@]+\.\w+|(?:\.{0,2}/|[A-Za-z]:\\)\S+"
    r"|\S+\.(?:jpe?g|png|gif|webp|pdf|txt|html?|docx?|csv|jsonl?|xml|wav|mp[34])",
    re.IGNORECASE,
)
_JSON = re.compile(
    r"""[\[{]\s*(?:["'\d.\[{\]}-]|null|true|false|None|True|False|nan).*[\]}]""", re.S
)
_JSON_EDGES = ("[]", "{}")
_MONTHS = (
    "jan(?:uary|uar|vier|eiro)?|enero|feb(?:ruary|ruar|rero)?|f[ée]v(?:rier|ereiro)?|mar(?:ch|s|zo|ço)?"
    "|märz|mrz|apr(?:il|ile)?|avr(?:il)?|abr(?:il)?|may|mai|mayo|maggio|mei|jun[ei]?|juin|junio|giugno"
    "|jul[yi]?|juillet|julio|luglio|aug(?:ust)?|ao[uû]t|agosto|ago|sept?(?:ember|embre|tembre)?"
    "|o[ck]t(?:ober|obre|tobre)?|nov(?:ember|embre|iembre)?|de[cz](?:ember)?|d[ée]c(?:embre)?|dic(?:iembre)?"
)
_DAYS = (
    "mon(?:day)?|tue(?:s|sday)?|wed(?:nesday)?|thu(?:r|rs|rsday)?|fri(?:day)?|sat(?:urday)?"
    "|sun(?:day)?|montag|dienstag|mittwoch|donnerstag|freitag|samstag|sonntag|lun(?:di|es)?|mardi"
    "|mercredi|jeudi|vendredi|samedi|dimanche"
)
_CLOCK = (
    "[ap]m|[ap]|m|uhr|utc|gmt|t|z|[cew]es?t|[pmce][ds]t|bst|st|nd|rd|th|de|of|the"
    "|年|月|日|时|時|分|秒"
)
_DATE_WORD = re.compile(f"(?:{_MONTHS}|{_DAYS}|{_CLOCK})", re.IGNORECASE)
_DATE_SHAPE = re.compile(
    r"\d{4}[-/.年]\s?\d{1,2}(?:[-/.月]\s?\d{1,2})?(?:\D.*)?"  # 2024-01-31, perhaps with a time
    r"|\d{1,2}[-/.]\s?\d{1,2}[-/.]\s?\d{2,4}(?:[ ,T].*)?"  # 31.1.2024 or 1/31/24
    # a year or a clock among words
    r"|.*[^\W\d_].*\b\d{4}\b.*|.*\b\d{4}\b.*[^\W\d_].*|.*\d{1,2}:\d{2}.*",
    re.DOTALL,
)


def normal_name(name: str) -> str:
    """A column's name for comparison: ``reviewText`` and ``Review texts`` become the same."""
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name.strip())
    plain = re.sub(r"\W+|_+", "_", spaced).strip("_").lower()
    return (
        plain[:-1] if len(plain) > 3 and plain.endswith("s") and not plain.endswith("ss") else plain
    )


def kind_of(cells: Sequence[str]) -> str:
    """What most cells of a column are: one of :data:`KINDS`."""
    filled = _sample(cells)
    if not filled:
        return "empty"
    counts = Counter(map(cell_kind, filled))
    texts = counts.pop("text", 0)
    if counts and texts <= (1 - _MAJORITY) * len(filled):
        return counts.most_common(1)[0][0]
    distinct = len({cell.strip() for cell in cells if cell.strip()})
    if distinct == 1 and len(filled) > 2:
        return "constant"
    # Tickers and country codes: capitals without spaces, each only once.
    if distinct == len(filled) > 2 and all(_CAPITALS.fullmatch(cell.strip()) for cell in filled):
        return "code"
    return "text"


_CAPITALS = re.compile(r"[A-Z]+(?:[-_.:/][A-Z]+)*")


def cell_kind(cell: str) -> str:
    """What a cell that is not blank holds: one of :data:`KINDS` but constant and empty."""
    cell = cell.strip()
    # Only the beginning of a long text is looked at.
    if _JSON.match(cell[:50] + cell[-1]) and cell[0] + cell[-1] in _JSON_EDGES:
        return "json"
    head = cell[:200]
    if _LINK.fullmatch(head):
        return "link"
    if any(c.isdigit() for c in head):
        if _is_date(head):
            return "date"
        if not _LETTER.search(head) or _is_float(head):
            return "number"
    if all(map(_is_code, head.split())):
        return "code"
    return "text"


def _is_date(cell: str) -> bool:
    if len(cell) > 60 or not _DATE_SHAPE.fullmatch(cell):
        return False
    return all(map(_DATE_WORD.fullmatch, re.findall(r"[^\W\d_]+", cell)))


def _is_float(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _is_code(token: str) -> bool:
    """Whether a token is no word: ASCII with a digit, a change to capitals, or very long."""
    if not token.isascii():
        return False
    bare = token.strip(".,;:!?()[]\"'")
    mixed = any(c.isdigit() for c in bare) or re.search("[a-z][A-Z]", bare) or "_" in bare
    return bool(mixed) or len(bare) > 40


def words_in(cell: str) -> float:
    """How many words a cell has; two characters of Chinese, Japanese or Thai count as one."""
    cell = cell[:_MOST_CHARACTERS]
    unspaced = len(_UNSPACED.findall(cell))
    rest = _UNSPACED.sub(" ", cell) if unspaced else cell
    return sum(map(_has_word, rest.split())) + unspaced / 2


def _has_word(token: str) -> bool:
    return bool(_LETTER.search(token)) and not _is_code(token) and not _LINK.fullmatch(token)


def _sample(cells: Sequence[str]) -> list[str]:
    """Filled cells from the whole column, the same at every call."""
    filled = [cell for cell in cells if cell.strip()]
    return filled[:: max(1, len(filled) // _SAMPLE)]


def _name_bonus(name: str) -> float:
    """By how much a name makes texts more probable, in doublings of the number of words."""
    plain = normal_name(name)
    if plain in _TEXT_NAMES:
        return 3.0
    parts = plain.split("_")
    if plain in _LABEL_NAMES or plain in _SELDOM_TEXT or parts[-1] in _SELDOM_TEXT:
        return -3.0
    if plain in _OFTEN_TEXT:
        return 1.5
    # A header that is a whole question names nothing.
    return 1.5 if len(parts) <= 3 and not _TEXT_NAMES.isdisjoint(parts) else 0.0


def text_score(name: str, cells: Sequence[str]) -> float:
    """How probably a column holds the texts: its words a cell, its name, and how few repeat."""
    filled = _sample(cells)
    mean = sum(map(words_in, filled)) / max(1, len(filled))
    # Short messages repeat, and are texts all the same where the name says so.
    named = normal_name(name) in _TEXT_NAMES
    repeated = 0.0 if named else 1 - len(set(filled)) / max(1, len(filled))
    return math.log2(1 + min(mean, _MOST_WORDS)) + _name_bonus(name) - 2 * repeated


def single_text_column(columns: Columns) -> str | None:
    """The column that probably holds the texts, or None where none can be read as such."""
    kinds = {name: kind_of(cells) for name, cells in columns.items()}
    possible = [name for name, kind in kinds.items() if kind == "text"]
    # The same text throughout is taken where a name says that it is the text, and nothing else can
    # be: whatever else there is are single letters or words that repeat.
    named = [n for n, kind in kinds.items() if kind == "constant" and _name_bonus(n) > 0]
    if named and all(may_be_labels(columns[name]) for name in possible):
        possible = named
    return max(possible, key=lambda name: text_score(name, columns[name]), default=None)


def guess_text(columns: Columns) -> str | None:
    """The probable texts: a column's name, or ``title + text`` where a title stands beside them."""
    best = single_text_column(columns)
    if best is None or normal_name(best) not in _BODY_NAMES:
        return best
    for name, cells in columns.items():
        if name != best and normal_name(name) == "title" and kind_of(cells) == "text":
            return JOINED_BY.join((name, best))
    return best


def parts_of(choice: str, columns: Columns) -> list[str]:
    """The names of the columns that a choice means, ``[]`` where it means none."""
    if choice in columns:
        return [choice]
    parts = [part.strip() for part in choice.split(JOINED_BY.strip())]
    return parts if len(parts) > 1 and all(part in columns for part in parts) else []


def joined_cells(columns: Columns, parts: Sequence[str]) -> list[str]:
    """The cells of one column, or of several joined by a space as mteb joins title and text."""
    if len(parts) == 1:
        return list(columns[parts[0]])
    rows = zip(*(columns[part] for part in parts), strict=True)
    return [" ".join(cell.strip() for cell in row if cell.strip()) for row in rows]


def guess_labels(
    columns: Columns, used: Iterable[str] = (), known: Iterable[str] = ()
) -> str | None:
    """The column that probably holds the labels: known as such, by its name, else by few values.

    Args:
        columns: the table.
        used: the columns that hold the texts.
        known: columns that the file itself says are labels.
    """
    others = [name for name in columns if name not in set(used)]
    for name in known:
        if name in others:
            return name
    named = [
        name
        for usual in _LABEL_NAMES
        for whole in (True, False)  # such as airline_sentiment
        for name in others
        if normal_name(name) == usual or (not whole and normal_name(name).endswith(f"_{usual}"))
    ]
    named = [name for name in named if kind_of(columns[name]) not in ("json", "empty")]
    for name in sorted(named, key=lambda n: kind_of(columns[n]) == "constant"):
        # Some files have the number of a class and beside it its name.
        worded = (f"{name}_{ending}" for ending in ("text", "name", "str"))
        return next((n for n in worded if n in others), name)
    return next(iter(label_choices(columns, used)), None)


def label_choices(columns: Columns, used: Iterable[str] = ()) -> list[str]:
    """The columns with few values that repeat, as labels do; words first, then numbers, dates."""
    ranked = []
    for name in columns:
        if name not in set(used) and may_be_labels(columns[name]):
            kind = kind_of(columns[name])
            rank = ("text", "code", "number", "date").index(kind) if kind in _RANKED else None
            if rank is not None:
                ranked.append((rank, name))
    return [name for _, name in sorted(ranked, key=lambda pair: pair[0])]


_RANKED = frozenset(("text", "code", "number", "date"))


def may_be_labels(cells: Sequence[str]) -> bool:
    """Whether a column has few values that repeat, as labels do."""
    filled = [cell.strip() for cell in cells if cell.strip()]
    values = set(filled)
    if not 2 <= len(values) <= min(_MAX_LABELS, (len(filled) + 1) // 2):
        return False
    # Ratings and class numbers are short; measurements and coordinates are not.
    return kind_of(filled) != "number" or all(len(value) <= 4 for value in values)
