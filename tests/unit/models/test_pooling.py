"""Every pooling against a loop written by hand, for both padding sides and any padding."""

from __future__ import annotations

import math

import pytest
import torch
from support.models import tiny_backbone, words

from embedlab import Design, EmbedLabError, HeadSize, HiddenStates, pool
from embedlab.models.head import TrainableHead
from embedlab.models.pooling import (
    NV_EMBED_HEAD,
    PAPER_HEAD,
    POOLINGS,
    LastLayerTrainable,
    LatentAttention,
    MultiLayerTrainable,
)
from embedlab.models.states import TextStates, summarise

LAYERS, WIDTH = 5, 16
LENGTHS = (1, 2, 3, 7, 7, 12)


def random_states(attention: str, side: str = "right", extra: int = 0, seed: int = 0):
    """Hidden states of random texts by way of a padded batch, and the plain tokens beside them."""
    generator = torch.Generator().manual_seed(seed)
    plain = [torch.randn(LAYERS + 1, n, WIDTH, generator=generator) for n in LENGTHS]
    width = max(LENGTHS) + extra
    hidden = torch.randn(LAYERS + 1, len(LENGTHS), width, WIDTH, generator=generator) * 100
    mask = torch.zeros(len(LENGTHS), width, dtype=torch.long)
    for i, text in enumerate(plain):
        n = text.shape[1]
        place = slice(0, n) if side == "right" else slice(width - n, width)
        hidden[:, i, place] = text
        mask[i, place] = 1
    bank = summarise(list(hidden), mask)
    rows = tuple(
        TextStates(bank[i], None if attention == "causal" else text[-1], text.shape[1], False)
        for i, text in enumerate(plain)
    )
    return HiddenStates(rows, attention), plain


def by_hand(text: torch.Tensor, pooling: str, layer: int, skip_first: bool) -> torch.Tensor:
    """One text (L + 1, T, d), token by token in float64."""
    tokens = text[layer].double()
    if pooling == "eos":
        return tokens[len(tokens) - 1]
    total, weights = torch.zeros(tokens.shape[1], dtype=torch.float64), 0.0
    for t in range(len(tokens)):
        if skip_first and t == 0 and len(tokens) > 1:
            continue
        weight = 1.0 if pooling == "mean" else t + 1.0
        total += weight * tokens[t]
        weights += weight
    return total / weights


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("extra", [0, 5])
@pytest.mark.parametrize("layer", [0, 2, -1])
@pytest.mark.parametrize(
    ("pooling", "skip_first"),
    [
        ("eos", False),
        ("mean", False),
        ("mean", True),
        ("weighted_mean", False),
        ("weighted_mean", True),
    ],
)
def test_plain_poolings_equal_the_loop(side, extra, layer, pooling, skip_first):
    states, plain = random_states("causal", side, extra)
    actual = POOLINGS[pooling](states, layer, skip_first)
    expected = torch.stack([by_hand(text, pooling, layer, skip_first) for text in plain]).float()
    torch.testing.assert_close(actual, expected, atol=1e-5, rtol=1e-5)


def test_an_attention_sink_does_not_swallow_the_other_tokens():
    states, plain = random_states("causal")
    for text in plain:
        text[:, 0] *= 20_000
    hidden = torch.nn.utils.rnn.pad_sequence([t.transpose(0, 1) for t in plain], batch_first=True)
    mask = torch.nn.utils.rnn.pad_sequence(
        [torch.ones(t.shape[1], dtype=torch.long) for t in plain], batch_first=True
    )
    bank = summarise(list(hidden.permute(2, 0, 1, 3)), mask)
    rows = [TextStates(bank[i], None, t.shape[1], False) for i, t in enumerate(plain)]
    actual = POOLINGS["mean"](HiddenStates(tuple(rows), "causal"), 2, True)
    expected = torch.stack([by_hand(text, "mean", 2, True) for text in plain]).float()
    torch.testing.assert_close(actual[1:], expected[1:], atol=1e-5, rtol=1e-5)
    assert states.attention == "causal"


def norm_by_hand(x: torch.Tensor, layer: torch.nn.LayerNorm) -> torch.Tensor:
    centred = x - x.mean()
    return centred / (x.var(unbiased=False) + layer.eps).sqrt() * layer.weight + layer.bias


def head_by_hand(head, x: torch.Tensor) -> torch.Tensor:
    """The formula of the trainable head for one text, x of shape (s, d), latent by latent."""
    heads, dim = head.size.heads, head.query.out_features // head.size.heads
    outputs = []
    for z in head.latents:
        q = head.query.weight @ norm_by_hand(z, head.norm_latents)
        keys = [head.key.weight @ norm_by_hand(row, head.norm_inputs) for row in x]
        values = [head.value.weight @ norm_by_hand(row, head.norm_inputs) for row in x]
        read = []
        for h in range(heads):
            part = slice(h * dim, (h + 1) * dim)
            scores = [float(q[part] @ k[part]) / math.sqrt(dim) for k in keys]
            exps = [math.exp(s - max(scores)) for s in scores]
            read.append(sum(e / sum(exps) * v[part] for e, v in zip(exps, values, strict=True)))
        z1 = z + head.out.weight @ torch.cat(read)
        both = head.expand.weight @ norm_by_hand(z1, head.norm_feed_forward) + head.expand.bias
        a, g = both[: len(both) // 2], both[len(both) // 2 :]
        gelu = g * 0.5 * (1 + torch.erf(g / math.sqrt(2)))
        outputs.append(z1 + head.contract.weight @ (a * gelu) + head.contract.bias)
    return torch.stack(outputs).mean(dim=0)


def latent_attention_by_hand(head, x: torch.Tensor) -> torch.Tensor:
    """NV-Embed's head for one text: every token reads the latents, then the mean over tokens."""
    heads, dim = head.size.heads, head.query.out_features // head.size.heads
    keys = [head.key.weight @ norm_by_hand(z, head.norm_latents) for z in head.latents]
    values = [head.value.weight @ norm_by_hand(z, head.norm_latents) for z in head.latents]
    total = torch.zeros(x.shape[1])
    for token in x:
        q = head.query.weight @ norm_by_hand(token, head.norm_inputs)
        read = torch.zeros(heads * dim)
        for h in range(heads):
            part = slice(h * dim, (h + 1) * dim)
            exps = [math.exp(float(q[part] @ k[part]) / math.sqrt(dim)) for k in keys]
            for e, v in zip(exps, values, strict=True):
                read[part] += e / sum(exps) * v[part]
        z1 = token + head.out.weight @ read
        both = head.expand.weight @ norm_by_hand(z1, head.norm_feed_forward) + head.expand.bias
        a, g = both[: len(both) // 2], both[len(both) // 2 :]
        gelu = g * 0.5 * (1 + torch.erf(g / math.sqrt(2)))
        total += z1 + head.contract.weight @ (a * gelu) + head.contract.bias
    return total / len(x)


def rows_by_hand(head, text: torch.Tensor, attention: str) -> torch.Tensor:
    """What a trainable head reads of one text (L + 1, T, d)."""
    if head.layer_embedding is None:
        return text[-1][-1:] if attention == "causal" else text[-1]
    read = [h[-1] if attention == "causal" else h.mean(dim=0) for h in text[1:]]
    return torch.stack(read) + head.layer_embedding


@torch.no_grad()
@pytest.mark.parametrize("attention", ["causal", "bidirectional"])
@pytest.mark.parametrize("kind", [LastLayerTrainable, MultiLayerTrainable])
@pytest.mark.parametrize("side", ["left", "right"])
def test_trainable_heads_equal_the_formula(attention, kind, side):
    states, plain = random_states(attention, side, extra=3)
    head = TrainableHead(kind(), WIDTH, LAYERS, size=HeadSize(latents=3, heads=4), seed=5)
    expected = torch.stack([head_by_hand(head, rows_by_hand(head, t, attention)) for t in plain])
    torch.testing.assert_close(head(states), expected, atol=1e-5, rtol=1e-5)


@torch.no_grad()
@pytest.mark.parametrize("attention", ["causal", "bidirectional"])
@pytest.mark.parametrize("side", ["left", "right"])
def test_latent_attention_equals_the_loop_alone_and_in_a_batch(attention, side):
    states, plain = random_states(attention, side, extra=3)
    head = TrainableHead(
        LatentAttention(), WIDTH, LAYERS, size=HeadSize(latents=6, heads=4), seed=5
    )
    expected = torch.stack(
        [latent_attention_by_hand(head, rows_by_hand(head, text, attention)) for text in plain]
    )
    torch.testing.assert_close(head(states), expected, atol=1e-5, rtol=1e-5)
    for i in range(len(plain)):
        torch.testing.assert_close(head(states.take([i]))[0], expected[i], atol=1e-5, rtol=1e-5)


@torch.no_grad()
@pytest.mark.parametrize("design", ["bidirectional/latent_attention", "causal/latent_attention"])
def test_latent_attention_in_batches_of_any_size(design, monkeypatch):
    backbone, parsed = tiny_backbone(), Design.parse(design)
    assert backbone.head(parsed).latent_count == 512
    states = backbone.states(words(3, 40, 1, 12, 7, 25), parsed.mode)
    whole = pool(states, parsed, backbone)
    monkeypatch.setattr("embedlab.models.head.HEAD_ROWS", 50)
    assert len(list(backbone.head(parsed).batches(states))) > 2
    torch.testing.assert_close(pool(states, parsed, backbone), whole, atol=1e-5, rtol=1e-5)


def test_every_parameter_of_latent_attention_learns():
    states, _ = random_states("bidirectional")
    head = TrainableHead(LatentAttention(), WIDTH, LAYERS, size=HeadSize(latents=6, heads=4))
    head(states).square().sum().backward()
    assert all(parameter.grad.abs().max() > 0 for parameter in head.parameters())


@torch.no_grad()
def test_attention_over_layers_sums_to_one_and_reproduces_the_head():
    states, _ = random_states("causal")
    head = TrainableHead(MultiLayerTrainable(), WIDTH, LAYERS, size=HeadSize(latents=3, heads=4))
    weights = head.attention(*head.inputs(states))
    assert weights.shape == (len(LENGTHS), 4, 3, LAYERS)
    torch.testing.assert_close(weights.sum(-1), torch.ones(len(LENGTHS), 4, 3))
    x, _ = head.inputs(states)
    values = head.value(head.norm_inputs(x)).unflatten(-1, (4, -1))  # (n, L, heads, dim)
    read = torch.einsum("nhrl,nlhe->nrhe", weights, values).flatten(2)
    z1 = head.latents + head.out(read)
    a, g = head.expand(head.norm_feed_forward(z1)).chunk(2, dim=-1)
    z2 = z1 + head.contract(a * torch.nn.functional.gelu(g))
    torch.testing.assert_close(head(states), z2.mean(dim=1), atol=1e-5, rtol=1e-5)


def test_m2_gives_its_query_and_key_no_gradient():
    states, _ = random_states("causal")
    head = TrainableHead(LastLayerTrainable(), WIDTH, LAYERS, size=HeadSize(latents=3, heads=4))
    head(states).square().sum().backward()
    assert head.query.weight.grad.abs().max() == 0
    assert head.key.weight.grad.abs().max() == 0
    assert head.value.weight.grad.abs().max() > 0


def test_m4_gives_them_one():
    states, _ = random_states("bidirectional")
    head = TrainableHead(LastLayerTrainable(), WIDTH, LAYERS, size=HeadSize(latents=3, heads=4))
    head(states).square().sum().backward()
    assert head.query.weight.grad.abs().max() > 0


@torch.no_grad()
@pytest.mark.parametrize("attention", ["causal", "bidirectional"])
def test_multi_layer_ignores_the_embedding_layer(attention):
    states, _ = random_states(attention)
    head = TrainableHead(MultiLayerTrainable(), WIDTH, LAYERS)
    before = head(states)
    for row in states.rows:
        row.bank[:, 0] += 1000
    assert torch.equal(head(states), before)
    for row in states.rows:
        row.bank[:, 1] += 1000
    assert not torch.allclose(head(states), before)


def test_heads_are_seeded_and_say_that_they_are_untrained():
    a, b, c = (TrainableHead(MultiLayerTrainable(), WIDTH, LAYERS, seed=s) for s in (1, 1, 2))
    assert torch.equal(a.value.weight, b.value.weight)
    assert torch.equal(a.layer_embedding, b.layer_embedding)
    assert not torch.equal(a.value.weight, c.value.weight)
    assert not a.trained


def test_the_papers_head_sizes_are_a_preset():
    assert (PAPER_HEAD.latents, PAPER_HEAD.heads, PAPER_HEAD.dim_for(4096)) == (768, 32, 2048)
    assert HeadSize().heads * HeadSize().dim_for(576) == 576
    nv_embed = (NV_EMBED_HEAD.latents, NV_EMBED_HEAD.heads, NV_EMBED_HEAD.dim_for(4096))
    assert nv_embed == (512, 8, 4096)


@pytest.mark.parametrize("name", ["causal/mean@5", "causal/eos@-7", "bidirectional/mean@99"])
def test_a_layer_that_does_not_exist_is_refused(name):
    backbone = tiny_backbone()  # four layers
    states = backbone.states(words(3, 5))
    with pytest.raises(EmbedLabError, match=r"choose 0 .* to 4"):
        pool(states, Design.parse(name), backbone)
