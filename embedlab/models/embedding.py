"""From texts to vectors: pool hidden states under a design, and the one-call ``embed``."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from embedlab.errors import EmbedLabError
from embedlab.models.backbone import Backbone
from embedlab.models.design import Design
from embedlab.models.pooling import POOLINGS
from embedlab.models.states import HiddenStates
from embedlab.models.steps import FittedSteps, fit_steps
from embedlab.models.template import Template
from embedlab.progress import Progress, no_progress

Vectors = NDArray[np.float32]


@torch.no_grad()
def pool(
    states: HiddenStates,
    design: Design,
    backbone: Backbone,
    progress: Progress = no_progress,
    *,
    template: Template | None = None,
) -> Vectors:
    """Pool hidden states into (n, d) float32 rows of length 1, before the design's steps.

    Args:
        states: of texts inside one of the design's templates.
        template: that template; by default the first for documents.

    Raises:
        EmbedLabError: the design asks for a layer the backbone does not have, or a vector came out
            as zero or not finite.
    """
    backbone.check(design)
    if design.pools_text(template or design.templates(query=False)[0]):
        states = states.of_text_tokens()
    if design.trainable:
        pooled = _through_head(states, design, backbone, progress)
    else:
        pooled = POOLINGS[design.pooling].pooled(states, design, backbone)
    if (behind := backbone.native_head(design)) is not None:
        pooled = behind(pooled)
    norms = pooled.norm(dim=1, keepdim=True)
    if not bool(torch.isfinite(norms).all()) or not bool((norms > 0).all()):
        raise EmbedLabError(
            f"{design} gave a vector that is zero or not finite; use float32 or another layer."
        )
    vectors: Vectors = (pooled / norms).cpu().numpy()
    return vectors


#: Gives the hidden states of the texts at hand inside one template.
StatesOf = Callable[[Template], HiddenStates]


def pool_templates(
    states_of: StatesOf,
    design: Design,
    backbone: Backbone,
    *,
    query: bool = False,
    progress: Progress = no_progress,
) -> tuple[Vectors, NDArray[np.bool_]]:
    """The vectors of texts before the design's steps, and which texts were cut.

    Of an ensemble this is the mean of the normalised vectors under its templates (MetaEOL, arXiv
    2402.18458), normalised again.

    Returns:
        (n, d) unit rows, and (n,).
    """
    templates = design.templates(query=query)
    parts, cut = [], []
    for template in templates:
        states = states_of(template)
        parts.append(pool(states, design, backbone, progress, template=template))
        cut.append(states.truncated.numpy())
    return mean_of_templates(parts), np.any(cut, axis=0)


def mean_of_templates(parts: Sequence[Vectors]) -> Vectors:
    """The mean of unit rows (n, d) under an ensemble's templates, normalised again."""
    if len(parts) == 1:
        return parts[0]
    mean = np.mean(parts, axis=0)
    lengths = np.linalg.norm(mean, axis=1, keepdims=True)
    return np.asarray(mean / np.maximum(lengths, 1e-12), np.float32)


def pooled_vectors(
    texts: Sequence[str],
    design: Design,
    backbone: Backbone,
    *,
    query: bool = False,
    progress: Progress = no_progress,
    persist: bool = False,
) -> tuple[Vectors, NDArray[np.bool_]]:
    """Texts under a design before its steps, and which were cut: (n, d) unit rows, and (n,)."""
    backbone.check(design)

    def states_of(template: Template) -> HiddenStates:
        return backbone.states(texts, design.mode, template, progress=progress, persist=persist)

    return pool_templates(states_of, design, backbone, query=query, progress=progress)


def fit(
    texts: Sequence[str],
    design: Design,
    backbone: Backbone,
    *,
    source: str = "",
    progress: Progress = no_progress,
) -> FittedSteps:
    """Fit a design's steps on documents: for :func:`embed`, of documents and queries alike.

    Args:
        texts: n documents; never queries.
        source: says which texts these are, for the record.

    Raises:
        EmbedLabError: a step needs more texts than there are.
    """
    vectors = (
        _in_chunks(texts, design, backbone, query=False, progress=progress)[0]
        if design.fitted
        else np.eye(1, backbone.vector_size(design), dtype=np.float32)
    )
    return fit_steps(str(design), design.steps, vectors, backbone, source)


def stepped(
    vectors: Vectors,
    design: Design,
    backbone: Backbone,
    steps: FittedSteps | None = None,
    *,
    query: bool = False,
    source: str = "",
) -> tuple[Vectors, FittedSteps]:
    """Apply a design's steps to pooled vectors (n, d): (n, k) unit rows, and the fitted steps.

    Args:
        steps: fitted before; by default they are fitted on these vectors.
        query: whether these are queries, on which nothing is ever fitted.

    Raises:
        EmbedLabError: steps fitted for something else, or queries without fitted steps.
    """
    if steps is not None:
        steps.check(str(design), backbone.key)
    elif query and design.fitted:
        raise EmbedLabError(
            f"The steps of {design} are fitted on documents, never on queries; give the documents "
            "with fit=…, or steps fitted before."
        )
    else:
        steps = fit_steps(str(design), design.steps, vectors, backbone, source)
    return steps(vectors), steps


def embed(
    texts: Sequence[str],
    design: Design,
    backbone: Backbone,
    *,
    query: bool = False,
    fit: Sequence[str] | FittedSteps | None = None,
    progress: Progress = no_progress,
    persist: bool = False,
) -> Vectors:
    """Embed n texts: (n, d) float32, rows of length 1.

    Args:
        texts: n strings, none of them empty.
        design: attention, pooling, layer, prompts and steps.
        backbone: from :func:`embedlab.load_backbone`.
        query: whether the query prompt stands before the texts rather than the document prompt.
        fit: the documents that the design's steps are fitted on, or steps fitted before; by default
            these texts. Steps are never fitted on queries.
        progress: called with texts done and texts in all; may raise.
        persist: whether hidden states may be written to the cache's folder.
    """
    if fit is not None and not isinstance(fit, FittedSteps):
        fit = _fit(fit, design, backbone, progress=progress)
    vectors, _ = pooled_vectors(
        texts, design, backbone, query=query, progress=progress, persist=persist
    )
    return stepped(vectors, design, backbone, fit, query=query)[0]


_fit = fit


def _through_head(
    states: HiddenStates, design: Design, backbone: Backbone, progress: Progress
) -> torch.Tensor:
    """Pool in batches of similar length, so that a head reads little padding."""
    head = backbone.head(design)
    head.to(backbone.here)
    order: list[int] = []
    pooled: list[torch.Tensor] = []
    for batch in head.batches(states):
        progress(len(order), len(states), f"pooling, {design.pooling}")
        pooled.append(head(states.take(batch)).cpu())
        order += batch
    unsorted = torch.empty(len(states), pooled[0].shape[1])
    unsorted[order] = torch.cat(pooled)
    return unsorted


#: Texts whose hidden states are in memory at once: some 350 MB on a small backbone.
CHUNK_TEXTS = 1000


def embed_in_chunks(
    texts: Sequence[str],
    design: Design,
    backbone: Backbone,
    *,
    query: bool = False,
    fit: FittedSteps | None = None,
    progress: Progress = no_progress,
) -> tuple[Vectors, int]:
    """Embed any number of texts with memory for little more than their vectors.

    ``fit`` are steps fitted before; by default they are fitted on these texts.

    Returns:
        (n, d) unit rows, and how many texts were truncated.
    """
    vectors, truncated = _in_chunks(texts, design, backbone, query=query, progress=progress)
    return stepped(vectors, design, backbone, fit, query=query)[0], truncated


def _in_chunks(
    texts: Sequence[str], design: Design, backbone: Backbone, *, query: bool, progress: Progress
) -> tuple[Vectors, int]:
    parts, truncated = [], 0
    for start in range(0, max(1, len(texts)), CHUNK_TEXTS):

        def report(done: int, total: int, what: str, start: int = start) -> None:
            progress(start + done, len(texts), what)

        chunk = texts[start : start + CHUNK_TEXTS]
        vectors, cut = pooled_vectors(chunk, design, backbone, query=query, progress=report)
        truncated += int(cut.sum())
        parts.append(vectors)
    return np.concatenate(parts), truncated
