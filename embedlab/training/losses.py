"""The contrastive loss, and the score of held-out pairs."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def info_nce(
    anchors: Tensor,
    positives: Tensor,
    negatives: Tensor | None = None,
    *,
    scale: float = 20.0,
    both_directions: bool = False,
    masked: Tensor | None = None,
) -> Tensor:
    """InfoNCE over scaled cosines (arXiv 1807.03748), with in-batch and hard negatives.

    For pair i, with s_ij = scale · cos(a_i, c_j) over the candidates c: all positives, then all
    hard negatives, less those that are masked for anchor i::

        loss_i = − log( exp(s_ii) / Σ_j exp(s_ij) )

    Args:
        anchors: (n, d), any length.
        positives: (n, d); row i belongs to anchor i.
        negatives: (m, d) hard negatives, each a candidate of every anchor, or None.
        scale: 1 / temperature.
        both_directions: adds the loss of finding the anchor from its positive, and halves the sum.
        masked: (n, n + m) bool, candidates that are no negatives of an anchor; its own positive
            counts also where it is marked.

    Returns:
        The mean over the n pairs, a scalar.
    """
    n = len(anchors)
    candidates = positives if negatives is None else torch.cat([positives, negatives])
    scores = scale * F.normalize(anchors, dim=-1) @ F.normalize(candidates, dim=-1).T
    target = torch.arange(n, device=scores.device)
    if masked is not None:
        scores = scores.masked_fill(_others(masked, scores), float("-inf"))
    loss = F.cross_entropy(scores, target)
    if both_directions:
        loss = (loss + F.cross_entropy(scores[:, :n].T, target)) / 2
    return loss


def mean_reciprocal_rank(anchors: Tensor, positives: Tensor, masked: Tensor | None = None) -> float:
    """How well n anchors find their positives among all of them: the mean of 1 / rank, 0 to 1.

    Args:
        anchors: (n, d).
        positives: (n, d).
        masked: (n, n) bool, candidates that are right for an anchor too and take no rank.
    """
    scores = F.normalize(anchors, dim=-1) @ F.normalize(positives, dim=-1).T
    right = scores.diagonal()[:, None]
    better = scores > right
    if masked is not None:
        better &= ~_others(masked, scores)
    return float((1 / (1 + better.sum(dim=1).float())).mean())


def _others(masked: Tensor, scores: Tensor) -> Tensor:
    """The mask without each anchor's own positive, which stands on the diagonal."""
    own = torch.eye(*masked.shape, dtype=torch.bool, device=scores.device)
    return masked.to(scores.device) & ~own
