"""Columns of text from anywhere, and the corpus that is made of them."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from embedlab.corpus import Corpus, clean_text
from embedlab.errors import EmbedLabError
from embedlab.progress import Progress, silent

MAX_TEXTS = 10_000

_TEXT_NAMES = (
    *("text", "sentence", "content", "document", "passage", "body", "review", "comment"),
    *("message", "question", "abstract", "description", "title"),
)
_LABEL_NAMES = (
    *("label", "labels", "category", "class", "topic", "sense"),
    *("intent", "sentiment", "genre", "target"),
)
_MOST_LABELS = 50


@dataclass(frozen=True, kw_only=True)
class Table:
    """Columns of cells, all of one length; ``total`` counts the rows of the source."""

    columns: dict[str, list[str]]
    total: int
    notes: tuple[str, ...] = field(default=())

    @property
    def text_column(self) -> str | None:
        """The column that probably holds the texts: by its name, else by its length."""
        wordy = [name for name, cells in self.columns.items() if not _only_numbers(cells)]
        if named := _first_named(wordy, _TEXT_NAMES):
            return named
        return max(wordy, key=lambda name: sum(map(len, self.columns[name])), default=None)

    @property
    def label_column(self) -> str | None:
        """The column that probably holds the labels: by its name, else by its few values."""
        return self.label_beside(self.text_column)

    def label_beside(self, text_column: str | None) -> str | None:
        """The probable label column when ``text_column`` holds the texts."""
        others = [name for name in self.columns if name != text_column]
        if named := _first_named(others, _LABEL_NAMES):
            return named
        # Words before numbers: a running number is seldom what the texts are about.
        for name in sorted(others, key=lambda name: _only_numbers(self.columns[name])):
            cells = self.columns[name]
            if 2 <= len(set(cells)) <= min(_MOST_LABELS, len(cells) // 2):
                return name
        return None


def _first_named(columns: list[str], names: tuple[str, ...]) -> str | None:
    by_name = {column.strip().lower(): column for column in reversed(columns)}
    return next((by_name[name] for name in names if name in by_name), None)


def _only_numbers(cells: list[str]) -> bool:
    """Whether nothing in the column is a text; an empty column has none either."""
    return all(not cell.strip() or _is_number(cell) for cell in cells)


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def table_to_corpus(
    table: Table,
    text_column: str | None = None,
    label_column: str | None = None,
    title: str = "Your texts",
    source: str = "your file",
) -> Corpus:
    """The table's texts with their labels; columns left None are guessed, ``""`` is no label.

    Raises:
        EmbedLabError: no such column, or one without any text.
    """
    chosen = text_column or table.text_column
    if chosen is None:
        raise EmbedLabError(f"{title} has no column with text; {_known_columns(table)}.")
    cells = _column(table, chosen, title)
    label = table.label_beside(chosen) if label_column is None else label_column
    labels = _column(table, label, title) if label else []
    if _only_numbers(cells):
        found = "only numbers" if any(cell.strip() for cell in cells) else "no text"
        raise EmbedLabError(
            f"Column {chosen[:60]!r} of {title} holds {found}; choose one with text: "
            f"{_known_columns(table)}."
        )
    kept = [i for i, cell in enumerate(cells) if clean_text(cell).strip()]
    blank = len(cells) - len(kept)
    fields = (
        {label: tuple(clean_text(labels[i]).strip() or "(none)" for i in kept)} if label else {}
    )
    return Corpus(
        id="own",
        title=title,
        texts=tuple(clean_text(cells[i]).strip() for i in kept),
        fields=fields,
        total=table.total - blank,
        source=source,
        notes=table.notes + counted(blank, "blank row", "left out"),
    )


def _column(table: Table, name: str, title: str) -> list[str]:
    if name not in table.columns:
        raise EmbedLabError(f"{title} has no column {name[:60]!r}; {_known_columns(table)}.")
    return table.columns[name]


def _known_columns(table: Table) -> str:
    return f"its columns are {quoted_names(table.columns)}"


def quoted_names(names: Any) -> str:
    """Up to twelve names, shortened, for a message."""
    shown = [repr(str(name)[:40]) for name in names]
    return ", ".join(shown[:12]) + (", …" if len(shown) > 12 else "")


def counted(n: int, what: str, done: str) -> tuple[str, ...]:
    """A note such as ``3 blank rows were left out``, or none for zero."""
    if n == 0:
        return ()
    return (f"1 {what} was {done}.",) if n == 1 else (f"{n:,} {what}s were {done}.",)


def limit_note(read: int, total: int) -> tuple[str, ...]:
    """Says that only the first rows were read, if so."""
    return (f"Only the first {read:,} of {total:,} rows were read.",) if read < total else ()


def text_lines(text: str) -> list[str]:
    """The lines of a text, ended by LF, CRLF or CR only; without the end's empty line."""
    lines = re.split(r"\r\n|\r|\n", text)
    return lines[:-1] if not lines[-1] else lines


def own_texts(pasted: str, max_texts: int = MAX_TEXTS) -> Corpus:
    """Pasted texts, one per line; blank lines are dropped.

    Raises:
        EmbedLabError: there is no text.
    """
    lines = [clean_text(line).strip() for line in text_lines(pasted)]
    texts = [line for line in lines if line]
    if not texts:
        raise EmbedLabError("There is no text yet; paste one text per line.")
    return Corpus(
        id="own",
        title="Your texts",
        texts=tuple(texts[:max_texts]),
        total=len(texts),
        source="pasted",
        notes=limit_note(min(max_texts, len(texts)), len(texts))
        + counted(len(lines) - len(texts), "blank row", "left out"),
    )


def load_hub_dataset(
    name: str,
    split: str | None = None,
    text_column: str | None = None,
    label_column: str | None = None,
    limit: int = 2_000,
    progress: Progress = silent,
    config: str | None = None,
) -> Corpus:
    """The first ``limit`` rows of a Hugging Face dataset, read without downloading the rest.

    Without a split it is the first of test, validation and train. Code from the Hub never runs.

    Raises:
        EmbedLabError: not a dataset's name, no hub in reach, or no such dataset, split or column.
    """
    # A name without an owner, or that of a folder here, would make the library read this disk.
    if not re.fullmatch(r"\w[\w.-]*/\w[\w.-]*", name) or Path(name).exists():
        raise EmbedLabError(
            f"{name[:60]!r} is not the name of a Hub dataset; write owner/name, such as "
            "'stanfordnlp/imdb'."
        )
    progress(0, limit, f"reading {name}")
    try:
        rows, features = _hub_rows(name, config, split, limit, progress)
    except EmbedLabError:
        raise
    except Exception as error:
        raise _hub_trouble(name, error) from error
    if not rows:
        raise EmbedLabError(f"The dataset {name!r} has no rows in this split; choose another.")
    columns = {
        column: [_hub_cell(row.get(column), feature) for row in rows]
        for column, feature in features.items()
        if any(isinstance(row.get(column), str | int | float) for row in rows)
    }
    table = Table(columns=columns, total=len(rows))
    return table_to_corpus(table, text_column, label_column, title=name, source="Hugging Face Hub")


def _hub_rows(
    name: str, config: str | None, split: str | None, limit: int, progress: Progress
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    from huggingface_hub.constants import HF_HUB_OFFLINE

    if HF_HUB_OFFLINE:
        raise EmbedLabError(
            f"The dataset {name!r} cannot be read while HF_HUB_OFFLINE is set; unset it, or "
            "choose a built-in corpus or your own file."
        )
    from huggingface_hub import HfApi

    # Asked once and first, since load_dataset retries for half a minute where there is no hub.
    HfApi().dataset_info(name, timeout=10)
    from datasets import load_dataset

    found = load_dataset(name, config, split=split, streaming=True)
    if split is None:
        first = next((s for s in ("test", "validation", "train") if s in found), next(iter(found)))
        found = found[first]
    rows = []
    for row in islice(found, limit):
        rows.append(row)
        progress(len(rows), limit, f"reading {name}")
    return rows, dict(found.features or dict.fromkeys(rows[0] if rows else ()))


def _hub_cell(value: Any, feature: Any) -> str:
    if isinstance(value, int) and value >= 0 and hasattr(feature, "int2str"):
        return str(feature.int2str(value))
    return "" if value is None else str(value)


def _hub_trouble(name: str, error: Exception) -> EmbedLabError:
    kind = type(error).__name__
    if isinstance(error, ConnectionError) or "Connect" in kind or "Timeout" in kind:
        return EmbedLabError(
            f"The dataset {name!r} could not be read: the Hub was not reached. Connect, or choose "
            "a built-in corpus or your own file."
        )
    return EmbedLabError(
        f"The dataset {name!r} could not be read ({kind}); check that it is public, its "
        "configuration and its split."
    )
