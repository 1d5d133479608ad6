"""The contrastive loss, and the score of held-out pairs."""

from __future__ import annotations

from collections.abc import Sequence

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
    same: Tensor | None = None,
) -> Tensor:
    """InfoNCE over scaled cosines (arXiv 1807.03748), with in-batch and hard negatives.

    For pair i, with s_ij = scale · cos(a_i, c_j) over the candidates c: all positives, then all
    hard negatives::

        loss_i = − log( exp(s_ii) / Σ_j exp(s_ij) )

    Args:
        anchors: (n, d), any length.
        positives: (n, d); row i belongs to anchor i.
        negatives: (n, d) hard negatives, or None.
        scale: 1 / temperature.
        both_directions: adds the loss of finding the anchor from its positive, and halves the sum.
        same: (n, n) bool, where candidate j is the very text of positive i: no negative of it.

    Returns:
        The mean over the n pairs, a scalar.
    """
    a, p = F.normalize(anchors, dim=-1), F.normalize(positives, dim=-1)
    scores = scale * a @ p.T
    target = torch.arange(len(a), device=a.device)
    if same is not None:
        other = same.to(a.device) & ~torch.eye(len(a), dtype=torch.bool, device=a.device)
        scores = scores.masked_fill(other, float("-inf"))
    candidates = scores
    if negatives is not None:
        candidates = torch.cat([scores, scale * a @ F.normalize(negatives, dim=-1).T], dim=1)
    loss = F.cross_entropy(candidates, target)
    if both_directions:
        loss = (loss + F.cross_entropy(scores.T, target)) / 2
    return loss


def repeated(texts: Sequence[str]) -> Tensor:
    """(n, n) bool: which texts are equal."""
    numbers = {text: i for i, text in enumerate(dict.fromkeys(texts))}
    codes = torch.tensor([numbers[text] for text in texts])
    return codes[:, None] == codes[None, :]


def mean_reciprocal_rank(anchors: Tensor, positives: Tensor, same: Tensor | None = None) -> float:
    """How well n anchors find their positives among all of them: the mean of 1 / rank, 0 to 1.

    Args:
        anchors: (n, d).
        positives: (n, d).
        same: (n, n) bool, candidates that are the right text too and are not counted as others.
    """
    scores = F.normalize(anchors, dim=-1) @ F.normalize(positives, dim=-1).T
    right = scores.diagonal()[:, None]
    better = scores > right
    if same is not None:
        better &= ~same.to(better.device)
    return float((1 / (1 + better.sum(dim=1).float())).mean())
