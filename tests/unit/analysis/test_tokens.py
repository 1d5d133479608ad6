from __future__ import annotations

import numpy as np
import pytest
import torch
from support.models import direct, tiny_backbone, words

from embedlab import Backbone, Design, EmbedLabError, HeadSize, embed
from embedlab.analysis.tokens import (
    PROOF_TOKENS,
    VIEW_TOKENS,
    head_attention,
    mask_proof,
    token_view,
)
from embedlab.models.head import TrainableHead
from embedlab.models.pooling import LastLayerTrainable, LatentAttention, MultiLayerTrainable

A, B = "w1 w2 w3 w4 w5", "w1 w2 w3 w4 w99"
ATTENTIONS = ("causal", "bidirectional")


@pytest.mark.parametrize("attention", ATTENTIONS)
@pytest.mark.parametrize("architecture", ["llama", "gpt2", "gemma3_text"])
@pytest.mark.parametrize("text_b", [B, "w1 w2 w3 w4 w99 w7 w8", "w1 w2 w50 w4"])
def test_the_mask_proof_equals_direct_calls(architecture, attention, text_b):
    backbone = tiny_backbone(architecture)
    proof = mask_proof(backbone, A, text_b, attention)
    a, b = direct(backbone, A, attention), direct(backbone, text_b, attention)
    shared = min(a.shape[1], b.shape[1])
    expected = (b[:, :shared] - a[:, :shared]).norm(dim=-1) / a[:, :shared].norm(dim=-1)
    np.testing.assert_allclose(proof.moved, expected, atol=2e-5)
    changed = 2 if "w50" in text_b else 4
    assert proof.first_changed == changed and proof.precision == "float32"
    assert proof.tokens_a[changed] != proof.tokens_b[changed]
    assert proof.largest_before == proof.moved[:, :changed].max()
    assert proof.holds
    if attention == "causal":
        assert proof.largest_before == 0  # nothing, not even rounding
    else:
        assert (proof.moved[1:, :changed] > 1e-4).all()  # everything
    assert ("padded" in proof.note) == (len(text_b.split()) != 5)


def test_a_leaking_architecture_fails_the_proof():
    # An encoder sees what comes later whatever one asks of it; bloom never does.
    proof = mask_proof(tiny_backbone("bert", "eager"), A, B, "causal")
    assert proof.largest_before > 1e-4 and not proof.holds
    proof = mask_proof(tiny_backbone("bloom", "eager"), A, B, "bidirectional")
    assert proof.largest_before == 0 and not proof.holds


def in_bfloat16(backbone):
    return Backbone(backbone.model.bfloat16(), backbone.tokenizer, name="low", max_length=64)


def test_a_backbone_of_lower_precision_is_proved_in_float32():
    backbone = tiny_backbone()
    expected = mask_proof(backbone, A, B, "bidirectional").moved
    backbone = in_bfloat16(backbone)
    proof = mask_proof(backbone, A, B, "bidirectional")
    assert proof.precision == "float32" and backbone.dtype == torch.bfloat16
    np.testing.assert_allclose(proof.moved, expected, rtol=0.2, atol=0.02)


def test_a_backbone_too_large_to_copy_says_so(monkeypatch):
    monkeypatch.setattr("embedlab.analysis.tokens.MOST_COPIED_PARAMETERS", 10)
    proof = mask_proof(in_bfloat16(tiny_backbone()), A, B, "causal")
    assert proof.precision == "bfloat16" and "bfloat16" in proof.note
    assert proof.rounding == 8 * 2**-7 and proof.holds


def test_long_texts_show_the_change(tiny):
    tiny.max_length = 256
    [text] = words(200)
    proof = mask_proof(tiny, f"{text} w1", f"{text} w2", "causal")
    assert proof.moved.shape == (5, PROOF_TOKENS) and len(proof.tokens_a) == PROOF_TOKENS
    assert proof.first_changed == 200 and proof.holds
    assert proof.tokens_a[200 - proof.start] == "w1"
    assert f"{proof.start + 1} to {proof.start + PROOF_TOKENS} of 202" in proof.note


@pytest.mark.parametrize(
    ("a", "b", "message"),
    [
        (A, A, "same; change the last word"),
        (A, "  ", "empty"),
        ("w1 w2", "w3 w2", "from their first token on"),
        (" ".join(["w1"] * 80), " ".join(["w1"] * 79 + ["w2"]), "once cut to 64 tokens"),
    ],
)
def test_mask_proof_errors(tiny, a, b, message):
    with pytest.raises(EmbedLabError, match=message):
        mask_proof(tiny, a, b, "causal")


@pytest.mark.parametrize("attention", ATTENTIONS)
@pytest.mark.parametrize(
    "design",
    ["eos", "mean@2", "mean@0+skip_first", "weighted_mean@3", "weighted_mean@2+skip_first"],
)
def test_the_token_view_equals_direct_calls(tiny, attention, design):
    design = Design.parse(f"{attention}/{design}?document=w9%20")
    view = token_view(tiny, A, design)
    hidden = direct(tiny, A, attention, "w9 ")
    assert view.tokens == ("w9", "w1", "w2", "w3", "w4", "w5", "</s>")
    assert view.layer == (4 if design.layer == -1 else design.layer)
    np.testing.assert_allclose(view.norms, hidden[view.layer].norm(dim=-1), rtol=1e-4)
    assert view.norm_ratio == pytest.approx(view.norms[0] / np.median(view.norms[1:]), rel=0.1)
    # The weights make the vector: Σ w_t h_t points where the design's vector does.
    rows = hidden[view.layer].numpy()
    made = view.weights @ rows
    vector = embed([A], design, tiny)[0]
    np.testing.assert_allclose(made / np.linalg.norm(made), vector, atol=1e-5)
    np.testing.assert_allclose(
        view.cosines, rows @ vector / np.linalg.norm(rows, axis=1), atol=1e-5
    )
    assert view.weights.sum() == pytest.approx(1)
    assert (view.weights[0] == 0) == (design.skip_first or design.pooling == "eos")


def test_weights_of_trainable_designs(tiny):
    weights = {m: token_view(tiny, A, Design.parse(m)).weights for m in ("M2", "M3", "M4", "M5")}
    for name in ("M2", "M3"):
        np.testing.assert_array_equal(weights[name], [0, 0, 0, 0, 0, 1])
    np.testing.assert_allclose(weights["M5"], np.full(6, 1 / 6))
    head = tiny.head(Design.parse("M4"))
    x = direct(tiny, A, "bidirectional")[-1][None]
    np.testing.assert_allclose(weights["M4"], head.attention(x).mean(dim=(0, 1, 2)), atol=1e-6)


def test_a_view_of_few_and_of_many_tokens(tiny):
    short = token_view(tiny, "w5", Design.parse("causal/mean+skip_first"))
    assert short.tokens == ("w5", "</s>") and short.note == ""
    np.testing.assert_array_equal(short.weights, [0, 1])
    tiny.max_length = 256
    [text] = words(400)
    long = token_view(tiny, text, Design.parse("causal/eos"))
    assert (len(long.tokens), long.token_count) == (VIEW_TOKENS, 256)
    assert long.tokens[-1] == "</s>" and long.positions[-1] == 255 and long.weights[-1] == 1
    assert long.norms.shape == (VIEW_TOKENS,)
    assert "cut to 256" in long.note and "127 of 256" in long.note
    with pytest.raises(EmbedLabError, match="empty"):
        token_view(tiny, " ", Design())
    with pytest.raises(EmbedLabError, match="no layer 5"):
        token_view(tiny, "w1", Design(layer=5))


@torch.no_grad()
@pytest.mark.parametrize("attention", ATTENTIONS)
@pytest.mark.parametrize("kind", [LastLayerTrainable, MultiLayerTrainable])
def test_attention_applied_by_hand_gives_the_heads_output(tiny, kind, attention):
    states = tiny.states(words(3, 9, 6), attention)
    head = TrainableHead(kind(), 32, 4, size=HeadSize(latents=1, heads=4), seed=2)
    together = head.mean_attention(states)
    for text in range(len(states)):
        one = head_attention(head, states.take([text]))
        x, _ = head.inputs(states.take([text]))
        values = head.norm_inputs(x[0]) @ head.value.weight.T  # (s, inner)
        read = torch.zeros(32)
        for h in range(4):
            part = slice(8 * h, 8 * h + 8)
            for key, weight in enumerate(one.per_head[h]):
                read[part] += float(weight) * values[key, part]
        z1 = head.latents[0] + head.out.weight @ read
        a, g = (head.expand.weight @ head.norm_feed_forward(z1) + head.expand.bias).chunk(2)
        gelu = g * 0.5 * (1 + torch.erf(g / 2**0.5))
        expected = z1 + head.contract.weight @ (a * gelu) + head.contract.bias
        torch.testing.assert_close(head(states.take([text]))[0], expected, atol=1e-5, rtol=1e-5)
        # One text beside longer ones: the same weights, and nothing on what it lacks.
        width = one.per_head.shape[1]
        np.testing.assert_allclose(together[text, :, :width], one.per_head, atol=1e-6)
        assert (together[text, :, width:] == 0).all()


@torch.no_grad()
def test_which_latents_the_tokens_read(tiny):
    states = tiny.states(words(3, 9, 6), "bidirectional")
    head = TrainableHead(LatentAttention(), 32, 4, size=HeadSize(latents=5, heads=4), seed=2)
    together = head.mean_attention(states)
    assert together.shape == (3, 4, 5)
    for i in range(3):
        x, _ = head.inputs(states.take([i]))
        q = head.norm_inputs(x[0]) @ head.query.weight.T  # (T, inner)
        k = head.norm_latents(head.latents) @ head.key.weight.T
        for h in range(4):
            part = slice(8 * h, 8 * h + 8)
            scores = (q[:, part] @ k[:, part].T) / 8**0.5
            np.testing.assert_allclose(together[i, h], scores.softmax(1).mean(0), atol=1e-6)
    view = token_view(tiny, "w1 w2 w3", Design.parse("bidirectional/latent_attention"))
    np.testing.assert_allclose(view.weights, np.full(4, 1 / 4))
    view = token_view(tiny, "w1 w2 w3", Design.parse("causal/latent_attention"))
    np.testing.assert_allclose(view.weights, [0, 0, 0, 1])


@pytest.mark.parametrize("batch", [2, 64])
def test_what_head_attention_averages(tiny, batch, monkeypatch):
    monkeypatch.setattr("embedlab.models.head.ATTENTION_BATCH", batch)
    states = tiny.states(words(3, 9, 6, 2, 2), "causal")
    head = TrainableHead(MultiLayerTrainable(), 32, 4, size=HeadSize(latents=3, heads=4), seed=2)
    result = head_attention(head, states)
    with torch.no_grad():
        weights = head.attention(*head.inputs(states)).numpy()  # (n, heads, r, L)
    assert (result.over, result.trained) == ("layers", False)
    np.testing.assert_allclose(head.mean_attention(states), weights.mean(axis=2), atol=1e-6)
    np.testing.assert_allclose(result.per_head, weights.mean(axis=(0, 2)), atol=1e-6)
    np.testing.assert_allclose(result.mean, weights.mean(axis=(0, 1, 2)), atol=1e-6)
    for rows in (result.per_head, result.mean[None]):
        np.testing.assert_allclose(rows.sum(axis=1), 1, atol=1e-5)
    head.trained = True
    assert head_attention(head, states).trained
