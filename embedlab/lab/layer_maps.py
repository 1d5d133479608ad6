"""A design's map at every layer, from hidden states that are already there: no pass is made."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from embedlab.analysis import layer_maps as maps
from embedlab.analysis import projection, retrieval
from embedlab.analysis.comparison import Embedded
from embedlab.analysis.retrieval import Float32Array
from embedlab.analysis.space import unit
from embedlab.errors import EmbedLabError
from embedlab.lab.lab import Lab, computed
from embedlab.models.pooling import POOLINGS
from embedlab.progress import Progress, no_progress

if TYPE_CHECKING:
    from embedlab.models.states import Bank, HiddenStates


def has_layers(embedded: Embedded) -> bool:
    """Whether the design reads one layer, so that its map can be shown at every one."""
    design = embedded.design
    if design.file:
        return False
    pooling = POOLINGS[design.pooling]
    one = pooling.reads_layer and not pooling.between_layers and design.layers is None
    return one and embedded.backbone.native_head(design) is None


def own_layer(embedded: Embedded) -> int:
    """The layer that a design reads, counted from 0."""
    layer = embedded.design.layer
    return layer if layer >= 0 else embedded.backbone.num_layers + 1 + layer


@computed
def layer_maps(
    lab: Lab, embedded: Embedded, seed: int = 0, progress: Progress = no_progress
) -> maps.LayerMaps:
    """The maps of a corpus under a design at the layers 0 … L.

    Raises:
        EmbedLabError: the design chooses its own layers.
    """
    states = _states(lab, embedded, progress)
    total = embedded.backbone.num_layers + 1

    def layers() -> Iterator[Float32Array]:
        for layer, banks in enumerate(zip(*(each.layer_banks() for each in states), strict=True)):
            progress(layer, total, "Maps of all layers")
            yield _vectors(embedded, banks, layer)

    return maps.layer_maps(layers(), seed)


@computed
def settled_map(
    lab: Lab,
    embedded: Embedded,
    layer: int,
    *,
    n_neighbors: int,
    min_dist: float,
    seed: int = 0,
    warm: bool = True,
    progress: Progress = no_progress,
) -> tuple[Float32Array, str]:
    """One layer's own layout (n, 2) and its name, ``UMAP`` or, where that cannot be, ``PCA``.

    It grows out of the layer's map in :func:`layer_maps`. ``warm`` says whether UMAP is compiled.

    Raises:
        EmbedLabError: the design chooses its own layers, or has no such layer.
    """
    frames = layer_maps(lab, embedded, seed, progress=progress).xy
    if not 0 <= layer < len(frames):
        raise EmbedLabError(f"Layer {layer} is none of 0 to {len(frames) - 1}.")
    # Texts that are the same stand on one place: each is laid out once.
    firsts, numbers = embedded.corpus.firsts, embedded.corpus.numbers
    banks = [each.bank(layer) for each in _states(lab, embedded, progress)]
    rows = _vectors(embedded, banks, layer)[firsts]
    if not warm or not projection.umap_possible(rows, rows):
        return frames[layer], "PCA"
    near = retrieval.neighbours(rows, max(15, n_neighbors))
    start = frames[layer][firsts]
    xy = projection.umap_from(rows, near, start, n_neighbors, min_dist, seed, progress)
    return xy[numbers], "UMAP"


def _states(lab: Lab, embedded: Embedded, progress: Progress) -> list[HiddenStates]:
    """The hidden states that the design's pooling reads, in each of its templates."""
    design = embedded.design
    if not has_layers(embedded):
        raise EmbedLabError(
            f"{design.name} chooses its own layers, so there is no map for each; take a pooling "
            "that reads one layer, such as mean."
        )
    found = []
    for template in design.templates(query=False):
        states = lab.states_of(embedded.corpus, embedded.backbone, design.mode, template, progress)
        found.append(states.of_text_tokens() if design.pools_text(template) else states)
    return found


def _vectors(embedded: Embedded, banks: Sequence[Bank], layer: int) -> Float32Array:
    """The unit rows (n, d) of one layer, through the design's steps where they can be fitted."""
    from embedlab.models.steps import fit_steps

    design, pooling = embedded.design, POOLINGS[embedded.design.pooling]
    parts = [unit(pooling.from_bank(bank, design.skip_first).cpu().numpy()) for bank in banks]
    rows = unit(np.mean(parts, axis=0))
    own = replace(design, layer=layer)
    try:
        return fit_steps(str(own), own.steps, rows, embedded.backbone)(rows)
    except EmbedLabError:  # all texts at one place, as their last token is at the embedding layer
        return rows
