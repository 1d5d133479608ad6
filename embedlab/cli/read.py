"""``embedlab read``: what of a file would be read, and what not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from embedlab.cli.options import (
    NO_LIMIT,
    AnchorOption,
    EncodingOption,
    KeepOption,
    LabelColumnOption,
    NegativeOption,
    PositiveOption,
    SplitOption,
    TextColumnOption,
)
from embedlab.errors import EmbedLabError
from embedlab.terminal import guarded, say, table
from embedlab.text import shorten

if TYPE_CHECKING:
    from collections.abc import Callable

    from embedlab.data.corpus import Corpus
    from embedlab.data.tables import Table
    from embedlab.lab.lab import Lab
    from embedlab.progress import Progress

#: Texts and pairs that are shown to people; ``--json`` has all of them.
SHOWN = 10


@guarded
def read(
    source: Annotated[
        Path,
        typer.Argument(metavar="FILE", help="txt, csv, json, jsonl, parquet, or a folder or zip"),
    ],
    text_column: TextColumnOption = None,
    label_column: LabelColumnOption = None,
    encoding: EncodingOption = "",
    split: SplitOption = "",
    pairs: Annotated[bool, typer.Option("--pairs", help="Read pairs to train on.")] = False,
    anchor: AnchorOption = "",
    positive: PositiveOption = None,
    negative: NegativeOption = None,
    keep: KeepOption = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print everything as JSON.")] = False,
    max_mb: Annotated[int, typer.Option(min=1, help="largest FILE, in MB")] = 50,
) -> None:
    """Show what would be read of a file: columns taken, texts, labels, what is left out and why."""
    from embedlab.cli.read_pairs import pairs_lines, pairs_reading
    from embedlab.data.reading import reading

    if pairs:
        columns = anchor, positive or (), negative or ()
        contents = pairs_reading(source, _table(source, max_mb, encoding), columns, keep)
    else:
        rows = _opened(source, max_mb, encoding, split)
        corpus, chosen = _corpus(source, rows, text_column, label_column)
        contents = reading(rows, corpus, chosen) | {"pairs": []}
    contents = {"file": source.name, **contents}
    if as_json:
        typer.echo(json.dumps(contents, ensure_ascii=False, indent=1))
        return
    typer.echo("\n".join(pairs_lines(contents) if pairs else _lines(contents)))


def read_texts(
    path: Path,
    text_column: str | None = None,
    label_column: str | None = None,
    *,
    max_mb: int,
    encoding: str = "",
    split: str = "",
) -> Corpus:
    """The corpus in a file, a folder or a zip archive; says what was taken and what left out."""
    from embedlab.data.reading import left_out_lines

    corpus, _ = _corpus(path, _opened(path, max_mb, encoding, split), text_column, label_column)
    for line in (*corpus.notes, *left_out_lines(corpus.left_out, corpus.notes)):
        say(line)
    return corpus


def corpus_by_name(
    lab: Lab,
    name: str,
    how: dict[str, Any],
    sample: int | None,
    seed: int,
    progress: Progress,
    prepare: Callable[[Corpus], Corpus] | None = None,
) -> Corpus:
    """A built-in corpus, or that of a file, a folder or a zip; ``how`` are options of the file.

    ``prepare`` gets the whole corpus before a sample is drawn.
    """
    from embedlab.data.corpora import CORPORA

    if name in CORPORA:
        whole = lab.whole(name, progress)
    else:
        path = Path(name)
        if not path.exists():
            raise EmbedLabError(
                f"{name[-80:]!r} is neither a file nor a built-in corpus; the corpora are "
                f"{', '.join(CORPORA)}."
            )
        whole = read_texts(path, max_mb=lab.config.limits.max_upload_mb, **how)
        sample = len(whole.texts) if sample is None else sample
    return lab.sample(prepare(whole) if prepare else whole, sample, seed)


def _opened(path: Path, max_mb: int, encoding: str, split: str) -> Corpus | Table:
    from embedlab.data.file_sets import read_files

    title = path.resolve().name
    limits = {"max_bytes": max_mb * 10**6, "max_texts": NO_LIMIT}
    return read_files([path], encoding=encoding, split=split, title=title, **limits)


def _table(path: Path, max_mb: int, encoding: str) -> Table:
    from embedlab.data.readers import read_table

    return read_table(path, max_bytes=max_mb * 10**6, max_texts=NO_LIMIT, encoding=encoding)


def _corpus(
    path: Path, rows: Corpus | Table, text_column: str | None, label_column: str | None
) -> tuple[Corpus, str]:
    """The corpus, and the column or columns of its texts, or what its table holds instead."""
    from embedlab.data.corpus import Corpus
    from embedlab.data.layouts import corpus_of, layout_of

    if isinstance(rows, Corpus):
        if text_column or label_column:
            raise EmbedLabError(
                f"{path.name!r} holds several files, of which no column can be chosen; leave "
                "--text-column and --label-column out."
            )
        return rows, ""
    corpus = corpus_of(rows, text_column, label_column, title=path.name, source=path.name)
    return corpus, text_column or layout_of(rows) or rows.text_column or ""


def _lines(contents: dict[str, Any]) -> list[str]:
    """What was read, for people."""
    from embedlab.data.reading import counted_labels

    texts, label = contents["texts"], contents["label_column"]
    n = len(texts)
    lines = [
        f"{contents['file']}: {n:,} {'text' if n == 1 else 'texts'}"
        + (f" in {contents['encoding']}" if contents["encoding"] else ""),
        *([f"columns: {', '.join(contents['columns'])}"] if contents["columns"] else []),
        *([f"read as: {contents['layout']}"] if contents["layout"] else []),
        *([f"text column: {contents['text_column']}"] if contents["text_column"] else []),
        f"label column: {label or 'none'}",
    ]
    if queries := contents["queries"]:
        judged = sum(map(len, (query["relevant"] for query in queries)))
        lines.append(f"queries: {len(queries):,}, with {judged:,} relevant texts")
    if contents["scored_pairs"]:
        lines.append(f"pairs with a score: {len(contents['scored_pairs']):,}")
    if label:
        lines.append(f"labels: {counted_labels(contents)}")
    if contents["repeated"]:
        lines.append(f"texts that repeat an earlier one: {contents['repeated']:,}")
    rows = [
        (
            str(text["row"]),
            *([shorten(text["id"], 24)] if text["id"] else []),
            shorten(text["label"] or "", 24),
            shorten(text["text"], 80),
        )
        for text in texts[:SHOWN]
    ]
    ids = ("id",) if texts and texts[0]["id"] else ()
    lines += ["", table(("row", *ids, "label", "text"), rows, right=("row",))]
    if n > SHOWN:
        lines.append(f"and {n - SHOWN:,} more; --json prints all.")
    return [*lines, "", *contents["notes"], *_left_out(contents)]


def _left_out(contents: dict[str, Any]) -> list[str]:
    from embedlab.data.reading import left_out_lines

    listed = contents["left_out"]
    lines = left_out_lines(((each["row"], each["reason"]) for each in listed), contents["notes"])
    more = contents["left_out_total"] - len(listed)
    return [*lines, *([f"{more:,} more rows were left out."] if more else [])]
