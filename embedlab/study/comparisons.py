"""Comparisons of designs over datasets.

Three sources of variation are kept apart. Items: a task is a sample of queries, pairs or documents
(:mod:`embedlab.analysis.item_comparisons`). Datasets: a study is a sample of sources of texts,
and the parts of one source are one cluster (:func:`compare_over_datasets`). Seeds: a training is
one of many (:func:`seed_sd`); everything else averages over the seeds and holds them fixed.

An undefined score (cosines that are equal for all pairs have no rank correlation) is None in
results and NaN in tables of scores; it enters no test.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import numpy.typing as npt

from embedlab.analysis.bootstrap import Float64Array, verdict
from embedlab.analysis.item_comparisons import ItemComparison, defined, holm
from embedlab.analysis.paired_tests import (
    FEWEST_DATASETS,
    detectable_effect,
    mean_interval,
    rank_biserial,
    rounded,
    why_not,
    wilcoxon_p,
)


def seed_sd(scores: npt.ArrayLike) -> float | None:
    """Standard deviation (n - 1) of the scores (S,) of S seeds; None for a single seed."""
    values = np.asarray(scores, np.float64)
    return defined(values.std(ddof=1)) if len(values) > 1 else None


@dataclass(frozen=True, kw_only=True)
class Difference(ItemComparison):
    """The gain of ``b`` on ``a``, over n independent datasets or over n items of a task."""

    a: str
    b: str
    corrected: float | None
    separable: bool

    @property
    def verdict(self) -> str:
        """``separable`` or ``not separable``."""
        return verdict(self.separable)


@dataclass(frozen=True, kw_only=True)
class DatasetComparison(Difference):
    """Two designs over n independent datasets; parts of one source are averaged and count as one.

    ``difference`` is the mean over these, ``low`` and ``high`` its 95 % interval
    (:func:`~embedlab.analysis.paired_tests.mean_interval`), None below six of them. ``p`` is of the
    exact two-sided Wilcoxon signed-rank test, ``corrected`` after Holm. ``effect`` is the
    matched-pairs rank-biserial correlation: (R⁺ - R⁻) / (R⁺ + R⁻), from -1, ``a`` better wherever
    they differ, to 1. ``detectable_difference`` is the smallest mean difference that the test would
    have detected (:func:`~embedlab.analysis.paired_tests.detectable_effect`, in the unit of the
    scores); ``why`` explains why it could have detected none. None stands for an undefined value.
    """

    effect: float | None
    detectable_difference: float | None
    why: str | None


def compare_over_datasets(
    scores: npt.ArrayLike,
    names: Sequence[str],
    *,
    comparisons: int | None = None,
    alpha: float = 0.05,
    power: float = 0.8,
    against: Sequence[str] = (),
    clusters: Sequence[str] | None = None,
) -> tuple[DatasetComparison, ...]:
    """Every unordered pair of designs, paired over independent datasets.

    Parts of one source resemble each other in what they favour: taking each for a dataset of its
    own called designs separable that are not 9 to 19 times in 100 instead of 5. So the gains on
    them are averaged first, and a source has one gain, one sign and one rank.

    Args:
        scores: (designs, datasets); NaN where a score is undefined, which leaves the dataset out of
            the pairs of that design.
        names: of the designs.
        comparisons: the number to correct for; by default the number of pairs.
        alpha: the chance of any false "separable" among the comparisons.
        power: at which a difference counts as detectable.
        against: the designs that every other is compared with; by default all pairs are compared.
        clusters: the source of each dataset; by default each is a source of its own.

    Raises:
        ValueError: if there is not one row for each name, or one cluster for each column.
    """
    table = np.asarray(scores, np.float64)
    if table.ndim != 2 or len(table) != len(names):
        raise ValueError(f"scores of shape {table.shape} for {len(names)} designs")
    if clusters is not None and len(clusters) != table.shape[1]:
        raise ValueError(f"{len(clusters)} clusters for {table.shape[1]} datasets")
    table = np.where(np.isfinite(table), table, np.nan)
    pairs = compared_pairs(names, against)
    return compare_gains(
        [(names[a], names[b]) for a, b in pairs],
        [table[b] - table[a] for a, b in pairs],
        comparisons=comparisons,
        alpha=alpha,
        power=power,
        clusters=clusters,
    )


def compare_gains(
    pairs: Sequence[tuple[str, str]],
    gains: Sequence[Float64Array],
    *,
    comparisons: int | None = None,
    alpha: float = 0.05,
    power: float = 0.8,
    clusters: Sequence[str] | None = None,
) -> tuple[DatasetComparison, ...]:
    """The same of gains (datasets,) of the second of each pair on the first, NaN where undefined.

    The other arguments are those of :func:`compare_over_datasets`.
    """
    comparisons = max(comparisons or 0, len(pairs))
    over = [rounded(_by_cluster(gain, clusters)) for gain in gains]
    p_values = wilcoxon_p(over)
    results = []
    for (a, b), gain, p, corrected in zip(
        pairs, over, p_values, holm(p_values, comparisons), strict=True
    ):
        n, differing = len(gain), int(np.count_nonzero(gain))
        low, high = mean_interval(gain) if n >= FEWEST_DATASETS else (None, None)
        smallest = detectable_effect(differing, comparisons, alpha, power)
        results.append(
            DatasetComparison(
                a=a,
                b=b,
                n=n,
                difference=float(gain.mean()) if n else None,
                low=low,
                high=high,
                p=p,
                corrected=corrected,
                effect=rank_biserial(gain) if n else None,
                detectable_difference=smallest and smallest * float(gain.std(ddof=1)),
                separable=corrected is not None and corrected <= alpha,
                why=why_not(n, comparisons, alpha, differing=differing),
            )
        )
    return tuple(results)


def compared_pairs(names: Sequence[str], against: Sequence[str] = ()) -> list[tuple[int, int]]:
    """The pairs (a, b) of positions to compare: all, or those with one of ``against`` as a."""
    if not against:
        return list(combinations(range(len(names)), 2))
    first = [i for i, name in enumerate(names) if name in against]
    return [
        (a, b) for a in first for b in range(len(names)) if b != a and (b not in first or a < b)
    ]


def _by_cluster(gains: Float64Array, clusters: Sequence[str] | None) -> Float64Array:
    """The gains (m,) as one mean a cluster (n,), without the NaN of datasets that have none."""
    if clusters is None:
        return gains[np.isfinite(gains)]
    grouped: dict[str, list[float]] = {}
    for gain, cluster in zip(gains.tolist(), clusters, strict=True):
        if np.isfinite(gain):
            grouped.setdefault(cluster, []).append(gain)
    return np.array([np.mean(group) for group in grouped.values()])
