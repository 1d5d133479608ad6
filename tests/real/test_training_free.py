"""Designs that need no training, on SmolLM2: the figures of docs/method.md, and transformers' own.

The references run each text alone, straight from transformers.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr
from support.labs import real_lab
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

from embedlab import Backbone, Design, StateCache, embed, load_corpus
from embedlab.lab.views import quality
from embedlab.models.layer_attention import BY_LAYER, attend_by_layer

#: Spearman × 100 on the first 600 pairs of STS-B test, and how far it may be off.
FIGURES = {
    "causal/eos": (27.4, 0.3),
    "causal/last?template=prompteol": (77.2, 0.3),
    "causal/last+centre?template=prompteol": (82.5, 0.3),
    "causal/last+filter1.5?template=prompteol": (79.6, 0.3),
    "causal/last+filter1.5+centre?template=prompteol": (83.7, 0.3),
    "causal/last@24?template=prompteol": (76.0, 0.3),
    "causal/mean@1?template=prompteol&pool=text": (72.9, 0.3),
    "causal/mean+filter1.5": (53.8, 0.3),
    "causal/rms_mean@24": (53.4, 0.5),
    "causal/value_mean@16..30": (60.9, 0.5),
    "causal/last?template=kv": (72.0, 0.3),
    "rerouted/last?template=kv": (73.2, 0.3),
    "rerouted/last?template=kv&band=11..20": (72.8, 0.3),
    "rerouted/last+filter1.5+centre?template=kv": (83.6, 0.5),
}


@torch.no_grad()
def last_token(backbone: Backbone, text: str) -> np.ndarray:
    """(L + 1, d): PromptEOL's last token, straight from transformers."""
    inside = f'This sentence : "{text}" means in one word:"'
    ids = backbone.tokenizer(inside, return_tensors="pt")["input_ids"]
    output = backbone.model(input_ids=ids, use_cache=False, output_hidden_states=True)
    return torch.stack(output.hidden_states)[:, 0, -1].numpy()


def test_prompteol_equals_transformers(smollm2):
    texts = ["A man is playing a guitar.", 'He said "the bank {text} closed".', "ok"]
    expected = np.array([last_token(smollm2, text) for text in texts])
    for layer in (-1, 24):
        rows = expected[:, layer] / np.linalg.norm(expected[:, layer], axis=1, keepdims=True)
        design = Design.parse(f"causal/last@{layer}?template=prompteol")
        np.testing.assert_allclose(embed(texts, design, smollm2), rows, atol=1e-4)


def test_the_first_view_shows_a_space_sorted_by_sense(smollm2):
    lab = real_lab(smollm2)
    defaults = lab.config.defaults
    corpus = lab.corpus(defaults.corpus)
    a, b = (
        quality(lab, lab.embedded(corpus, Design.parse(text)))
        for text in (defaults.design_a, defaults.design_b)
    )
    assert b.knn_accuracy >= 0.75 > 0.5 > a.knn_accuracy


@pytest.mark.slow
@pytest.mark.parametrize("text", FIGURES)
def test_the_figures(smollm2, text):
    corpus = load_corpus("stsb")
    pairs, (expected, tolerance) = corpus.pairs[:600], FIGURES[text]
    # All 1,200 texts in their order, also those that stand in two pairs: steps are fitted on them.
    texts = [corpus.texts[i] for i, *_ in pairs] + [corpus.texts[j] for _, j, _ in pairs]
    vectors = embed(texts, Design.parse(text), smollm2)
    cosines = (vectors[: len(pairs)] * vectors[len(pairs) :]).sum(axis=1)
    actual = 100 * spearmanr(cosines, [gold for *_, gold in pairs]).statistic
    print(f"{text}: {actual:.2f}")
    assert actual == pytest.approx(expected, abs=tolerance)


#: Spearman × 100 of ``last`` and ``mean_last`` inside kv, by the band of rerouted layers: with the
#: key as it is rotated for its own position, and with its rotation undone.
REROUTED = {
    "5..14": ((72.2, 71.9), (69.9, 71.1)),
    "10..19": ((73.2, 72.5), (67.8, 68.5)),
}


@pytest.mark.slow
@pytest.mark.parametrize("band", REROUTED)
def test_the_rotation_of_the_reused_key(smollm2, band, monkeypatch):
    """The paper's text says nothing on the position of the key: both were measured."""
    pairs = load_corpus("stsb").pairs[:600]
    texts = [load_corpus("stsb").texts[i] for side in (0, 1) for i in (p[side] for p in pairs)]
    gold, found = [gold for *_, gold in pairs], []
    for function in (attend_by_layer, undoing_the_rotation(smollm2)):
        monkeypatch.setattr(smollm2, "cache", StateCache(10**9))
        AttentionInterface.register(BY_LAYER, function)
        try:
            row = []
            for pooling in ("last", "mean_last"):
                design = Design.parse(f"rerouted/{pooling}?template=kv&band={band}")
                vectors = embed(texts, design, smollm2)
                cosines = (vectors[:600] * vectors[600:]).sum(axis=1)
                row.append(100 * spearmanr(cosines, gold).statistic)
        finally:
            AttentionInterface.register(BY_LAYER, attend_by_layer)
        found.append(tuple(row))
    print(f"{band}: last, mean_last {found[0]} rotated, {found[1]} unrotated")
    for actual, expected in zip(found, REROUTED[band], strict=True):
        assert actual == pytest.approx(expected, abs=0.3)


def rotated_back(keys: torch.Tensor, angles: torch.Tensor) -> torch.Tensor:
    """Keys (R, heads, size) as they were before they were turned by angles (R, size / 2)."""
    cos, sin = (torch.cat([f(angles)] * 2, dim=1)[:, None] for f in (torch.cos, torch.sin))
    first, second = keys.chunk(2, dim=-1)
    return keys * cos - torch.cat([-second, first], dim=-1) * sin


def undoing_the_rotation(backbone: Backbone):
    """Rerouted attention in which the key of the last token stands at position 0."""
    frequencies = backbone.model.rotary_emb.inv_freq

    def attend(module, query, key, value, attention_mask, *, by_layer, **options):
        layer, length = module.layer_idx + 1, query.shape[2]
        if not by_layer.first <= layer <= by_layer.last:
            return attend_by_layer(
                module, query, key, value, attention_mask, by_layer=by_layer, **options
            )
        rows = torch.arange(len(query))
        last = key[rows, :, by_layer.ends]
        turned_back = rotated_back(last, by_layer.ends[:, None] * frequencies)
        keys = torch.cat([turned_back[:, :, None], key], dim=2)
        values = torch.cat([value[rows, :, by_layer.ends, None], value], dim=2)
        visible = torch.ones(length, length, dtype=torch.bool).tril()[None, None]
        if attention_mask is not None:
            visible = visible & attention_mask
        visible = torch.cat([visible.new_ones(*visible.shape[:3], 1), visible], dim=3)
        options["is_causal"] = False
        return sdpa_attention_forward(module, query, keys, values, visible, **options)

    return attend


@torch.no_grad()
def test_the_key_with_its_rotation_undone_is_the_projected_one(smollm2):
    """The key of layer 10 at position 0 is W_K of the normalised state, straight from the layer."""
    seen = {}

    def spy(module, query, key, value, attention_mask, **options):
        seen[module.layer_idx] = key
        return sdpa_attention_forward(module, query, key, value, attention_mask, **options)

    AttentionInterface.register("spy", spy)
    AttentionMaskInterface.register("spy", sdpa_mask)
    model = smollm2.model
    before, model.config._attn_implementation = model.config._attn_implementation, "spy"
    try:
        ids = torch.tensor([[5, 9, 12, 700, 31]])
        hidden = model(input_ids=ids, output_hidden_states=True, use_cache=False).hidden_states
    finally:
        model.config._attn_implementation = before
    layer = model.layers[9]
    plain = layer.self_attn.k_proj(layer.input_layernorm(hidden[9][0, -1]))
    turned_back = rotated_back(seen[9][:, :, -1], 4 * model.rotary_emb.inv_freq[None])
    torch.testing.assert_close(turned_back.flatten(), plain, atol=1e-3, rtol=1e-3)
