"""The words nearest to a pooled state, against the product written out."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from support.models import direct, tiny_backbone, words

from embedlab import Backbone, Design, EmbedLabError, embed
from embedlab.analysis.key_tokens import begin_words, group_words, key_tokens

TEXTS = words(4, 7, 9, 3)


@pytest.fixture(scope="module")
def backbone() -> Backbone:
    return tiny_backbone(tied=True)


@torch.no_grad()
@pytest.mark.parametrize("layer", [-1, 2])
def test_they_are_the_largest_entries_of_the_unembedding(backbone, layer):
    design = Design.parse("causal/mean" if layer == -1 else f"causal/mean@{layer}")
    found = key_tokens(embed(TEXTS, design, backbone), design, backbone, k=3)
    for text, row in zip(TEXTS, found, strict=True):
        state = direct(backbone, text, "causal")[layer].mean(dim=0)
        if layer != -1:
            state = backbone.model.norm(state)
        scores = backbone.model.get_input_embeddings().weight @ state
        best = [i for i in scores.argsort(descending=True).tolist() if i < 118]  # no special ones
        assert [token.word for token in row] == [f"w{i}" for i in best[:3]]


def test_a_group_is_told_from_the_others(backbone):
    design = Design.parse("causal/mean")
    vectors = embed(TEXTS, design, backbone)
    mean = vectors[[0, 2]].mean(axis=0) - vectors.mean(axis=0)
    expected = key_tokens(mean[None].astype(np.float32), design, backbone)[0]
    assert group_words(vectors, [0, 2], design, backbone) == expected


@pytest.mark.parametrize("text", ["M3", "causal/value_mean"])
def test_designs_without_states_are_refused(backbone, text):
    design = Design.parse(text)
    with pytest.raises(EmbedLabError, match="no states of the backbone"):
        key_tokens(np.ones((1, 32), np.float32), design, backbone)


@pytest.mark.parametrize(
    ("tokens", "expected"),
    [
        (["Ġbank", "ussions", "æĶ¯ä»ĺ", "Ġ"], [True, False, True, True]),
        (["▁river", "s", "川"], [True, False, True]),
        (["w1", "w2"], [True, True]),
    ],
    ids=["bytes", "pieces", "whole words"],
)
def test_tokens_that_begin_a_word(tokens, expected):
    assert begin_words(tokens) == expected
