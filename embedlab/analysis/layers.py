"""Quality by layer: which layer carries the meaning, under which attention and pooling.

Everything is computed from hidden states that are already kept; no pass is made.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from embedlab.analysis import metrics, retrieval
from embedlab.analysis.retrieval import Floats
from embedlab.analysis.space import TRANSFORMS, Reals, fit, unit
from embedlab.data.corpus import Corpus
from embedlab.errors import EmbedLabError
from embedlab.models.design import Design
from embedlab.models.pooling import POOLINGS
from embedlab.models.states import HiddenStates
from embedlab.progress import Progress, no_progress

#: The measures, with what each is taken over; ``auto`` takes the first that a corpus allows.
MEASURES = {
    "spearman": "pairs",
    "ndcg_10": "queries",
    "knn_accuracy": "texts",
    "v_measure": "texts",
}


@dataclass(frozen=True, eq=False)
class Curve:
    """One pooling under one attention over layers 0 … L: ``scores`` and their 95 % band, (L + 1,).

    NaN where a layer gives every text the same vector (such as the EOS at the embedding layer) or
    one that is not finite; the band is NaN throughout where the measure has none.
    """

    attention: str
    pooling: str
    skip_first: bool
    scores: Reals
    low: Reals
    high: Reals

    def design(self, layer: int) -> Design:
        """The design that a layer of this curve stands for."""
        return Design(
            attention=self.attention,
            pooling=self.pooling,
            layer=layer,
            skip_first=self.skip_first,
        )

    @property
    def name(self) -> str:
        """``causal/mean+skip_first``."""
        return self.design(-1).name


@dataclass(frozen=True, eq=False)
class LayerQuality:
    """Curves over layers, and what they were measured on: ``n`` pairs, queries or texts.

    ``field`` names the labels, where they were used. ``bootstrap`` resamples were drawn with
    ``seed``, 0 for a measure without a band.
    """

    measure: str
    unit: str
    n: int
    field: str
    transform: str
    bootstrap: int
    seed: int
    curves: tuple[Curve, ...]


def choose_measure(corpus: Corpus, measure: str = "auto", field: str = "") -> str:
    """Return the measure to use: the one asked for, or the first that the corpus allows.

    Raises:
        EmbedLabError: an unknown measure, or one the corpus does not know enough for.
    """
    labels = corpus.fields.get(field, corpus.labels) or ()
    labelled = 2 <= len(set(labels)) < len(labels)
    possible = {
        "spearman": len(corpus.pairs) > 2 and len({score for *_, score in corpus.pairs}) > 1,
        "ndcg_10": any(corpus.relevant),
        "knn_accuracy": labelled,
        "v_measure": labelled,
    }
    if measure != "auto" and measure not in MEASURES:
        raise EmbedLabError(
            f"{str(measure)[:60]!r} is not a known measure; use auto or one of "
            f"{', '.join(MEASURES)}."
        )
    for name in MEASURES if measure == "auto" else [measure]:
        if possible[name]:
            return name
    missing = {
        "auto": "scored pairs, queries with relevant texts, or labels",
        "spearman": "scored pairs",
        "ndcg_10": "queries with relevant texts",
    }.get(measure, "labels that several texts share")
    raise EmbedLabError(
        f"{corpus.title[:60]!r} has no {missing}, so its layers cannot be scored; choose a corpus "
        "with pairs (stsb), queries (senses, boolq, semanlink) or labels (senses, trec, sms-spam, "
        "bbc)."
    )


def layer_quality(
    corpus: Corpus,
    states: Mapping[str, HiddenStates],
    query_states: Mapping[str, HiddenStates] | None = None,
    *,
    field: str = "",
    measure: str = "auto",
    skip_first: bool = False,
    transform: str = "none",
    bootstrap: int = 200,
    seed: int = 0,
    progress: Progress = no_progress,
) -> LayerQuality:
    """Score every layer under each attention mode and each pooling that reads a layer.

    The band is a 95 % percentile bootstrap over pairs, queries or texts, with the same resamples
    for every point. Spearman ranks anew in each resample. For nDCG@10 and kNN accuracy the items'
    scores are resampled and the texts searched stay as they are. V-measure has no band: its
    clusters would have to be found anew each time.

    Args:
        corpus: what is known about the texts.
        states: per attention mode, the hidden states of ``corpus.texts`` in their order.
        query_states: the same of ``corpus.queries``, for nDCG@10.
        field: the field whose values are the labels; by default the corpus's first.
        measure: one of :data:`MEASURES`, or ``auto``.
        skip_first: whether to add a mean without the first token.
        transform: ``none``, ``centre`` or ``whiten``, as :func:`embedlab.analysis.space.fit`
            does it, on each layer's unit vectors.
        bootstrap: resamples; 0 for no band.
        seed: draws the resamples, and starts k-means for V-measure.
        progress: called after every layer; may raise to stop.

    Raises:
        EmbedLabError: the corpus does not know enough for the measure, or an unknown word.
        ValueError: states that do not belong to the corpus.
    """
    chosen = choose_measure(corpus, measure, field)
    if transform not in TRANSFORMS:
        raise EmbedLabError(
            f"{str(transform)[:60]!r} is not a known transform; use one of {', '.join(TRANSFORMS)}."
        )
    asked = dict(query_states or {}) if chosen == "ndcg_10" else {}
    _check_states(corpus, states, asked if chosen == "ndcg_10" else None)
    field = field if field in corpus.fields else next(iter(corpus.fields), "")
    scorer, n = scorer_of(corpus, chosen, field, bootstrap, seed)
    poolings = [(name, False) for name, pooling in POOLINGS.items() if pooling.reads_layer]
    if skip_first:
        poolings += [
            (name, True) for name, pooling in POOLINGS.items() if pooling.curve_without_first
        ]
    curves: list[Curve] = []
    for attention, documents in states.items():
        points = np.array(
            list(_points(documents, asked.get(attention), poolings, transform, scorer, progress))
        )
        curves += [
            Curve(attention, name, without, *points[:, i].T.copy())
            for i, (name, without) in enumerate(poolings)
        ]
    return LayerQuality(
        measure=chosen,
        unit=MEASURES[chosen],
        n=n,
        field=field if MEASURES[chosen] == "texts" else "",
        transform=transform,
        bootstrap=0 if chosen == "v_measure" else bootstrap,
        seed=seed,
        curves=tuple(curves),
    )


def _points(
    documents: HiddenStates,
    queries: HiddenStates | None,
    poolings: Sequence[tuple[str, bool]],
    transform: str,
    scorer: Scorer,
    progress: Progress,
) -> Iterator[list[Score]]:
    """Per layer, a score and its band for every kind of pooling."""
    last = documents.num_layers
    asked = _by_layer(queries, poolings) if queries else None
    for layer, pooled in enumerate(_by_layer(documents, poolings)):
        progress(layer, last + 1, f"layers, {documents.attention}")
        pooled_queries = next(asked) if asked else [None] * len(poolings)
        yield [
            _point(rows, others, transform, scorer)
            for rows, others in zip(pooled, pooled_queries, strict=True)
        ]


def _point(rows: Floats, queries: Floats | None, transform: str, scorer: Scorer) -> Score:
    everything = rows if queries is None else np.concatenate([rows, queries])
    if not np.isfinite(everything).all() or np.ptp(rows, axis=0).max() < 1e-6:
        return (np.nan, np.nan, np.nan)
    if transform != "none":
        fitted = fit(rows, transform)
        rows, queries = fitted(rows), None if queries is None else fitted(queries)
    return scorer(rows, queries)


def _by_layer(states: HiddenStates, poolings: Sequence[tuple[str, bool]]) -> Iterator[list[Floats]]:
    """The unit vectors (n, d) of every pooling, layer by layer."""
    for bank in states.layer_banks():
        yield [
            unit(POOLINGS[name].from_bank(bank, skip_first).cpu().numpy())
            for name, skip_first in poolings
        ]


def _check_states(
    corpus: Corpus,
    states: Mapping[str, HiddenStates],
    query_states: Mapping[str, HiddenStates] | None,
) -> None:
    if not states:
        raise ValueError("there are no hidden states to score")
    for attention, rows in states.items():
        if len(rows) != len(corpus.texts):
            raise ValueError(f"{len(rows)} states ({attention}) for {len(corpus.texts)} texts")
        if query_states is None:
            continue
        if len(query_states.get(attention, ())) != len(corpus.queries):
            raise ValueError(f"nDCG@10 needs the states of the queries too ({attention})")


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
