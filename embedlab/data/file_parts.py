"""What each of several files is in a collection: documents, queries, judgements, instructions.

Told by its name and by those of the folders around it, else by its columns, so that BEIR's folders,
MTEB's and a handful of files of one's own are understood.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from embedlab.data.decoding import decode
from embedlab.data.judged import Files
from embedlab.data.judgements import (
    Judgements,
    judgements_in,
    judgements_of,
    nested_judgements,
    parquet_judgements,
    read_judgements,
)
from embedlab.data.readers import read_table
from embedlab.data.rows import Unreadable, cell_text
from embedlab.data.tables import Table, named_column, quoted_names
from embedlab.errors import EmbedLabError

#: The endings of files that may be tables.
TABLES = (".txt", ".csv", ".tsv", ".jsonl", ".json", ".parquet")
#: Judgements in plain text: those that are no table by their ending come as lines.
_PLAIN = (".tsv", ".txt", ".csv", ".qrels", ".qrel", ".trec", "")
_PARTS = {
    "judgements": (
        "qrels",
        "qrel",
        "relevant_docs",
        "judgements",
        "judgments",
        "relevance",
        "relevant",
    ),
    "queries": ("queries", "query", "topics", "questions"),
    "documents": ("corpus", "corpora", "documents", "docs", "collection", "passages"),
    "instructions": ("instruction", "instructions"),
    "unused": ("top", "bm", "run", "readme", "license", "licence"),
}
_PART_OF = {word: part for part, words in _PARTS.items() for word in words}
_SPLITS = {
    **dict.fromkeys(("test", "testing"), "test"),
    **dict.fromkeys(("dev", "validation", "valid", "val"), "dev"),
    **dict.fromkeys(("train", "training"), "train"),
}
#: What names of files have besides, which tells no data sets apart.
_PLAIN_WORDS = {"of", "part", "shard", "data", "default", *_PART_OF, *_SPLITS}
#: For a file of a collection, whose size was checked as a whole.
NO_LIMIT = 10**9


def in_one_json(path: Path, max_bytes: int) -> Files | None:
    """A collection in one object, as evaluators in Python take it; None for any other file.

    ``{"queries": {id: text}, "corpus": {id: text}, "relevant_docs": {query: [document]}}``
    """
    if path.suffix.lower() != ".json" or not path.is_file() or path.stat().st_size > max_bytes:
        return None
    try:
        whole = json.loads(decode(path.read_bytes())[0])
    except (ValueError, RecursionError, Unreadable):
        return None
    parts = (
        {_PART_OF[key]: value for key, value in whole.items() if key in _PART_OF}
        if isinstance(whole, dict)
        else {}
    )
    texts = {part: _texts_by_id(parts.get(part)) for part in ("documents", "queries")}
    documents, queries = texts["documents"], texts["queries"]
    if documents is None or queries is None:
        return None
    judged = judgements_in(parts.get("judgements"))
    return Files(
        documents={"corpus": documents},
        queries={"queries": queries},
        judgements={} if judged is None else {"judgements": judged},
    )


def _texts_by_id(value: Any) -> Table | None:
    """The texts of ``{id: text}`` or ``{id: {"title": …, "text": …}}`` as a table."""
    if not isinstance(value, dict) or not value:
        return None
    rows = [row if isinstance(row, dict) else {"text": row} for row in value.values()]
    columns = {"_id": list(value)}
    for name in ("title", "text"):
        if any(name in row for row in rows):
            columns[name] = [cell_text(row.get(name)) for row in rows]
    return Table(columns=columns, total=len(rows)) if "text" in columns else None


def parts_of(files: Mapping[str, Path], split: str, encoding: str) -> Files:
    """What each file is in the collection; of the judgements only one split's.

    Raises:
        EmbedLabError: there are no documents, or no queries to the judgements, or several data
            sets.
    """
    parts: dict[str, dict[str, Any]] = {part: {} for part in (*_PARTS, "")}
    for name, path in files.items():
        part = _part_by_name(name)
        kind = path.suffix.lower()
        if part == "judgements" and kind in _PLAIN:
            parts[part][name] = read_judgements(path)
        elif part == "unused" or kind not in TABLES:
            parts["unused"][name] = path
        elif judgements := _unlike_tables(path, part):
            parts["judgements"][name] = judgements
        else:
            try:
                limits = {"max_bytes": NO_LIMIT, "max_texts": NO_LIMIT}
                table = read_table(path, encoding=encoding, **limits)
            except EmbedLabError:
                if part:
                    raise
                parts["unused"][name] = path
                continue
            part, content = _part_by_columns(table, part)
            parts[part][name] = content
    _place_others(parts, files)
    documents, queries = parts["documents"], parts["queries"]
    if not documents or (parts["judgements"] and not queries):
        missing = "queries" if documents else "documents"
        raise EmbedLabError(
            f"None of the files {quoted_names(files)} is known to hold the {missing}; name them as "
            "BEIR does: corpus.jsonl, queries.jsonl and qrels.tsv."
        )
    subsets = {_subset(name): name for name in documents}
    if len(subsets) > 1:
        raise EmbedLabError(
            f"There are several data sets in it, with {quoted_names(subsets.values())}; give the "
            "files of one of them."
        )
    used, notes = _of_split(parts["judgements"], split)
    if unused := [*parts["unused"], *parts[""]]:
        notes += (f"Not used: {quoted_names(unused)}.",)
    return Files(
        documents=documents,
        queries=queries,
        judgements=used,
        instructions=parts["instructions"],
        notes=notes,
    )


def _words(name: str) -> list[str]:
    return re.findall("[a-z]+", name.lower())


def _part_by_name(name: str) -> str:
    """The part that a file's own name says, else those of its folders, the nearest first."""
    path = PurePosixPath(name)
    for each in (path.stem, *reversed(path.parent.parts)):
        for word in _words(each):
            if word in _PART_OF:
                return _PART_OF[word]
    return ""


def _unlike_tables(path: Path, named: str) -> Judgements | None:
    """Judgements that a table could not hold: ids that are numbers, objects in an object."""
    if path.suffix.lower() == ".parquet" and named in ("judgements", ""):
        return parquet_judgements(path)
    if path.suffix.lower() == ".json" and named == "judgements":
        return nested_judgements(path)
    return None


def _part_by_columns(table: Table, named: str) -> tuple[str, Any]:
    """The part that a table's columns say, else its name; and its content."""
    if named in ("judgements", ""):
        judgements = judgements_of(table, known=named == "judgements")
        if judgements is not None:
            return "judgements", judgements
    if named_column(table.columns, ("query_id",)):
        if named_column(table.columns, ("instruction",)):
            return "instructions", table
        if named_column(table.columns, ("corpus_ids",)):
            return "unused", table
    return named, table


def _place_others(parts: dict[str, dict[str, Any]], files: Mapping[str, Path]) -> None:
    """Files whose part neither name nor columns say: the one that is missing, or by their ids."""
    others = parts[""]
    if not parts["judgements"] and parts["documents"] and parts["queries"]:
        plain = [name for name in others if files[name].suffix.lower() in _PLAIN]
        if len(plain) == 1:
            parts["judgements"][plain[0]] = read_judgements(files[plain[0]])
            del others[plain[0]]
    missing = [part for part in ("documents", "queries") if not parts[part]]
    if len(missing) == 1 and len(others) == 1:
        parts[missing[0]] |= others
        others.clear()
    rows = [row for one in parts["judgements"].values() for row in one.rows]
    known = {"queries": {row.query for row in rows}, "documents": {row.document for row in rows}}
    for name, table in list(others.items()):
        ids = {cell.strip() for cells in list(table.columns.values())[:2] for cell in cells}
        hits = {part: len(ids & known[part]) for part in missing}
        best = max(hits, key=lambda part: hits[part], default="")
        if best and hits[best] and list(hits.values()).count(hits[best]) == 1:
            parts[best][name] = others.pop(name)


def _subset(name: str) -> str:
    """The words of a name that tell data sets apart; those of a file in a ``corpus`` folder not."""
    path = PurePosixPath(name)
    own = path.stem if any(word in _PART_OF for word in _words(path.stem)) else ""
    words = _words(f"{path.parent.as_posix()} {own}")
    return " ".join(word for word in words if word not in _PLAIN_WORDS)


def _of_split(
    judgements: Mapping[str, Judgements], split: str
) -> tuple[dict[str, Judgements], tuple[str, ...]]:
    """The judgements of one split, and a note where there are others."""
    by_split: dict[str, dict[str, Judgements]] = {}
    for name, content in judgements.items():
        of_name = next((_SPLITS[word] for word in _words(name) if word in _SPLITS), "")
        by_split.setdefault(of_name, {})[name] = content
    wanted = _SPLITS.get(split, split)
    if split and wanted not in by_split:
        known = ", ".join(filter(None, by_split)) or "none"
        raise EmbedLabError(
            f"There are no judgements of the split {split[:40]!r}; the splits here are {known}."
        )
    order = [wanted] if split else ["test", "", "dev", "train"]
    chosen = next((each for each in order if each in by_split), "")
    used = by_split.get(chosen, {})
    others = [name for name in judgements if name not in used]
    if not others:
        return used, ()
    return used, (
        f"Judgements are those of {quoted_names(used)}; not used: {quoted_names(others)}.",
    )
