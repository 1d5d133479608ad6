"""A dataset of the Hugging Face Hub as a corpus."""

from __future__ import annotations

import re
from itertools import islice
from pathlib import Path
from typing import Any

from embedlab.data.corpus import Corpus
from embedlab.data.tables import Table, table_to_corpus
from embedlab.errors import EmbedLabError
from embedlab.progress import Progress, no_progress


def load_hub_dataset(
    name: str,
    split: str | None = None,
    text_column: str | None = None,
    label_column: str | None = None,
    limit: int = 2_000,
    progress: Progress = no_progress,
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
        raise _hub_error(name, error) from error
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

    # One request first, because load_dataset retries for half a minute without a hub.
    HfApi().dataset_info(name, timeout=10)
    from datasets import load_dataset

    dataset = load_dataset(name, config, split=split, streaming=True)
    if split is None:
        usual = (s for s in ("test", "validation", "train") if s in dataset)
        dataset = dataset[next(usual, next(iter(dataset)))]
    rows = []
    for row in islice(dataset, limit):
        rows.append(row)
        progress(len(rows), limit, f"reading {name}")
    return rows, dict(dataset.features or dict.fromkeys(rows[0] if rows else ()))


def _hub_cell(value: Any, feature: Any) -> str:
    if isinstance(value, int) and value >= 0 and hasattr(feature, "int2str"):
        return str(feature.int2str(value))
    return "" if value is None else str(value)


def _hub_error(name: str, error: Exception) -> EmbedLabError:
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
