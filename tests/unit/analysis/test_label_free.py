"""Measures of layers without labels, against loops and known shapes."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from support.models import direct, tiny_backbone, words

from embedlab import Backbone, Design, EmbedLabError
from embedlab.analysis.label_free import (
    concentration,
    dataset_entropy,
    entropy_items,
    label_free,
    two_nn,
)

TEXTS = words(*range(2, 26))


@pytest.fixture(scope="module")
def backbone() -> Backbone:
    return tiny_backbone()


def test_entropy_of_known_shapes():
    assert dataset_entropy(np.eye(8, 20, dtype=np.float32)) == pytest.approx(math.log(8))
    assert dataset_entropy(np.ones((5, 3), np.float32)) == pytest.approx(0, abs=1e-9)
    rows = np.random.default_rng(0).normal(size=(30, 6)).astype(np.float32)
    values = np.linalg.svd(rows.astype(np.float64), compute_uv=False) ** 2
    share = values / values.sum()
    assert dataset_entropy(rows) == pytest.approx(-(share * np.log(share)).sum())


@pytest.mark.parametrize("shape", [(12, 30), (40, 6)])
def test_what_each_text_adds_to_the_entropy(shape):
    rows = np.random.default_rng(2).normal(size=shape)
    rows = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    items = entropy_items(rows)
    assert items.mean() == pytest.approx(dataset_entropy(rows))
    # -z (log rho) z, with rho's logarithm on its own range written out.
    values, directions = np.linalg.eigh(rows.T.astype(float) @ rows / len(rows))
    for i in (0, 5):
        by_hand = -sum(
            (rows[i] @ direction) ** 2 * math.log(value)
            for value, direction in zip(values, directions.T, strict=True)
            if value > 1e-9
        )
        assert items[i] == pytest.approx(by_hand, rel=1e-4)
    # To first order, a text drawn once more moves the entropy by its item less the mean.
    more = 1e-4
    weights = np.full(len(rows), (1 - more) / len(rows))
    weights[3] += more
    moved = np.linalg.eigvalsh((rows.T * weights) @ rows.astype(float))
    moved = moved[moved > 1e-9]
    change = float(-(moved * np.log(moved)).sum()) - dataset_entropy(rows)
    assert change / more == pytest.approx(items[3] - items.mean(), abs=0.01)


@pytest.mark.parametrize("dimension", [1, 3, 8])
def test_two_nn_finds_the_dimension_of_a_flat_cloud(dimension):
    rng = np.random.default_rng(1)
    flat = rng.uniform(size=(900, dimension)) @ rng.normal(size=(dimension, 20))
    found = two_nn(flat.astype(np.float32))
    assert found == pytest.approx(dimension, rel=0.25)
    assert two_nn(np.vstack([flat, flat[:5]]).astype(np.float32)) == pytest.approx(found, rel=0.1)


def test_concentration_equals_the_loop(backbone):
    states = backbone.states(TEXTS, "causal")
    expected = []
    for text in TEXTS:
        hidden = direct(backbone, text, "causal").double()
        layers = []
        for tokens in hidden:
            mean = sum(tokens) / len(tokens)
            squares = sum(float(t @ t) for t in tokens) / len(tokens)
            layers.append(squares / float(mean @ mean) - 1)
        expected.append(layers)
    np.testing.assert_allclose(concentration(states), np.mean(expected, axis=0), rtol=1e-4)


def test_the_measures_of_every_layer(backbone):
    states = backbone.states(TEXTS, "causal")
    measured = label_free(states, Design.parse("causal/mean"))
    assert measured.n == len(TEXTS)
    for values in (measured.entropy, measured.dimension, measured.concentration):
        assert values.shape == (backbone.num_layers + 1,) and np.isfinite(values).all()
    assert np.isnan(measured.retention[-1]) and (measured.retention[:-1] <= 1).all()
    layer, reason = measured.proposal
    assert measured.entropy[1:].argmax() + 1 == layer and f"layer {layer}" in reason
    agreed = measured.agreement(measured.entropy * 2 + 1)
    assert agreed["entropy"] == pytest.approx(1)
    assert math.isnan(measured.agreement(np.full(5, np.nan))["entropy"])
    # The end token's embedding is the same for every text.
    ended = label_free(states, Design.parse("causal/eos"))
    assert np.isnan(ended.entropy[0]) and np.isfinite(ended.entropy[1:]).all()


def test_too_few_texts_and_heads_are_refused(backbone):
    states = backbone.states(TEXTS[:5], "causal")
    with pytest.raises(EmbedLabError, match="at least 12"):
        label_free(states, Design.parse("causal/mean"))
    with pytest.raises(EmbedLabError, match="no single layer"):
        label_free(states, Design.parse("causal/value_mean"))
    assert torch.is_grad_enabled()
