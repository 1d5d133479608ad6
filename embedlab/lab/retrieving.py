"""What the Retrieve tab shows besides two lists: outcomes by query, and one query everywhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from embedlab.analysis import bootstrap, metrics
from embedlab.analysis.bootstrap import Float64Array
from embedlab.analysis.comparison import Embedded, nearest
from embedlab.analysis.retrieval import Int64Array
from embedlab.data.corpus import Corpus, Relevant
from embedlab.errors import EmbedLabError
from embedlab.lab.lab import Lab, computed, is_prepared
from embedlab.models.design import Design
from embedlab.progress import Progress, no_progress

#: Differences of nDCG@10 below this are rounding.
_SAME = 1e-9


@dataclass(frozen=True, eq=False)
class Outcomes:
    """nDCG@10 of q judged queries under A and under B, ``a`` and ``b`` (q,).

    ``queries`` (q,) are their numbers in the corpus, in the order of B − A, A's greatest win first.
    ``low`` and ``high`` are the ends of the 95 % interval of the mean difference; NaN of one query.
    """

    queries: Int64Array
    a: Float64Array
    b: Float64Array
    low: float
    high: float

    @property
    def differences(self) -> Float64Array:
        """B − A, (q,)."""
        return self.b - self.a

    @property
    def wins(self) -> tuple[int, int, int]:
        """How many queries A wins, B wins, and neither."""
        wins_a = int((self.differences < -_SAME).sum())
        wins_b = int((self.differences > _SAME).sum())
        return wins_a, wins_b, len(self.queries) - wins_a - wins_b


@computed
def outcomes(
    lab: Lab, a: Embedded, b: Embedded, progress: Progress = no_progress
) -> Outcomes | None:
    """The judged queries of a corpus under A and under B; None where there is none."""
    scores = [lab.retrieval_scores(side, progress) for side in (a, b)]
    if scores[0] is None or scores[1] is None:
        return None
    both = np.stack([of.per_query["ndcg_10"] for of in scores if of is not None])
    judged = np.flatnonzero(~np.isnan(both).any(axis=0))
    order = judged[np.argsort(both[1, judged] - both[0, judged], kind="stable")]
    of_a, of_b = both[:, order]
    low, high = bootstrap.paired_interval(bootstrap.mean, [of_a], [of_b])
    return Outcomes(order.astype(np.int64), of_a, of_b, low, high)


@dataclass(frozen=True, eq=False)
class Answer:
    """What a design finds for a query: ``ids``, the nearest first; ``ndcg`` where it is judged.

    ``reason`` says why there is none.
    """

    name: str
    design: Design
    ids: tuple[int, ...] = ()
    ndcg: float | None = None
    reason: str = ""


def answers(
    lab: Lab,
    query: str,
    corpus: Corpus,
    designs: Mapping[str, Design],
    backbone_id: str,
    k: int,
    *,
    rows: Sequence[int] | None = None,
    progress: Progress = no_progress,
) -> list[Answer]:
    """The k nearest texts to one query under many designs, each by its name.

    A design that cannot be had says why, and does not stop the others. Where there are ``rows``,
    only these texts are listed; nDCG counts all.
    """
    relevant = _relevant_to(query, corpus)
    sides = {name: lab.at_once(corpus, each, backbone_id) for name, each in designs.items()}
    passes = [
        (corpus, designs[name], backbone_id)
        for name, side in sides.items()
        if side is None or not is_prepared(query, side)
    ]
    if passes:
        lab.prepare(passes, [query], progress)
    found = []
    for number, (name, design) in enumerate(designs.items()):
        progress(number, len(designs), f"asking {name}")
        try:
            side = sides[name] or lab.embedded(corpus, design, backbone_id, progress)
            vector = lab.embed_queries([query], side, progress)
        except EmbedLabError as error:
            found.append(Answer(name, design, reason=str(error)))
            continue
        index = None if rows is not None or relevant else lab.index(side, progress)
        ids, _ = nearest(side.vectors, vector, max(k, metrics.TOP_RANKS), index)
        ndcg = metrics.retrieval_scores(ids[None], [relevant]).ndcg_10 if relevant else None
        if rows is not None:
            some = np.asarray(rows, np.int64)
            ids = some[nearest(side.vectors[some], vector, k)[0]]
        found.append(Answer(name, design, tuple(ids[:k].tolist()), ndcg))
    return found


def _relevant_to(query: str, corpus: Corpus) -> Relevant:
    """The texts that answer the first of the corpus's queries with these words."""
    both = zip(corpus.queries, corpus.relevant, strict=True)
    return next((relevant for own, relevant in both if own == query), frozenset())
