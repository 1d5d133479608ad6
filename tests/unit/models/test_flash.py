"""Another attention function is taken where it makes no difference, and only there."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from support.models import tiny_backbone, words
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

from embedlab import Design, embed
from embedlab.models import flash
from embedlab.models.probe import leak_probe

CALLED = []


def same(module, query, key, value, attention_mask, **kwargs):
    """SDPA under another name, as flash attention is called by a model."""
    CALLED.append(query.shape)
    return sdpa_attention_forward(module, query, key, value, attention_mask, **kwargs)


def always_causal(module, query, key, value, attention_mask, **kwargs):
    ahead = torch.ones(query.shape[2], query.shape[2], dtype=torch.bool).tril()
    both = ahead if attention_mask is None else attention_mask & ahead
    kwargs["is_causal"] = False
    return sdpa_attention_forward(module, query, key, value, both.expand(len(query), 1, -1, -1))


def other_numbers(module, query, key, value, attention_mask, **kwargs):
    output, _ = sdpa_attention_forward(module, query, key, value, attention_mask, **kwargs)
    return 1.5 * output, None


def cannot(module, query, key, value, attention_mask, **kwargs):
    raise RuntimeError("FlashAttention only supports head dimension at most 256")


for function in (same, always_causal, other_numbers, cannot):
    AttentionInterface.register(f"test_{function.__name__}", function)
    AttentionMaskInterface.register(f"test_{function.__name__}", sdpa_mask)


@pytest.fixture
def backbone():
    backbone = tiny_backbone()
    leak_probe(backbone)
    return backbone


def test_one_that_computes_the_same_is_taken_for_plain_modes_alone(backbone):
    texts, designs = words(3, 11, 1), ["causal/eos", "bidirectional/mean", "rerouted/mean"]
    expected = [embed(texts, Design.parse(design), tiny_backbone()) for design in designs]
    assert flash.use_if_equal(backbone, "test_same")
    for design, vectors in zip(designs, expected, strict=True):
        CALLED.clear()
        np.testing.assert_allclose(
            embed(texts, Design.parse(design), backbone), vectors, atol=1e-6, err_msg=design
        )
        assert bool(CALLED) == (design != "rerouted/mean")
    # In float32 there is no flash attention: a copy for an export takes the model's own.
    assert not backbone.merged().implementation


@pytest.mark.parametrize("name", ["always_causal", "other_numbers", "cannot"])
def test_one_that_makes_a_difference_is_not(name, backbone):
    expected = embed(["w1 w2 w3"], Design.parse("bidirectional/mean"), tiny_backbone())
    assert not flash.use_if_equal(backbone, f"test_{name}")
    np.testing.assert_array_equal(
        embed(["w1 w2 w3"], Design.parse("bidirectional/mean"), backbone), expected
    )


def test_nothing_is_tried_on_a_cpu(backbone, monkeypatch):
    monkeypatch.setattr("transformers.utils.is_flash_attn_2_available", lambda: True)
    monkeypatch.setattr(flash, "use_if_equal", lambda *_: pytest.fail("it was tried"))
    flash.use_flash(backbone)
