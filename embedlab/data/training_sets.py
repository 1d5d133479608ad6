"""Training pairs from the built-in sets, a user's own file, or a dataset of the Hub."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from embedlab.data.built_in import BuiltIn, Entry, Parts, read_json_lines
from embedlab.data.corpora import load_corpus
from embedlab.data.hub_dataset import hub_table, is_hub_name
from embedlab.data.pair_columns import choose_columns
from embedlab.data.pair_table import read_pairs
from embedlab.data.pairs import PairSet, without_overlap
from embedlab.data.readers import FILE_KINDS, read_table
from embedlab.data.tables import count_note
from embedlab.errors import EmbedLabError
from embedlab.progress import Progress, no_progress

#: Rows of a table that are read, and of a dataset of the Hub, whose order may be by source.
MAX_PAIRS, MAX_HUB_PAIRS = 100_000, 3_000_000


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
        read_json_lines(folder / f"{name}.jsonl") for name in ("dev", "test", "combined")
    )
    evaluated = {row["question"] for row in (*dev, *test)}
    rows = [row for row in combined if row["question"] not in evaluated]
    return Parts(
        anchors=tuple(row["question"] for row in rows),
        # "Title -- passage" here, without the title in the evaluation corpus.
        positives=tuple(row["passage"].partition(" -- ")[2] for row in rows),
    )


#: How the Bible in Basic English marks a verse that belongs at another number.
_MOVED = re.compile(r"\\\\(\d+):(\d+)\\\\")


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
        notes=count_note(
            len(web) - len(aligned),
            "verse",
            "left out with chapters that the versions number differently",
        )
        + count_note(len(aligned) - len(full), "verse", "left out, lacking text in one version"),
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
    moved: dict[int, str] = {}
    for number, start in starts.items():
        verse = written[start : ends[number]].strip()
        if target := _MOVED.match(verse):
            chapter, position = map(int, target.groups())
            number = number // 1_000_000 * 1_000_000 + chapter * 1_000 + position
        # This source writes ` for ' and lines of poetry with wide gaps.
        plain = _MOVED.sub("", verse).replace("\\", "").replace("`", "'")
        (moved if target else numbered)[number] = " ".join(plain.split())
    # A heading may have the number of the verse that is moved there.
    return numbered | moved


def _make(entry: Entry, progress: Progress) -> PairSet:
    pairs = PairSet(in_domain=entry.in_domain, **entry.parts(progress))
    return without_overlap(pairs, [load_corpus(c, progress) for c in entry.in_domain])


BUILT_IN = BuiltIn(
    "training set",
    {"stsb-train": _read_stsb, "bible-pairs": _read_bibles, "boolq-train": _read_boolq},
    _make,
)
TRAINING_SETS = BUILT_IN.entries


def load_pairs(set_id: str, progress: Progress = no_progress) -> PairSet:
    """A built-in set without the pairs that its in-domain corpora have; cached in memory.

    Raises:
        EmbedLabError: an unknown id, or files that cannot be fetched or are damaged.
    """
    return BUILT_IN.load(set_id, progress)


def find_pairs(
    data: str,
    columns: tuple[str, Sequence[str], Sequence[str]] = ("", (), ()),
    keep: str = "",
    encoding: str = "",
    progress: Progress = no_progress,
) -> PairSet:
    """A built-in set by its id, or the pairs of a csv, json, jsonl or parquet file, or of the Hub.

    Args:
        data: the id, the path, or a dataset of the Hub as owner/name, whose ``train`` is read. That
            of the paper's authors is ``yixuantt/ir_data``.
        columns: a file's anchor, positive and negative columns; empty for those to be guessed.
        keep: which rows of a labelled file are pairs, as
            :func:`~embedlab.data.pair_table.read_pairs` takes it.
        encoding: of a text file; by default it is found out.

    Raises:
        KeepNeeded: the file's rows are labelled, and ``keep`` is empty.
        EmbedLabError: neither such a set nor such a file or dataset, no hub in reach, or no pairs
            in it.
    """
    if data in TRAINING_SETS:
        return load_pairs(data, progress)
    path = Path(data)
    if is_hub_name(data) and path.suffix.lower() not in FILE_KINDS:
        return _hub_pairs(data, columns, keep, progress)
    if not path.is_file():
        raise EmbedLabError(
            f"{data[-80:]!r} is neither a file nor a training set; the sets are "
            f"{', '.join(TRAINING_SETS)}, and a dataset of the Hub is written owner/name."
        )
    rows = read_table(path, max_bytes=10**9, max_texts=MAX_PAIRS, encoding=encoding)
    chosen = choose_columns(rows, *columns, title=path.name)
    return read_pairs(rows, chosen, keep, title=path.name).pair_set(source=path.name)


def _hub_pairs(
    name: str,
    columns: tuple[str, Sequence[str], Sequence[str]],
    keep: str,
    progress: Progress,
) -> PairSet:
    table = hub_table(name, MAX_HUB_PAIRS, ("train",), progress)
    if table.total == MAX_HUB_PAIRS:
        table = replace(table, notes=(f"No more than the first {table.total:,} rows were read.",))
    chosen = choose_columns(table, *columns, title=name)
    return read_pairs(table, chosen, keep, title=name).pair_set(source="Hugging Face Hub")
