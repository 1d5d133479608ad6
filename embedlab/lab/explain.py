"""Why two designs differ, computed on a Lab's kept hidden states: layers, first token, space."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from embedlab.analysis import layers, retrieval, space
from embedlab.analysis.comparison import Embedded, Maps
from embedlab.analysis.evaluation import NEAREST, ChangedQuery, most_changed_queries
from embedlab.analysis.layers import LayerQuality
from embedlab.data.corpus import Corpus
from embedlab.lab.lab import Lab
from embedlab.models.design import ATTENTIONS, Design
from embedlab.models.pooling import POOLINGS
from embedlab.models.states import HiddenStates
from embedlab.progress import Progress, no_progress


def layer_quality(
    lab: Lab,
    corpus: Corpus,
    design: Design,
    backbone_id: str = "",
    *,
    attentions: tuple[str, ...] = ATTENTIONS,
    measure: str = "auto",
    skip_first: bool = False,
    transform: str = "none",
    seed: int = 0,
    progress: Progress = no_progress,
) -> LayerQuality:
    """Every layer's score under both attention modes, with ``design``'s prompts.

    Raises:
        EmbedLabError: the corpus does not know enough to score anything.
    """
    chosen = layers.choose_measure(corpus, measure)
    lab.check(corpus.texts, design)
    backbone = lab.backbone(backbone_id, progress)
    persist = corpus.id in lab.config.corpora and backbone.adapter is None

    def states(
        texts: tuple[str, ...], prompt: str, keep: bool, report: Progress
    ) -> Mapping[str, HiddenStates]:
        return {
            attention: backbone.states(texts, attention, prompt, progress=report, persist=keep)
            for attention in attentions
        }

    def work(report: Progress) -> LayerQuality:
        asked = chosen == "ndcg_10"
        queries = states(corpus.queries, design.query_prompt, False, report) if asked else None
        return layers.layer_quality(
            corpus,
            states(corpus.texts, design.document_prompt, persist, report),
            queries,
            measure=chosen,
            skip_first=skip_first,
            transform=transform,
            seed=seed,
            progress=report,
        )

    key = (
        "layers",
        backbone.key,
        corpus.fingerprint,
        id(corpus.fields),
        (design.query_prompt, design.document_prompt),
        (attentions, chosen, skip_first, transform, seed),
    )
    return lab.jobs.run(key, work, lab.in_time(progress))


def space_scores(
    lab: Lab,
    corpus: Corpus,
    embedded: Embedded,
    how: str = "none",
    backbone_id: str = "",
    progress: Progress = no_progress,
) -> space.Scores:
    """What a corpus says about a design's space as it is, centred or whitened."""
    queries = (
        lab.embed(corpus.queries, embedded.design, backbone_id, query=True, progress=progress)
        if corpus.queries
        else None
    )
    return space.scores(corpus, embedded.vectors, queries, how=how)


def first_token_effect(
    lab: Lab,
    corpus: Corpus,
    design: Design,
    backbone_id: str = "",
    progress: Progress = no_progress,
) -> tuple[space.Scores, space.Scores] | None:
    """A corpus's scores with and without the first token; None for a design that takes no mean."""
    if not POOLINGS[design.pooling].takes_mean:
        return None
    kept, left_out = (
        space_scores(
            lab,
            corpus,
            lab.embedded(corpus, replace(design, skip_first=skip), backbone_id, progress),
            backbone_id=backbone_id,
            progress=progress,
        )
        for skip in (False, True)
    )
    return kept, left_out


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
    progress: Progress = no_progress,
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
