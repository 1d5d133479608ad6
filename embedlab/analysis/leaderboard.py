"""Every design on the same texts: scores with intervals, who wins, and an answer in words.

The best design is compared with each of the others by the study's paired test over the same items,
corrected by Holm for their number. The best was found by looking at the same items; what is known
is the set of designs that are not separable from it, and that the others are worse.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from embedlab.analysis import bootstrap, label_free, metrics, retrieval
from embedlab.analysis.item_comparisons import ItemComparison, Items, compare_pairs, holm
from embedlab.analysis.retrieval import Float32Array
from embedlab.data.corpus import Corpus
from embedlab.errors import EmbedLabError
from embedlab.progress import Progress, no_progress

#: The measures by their names for readers, in the order in which one is chosen to rank by. The
#: last ones need no labels, and are taken where nothing else is known of the texts.
MEASURES = {
    "ndcg_10": "nDCG@10",
    "spearman": "Spearman",
    "knn_accuracy": "kNN accuracy",
    "v_measure": "V-measure",
    "entropy": "dataset entropy",
}
#: The measures that are fractions, and shown ×100.
FRACTIONS = ("ndcg_10", "spearman", "knn_accuracy", "v_measure")
LABEL_FREE = ("entropy",)
#: The level of all comparisons with the best together.
ALPHA = 0.05
#: The design that is used where nobody has looked further.
DEFAULT = "causal/eos"
#: Designs that a sentence names before it only counts.
NAMED = 3


@dataclass(frozen=True, kw_only=True, eq=False)
class Score:
    """A design's score by one measure, with its 95 % bootstrap interval over n items.

    ``items`` are what the paired test takes; None where a measure has none. An undefined score or
    interval is NaN.
    """

    score: float
    low: float
    high: float
    n: int
    items: Items | None = None


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What a design needs alone: passes over the texts, their tokens, seconds, dimensions.

    ``seconds`` are of the passes and of everything behind them; None where the passes came from
    the cache and nothing is known of their speed. ``estimated`` where their tokens were counted at
    the speed of others.
    """

    passes: int
    tokens: int
    dimension: int
    seconds: float | None = None
    estimated: bool = False


@dataclass(frozen=True, kw_only=True, eq=False)
class Row:
    """One design, or the yardstick, on a corpus.

    ``name`` is unique in a table: the design as it is written, on another model with its name.
    ``design`` and ``model`` (a backbone's id) are what A or B becomes; both are empty for the
    yardstick. ``untrained`` says that its head has random weights.
    """

    name: str
    design: str = ""
    model: str = ""
    scores: Mapping[str, Score]
    cost: Cost
    untrained: bool = False
    note: str = ""

    @property
    def yardstick(self) -> bool:
        """Whether this is no design, but what designs are held against."""
        return not self.design

    @property
    def proposable(self) -> bool:
        """Whether it can be the answer: neither the yardstick nor a head of random weights."""
        return not self.yardstick and not self.untrained


@dataclass(frozen=True, kw_only=True)
class Standing:
    """A row beside the best: what it loses (worse above 0), and whether that is real.

    ``low`` and ``high`` bound the 95 % interval of the loss; ``p`` is after Holm's correction, None
    where the measure has no paired test.
    """

    name: str
    loss: float
    low: float | None = None
    high: float | None = None
    p: float | None = None

    @property
    def separable(self) -> bool | None:
        """Whether the best is really better, or None where nothing was tested."""
        return None if self.p is None else self.p <= ALPHA


@dataclass(frozen=True, kw_only=True, eq=False)
class Ranking:
    """Rows by one measure, the best first, with the ``best`` that can be proposed.

    ``standings`` has each other row with a score by its name.
    """

    measure: str
    rows: tuple[Row, ...]
    best: Row | None
    standings: Mapping[str, Standing] = field(default_factory=dict)

    @cached_property
    def tied(self) -> list[Row]:
        """The rows that can be proposed and are not separable from the best, in their order."""
        return [
            row
            for row in self.rows
            if row.proposable
            and (there := self.standings.get(row.name)) is not None
            and there.separable is False
        ]


def measures_for(corpus: Corpus, field: str = "") -> list[str]:
    """What a corpus's designs are scored by: what is known of its texts, else without labels."""
    possible = metrics.possible_measures(corpus, field)
    known = [measure for measure in MEASURES if measure in possible]
    return known or (list(LABEL_FREE) if len(corpus.texts) >= label_free.FEWEST_TEXTS else [])


def score(
    measure: str,
    corpus: Corpus,
    vectors: Float32Array,
    queries: npt.ArrayLike | None = None,
    field: str = "",
    near: retrieval.Neighbours | None = None,
    seed: int = 0,
) -> Score:
    """One design's score by one measure, for unit vectors (n, d) and those of the queries (q, d).

    Raises:
        EmbedLabError: the measure is not defined for these vectors.
    """
    items: tuple[npt.NDArray[Any], ...]
    if measure == "entropy":
        items, statistic = (label_free.entropy_items(vectors),), bootstrap.mean
    else:
        items = metrics.items_of(measure, corpus, vectors, queries, field, near, seed)
        statistic = bootstrap.STATISTICS[measure]
    value = float(statistic(*items))
    if not math.isfinite(value):
        raise EmbedLabError("all vectors are the same")
    clustered = measure == "v_measure"
    low, high = bootstrap.interval(statistic, *items, centred=clustered)
    if clustered:  # a centred interval may leave the measure's range
        low, high = max(low, 0.0), min(high, 1.0)
    return Score(score=value, low=low, high=high, n=len(items[0]), items=_tested(measure, items))


def _tested(measure: str, items: tuple[npt.NDArray[Any], ...]) -> Items | None:
    """The items as the paired test takes them; clusters have none."""
    if measure == "v_measure":
        return None
    values = np.asarray(items[0], np.float64)[None]
    if measure == "spearman":
        return Items("pairs", values, np.asarray(items[1], np.float64))
    return Items("means", values)


def ranking(
    rows: Sequence[Row], measure: str, progress: Progress = no_progress, *, tested: bool = True
) -> Ranking:
    """Sort rows by a measure and compare each with the best; rows without a score come last.

    Where not ``tested``, as while rows are still missing, only the differences are there.
    """

    def value(row: Row) -> float:
        there = row.scores.get(measure)
        return -math.inf if there is None else there.score

    ordered = tuple(sorted(rows, key=lambda row: (-value(row), row.cost.passes, row.name)))
    scored = [row for row in ordered if measure in row.scores]
    best = next((row for row in scored if row.proposable), None)
    if best is None:
        return Ranking(measure=measure, rows=ordered, best=None)
    top = best.scores[measure]
    others = [row for row in scored if row is not best]
    compared: Sequence[ItemComparison | None] = [None] * len(others)
    if tested and top.items is not None:
        progress(0, 0, f"comparing {len(others)} rows with the best")
        items = {row.name: there for row in scored if (there := row.scores[measure].items)}
        compared = compare_pairs(items, [(row.name, best.name) for row in others])
    corrected = holm([None if one is None else one.p for one in compared])
    standings = {
        row.name: Standing(
            name=row.name,
            loss=top.score - row.scores[measure].score,
            low=None if one is None else one.low,
            high=None if one is None else one.high,
            p=p,
        )
        for row, one, p in zip(others, compared, corrected, strict=True)
    }
    return Ranking(measure=measure, rows=ordered, best=best, standings=standings)


# In words


def answer(ranked: Ranking, n_texts: int) -> list[str]:
    """What to take, what is as good as that, and what the default loses: a few sentences."""
    best = ranked.best
    if best is None:
        return [
            "None of the designs has a score here, so nothing can be proposed. Give labels, pairs "
            f"with scores or queries, or at least {label_free.FEWEST_TEXTS} texts."
        ]
    if ranked.measure in LABEL_FREE:
        return _proposal(ranked, best, n_texts)
    first = f"For these {n_texts:,} texts take {best.name}"
    if ranked.measure == "v_measure":
        return [f"{first}; V-measure has intervals, but no paired test says what is separable."]
    if ranked.standings and all(there.p is None for there in ranked.standings.values()):
        return [f"{first}."]
    tied = ranked.tied
    lines = [f"{first}; {_as_good(tied)}.", *_beside(ranked, best)]
    return [*lines, *_small(best.scores[ranked.measure].n, ranked.measure)]


def _as_good(tied: Sequence[Row]) -> str:
    if not tied:
        return "it is separable from all others"
    names = [row.name for row in tied[:NAMED]]
    if len(tied) > NAMED:
        others = len(tied) - NAMED
        names.append(f"{others} other{'s' * (others > 1)}")
    return f"{_listed(names)} {'is' if len(tied) == 1 else 'are'} not separable from it"


def _beside(ranked: Ranking, best: Row) -> list[str]:
    """What the default loses, and where the yardstick stands."""
    lines = []
    if best.design == DEFAULT:
        lines.append(f"It is the default that everybody uses, {DEFAULT}.")
    elif (default := _of_design(ranked, DEFAULT, best.model)) is not None:
        there = ranked.standings[default.name]
        lost = f"The default that everybody uses, {default.name}, "
        lines.append(
            f"{lost}loses {_points(there.loss)}."
            if there.separable
            else f"{lost}is {_points(there.loss)} below, which is not separable."
        )
    for row in ranked.rows:
        if row.yardstick and row.name in ranked.standings:
            there = ranked.standings[row.name]
            side = "below" if there.loss > 0 else "above"
            note = "" if there.separable else ", not separable"
            lines.append(f"The yardstick, {row.name}, is {_points(abs(there.loss))} {side}{note}.")
    return lines


def _proposal(ranked: Ranking, best: Row, n_texts: int) -> list[str]:
    tied = [row.name for row in ranked.tied[:NAMED]]
    close = f" Close to it: {_listed(tied)}." if tied else ""
    value = best.scores[ranked.measure].score
    return [
        f"Nothing is known of these {n_texts:,} texts, so this is a proposal and no result: try "
        f"{best.name} first. It spreads them over the most directions "
        f"({MEASURES[ranked.measure]} {value:.2f}).{close}",
        "Without labels, pairs or queries no measure sees meaning. Twenty queries with judgements, "
        "or a label for each text, turn this into a table of scores.",
    ]


def _small(n: int, measure: str) -> list[str]:
    unit = {"ndcg_10": "queries", "spearman": "pairs"}.get(measure, "labelled texts")
    return [f"{n} {unit} separate little; the intervals say how little."] if n < 30 else []


def _of_design(ranked: Ranking, design: str, model: str) -> Row | None:
    """A design's row, on the given model where it is there."""
    rows = [r for r in ranked.rows if r.design == design and r.name in ranked.standings]
    return next((r for r in rows if r.model == model), rows[0] if rows else None)


def _points(loss: float) -> str:
    return f"{100 * loss:.1f} points" if abs(loss) < 0.0995 else f"{100 * loss:.0f} points"


def _listed(names: Sequence[str]) -> str:
    """``a``, ``a and b``, ``a, b and c``."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
