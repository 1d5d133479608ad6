"""Linear CKA and neighbour overlap of designs, against loops over their definitions."""

from __future__ import annotations

import numpy as np
import pytest

from embedlab.analysis.agreement import MOST_TEXTS, Agreement, linear_cka
from embedlab.analysis.retrieval import neighbours


@pytest.fixture
def rng():
    return np.random.default_rng(5)


def unit(rows):
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def cka_by_hand(x, y):
    """‖Yᵀ X‖² / (‖Xᵀ X‖ ‖Yᵀ Y‖), entry by entry, of centred columns."""
    x = np.array([[value - column.mean() for value in column] for column in x.T.astype(float)]).T
    y = np.array([[value - column.mean() for value in column] for column in y.T.astype(float)]).T

    def squares(a, b):
        total = 0.0
        for i in range(a.shape[1]):
            for j in range(b.shape[1]):
                total += sum(a[t, i] * b[t, j] for t in range(len(a))) ** 2
        return total

    return squares(x, y) / np.sqrt(squares(x, x) * squares(y, y))


def overlap_by_hand(x, y, k):
    shares = []
    for i in range(len(x)):
        near = [
            set(
                sorted((j for j in range(len(x)) if j != i), key=lambda j: -(rows[i] @ rows[j]))[:k]
            )
            for rows in (x.astype(float), y.astype(float))
        ]
        shares.append(len(near[0] & near[1]) / len(near[0] | near[1]))
    return np.mean(shares)


def test_cka_is_the_ratio_of_its_definition(rng):
    x, y = unit(rng.normal(size=(14, 5))), unit(rng.normal(size=(14, 3)))
    y[:, 0] += x[:, 1]
    assert linear_cka(x, y) == pytest.approx(cka_by_hand(x, y), abs=1e-5)
    assert 0.05 < linear_cka(x, y) < 0.95


def test_cka_knows_no_rotation_and_no_scale(rng):
    x = unit(rng.normal(size=(30, 6)))
    turn, _ = np.linalg.qr(rng.normal(size=(6, 6)))
    assert linear_cka(x, 7 * x @ turn + 3) == pytest.approx(1, abs=1e-5)
    assert linear_cka(x, unit(rng.normal(size=(30, 6)))) < 0.6
    assert np.isnan(linear_cka(x, np.ones((30, 6))))


def test_the_matrices_hold_every_pair_as_by_hand(rng):
    spaces = [unit(rng.normal(size=(25, d))) for d in (4, 7, 4)]
    spaces[2] = unit(spaces[0] + 0.2 * spaces[2])
    agreement = Agreement(25)
    for name, rows in zip("abc", spaces, strict=True):
        agreement.add(name, rows, neighbours(rows, 10).ids)
    assert agreement.names == ["a", "b", "c"]
    for i in range(3):
        assert agreement.cka[i, i] == agreement.overlap[i, i] == 1
        for j in range(i):
            cka, overlap = (
                cka_by_hand(spaces[i], spaces[j]),
                overlap_by_hand(spaces[i], spaces[j], 10),
            )
            assert agreement.cka[i, j] == agreement.cka[j, i] == pytest.approx(cka, abs=1e-5)
            assert agreement.overlap[i, j] == agreement.overlap[j, i] == pytest.approx(overlap)
    assert agreement.overlap[2, 0] > agreement.overlap[1, 0]


def test_of_many_texts_some_at_even_distances_are_compared():
    assert len(Agreement(MOST_TEXTS).rows) == MOST_TEXTS
    rows = Agreement(10 * MOST_TEXTS).rows
    assert (rows[0], rows[-1], len(rows)) == (0, 10 * MOST_TEXTS - 1, MOST_TEXTS)
    assert Agreement(1).rows.tolist() == [0]
