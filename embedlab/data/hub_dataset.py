"""A dataset of the Hugging Face Hub, as a table or a corpus."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

from embedlab.data.corpus import Corpus
from embedlab.data.layouts import corpus_of, unfolded
from embedlab.data.rows import cell_text
from embedlab.data.tables import Table
from embedlab.errors import Cancelled, EmbedLabError
from embedlab.progress import Progress, no_progress


def load_hub_dataset(name: str, limit: int = 2_000, progress: Progress = no_progress) -> Corpus:
    """The first ``limit`` rows of a Hugging Face dataset, read without downloading the rest.

    They are of its first split among test, validation and train, and their columns are guessed;
    queries and pairs are taken as such. Code from the Hub never runs.

    Raises:
        EmbedLabError: not a dataset's name, no hub in reach, or no such dataset.
    """
    table = unfolded(hub_table(name, limit, ("test", "validation", "train"), progress), limit)
    return corpus_of(table, title=name, source="Hugging Face Hub")


def is_hub_name(name: str) -> bool:
    """Whether a name is written as a Hub dataset's, owner/name, and nothing here has it."""
    return bool(re.fullmatch(r"\w[\w.-]*/\w[\w.-]*", name)) and not Path(name).exists()


def hub_table(
    name: str, limit: int, splits: Sequence[str], progress: Progress = no_progress
) -> Table:
    """The first ``limit`` rows of a dataset, of the first of these splits that it has.

    Raises:
        EmbedLabError: not a dataset's name, no hub in reach, or no such dataset.
    """
    # A name without an owner, or that of a folder here, would make the library read this disk.
    if not is_hub_name(name):
        raise EmbedLabError(
            f"{name[:60]!r} is not the name of a Hub dataset; write owner/name, such as "
            "'stanfordnlp/imdb'."
        )
    progress(0, limit, f"reading {name}")
    with _hub_errors(name):
        rows, features = _hub_rows(name, limit, splits, progress)
    if not rows:
        raise EmbedLabError(f"The dataset {name!r} has no rows in this split; choose another.")
    columns = {
        column: [_hub_cell(row.get(column), feature) for row in rows]
        for column, feature in features.items()
        if any(isinstance(row.get(column), str | int | float | list | dict) for row in rows)
    }
    return Table(columns=columns, total=len(rows))


def streamed_splits(name: str) -> tuple[str, list[str]]:
    """The revision of a Hugging Face dataset as it is now, and its splits.

    Raises:
        EmbedLabError: no hub in reach, or no such dataset.
    """
    with _hub_errors(name):
        revision = str(_reached(name).sha)
        from datasets import get_dataset_split_names

        return revision, list(get_dataset_split_names(name, revision=revision))


def streamed_rows(
    name: str, split: str, revision: str
) -> tuple[list[str], Iterator[dict[str, str]], int]:
    """A split's columns, its rows as they come with cells as text, and how many; 0 if unknown.

    Raises:
        EmbedLabError: no hub in reach, or no such dataset; also while the rows are read.
    """
    with _hub_errors(name):
        _reached(name)
        from datasets import load_dataset

        dataset = load_dataset(name, split=split, revision=revision, streaming=True)
        known = (dataset.info.splits or {}).get(split)
        features = dict(dataset.features or dict.fromkeys(next(iter(dataset), {})))

    def rows() -> Iterator[dict[str, str]]:
        with _hub_errors(name):
            for row in dataset:
                yield {
                    column: _hub_cell(row.get(column), feature)
                    for column, feature in features.items()
                }

    return list(features), rows(), known.num_examples if known else 0


@contextmanager
def _hub_errors(name: str) -> Iterator[None]:
    try:
        yield
    except (EmbedLabError, Cancelled):
        raise
    except Exception as error:
        raise _hub_error(name, error) from error


def _reached(name: str) -> Any:
    """What the Hub says of a dataset, in one request: load_dataset retries for half a minute."""
    from huggingface_hub.constants import HF_HUB_OFFLINE

    if HF_HUB_OFFLINE:
        raise EmbedLabError(
            f"The dataset {name!r} cannot be read while HF_HUB_OFFLINE is set; unset it, or "
            "choose what is built in, or your own file."
        )
    from huggingface_hub import HfApi

    return HfApi().dataset_info(name, timeout=10)


def _hub_rows(
    name: str, limit: int, wanted: Sequence[str], progress: Progress
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    _reached(name)
    from datasets import load_dataset

    splits = load_dataset(name, streaming=True)
    usual = (split for split in wanted if split in splits)
    dataset = splits[next(usual, next(iter(splits)))]
    rows = []
    for row in islice(dataset, limit):
        rows.append(row)
        progress(len(rows), limit, f"reading {name}")
    return rows, dict(dataset.features or dict.fromkeys(rows[0] if rows else ()))


def _hub_cell(value: Any, feature: Any) -> str:
    if isinstance(value, int) and value >= 0 and hasattr(feature, "int2str"):
        return str(feature.int2str(value))
    if isinstance(value, list | dict):
        return cell_text(value)
    return "" if value is None else str(value)


def _hub_error(name: str, error: Exception) -> EmbedLabError:
    kind = type(error).__name__
    if isinstance(error, ConnectionError) or "Connect" in kind or "Timeout" in kind:
        return EmbedLabError(
            f"The dataset {name!r} could not be read: the Hub was not reached. Connect, or choose "
            "what is built in, or your own file."
        )
    return EmbedLabError(
        f"The dataset {name!r} could not be read ({kind}); check that it is public and has "
        "one configuration."
    )
