"""What a training did to a corpus: where its texts moved, and which queries now find what."""

from __future__ import annotations

from dataclasses import dataclass

from embedlab import retrieval
from embedlab.comparison import Maps
from embedlab.corpus import Corpus
from embedlab.design import Design
from embedlab.evaluation import NEAREST, ChangedQuery, most_changed_queries
from embedlab.lab import Lab
from embedlab.progress import Progress, silent


@dataclass(frozen=True, eq=False)
class Movement:
    """Two aligned maps (a before, b after) and the queries whose ranking changed most.

    ``first`` are the ids of the texts ranked first before and after, one pair a changed query.
    """

    maps: Maps
    changed: tuple[ChangedQuery, ...]
    first: tuple[tuple[int, int], ...]


def movement(
    lab: Lab,
    corpus: Corpus,
    design: Design,
    backbone_ids: tuple[str, str],
    *,
    seed: int = 0,
    progress: Progress = silent,
) -> Movement:
    """One design on the untrained and on the trained backbone, over a corpus.

    Args:
        lab: for the caches.
        corpus: any; queries are compared where it has some.
        design: what was trained.
        backbone_ids: before and after.
        seed: of the map.
        progress: may raise to stop.
    """
    before, after = (
        lab.embedded(corpus, design, backbone_id, progress) for backbone_id in backbone_ids
    )
    defaults = lab.config.defaults
    maps = lab.maps(
        before,
        after,
        n_neighbors=defaults.n_neighbors,
        min_dist=defaults.min_dist,
        seed=seed,
        progress=progress,
    )
    if not corpus.queries:
        return Movement(maps, (), ())
    old, new = (
        retrieval.search(
            side.index,
            lab.embed(corpus.queries, design, backbone_id, query=True, progress=progress),
            NEAREST,
        )[0]
        for side, backbone_id in zip((before, after), backbone_ids, strict=True)
    )
    changed = most_changed_queries(old, new, corpus.relevant)
    first = tuple((int(old[c.query, 0]), int(new[c.query, 0])) for c in changed)
    return Movement(maps, tuple(changed), first)
