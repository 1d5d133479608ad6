"""Comparisons of designs item by item: scores, intervals, paired tests, and Holm's correction.

Items are a sample of queries, pairs or documents; seeds of a training are averaged over and held
fixed. An undefined score (cosines that are equal for all pairs have no rank correlation) is None.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from embedlab.analysis import bootstrap
from embedlab.analysis.bootstrap import Float64Array, Statistic
from embedlab.analysis.paired_tests import randomisation_p, rounded

ItemKind = Literal["means", "pairs", "labelled", "resamples"]
#: The statistic of cosines and what they are held against.
_OF_PAIRS = {"pairs": bootstrap.spearman, "labelled": bootstrap.average_precision}


@dataclass(frozen=True, eq=False)
class Items:
    """The items behind one task's score under one design, for each of S seeds.

    ``means``: values (S, n) are scores of items, a query's nDCG@10 or the share of classifiers that
    label a text correctly; the score is their mean. ``pairs``: values (S, n) are cosines and
    ``gold`` (n,) human scores; the score is Spearman's correlation of the two. ``labelled``: the
    same with 1 or 0 as ``gold``; the score is the average precision. ``resamples``:
    values (S, n) are V-measures of n bootstrap samples of the documents, the same samples for every
    design; their spread is the bootstrap and the score is their mean.

    Raises:
        ValueError: if the shapes do not fit together.
    """

    kind: ItemKind
    values: Float64Array
    gold: Float64Array | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "values", np.asarray(self.values, np.float64))
        if self.values.ndim != 2 or not len(self.values):
            raise ValueError(f"values must be (seeds, items), not {self.values.shape}")
        if (self.kind in _OF_PAIRS) != (self.gold is not None):
            raise ValueError(f"gold belongs to pairs and to nothing else, not to {self.kind}")
        if self.gold is not None and self.gold.shape != (self.n,):
            raise ValueError(f"{self.gold.shape} gold scores for {self.n} pairs")

    @property
    def n(self) -> int:
        """How many items, or resamples, there are."""
        return self.values.shape[1]

    @property
    def scores(self) -> Float64Array:
        """One score a seed, (S,); NaN where a seed has none."""
        if self.gold is not None:
            statistic = _OF_PAIRS[self.kind]
            return np.array([statistic(seed, self.gold) for seed in self.values])
        return bootstrap.mean(self.values) if self.n else np.full(len(self.values), np.nan)

    @property
    def score(self) -> float | None:
        """The mean over seeds; None where a seed has no score."""
        return defined(self.scores.mean())


@dataclass(frozen=True)
class ItemComparison:
    """One task under two designs: the gain of the second on the first, and its uncertainty.

    ``low`` and ``high`` bound the 95 % bootstrap interval, ``p`` is of the paired test (two-sided,
    not yet corrected for the number of pairs: see :func:`holm`), ``n`` the items. All but ``n``
    are None where a score is undefined or there are fewer than two items.
    """

    difference: float | None
    low: float | None
    high: float | None
    p: float | None
    n: int


def score_interval(
    items: Items, *, n_resamples: int = 1000, seed: int = 0
) -> tuple[float, float] | None:
    """95 % bootstrap interval of ``items.score`` over the items, the seeds held fixed.

    Returns:
        Low and high; None where the score is undefined or there are fewer than two items.
    """
    if items.n < 2 or items.score is None:
        return None
    if items.kind == "resamples":
        return _by_spread(items.values.mean(axis=0))[:2]
    return _ends(
        *bootstrap.interval(_statistic(items), *_sides(items), n_resamples=n_resamples, seed=seed)
    )


def compare_items(
    a: Items, b: Items, *, n_resamples: int = 1000, n_swaps: int = 9999, seed: int = 0
) -> ItemComparison:
    """The gain of ``b`` on ``a``; see :func:`compare_pairs`."""
    [one] = compare_pairs(
        {"a": a, "b": b}, [("a", "b")], n_resamples=n_resamples, n_swaps=n_swaps, seed=seed
    )
    return one


def compare_pairs(
    items: Mapping[str, Items],
    pairs: Sequence[tuple[str, str]],
    *,
    n_resamples: int = 1000,
    n_swaps: int = 9999,
    seed: int = 0,
) -> list[ItemComparison]:
    """The gain of ``b`` on ``a`` for pairs of designs, with a paired bootstrap interval and test.

    All but ``resamples`` are tested by :func:`~embedlab.analysis.paired_tests.randomisation_p`.
    For ``resamples`` the spread of the gain over them is its standard error (Efron, 1979), and the
    gain over that is taken for Student's t with n - 1 degrees of freedom: counting those in which
    there is no gain could give no p under 2 / (n + 1), and each costs a clustering.

    Args:
        items: by design; the same items in the same order, under seeds of their own.
        pairs: names of two designs each.
        n_resamples: of the bootstrap, the same draws for all designs.
        n_swaps: of the randomisation test; its p is at least 2 / (n_swaps + 1).
        seed: of both.

    Raises:
        ValueError: if two designs do not have the same items.
    """
    for a, b in pairs:
        _check_same(items[a], items[b])
    scores = {name: one.score for name, one in items.items()}
    tested = {(a, b) for a, b in pairs if items[a].n > 1 and None not in (scores[a], scores[b])}
    sampled = [pair for pair in pairs if pair in tested and items[pair[0]].kind != "resamples"]
    draws = {
        name: bootstrap.resampled(
            _statistic(items[name]), *_sides(items[name]), n_resamples=n_resamples, seed=seed
        )
        for name in dict.fromkeys(name for pair in sampled for name in pair)
    }
    first = items[sampled[0][0]] if sampled else None
    values = [(items[a].values, items[b].values) for a, b in sampled]
    tested_p = randomisation_p(
        values,
        first.gold if first is not None else None,
        labelled=first is not None and first.kind == "labelled",
        n_swaps=n_swaps,
        seed=seed,
    )
    p_values = dict(zip(sampled, tested_p, strict=True))
    results = []
    for a, b in pairs:
        n, before, after = items[a].n, scores[a], scores[b]
        if (a, b) not in tested or before is None or after is None:
            results.append(ItemComparison(None, None, None, None, n))
        elif items[a].kind == "resamples":
            gains = rounded(items[b].values.mean(axis=0) - items[a].values.mean(axis=0))
            results.append(ItemComparison(after - before, *_by_spread(gains), n))
        else:
            low, high = _ends(*bootstrap.ends(draws[b] - draws[a])) or (None, None)
            results.append(ItemComparison(after - before, low, high, p_values[a, b], n))
    return results


def _check_same(a: Items, b: Items) -> None:
    same_gold = a.gold is b.gold or np.array_equal(_sides(a)[-1], _sides(b)[-1])
    if (a.kind, a.n) != (b.kind, b.n) or not same_gold:
        raise ValueError(f"{a.n} {a.kind} and {b.n} {b.kind} are not the same items")


def holm(p_values: Sequence[float | None], comparisons: int | None = None) -> list[float | None]:
    """P-values corrected for their number, after Holm (1979): all below α hold together at α.

    Args:
        p_values: one per comparison; None, where nothing was tested, stays None and does not count.
        comparisons: the number to correct for, if it is larger than that.
    """
    tested = sorted((p, i) for i, p in enumerate(p_values) if p is not None)
    # Comparisons beyond those given count as ones without any difference.
    number = max(len(tested), comparisons or 0)
    corrected: list[float | None] = [None] * len(p_values)
    largest = 0.0
    for rank, (p, i) in enumerate(tested):
        largest = max(largest, min(1.0, (number - rank) * p))
        corrected[i] = largest
    return corrected


def _by_spread(values: Float64Array) -> tuple[float, float, float]:
    """95 % interval around the mean of bootstrap results (r,), and the p of a mean of zero."""
    from scipy.stats import t

    mean, error = float(values.mean()), float(values.std(ddof=1))
    reach = float(t.ppf(0.975, len(values) - 1)) * error
    p = 2 * float(t.sf(abs(mean) / error, len(values) - 1)) if error else float(mean == 0)
    return mean - reach, mean + reach, p


def _statistic(items: Items) -> Statistic:
    """Mean over seeds of the scores of items, from the arrays of :func:`_sides`."""
    if items.gold is None:
        return bootstrap.mean
    statistic = _OF_PAIRS[items.kind]

    def mean_score(*sides: npt.ArrayLike, draws: Float64Array | None = None) -> Float64Array:
        *seeds, gold = sides
        return np.asarray(np.mean([statistic(seed, gold, draws=draws) for seed in seeds], axis=0))

    return mean_score


def _sides(items: Items) -> tuple[Float64Array, ...]:
    """The arrays (n,) that :func:`_statistic` takes, the gold scores as the last one."""
    if items.gold is None:
        return (items.values.mean(axis=0),)
    return (*items.values, items.gold)


def defined(value: float) -> float | None:
    """The value, or None for NaN and infinity."""
    return float(value) if np.isfinite(value) else None


def _ends(low: float, high: float) -> tuple[float, float] | None:
    return (float(low), float(high)) if np.isfinite(low) and np.isfinite(high) else None
