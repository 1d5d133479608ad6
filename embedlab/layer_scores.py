"""A layer's vectors to a score with a bootstrap band, fast enough for every point of a curve."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from embedlab import metrics, retrieval
from embedlab.corpus import Corpus
from embedlab.errors import EmbedLabError
from embedlab.retrieval import Floats
from embedlab.shape import Reals

#: Neighbours that vote, and ranks that nDCG looks at.
NEAREST = 10

#: The score and the ends of its band.
Score = tuple[float, float, float]
#: Takes unit vectors (n, d), and for nDCG@10 those of the queries.
Scorer = Callable[[Floats, Floats | None], Score]


def scorer_of(
    corpus: Corpus, measure: str, field: str, bootstrap: int, seed: int
) -> tuple[Scorer, int]:
    """The function that scores vectors under a measure, and how many items it resamples."""
    if measure == "spearman":
        n = len(corpus.pairs)
        return _spearman(corpus, _draws(n, bootstrap, seed)), n
    if measure == "ndcg_10":
        n = sum(map(bool, corpus.relevant))
        return _ndcg(corpus, _draws(n, bootstrap, seed)), n
    labels = corpus.fields[field]
    if measure == "knn_accuracy":
        return _knn(labels, _draws(len(labels), bootstrap, seed)), len(labels)
    return _v_measure(labels, seed), len(labels)


def _draws(n: int, bootstrap: int, seed: int) -> Floats:
    """How often each of n items is drawn in each resample: (n, resamples)."""
    rng = np.random.default_rng(seed)
    return rng.multinomial(n, np.full(n, 1 / n), size=bootstrap).T.astype(np.float32)


def _band(score: float, resampled: npt.NDArray[np.floating]) -> Score:
    known = resampled[np.isfinite(resampled)]
    low, high = np.percentile(known, [2.5, 97.5]) if len(known) else (np.nan, np.nan)
    return score, float(low), float(high)


def _spearman(corpus: Corpus, draws: Floats) -> Scorer:
    pairs = np.array([pair[:2] for pair in corpus.pairs])
    gold = np.array([score for *_, score in corpus.pairs])
    gold_ranks = resampled_ranks(gold, draws)
    spread = draws * gold_ranks
    gold_variance = np.einsum("pb,pb->b", spread, gold_ranks)

    def score(vectors: Floats, queries: Floats | None) -> Score:
        cosines = np.einsum("pd,pd->p", vectors[pairs[:, 0]], vectors[pairs[:, 1]])
        if np.ptp(cosines) == 0:
            return (np.nan, np.nan, np.nan)
        ranks = resampled_ranks(cosines, draws)
        variance = np.einsum("pb,pb,pb->b", draws, ranks, ranks)
        with np.errstate(invalid="ignore", divide="ignore"):
            found = np.einsum("pb,pb->b", ranks, spread) / np.sqrt(variance * gold_variance)
        return _band(metrics.spearman(cosines, gold), found)

    return score


def resampled_ranks(values: npt.NDArray[np.floating], draws: Floats) -> Floats:
    """Rank (p,) values within each resample, less the mean rank; equal values share a rank.

    Args:
        values: (p,).
        draws: (p, b), how often each value is drawn in each of b resamples.

    Returns:
        (p, b); where a value was not drawn the number means nothing.
    """
    order = np.argsort(values, kind="stable")
    # The last of each run of equal values; up to it so many were drawn.
    ends = np.flatnonzero(np.diff(values[order], append=np.inf) > 0)
    up_to = draws[order].cumsum(axis=0)[ends]
    groups = np.diff(up_to, axis=0, prepend=0)
    middle = up_to - (groups + len(values)) / 2
    ranks = np.empty_like(draws)
    ranks[order] = np.repeat(middle, np.diff(ends, prepend=-1), axis=0)
    return ranks


def _ndcg(corpus: Corpus, draws: Floats) -> Scorer:
    asked = [q for q, relevant in enumerate(corpus.relevant) if relevant]
    is_relevant = np.zeros((len(asked), len(corpus.texts)), bool)
    for row, q in enumerate(asked):
        is_relevant[row, list(corpus.relevant[q])] = True
    discounts = 1 / np.log2(np.arange(2, NEAREST + 2))
    ideal = discounts.cumsum()[np.minimum(is_relevant.sum(axis=1), NEAREST) - 1]

    def score(vectors: Floats, queries: Floats | None) -> Score:
        assert queries is not None
        ids, _ = retrieval.search(retrieval.build_index(vectors), queries[asked], NEAREST)
        gains = np.take_along_axis(is_relevant, ids, axis=1) @ discounts[: ids.shape[1]]
        return _mean(gains / ideal, draws)

    return score


def _knn(labels: Sequence[str], draws: Floats) -> Scorer:
    codes = np.unique(labels, return_inverse=True)[1]

    def score(vectors: Floats, queries: Floats | None) -> Score:
        return _mean(metrics.knn_hits(retrieval.neighbours(vectors, NEAREST).ids, codes), draws)

    return score


def _v_measure(labels: Sequence[str], seed: int) -> Scorer:
    def score(vectors: Floats, queries: Floats | None) -> Score:
        try:
            return metrics.v_measure(vectors, labels, seed), np.nan, np.nan
        except EmbedLabError:  # a layer at which there are fewer different vectors than labels
            return (np.nan, np.nan, np.nan)

    return score


def _mean(scores: Reals, draws: Floats) -> Score:
    return _band(float(scores.mean()), scores @ draws / len(scores))
