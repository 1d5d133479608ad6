"""Making what :mod:`embedlab.lab.prepared_views` shows: vectors, maps and words of one corpus."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, cast

import numpy as np

from embedlab.analysis import projection
from embedlab.analysis.clusters import LEVELS, Clustering
from embedlab.analysis.comparison import Embedded
from embedlab.data.corpus import Corpus
from embedlab.errors import EmbedLabError
from embedlab.lab import inside
from embedlab.lab.clusters import clusters, spoken_names
from embedlab.lab.config import Config
from embedlab.lab.lab import Lab
from embedlab.lab.prepared_file import (
    FORMAT,
    DesignFacts,
    Facts,
    OperationFacts,
    PreparedFile,
    SpokenFacts,
    clusters_digest,
)
from embedlab.models.design import PRESET_GROUPS, Design
from embedlab.progress import Progress, no_progress


def designs_to_prepare(config: Config) -> list[Design]:
    """All presets, and the two designs that the first view opens with."""
    first = [Design.parse(each) for each in (config.defaults.design_a, config.defaults.design_b)]
    presets = [design for group in PRESET_GROUPS.values() for design in group.values()]
    return list({str(design): design for design in [*presets, *first]}.values())


def prepare(
    lab: Lab,
    backbone_id: str,
    corpus: Corpus,
    designs: Sequence[Design],
    progress: Progress = no_progress,
) -> tuple[Facts, dict[str, Any]]:
    """Facts and arrays for :func:`~embedlab.lab.prepared_file.write_prepared`.

    Vectors are rounded to float16 first; maps, words and names are of the rounded ones, so that
    whoever computes them from the file finds the same.

    Raises:
        EmbedLabError: the backbone has learned something or is not in float32, or texts repeat.
    """
    from embedlab.models.weights import weights_digest

    backbone = lab.backbone(backbone_id, progress)
    if backbone.adapter is not None or str(backbone.dtype) != "torch.float32":
        raise EmbedLabError(
            f"{backbone.name} is in {backbone.dtype}, or trained; prepare views with an untrained "
            "backbone in float32."
        )
    if corpus.repeated:
        raise EmbedLabError(f"Texts of {corpus.title!r} repeat; prepare a corpus without that.")
    arrays: dict[str, Any] = {}
    described = []
    for i, design in enumerate(designs):
        progress(i, len(designs), f"preparing {design.name}")
        side = lab.embedded_on(corpus, design, backbone)
        asked = lab.embed_queries(corpus.queries, side)
        arrays[f"{i}.vectors"] = side.vectors.astype(np.float16)
        arrays[f"{i}.queries"] = asked.astype(np.float16)
        arrays[f"{i}.cut"] = side.cut.astype(np.uint8)
        described.append(_described(i, side, arrays))
    defaults = lab.config.defaults
    facts = Facts(
        format=cast("Any", FORMAT),
        backbone=backbone_id,
        weights=weights_digest(backbone.model),
        key=backbone.key,
        source=backbone.source,
        note=backbone.note,
        max_length=backbone.max_length,
        num_layers=backbone.num_layers,
        corpus=corpus.id,
        fingerprint=corpus.fingerprint,
        queries=corpus.queries,
        n_neighbors=defaults.n_neighbors,
        min_dist=defaults.min_dist,
        seed=defaults.seed,
        designs=tuple(described),
    )
    rounded = PreparedFile("in the making", facts, arrays)
    sides = []
    for design in designs:
        view = rounded.view(design)
        assert view is not None
        prepared = view.prepared
        one = Embedded(
            corpus, design, backbone, prepared.vectors, view.cut, view.steps, shipped=prepared
        )
        sides.append(one)
    arrays |= _maps(lab, sides, progress)
    told = [
        _with_words(lab, side, of, progress) for side, of in zip(sides, facts.designs, strict=True)
    ]
    return facts.model_copy(update={"designs": tuple(told)}), arrays


def _described(number: int, side: Embedded, arrays: dict[str, Any]) -> DesignFacts:
    """A design's steps, whose tensors are added; what several designs share is there once."""
    steps = side.steps
    assert steps is not None
    operations = []
    for place, operation in enumerate(steps.operations):
        tensors = {}
        for name, array in operation.tensors().items():
            # Matrices in half precision: a number of a vector moves by less than its own rounding.
            stored = array.astype(np.float16) if array.ndim == 2 else array
            same = (k for k, v in arrays.items() if v.shape == stored.shape and (v == stored).all())
            key = next(same, f"{number}.{place}.{name}")
            arrays[key] = stored
            tensors[name] = key
        operations.append(
            OperationFacts(kind=cast("Any", type(operation).__name__), tensors=tensors)
        )
    return DesignFacts(
        design=str(side.design),
        operations=tuple(operations),
        fitted_texts=steps.texts,
        fitted_on=steps.source,
    )


def _maps(lab: Lab, sides: Sequence[Embedded], progress: Progress) -> dict[str, Any]:
    """``maps_a`` (m, n, 2) and ``maps_b`` (m, m, n, 2), as :meth:`Lab.maps` lays pairs out."""
    defaults, vectors = lab.config.defaults, [side.vectors for side in sides]
    near = [lab.neighbours(side, defaults.n_neighbors, progress) for side in sides]
    settings = defaults.n_neighbors, defaults.min_dist, defaults.seed
    first, others = [], []
    for i, side in enumerate(sides):
        progress(i, len(sides), f"maps beside {side.design.name}")
        # The layout of A alone decides where every B starts from.
        own, *beside = projection.umap_maps([vectors[i], *vectors], [near[i], *near], *settings)
        first.append(own)
        others.append(beside)
    return {"maps_a": np.array(first, np.float32), "maps_b": np.array(others, np.float32)}


def _with_words(lab: Lab, side: Embedded, facts: DesignFacts, progress: Progress) -> DesignFacts:
    """What a lens on the vocabulary says of each text and of each cluster."""
    # The model's own words, not those of a file that may be there already.
    fresh = replace(side, shipped=None)
    try:
        words = inside.key_tokens(lab, fresh, tuple(range(len(side))), progress=progress)
    except EmbedLabError:  # a head's vectors are no states
        return facts
    found, how = clusters(lab, side, Clustering(), progress), Clustering()
    spoken = {}
    for level in LEVELS:
        names = spoken_names(lab, side, how, level, progress)
        spoken[level] = SpokenFacts(clusters=clusters_digest(found.at(level)), names=names)
    told = tuple(tuple(token.word for token in row) for row in words)
    return facts.model_copy(update={"words": told, "spoken": spoken})
