"""The loss and the held-out score against explicit loops."""

from __future__ import annotations

import math

import pytest
import torch

from embedlab.training.losses import info_nce, mean_reciprocal_rank, repeated


def rows(n: int, seed: int) -> torch.Tensor:
    return torch.randn(n, 7, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def cosine(a: torch.Tensor, b: torch.Tensor) -> float:
    return float((a @ b) / (a.norm() * b.norm()))


def softmax_loss(scores: list[float], right: int) -> float:
    return -math.log(math.exp(scores[right]) / sum(math.exp(s) for s in scores))


@pytest.mark.parametrize("hard", [False, True])
@pytest.mark.parametrize("both", [False, True])
def test_info_nce_is_the_explicit_softmax(hard, both):
    a, p, n, scale = rows(5, 1), rows(5, 2), rows(5, 3), 20.0
    expected = 0.0
    for i in range(5):
        ahead = [scale * cosine(a[i], c) for c in p]
        if hard:
            ahead += [scale * cosine(a[i], c) for c in n]
        back = [scale * cosine(c, p[i]) for c in a]
        loss = softmax_loss(ahead, i)
        expected += ((loss + softmax_loss(back, i)) / 2 if both else loss) / 5
    loss = info_nce(a, p, n if hard else None, scale=scale, both_directions=both)
    assert float(loss) == pytest.approx(expected, abs=1e-9)


def test_the_same_text_is_no_negative_of_itself():
    a, p = rows(4, 1), rows(4, 2)
    p[3] = p[1]
    expected = 0.0
    for i in range(4):
        others = [j for j in range(4) if j == i or {i, j} != {1, 3}]
        scores = [20 * cosine(a[i], p[j]) for j in others]
        expected += softmax_loss(scores, others.index(i)) / 4
    assert float(info_nce(a, p, same=repeated(["w", "x", "y", "x"]))) == pytest.approx(expected)


def test_mean_reciprocal_rank_counts_ranks():
    a, p = rows(6, 1), rows(6, 2)
    expected = 0.0
    for i in range(6):
        ranked = sorted(range(6), key=lambda j: -cosine(a[i], p[j]))
        expected += 1 / (1 + ranked.index(i)) / 6
    assert mean_reciprocal_rank(a, p) == pytest.approx(expected)


def test_an_equal_positive_does_not_push_a_rank_down():
    a = torch.eye(2)
    p = torch.tensor([[1.0, 0.0], [1.0, 0.0]])
    assert mean_reciprocal_rank(a, p, repeated(["same", "same"])) == 1.0
