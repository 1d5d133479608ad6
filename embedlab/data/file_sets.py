"""Several files that make one corpus: a folder, a zip archive, or files uploaded together.

What part each file has is told by its name and by those of the folders around it, else by its
columns, so that BEIR's folders, MTEB's and a handful of files of one's own are understood.
"""

from __future__ import annotations

import json
import re
import shutil
import stat
import tempfile
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from embedlab.child_process import Bounds, in_child_process
from embedlab.data.corpus import Corpus, grades_of
from embedlab.data.decoding import decode
from embedlab.data.judged import Files, judged_corpus
from embedlab.data.judgements import (
    Judgements,
    judgements_in,
    judgements_of,
    nested_judgements,
    parquet_judgements,
    read_judgements,
)
from embedlab.data.readers import MAX_BYTES, read_table, table_from_plain
from embedlab.data.rows import Unreadable, cell_text
from embedlab.data.tables import MAX_TEXTS, LeftOut, Table, named_column, quoted_names
from embedlab.errors import EmbedLabError

_TABLES = (".txt", ".csv", ".tsv", ".jsonl", ".json", ".parquet")
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
_MOST_FILES = 1_000
#: How many times the limit on an upload the files of an archive may have unpacked.
_MOST_EXPANSION = 5
_NO_LIMIT = 10**9


def read_files(
    paths: Sequence[Path],
    *,
    max_bytes: int = MAX_BYTES,
    max_texts: int = MAX_TEXTS,
    encoding: str = "",
    split: str = "",
    title: str = "Your texts",
) -> Corpus | Table:
    """What several files, a folder or a zip archive hold: a corpus, or a table if it is one file.

    Args:
        paths: files that belong together, or one folder or zip archive.
        max_bytes: of all files; of an archive, before it is unpacked.
        max_texts: rows of a table, documents of a corpus.
        encoding: of all text files; without it, it is found out.
        split: whose judgements are used where there are several; by default the test's.
        title: the corpus's.

    Raises:
        EmbedLabError: files that are too large, damaged, or do not make a corpus together.
    """
    if len(paths) == 1 and paths[0].suffix.lower() != ".zip" and not paths[0].is_dir():
        if (whole := _in_one_json(paths[0], max_bytes)) is not None:
            return judged_corpus(whole, max_texts=max_texts, title=title, source=_name(paths))
        return read_table(paths[0], max_bytes=max_bytes, max_texts=max_texts, encoding=encoding)
    with tempfile.TemporaryDirectory() as scratch:
        files = _unpacked(paths, Path(scratch), max_bytes)
        tables = [path for path in files.values() if path.suffix.lower() in _TABLES]
        if not tables:
            raise EmbedLabError(f"{_name(paths)} holds no table; use {', '.join(_TABLES)} files.")
        if len(files) == 1:
            limits = {"max_bytes": _NO_LIMIT, "max_texts": max_texts}
            return read_table(tables[0], encoding=encoding, **limits)
        found = _parts(files, split, encoding)
    return judged_corpus(found, max_texts=max_texts, title=title, source=_name(paths))


def read_uploads(
    paths: Sequence[Path],
    *,
    max_bytes: int,
    max_texts: int,
    encoding: str = "",
    bounds: Bounds | None = None,
) -> Corpus | Table:
    """A stranger's files as :func:`read_files` reads them, in a bounded child process.

    Raises:
        EmbedLabError: as there, or the files take too much memory or time.
    """
    first, *others = paths
    # Here, so that it is removed also where the child crashes.
    with tempfile.TemporaryDirectory() as scratch:
        answer = in_child_process(
            _read_plainly,
            first,
            bounds=bounds,
            others=[str(path) for path in others],
            max_bytes=max_bytes,
            max_texts=max_texts,
            encoding=encoding,
            scratch=scratch,
        )
    return from_plain(answer)


def _name(paths: Sequence[Path]) -> str:
    return repr(paths[0].name[-60:]) if len(paths) == 1 else f"{len(paths)} files"


# Files


def _unpacked(paths: Sequence[Path], scratch: Path, max_bytes: int) -> dict[str, Path]:
    """The files by their names, those of an archive unpacked into an empty folder."""
    first = paths[0]
    if len(paths) == 1 and first.suffix.lower() == ".zip":
        _unpack(first, scratch, max_bytes)
        return _in_folder(scratch)
    if first.is_dir():
        files = _in_folder(first)
    else:
        # MTEB has files of one name in several folders.
        names = [path.name for path in paths]
        files = {
            path.name if names.count(path.name) == 1 else f"{i}/{path.name}": path
            for i, path in enumerate(paths, start=1)
        }
    size = sum(path.stat().st_size for path in files.values())
    if size > max_bytes:
        raise EmbedLabError(
            f"{_name(paths)} has {size / 1e6:,.1f} MB; the limit is {max_bytes / 1e6:,.1f} MB, so "
            "leave some of it out."
        )
    return files


def _in_folder(folder: Path) -> dict[str, Path]:
    """The files in a folder by their relative names, without hidden ones."""
    found = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        hidden = any(part.startswith((".", "__")) for part in name.split("/"))
        if path.is_file() and not hidden:
            found[name] = path
        if len(found) > _MOST_FILES:
            raise EmbedLabError(
                f"{folder.name[-60:]!r} holds more than {_MOST_FILES:,} files; choose the folder "
                "of one data set."
            )
    if not found:
        raise EmbedLabError("There is no file in it; choose a folder or an archive with texts.")
    return found


def _unpack(archive: Path, into: Path, max_bytes: int) -> None:
    """The regular files of a zip archive, never outside of the folder ``into``."""
    try:
        with zipfile.ZipFile(archive) as opened:
            members = [info for info in opened.infolist() if not info.is_dir()]
            _check_members(archive, members, _MOST_EXPANSION * max_bytes)
            for info in members:
                target = into / info.filename
                target.parent.mkdir(parents=True, exist_ok=True)
                with opened.open(info) as source, target.open("wb") as sink:
                    shutil.copyfileobj(source, sink)
    except (EmbedLabError, MemoryError):
        raise
    except Exception as error:  # whatever zipfile and zlib raise for damaged bytes
        raise EmbedLabError(
            f"{archive.name[-60:]!r} cannot be read as a zip archive; pack it again, or choose its "
            "files one by one."
        ) from error


def _check_members(archive: Path, members: Sequence[zipfile.ZipInfo], most_bytes: int) -> None:
    for info in members:
        path = PurePosixPath(info.filename)
        kind = stat.S_IFMT(info.external_attr >> 16)
        if path.is_absolute() or ".." in path.parts or ":" in info.filename:
            problem = f"{info.filename[:60]!r} leads out of it"
        elif "\\" in info.filename or kind not in (0, stat.S_IFREG):
            problem = f"{info.filename[:60]!r} is a link or no regular file"
        elif info.flag_bits & 1:
            problem = "it is encrypted"
        else:
            continue
        raise EmbedLabError(f"{archive.name[-60:]!r} was refused: {problem}; pack it again.")
    names = {info.filename for info in members}
    size = sum(info.file_size for info in members)
    if len(names) < len(members) or len(members) > _MOST_FILES or size > most_bytes:
        raise EmbedLabError(
            f"{archive.name[-60:]!r} was refused: it holds {len(members):,} files, "
            f"{len(members) - len(names):,} of them twice, of {size / 1e6:,.1f} MB unpacked; the "
            f"limits are {_MOST_FILES:,} different files and {most_bytes / 1e6:,.1f} MB."
        )


# The part of each file


def _in_one_json(path: Path, max_bytes: int) -> Files | None:
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


def _parts(files: Mapping[str, Path], split: str, encoding: str) -> Files:
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
        elif part == "unused" or kind not in _TABLES:
            parts["unused"][name] = path
        elif judgements := _unlike_tables(path, part):
            parts["judgements"][name] = judgements
        else:
            try:
                limits = {"max_bytes": _NO_LIMIT, "max_texts": _NO_LIMIT}
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
        found = next((_SPLITS[word] for word in _words(name) if word in _SPLITS), "")
        by_split.setdefault(found, {})[name] = content
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


# Through the child process


def _read_plainly(
    path: Path, others: Sequence[str], scratch: str, max_bytes: int, max_texts: int, encoding: str
) -> Any:
    """:func:`read_files` in plain values, with its temporary files in ``scratch``."""
    tempfile.tempdir = scratch
    paths = [path, *map(Path, others)]
    read = read_files(paths, max_bytes=max_bytes, max_texts=max_texts, encoding=encoding)
    if isinstance(read, Table):
        return {"table": vars(read)}
    plain = {
        name: getattr(read, name)
        for name in (
            *("texts", "ids", "rows", "queries", "query_ids"),
            *("total", "left_out", "source", "title", "notes"),
        )
    }
    grades = [list(grades_of(relevant).items()) for relevant in read.relevant]
    graded = any(isinstance(relevant, Mapping) for relevant in read.relevant)
    return {"corpus": plain, "grades": grades, "graded": graded}


def from_plain(answer: Mapping[str, Any]) -> Corpus | Table:
    """What a child process read, of the plain values it sent."""
    if "table" in answer:
        return table_from_plain(answer["table"])
    # JSON made lists of tuples.
    sent = answer["corpus"].items()
    parts: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in sent}
    parts["left_out"] = tuple(LeftOut(*each) for each in parts["left_out"])
    grades = [dict(pairs) for pairs in answer["grades"]]
    relevant = tuple(each if answer["graded"] else frozenset(each) for each in grades)
    return Corpus(id="own", relevant=relevant, **parts)
