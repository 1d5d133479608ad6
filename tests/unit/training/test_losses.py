"""The loss and the held-out score against explicit loops."""

from __future__ import annotations

import math

import pytest
import torch

from embedlab.training.losses import info_nce, mean_reciprocal_rank


def rows(n: int, seed: int) -> torch.Tensor:
    return torch.randn(n, 7, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def cosine(a: torch.Tensor, b: torch.Tensor) -> float:
    return float((a @ b) / (a.norm() * b.norm()))


def softmax_loss(scores: list[float], right: int) -> float:
    return -math.log(math.exp(scores[right]) / sum(math.exp(s) for s in scores))


def mask(n: int, m: int) -> torch.Tensor:
    """About a third of the candidates, own positives among them."""
    return torch.rand(n, m, generator=torch.Generator().manual_seed(4)) < 0.35


@pytest.mark.parametrize("hard", [0, 5, 8])
@pytest.mark.parametrize("both", [False, True])
@pytest.mark.parametrize("masking", [False, True])
def test_info_nce_is_the_explicit_softmax(hard, both, masking):
    a, p, n, scale = rows(5, 1), rows(5, 2), rows(hard, 3), 20.0
    masked = mask(5, 5 + hard) if masking else torch.zeros(5, 5 + hard, dtype=torch.bool)
    expected = 0.0
    for i in range(5):
        ahead = [
            scale * cosine(a[i], c) for j, c in enumerate([*p, *n]) if j == i or not masked[i, j]
        ]
        back = [scale * cosine(c, p[i]) for j, c in enumerate(a) if j == i or not masked[j, i]]
        loss = softmax_loss(ahead, sum(not masked[i, j] for j in range(i)))
        if both:
            loss = (loss + softmax_loss(back, sum(not masked[j, i] for j in range(i)))) / 2
        expected += loss / 5
    loss = info_nce(
        a,
        p,
        n if hard else None,
        scale=scale,
        both_directions=both,
        masked=masked if masking else None,
    )
    assert float(loss) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("masking", [False, True])
def test_mean_reciprocal_rank_counts_ranks(masking):
    a, p = rows(6, 1), rows(6, 2)
    masked = mask(6, 6) if masking else torch.zeros(6, 6, dtype=torch.bool)
    expected = 0.0
    for i in range(6):
        counted = [j for j in range(6) if j == i or not masked[i, j]]
        ranked = sorted(counted, key=lambda j: -cosine(a[i], p[j]))
        expected += 1 / (1 + ranked.index(i)) / 6
    score = mean_reciprocal_rank(a, p, masked if masking else None)
    assert score == pytest.approx(expected)
