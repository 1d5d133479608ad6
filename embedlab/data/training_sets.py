"""Where training pairs come from: the built-in sets, and a user's own file."""

from __future__ import annotations

import ast
import json
import re
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from embedlab import assets
from embedlab.data.corpora import load_corpus
from embedlab.data.pairs import PairSet, describe, without_overlap
from embedlab.data.readers import read_table
from embedlab.data.tables import Table, counted, limit_note, quoted_names
from embedlab.errors import EmbedLabError
from embedlab.progress import Progress, no_progress
from embedlab.text import clean_text

__all__ = [
    "MAX_PAIRS",
    "TRAINING_SETS",
    "PairSet",
    "TrainingEntry",
    "describe",
    "find_pairs",
    "guess_columns",
    "load_pairs",
    "pairs_from_table",
    "without_overlap",
]

MAX_PAIRS = 100_000

#: The arguments of a PairSet that its reader knows.
Parts = dict[str, Any]
_ANCHOR_NAMES = (
    *("anchor", "query", "question", "sentence1", "sentence_1", "sentence_a", "s1"),
    *("text1", "text_1", "text_a", "premise"),
)
_POSITIVE_NAMES = (
    *("positive", "pos", "passage", "answer", "sentence2", "sentence_2", "sentence_b", "s2"),
    *("text2", "text_2", "text_b", "document", "context", "paraphrase", "hypothesis"),
)
_NEGATIVE_NAMES = ("negative", "neg", "hard_negative", "negative_1", "negative1")


def guess_columns(table: Table) -> tuple[str, str, str]:
    """The probable anchor, positive and negative columns: by name, else the first two with text.

    The negative is ``""`` where no column has a usual name for one.

    Raises:
        EmbedLabError: there are not two columns with text.
    """
    left = [name for name in table.columns if _has_text(table, name)]
    found = []
    for names in (_ANCHOR_NAMES, _POSITIVE_NAMES, _NEGATIVE_NAMES):
        usual = {re.sub(r"[\s-]+", "_", name.strip().lower()): name for name in reversed(left)}
        found.append(next((usual[name] for name in names if name in usual), ""))
        left = [name for name in left if name != found[-1]]
    anchor, positive, negative = found
    anchor = anchor or (left.pop(0) if left else "")
    positive = positive or (left.pop(0) if left else "")
    if not positive:
        raise EmbedLabError(
            "Pairs need two columns with text, an anchor and a positive; the columns here are "
            f"{quoted_names(table.columns)}."
        )
    return anchor, positive, negative


def _has_text(table: Table, name: str) -> bool:
    """Whether a column holds more than numbers and blanks."""
    alone = Table(columns={name: table.columns[name]}, total=table.total)
    return alone.text_column is not None


def pairs_from_table(
    table: Table,
    anchor: str,
    positive: str,
    negative: str = "",
    *,
    id: str = "own",
    title: str = "Your pairs",
    source: str = "your file",
) -> PairSet:
    """The pairs in two columns of a table, with hard negatives in a third where one is named.

    Rows with an empty cell among these and rows that repeat an earlier one are left out, which
    ``notes`` counts; so is what stands after the first ``MAX_PAIRS`` rows.

    Raises:
        EmbedLabError: no such column, one without text or chosen twice, or too few pairs.
    """
    chosen = [anchor, positive, *([negative] if negative else [])]
    known = f"its columns are {quoted_names(table.columns)}"
    for name in chosen:
        if name not in table.columns:
            raise EmbedLabError(f"{title} has no column {name[:60]!r}; {known}.")
        if chosen.count(name) > 1:
            raise EmbedLabError(
                f"Column {name[:60]!r} of {title} is chosen twice; choose different ones: {known}."
            )
        if not _has_text(table, name):
            raise EmbedLabError(
                f"Column {name[:60]!r} of {title} holds no text; choose another: {known}."
            )
    cells = [table.columns[name][:MAX_PAIRS] for name in chosen]
    rows = [tuple(clean_text(cell).strip() for cell in row) for row in zip(*cells, strict=True)]
    full = [row for row in rows if all(row)]
    kept = list(dict.fromkeys(full))
    if not kept:
        raise EmbedLabError(
            f"No row of {title} has text in each of {quoted_names(chosen)}; choose other columns."
        )
    anchors, positives, *negatives = zip(*kept, strict=True)
    cut = len(table.columns[anchor]) > MAX_PAIRS
    return PairSet(
        id=id,
        title=title,
        source=source,
        anchors=anchors,
        positives=positives,
        negatives=negatives[0] if negatives else (),
        notes=table.notes
        + (limit_note(MAX_PAIRS, table.total) if cut else ())
        + counted(len(rows) - len(full), "incomplete row", "left out")
        + counted(len(full) - len(kept), "repeated pair", "left out"),
    )


def _read_stsb(folder: Path) -> Parts:
    # Tab-separated without quoting; up to two columns of attributions may follow the sentences.
    lines = (folder / "sts-train.csv").read_text(encoding="utf-8").split("\n")
    rows = [line.split("\t") for line in lines if line]
    alike = [row for row in rows if float(row[4]) >= 4]
    return Parts(
        anchors=tuple(row[5].strip() for row in alike),
        positives=tuple(row[6].strip() for row in alike),
    )


def _read_boolq(folder: Path) -> Parts:
    dev, test, combined = (
        [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line]
        for path in (folder / f"{name}.jsonl" for name in ("dev", "test", "combined"))
    )
    evaluated = {row["question"] for row in (*dev, *test)}
    kept = [row for row in combined if row["question"] not in evaluated]
    return Parts(
        anchors=tuple(row["question"] for row in kept),
        # "Title -- passage" here, without the title in the evaluation corpus.
        positives=tuple(row["passage"].partition(" -- ")[2] for row in kept),
    )


#: How the Bible in Basic English marks a verse whose place differs from its number.
_PLACE = re.compile(r"\\\\(\d+):(\d+)\\\\")


def _read_bibles(folder: Path) -> Parts:
    web, bbe = (
        _verses(folder / f"pythonbible_{version}" / "plain_text_readers_bible.py")
        for version in ("web", "bbe")
    )
    # Verses of a chapter that the two divide differently do not answer each other.
    web_sizes, bbe_sizes = (Counter(n // 1_000 for n in verses) for verses in (web, bbe))
    aligned = [n for n in web if web_sizes[n // 1_000] == bbe_sizes[n // 1_000]]
    # Where its sources lack a verse, the one in Basic English has "..." or "[]".
    full = [n for n in aligned if all(re.search("[A-Za-z]", verses[n]) for verses in (web, bbe))]
    return Parts(
        anchors=tuple(web[n] for n in full),
        positives=tuple(bbe[n] for n in full),
        notes=counted(
            len(web) - len(aligned),
            "verse",
            "left out with chapters that the versions number differently",
        )
        + counted(len(aligned) - len(full), "verse", "left out, lacking text in one version"),
    )


def _verses(path: Path) -> dict[int, str]:
    """The verses by number, 43003016 for book 43, chapter 3, verse 16.

    The file is Python, ``bible = Bible(version, text, starts, ends, …)``; it is only parsed.
    """
    source = path.read_text(encoding="utf-8")
    call = next((s.value for s in ast.parse(source).body if isinstance(s, ast.Assign)), None)
    if not isinstance(call, ast.Call):
        raise ValueError(f"{path.name} does not hold a Bible")
    text, starts, ends = call.args[1], *map(ast.literal_eval, call.args[2:4])
    # The offsets count the text as it is written, with each backslash doubled.
    line = source.split("\n")[text.lineno - 1].encode()
    written = line[text.col_offset : text.end_col_offset].decode()[3:-3]
    numbered: dict[int, str] = {}
    placed: dict[int, str] = {}
    for number, start in starts.items():
        verse = written[start : ends[number]].strip()
        if place := _PLACE.match(verse):
            chapter, position = map(int, place.groups())
            number = number // 1_000_000 * 1_000_000 + chapter * 1_000 + position
        # This source writes ` for ' and lines of poetry with wide gaps.
        plain = _PLACE.sub("", verse).replace("\\", "").replace("`", "'")
        (placed if place else numbered)[number] = " ".join(plain.split())
    # A heading may bear the number of the verse that is placed there.
    return numbered | placed


@dataclass(frozen=True, kw_only=True)
class TrainingEntry:
    """A built-in set before it is read; ``in_domain`` names the corpora of its source."""

    id: str
    title: str
    offers: str
    read: Callable[[Path], Parts]
    asset: str
    in_domain: tuple[str, ...] = ()


_ENTRIES = (
    TrainingEntry(
        id="stsb-train",
        title="STS benchmark, train pairs",
        offers="sentence pairs scored 4 or more of 5",
        read=_read_stsb,
        asset="stsb",
        in_domain=("stsb",),
    ),
    TrainingEntry(
        id="bible-pairs",
        title="Bible verses in two versions",
        offers="each verse of the World English Bible with the one in Basic English",
        read=_read_bibles,
        asset="bible-pairs",
    ),
    TrainingEntry(
        id="boolq-train",
        title="BoolQ, train questions to passages",
        offers="questions, each with a Wikipedia passage that answers it",
        read=_read_boolq,
        asset="boolq",
        in_domain=("boolq",),
    ),
)
TRAINING_SETS: dict[str, TrainingEntry] = {entry.id: entry for entry in _ENTRIES}

_loaded: dict[str, PairSet] = {}
_locks = {set_id: threading.Lock() for set_id in TRAINING_SETS}


def load_pairs(set_id: str, progress: Progress = no_progress) -> PairSet:
    """A built-in set, less what stands in the corpora of its source; kept in memory.

    Raises:
        EmbedLabError: an unknown id, or files that cannot be fetched or are damaged.
    """
    if set_id not in TRAINING_SETS:
        raise EmbedLabError(
            f"{set_id[:60]!r} is not a known training set; use one of {', '.join(TRAINING_SETS)}."
        )
    with _locks[set_id]:
        if set_id not in _loaded:
            _loaded[set_id] = _load(TRAINING_SETS[set_id], progress)
        return _loaded[set_id]


def find_pairs(
    data: str, columns: tuple[str, str, str] = ("", "", ""), progress: Progress = no_progress
) -> PairSet:
    """A built-in set by its id, or the pairs of a csv, jsonl or parquet file.

    Args:
        data: the id or the path.
        columns: a file's anchor, positive and negative columns; ``""`` for those to be guessed.
        progress: called while a built-in set is fetched.

    Raises:
        EmbedLabError: neither such a set nor such a file, or no pairs in it.
    """
    if data in TRAINING_SETS:
        return load_pairs(data, progress)
    path = Path(data)
    if not path.is_file():
        raise EmbedLabError(
            f"{data[-80:]!r} is neither a file nor a training set; the sets are "
            f"{', '.join(TRAINING_SETS)}."
        )
    rows = read_table(path, max_bytes=10**9, max_texts=MAX_PAIRS)
    guessed = guess_columns(rows)
    anchor, positive, negative = (
        given or found for given, found in zip(columns, guessed, strict=True)
    )
    return pairs_from_table(rows, anchor, positive, negative, title=path.name, source=path.name)


def _load(entry: TrainingEntry, progress: Progress) -> PairSet:
    pinned = assets.CATALOGUE[entry.asset]
    pairs = PairSet(
        id=entry.id,
        title=entry.title,
        source=pinned.source,
        licence=pinned.licence,
        in_domain=entry.in_domain,
        **assets.read(entry.asset, entry.read, progress),
    )
    return without_overlap(pairs, [load_corpus(c, progress) for c in entry.in_domain])
