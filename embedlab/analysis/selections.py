"""Two selections of texts against each other: how similar within and between, under a design.

Plain numpy: unit vectors (n, d) and indices in, mean cosines out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from embedlab.analysis.retrieval import check_vectors


@dataclass(frozen=True, kw_only=True)
class Cohesion:
    """Mean cosines of the texts of two selections under one design.

    ``first`` and ``second`` are over the pairs of different texts within each selection, None where
    it has one text alone; ``between`` is over the pairs of a text of the first and another of the
    second, None where there is no such pair.
    """

    first: float | None
    second: float | None
    between: float | None


def cohesion(vectors: npt.ArrayLike, first: Sequence[int], second: Sequence[int]) -> Cohesion:
    """The mean cosines within and between two selections of unit vectors (n, d).

    A text that is in both makes no pair with itself. The means follow from sums of vectors: with
    s = Σ v the sum over all ordered pairs is s · s, and of these Σ v · v are texts with themselves.
    """
    rows = check_vectors(vectors)
    one, two = (rows[np.asarray(chosen, np.int64)].astype(np.float64) for chosen in (first, second))
    both = rows[np.asarray(sorted({*first} & {*second}), np.int64)].astype(np.float64)
    between_pairs = len(one) * len(two) - len(both)
    total = float(one.sum(axis=0) @ two.sum(axis=0) - (both * both).sum())
    return Cohesion(
        first=_within(one),
        second=_within(two),
        between=total / between_pairs if between_pairs else None,
    )


def _within(rows: npt.NDArray[np.float64]) -> float | None:
    n = len(rows)
    if n < 2:
        return None
    whole = rows.sum(axis=0)
    return float((whole @ whole - (rows * rows).sum()) / (n * (n - 1)))


def counts_by_group(
    groups: npt.ArrayLike, first: Sequence[int], second: Sequence[int]
) -> list[tuple[int, int, int]]:
    """How many texts of each selection every group has: ``(group, in the first, in the second)``.

    Groups are numbers (n,), such as clusters with -1 for none. Only groups with texts of a
    selection come, those with the most first.
    """
    numbers = np.asarray(groups, np.int64)
    of_first, of_second = (numbers[np.asarray(rows, np.int64)] for rows in (first, second))
    found = np.union1d(of_first, of_second).tolist()
    counted = [(g, int((of_first == g).sum()), int((of_second == g).sum())) for g in found]
    return sorted(counted, key=lambda row: (-(row[1] + row[2]), row[0]))
