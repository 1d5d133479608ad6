"""Ids that stand for more than one row, in any number of rows with memory for a part of them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

#: Ids whose hashes are in memory at once.
_AT_ONCE = 5_000_000
_SHOWN = 3


class Duplicates(NamedTuple):
    """How many ids stand for more than one row, and a few of them."""

    ids: int = 0
    examples: tuple[str, ...] = ()


def duplicate_ids(parts: Sequence[Path], texts: int) -> Duplicates:
    """The ids that stand more than once in the parts of a run.

    The ids are hashed (64 bits: of 100 million ids two different ones meet with a probability of
    3 in 10,000) and looked at in groups by their hash, one walk through the parts for each group.

    Args:
        parts: parquet files with a column ``id``.
        texts: their rows in all.
    """
    groups = -(-texts // _AT_ONCE) or 1
    count = 0
    examples: list[str] = []
    for group in range(groups):
        hashes = np.concatenate([_hashes(ids, group, groups) for ids in _ids(parts)] or [_NONE])
        values, times = np.unique(hashes, return_counts=True)
        repeated = set(values[times > 1].tolist())
        count += len(repeated)
        if repeated and len(examples) < _SHOWN:
            examples += _named(parts, repeated, _SHOWN - len(examples))
    return Duplicates(count, tuple(examples))


_NONE = np.empty(0, np.uint64)


def _ids(parts: Sequence[Path]) -> Iterator[list[str]]:
    import pyarrow.parquet as pq

    for path in parts:
        yield pq.read_table(path, columns=["id"])["id"].to_pylist()


def _hash(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest())


def _hashes(ids: Sequence[str], group: int, groups: int) -> NDArray[np.uint64]:
    every: NDArray[np.uint64] = np.fromiter(map(_hash, ids), np.uint64, len(ids))
    chosen: NDArray[np.uint64] = every[every % np.uint64(groups) == group]
    return chosen


def _named(parts: Sequence[Path], hashes: set[int], count: int) -> list[str]:
    """Ids that have these hashes, the first that are met."""
    found: dict[str, None] = {}
    for ids in _ids(parts):
        for text in ids:
            if _hash(text) in hashes:
                found[text] = None
                if len(found) == count:
                    return list(found)
    return list(found)
