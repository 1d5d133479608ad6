"""Quality by layer: which layer carries the meaning, under which attention and pooling.

Everything is computed from hidden states that are already there; no pass is made.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from embedlab.analysis import bootstrap, metrics
from embedlab.analysis.bootstrap import Float64Array
from embedlab.analysis.labels import BY_LABELS, labelled, why_not
from embedlab.analysis.retrieval import Float32Array
from embedlab.analysis.space import fit, unit
from embedlab.data.corpus import Corpus
from embedlab.errors import EmbedLabError, check_known
from embedlab.models.design import Design
from embedlab.models.pooling import POOLINGS
from embedlab.progress import Progress, no_progress

if TYPE_CHECKING:
    from embedlab.models.states import HiddenStates

#: The measures, each with its items; ``auto`` takes the first that a corpus allows.
LAYER_MEASURES = {
    "spearman": "pairs",
    "ndcg_10": "queries",
    "knn_accuracy": "texts",
    "v_measure": "texts",
}


@dataclass(frozen=True, eq=False)
class LayerCurve:
    """One design over layers 0 … L: ``scores`` and their 95 % band, (L + 1,).

    NaN where a layer gives every text the same vector (such as the EOS at the embedding layer) or
    one that is not finite; the band is NaN throughout where the measure has none.
    """

    design: Design
    scores: Float64Array
    low: Float64Array
    high: Float64Array

    @property
    def name(self) -> str:
        """``causal/mean+skip_first``."""
        return self.design.name


@dataclass(frozen=True, eq=False)
class LayerQuality:
    """Curves over layers, measured on ``n`` pairs, queries or texts.

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
    curves: tuple[LayerCurve, ...]


def curve_poolings(*designs: Design) -> list[str]:
    """The poolings that get a curve beside these designs, the designs' own among them.

    Where a design ends without the end token, the curve of the last token has that name.
    """
    own = {design.pooling for design in designs}
    ended = all(design.templates(query=False)[0].eos for design in designs)
    names = [name for name, pooling in POOLINGS.items() if pooling.reads_layer]
    return [
        name
        for name in names
        if (POOLINGS[name].has_curve or name in own or (name == "last" and not ended))
        and not POOLINGS[name].between_layers
        and not (name == "eos" and not ended)
    ]


def choose_measure(corpus: Corpus, measure: str = "auto") -> str:
    """Return the measure to use: the one requested, or the first that the corpus allows.

    Raises:
        EmbedLabError: an unknown measure, or one for which the corpus has too little.
    """
    check_known(measure, "a known measure", ["auto", *LAYER_MEASURES])
    for possible in metrics.possible_measures(corpus):
        if measure in ("auto", possible):
            return possible
    missing = {
        "auto": "scored pairs, queries with relevant texts, or labels",
        "spearman": "scored pairs",
        "ndcg_10": "queries with relevant texts",
    }.get(measure, "labels that several texts share")
    why = ""
    if measure in ("auto", *BY_LABELS) and corpus.fields:
        by = measure if measure in BY_LABELS else BY_LABELS[0]
        why = f" ({why_not(by, labelled(corpus))})"
    raise EmbedLabError(
        f"{corpus.title[:60]!r} has no {missing}{why}, so its layers cannot be scored; choose a "
        "corpus with pairs (stsb), queries (senses, boolq, semanlink) or labels (senses, trec, "
        "sms-spam, bbc)."
    )


def layer_quality(
    corpus: Corpus,
    states: Mapping[str, HiddenStates],
    query_states: Mapping[str, HiddenStates] | None = None,
    *,
    measure: str = "auto",
    skip_first: bool = False,
    transform: str = "none",
    bootstrap: int = 200,
    seed: int = 0,
    poolings: Sequence[str] | None = None,
    progress: Progress = no_progress,
) -> LayerQuality:
    """Score every layer under each attention mode and each pooling that reads a layer.

    The band is a 95 % percentile bootstrap over pairs, queries or texts, with the same resamples
    for every point. Spearman ranks anew in each resample. For nDCG@10 and kNN accuracy the items'
    scores are resampled and the texts searched stay as they are. V-measure has no band: its
    clusters would have to be computed anew each time.

    Args:
        corpus: the texts with their labels, pairs and queries.
        states: per attention mode, the hidden states of ``corpus.texts`` in their order.
        query_states: the same of ``corpus.queries``, for nDCG@10.
        measure: one of :data:`LAYER_MEASURES`, or ``auto``.
        skip_first: whether to add a mean without the first token.
        transform: ``none``, ``centre`` or ``whiten``, as :func:`embedlab.analysis.space.fit`
            does it, on each layer's unit vectors.
        bootstrap: resamples; 0 for no band.
        seed: draws the resamples, and starts k-means for V-measure.
        poolings: those that get a curve; by default all that always have one.

    Raises:
        EmbedLabError: the corpus has too little for the measure, or an unknown word.
        ValueError: states that do not belong to the corpus.
    """
    chosen = choose_measure(corpus, measure)
    kind = LAYER_MEASURES[chosen]
    queries = dict(query_states or {}) if kind == "queries" else {}
    _check_states(corpus, states, queries if kind == "queries" else None)
    scorer = _scorer(corpus, chosen, bootstrap, seed)
    n = {
        "pairs": len(corpus.pairs),
        "queries": sum(map(bool, corpus.relevant)),
        "texts": len(labelled(corpus)),
    }
    # Every pooling says itself whether it has a curve, and one without the first token.
    names = curve_poolings() if poolings is None else poolings
    kinds = [(name, False) for name in names]
    if skip_first:
        kinds += [(name, True) for name in names if POOLINGS[name].curve_without_first]
    curves: list[LayerCurve] = []
    for attention, documents in states.items():
        designs = [
            Design(attention=attention, pooling=name, skip_first=without) for name, without in kinds
        ]
        curves += _curves(designs, documents, queries.get(attention), transform, scorer, progress)
    return LayerQuality(
        measure=chosen,
        unit=kind,
        n=n[kind],
        field=next(iter(corpus.fields)) if kind == "texts" else "",
        transform=transform,
        bootstrap=0 if chosen == "v_measure" else bootstrap,
        seed=seed,
        curves=tuple(curves),
    )


def score_with_band(
    corpus: Corpus,
    measure: str,
    vectors: Float32Array,
    queries: Float32Array | None = None,
    *,
    bootstrap: int = 200,
    seed: int = 0,
) -> Score:
    """A corpus's score of unit vectors (n, d), and the ends of its 95 % bootstrap interval."""
    return _point(vectors, queries, "none", _scorer(corpus, measure, bootstrap, seed))


def _curves(
    designs: Sequence[Design],
    documents: HiddenStates,
    queries: HiddenStates | None,
    transform: str,
    scorer: Scorer,
    progress: Progress,
) -> Iterator[LayerCurve]:
    # (L + 1, curves, 3): layers outermost, because a layer is gathered once for all curves.
    points = []
    query_layers = _by_layer(queries, designs) if queries else None
    for layer, rows in enumerate(_by_layer(documents, designs)):
        progress(layer, documents.num_layers + 1, f"layers, {documents.attention}")
        query_rows = next(query_layers) if query_layers else [None] * len(rows)
        sides = zip(rows, query_rows, strict=True)
        points.append([_point(*vectors, transform, scorer) for vectors in sides])
    for design, curve in zip(designs, np.array(points).transpose(1, 2, 0), strict=True):
        yield LayerCurve(design, *curve)


def _point(
    rows: Float32Array, queries: Float32Array | None, transform: str, scorer: Scorer
) -> Score:
    # The same vector for every text has no order to score, and search refuses what is not finite.
    everything = rows if queries is None else np.concatenate([rows, queries])
    if not np.isfinite(everything).all() or np.ptp(rows, axis=0).max() < 1e-6:
        return _UNDEFINED
    if transform != "none":
        fitted = fit(rows, transform)
        rows, queries = fitted(rows), None if queries is None else fitted(queries)
    return scorer(rows, queries)


def _by_layer(states: HiddenStates, designs: Sequence[Design]) -> Iterator[list[Float32Array]]:
    """The unit vectors (n, d) of every design, layer by layer."""
    for bank in states.layer_banks():
        yield [
            unit(POOLINGS[design.pooling].from_bank(bank, design.skip_first).cpu().numpy())
            for design in designs
        ]


def _check_states(
    corpus: Corpus,
    states: Mapping[str, HiddenStates],
    query_states: Mapping[str, HiddenStates] | None,
) -> None:
    for attention, rows in states.items():
        if len(rows) != len(corpus.texts):
            raise ValueError(f"{len(rows)} states ({attention}) for {len(corpus.texts)} texts")
        if query_states is None:
            continue
        if len(query_states.get(attention, ())) != len(corpus.queries):
            raise ValueError(f"nDCG@10 needs the states of the queries too ({attention})")


#: The score and the ends of its band.
Score = tuple[float, float, float]
#: Takes unit vectors (n, d), and for nDCG@10 those of the queries.
Scorer = Callable[[Float32Array, Float32Array | None], Score]
_UNDEFINED: Score = (np.nan, np.nan, np.nan)


def _scorer(corpus: Corpus, measure: str, n_resamples: int, seed: int) -> Scorer:
    """The function that scores vectors under a measure, with the band where it has one."""
    statistic = bootstrap.STATISTICS[measure]

    def score(vectors: Float32Array, queries: Float32Array | None) -> Score:
        try:
            items = metrics.items_of(measure, corpus, vectors, queries, seed=seed)
        except EmbedLabError:  # a layer at which there are fewer different vectors than labels
            return _UNDEFINED
        whole = float(statistic(*items))
        if measure == "v_measure":
            return whole, np.nan, np.nan
        return whole, *bootstrap.interval(statistic, *items, n_resamples=n_resamples, seed=seed)

    return score
