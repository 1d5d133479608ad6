"""From texts to vectors: pool hidden states under a design, and the one-call ``embed``."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from embedlab.errors import EmbedLabError
from embedlab.models.backbone import Backbone
from embedlab.models.design import Design
from embedlab.models.pooling import POOLINGS
from embedlab.models.states import HiddenStates
from embedlab.progress import Progress, no_progress

Vectors = NDArray[np.float32]
#: Latents a head works through at once, all texts together: 64 texts of 16. More is slower, since
#: the allocator then asks the system for every intermediate result anew.
HEAD_ROWS = 1024


@torch.no_grad()
def pool(
    states: HiddenStates, design: Design, backbone: Backbone, progress: Progress = no_progress
) -> Vectors:
    """Pool hidden states into (n, d) float32 rows of length 1.

    Raises:
        EmbedLabError: the design asks for a layer the backbone does not have, or a vector came out
            as zero or not finite.
    """
    backbone.check(design)
    if design.trainable:
        pooled = _through_head(states, design, backbone, progress)
    else:
        pooled = POOLINGS[design.pooling](states, design.layer, design.skip_first)
    if (behind := backbone.native_head(design)) is not None:
        pooled = behind(pooled)
    norms = pooled.norm(dim=1, keepdim=True)
    if not bool(torch.isfinite(norms).all()) or not bool((norms > 0).all()):
        raise EmbedLabError(
            f"{design} gave a vector that is zero or not finite; use float32 or another layer."
        )
    vectors: Vectors = (pooled / norms).cpu().numpy()
    return vectors


def embed(
    texts: Sequence[str],
    design: Design,
    backbone: Backbone,
    *,
    query: bool = False,
    progress: Progress = no_progress,
    persist: bool = False,
) -> Vectors:
    """Embed n texts: (n, d) float32, rows of length 1.

    Args:
        texts: n strings, none of them empty.
        design: attention, pooling, layer and prompts.
        backbone: from :func:`embedlab.load_backbone`.
        query: whether the query prompt stands before the texts rather than the document prompt.
        persist: whether hidden states may be written to the cache's folder.
    """
    backbone.check(design)
    prompt = design.query_prompt if query else design.document_prompt
    states = backbone.states(
        texts,
        design.attention,
        prompt,
        ended=design.ended,
        progress=progress,
        persist=persist,
    )
    return pool(states, design, backbone, progress)


def _through_head(
    states: HiddenStates, design: Design, backbone: Backbone, progress: Progress
) -> torch.Tensor:
    """Pool in batches of similar length, so that a head reads little padding."""
    head = backbone.head(design)
    head.to(backbone.here)
    order = torch.argsort(states.token_counts, descending=True, stable=True)
    pooled: list[torch.Tensor] = []
    for batch in order.split(max(1, HEAD_ROWS // head.size.latents)):
        progress(sum(len(p) for p in pooled), len(states), f"pooling, {design.pooling}")
        pooled.append(head(states.take(batch.tolist())).cpu())
    unsorted = torch.empty(len(states), pooled[0].shape[1])
    unsorted[order] = torch.cat(pooled)
    return unsorted


#: Texts whose hidden states are in memory at once: some 300 MB on a small backbone.
CHUNK_TEXTS = 1000


def embed_in_chunks(
    texts: Sequence[str],
    design: Design,
    backbone: Backbone,
    *,
    query: bool = False,
    progress: Progress = no_progress,
) -> tuple[Vectors, int]:
    """Embed any number of texts with memory for little more than their vectors.

    Returns:
        (n, d) unit rows, and how many texts were truncated.
    """
    backbone.check(design)
    prompt = design.query_prompt if query else design.document_prompt
    parts, truncated = [], 0
    for start in range(0, len(texts), CHUNK_TEXTS):

        def report(done: int, total: int, what: str, start: int = start) -> None:
            progress(start + done, len(texts), what)

        chunk = texts[start : start + CHUNK_TEXTS]
        states = backbone.states(
            chunk, design.attention, prompt, ended=design.ended, progress=report
        )
        truncated += int(states.truncated.sum())
        parts.append(pool(states, design, backbone))
    return np.concatenate(parts), truncated
