"""Which architectures obey an attention mode, and vectors against masks made by hand."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
import pytest
import torch
from support.architectures import DECODERS, decoder, decoder_backbone, documented, table
from support.models import tiny_backbone, tiny_model, tiny_tokenizer, words

from embedlab import Backbone, Design, EmbedLabError, StateCache, embed
from embedlab.models.probe import leak_probe, probe

#: One of each kind: accepted, windows, ignores the mode, chunks, recurrent layers, recurrent parts.
FEW = ("llama", "gemma3_text", "falcon", "llama4_text", "qwen3_next", "falcon_h1")
EVERY = [
    pytest.param(name, marks=() if name in FEW else pytest.mark.slow, id=name) for name in DECODERS
]
TEXTS = words(3, 11, 1, 6)


@torch.no_grad()
def by_hand(model: Any, ids: list[int], attention: str, modes: list[str]) -> np.ndarray:
    """(T, d) of the last layer, from transformers alone.

    The mask is made by hand, (1, 1, T, T) and added to the scores. An architecture that has causal
    attention only gets none: some would not take it, and their attention is causal of itself.
    """
    length = len(ids)
    mask = torch.zeros(1, 1, length, length)
    if attention == "causal":
        mask += torch.full((length, length), -1e9).triu(1)
    if (
        model.config.model_type == "gemma3_text"
    ):  # the window of its sliding layers, the last has none
        away = (torch.arange(length)[:, None] - torch.arange(length)).abs()
        sliding = mask.masked_fill(away > (7 if attention == "causal" else 8), -1e9)
        mask = {"full_attention": mask, "sliding_attention": sliding}
    given = {"attention_mask": mask} if "bidirectional" in modes else {}
    if "position_ids" in inspect.signature(model.forward).parameters:  # some count the mask's ones
        given["position_ids"] = torch.arange(length)[None]
    output = model(input_ids=torch.tensor([ids]), use_cache=False, **given)
    return output.last_hidden_state[0].numpy()


def unit(vector: np.ndarray) -> np.ndarray:
    return vector / np.linalg.norm(vector)


@pytest.mark.parametrize("name", EVERY)
def test_vectors_of_an_accepted_mode_equal_transformers_under_a_mask_made_by_hand(name):
    backbone = decoder_backbone(name)
    verdict = probe(backbone)
    modes = [mode for mode in ("causal", "bidirectional") if mode not in verdict.refused]
    encoded = [list(text.ids) for text in backbone.encode(TEXTS)]
    eager, forgetful = decoder(name, "eager"), decoder_backbone(name)
    forgetful.cache = StateCache(0)  # or a text would be what it was in the batch
    for attention in modes:
        states = [by_hand(eager, ids, attention, modes) for ids in encoded]
        for pooling, expected in (
            ("eos", [unit(state[-1]) for state in states]),
            ("mean", [unit(state.mean(axis=0)) for state in states]),
        ):
            design = Design(attention=attention, pooling=pooling)
            batch = embed(TEXTS, design, backbone)
            alone = np.concatenate([embed([t], design, forgetful) for t in TEXTS])
            np.testing.assert_allclose(batch, expected, atol=1e-4)
            np.testing.assert_allclose(alone, expected, atol=1e-4)


def row(name: str) -> str:
    return table([probe(decoder_backbone(name))]).splitlines()[-1]


@pytest.mark.parametrize("name", EVERY)
def test_the_documented_table_is_what_the_probe_says(name):
    assert row(name) in documented().splitlines()


def test_the_table_has_at_least_sixty_architectures_with_the_known_cases_right():
    rows = {line.split("`")[1]: line for line in documented().splitlines()[2:]}
    assert set(rows) == set(DECODERS) and len(rows) >= 60
    for name in ("llama4_text", "qwen3_next", "qwen3_5_text", "jamba", "bamba", "lfm2", "minimax"):
        assert "| accepted | refused |" in rows[name] and "back only" in rows[name]
    assert "| accepted | refused |" in rows["falcon_h1"]
    assert "4 of 4 layers have a part" in rows["falcon_h1"]
    for name in ("falcon", "mpt", "gpt_neo"):
        assert "transformers ignores the attention mode" in rows[name]


def test_a_refused_mode_is_refused_wherever_it_is_asked_for():
    backbone = decoder_backbone("qwen3_next")
    leak_probe(backbone)
    assert embed(["w1 w2"], Design.parse("causal/mean"), backbone).shape == (1, 32)
    match = (
        r"\(qwen3_next\) cannot be used with bidirectional attention: 3 of 4 layers look back only"
    )
    for ask in (
        lambda: embed(["w1 w2"], Design.parse("bidirectional/mean"), backbone),
        lambda: backbone.states(["w1 w2"], "bidirectional"),
        lambda: backbone.check(Design.parse("M5")),
        lambda: backbone.sibling("adapted").check(Design.parse("M4")),
    ):
        with pytest.raises(EmbedLabError, match=match):
            ask()


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        # It has an attention of its own, and the mode would do nothing.
        ("falcon", "cannot be exchanged layer by layer"),
        # Its attention sinks would be dropped.
        ("gpt_oss", "parts, such as sinks"),
    ],
)
def test_modes_by_layer_are_refused_where_they_would_not_be_what_they_say(name, reason):
    backbone = decoder_backbone(name)
    leak_probe(backbone)
    assert embed(["w1 w2"], Design.parse("causal/mean"), backbone).shape == (1, 32)
    with pytest.raises(EmbedLabError, match=f"cannot be used with rerouted attention.*{reason}"):
        embed(["w1 w2"], Design.parse("rerouted/mean"), backbone)
    with pytest.raises(EmbedLabError, match="cannot be used with bidirectional>2 attention"):
        backbone.states(["w1 w2"], "bidirectional>2")


def test_windows_longer_than_a_text_may_be_are_not_said():
    wide = Backbone(decoder("gemma3_text"), tiny_tokenizer(), name="tiny", max_length=8)
    assert probe(wide).bidirectional.sentence == "every layer looks both ways"
    assert "3 of 4 within 9 tokens" in probe(decoder_backbone("gemma3_text")).bidirectional.sentence


def test_frozen_weights_and_half_precision_are_probed_alike():
    model = tiny_model("llama").requires_grad_(False).to(torch.bfloat16)
    verdict = probe(Backbone(model, tiny_tokenizer(), name="tiny", max_length=64))
    assert not verdict.refused
    assert "and in layer 1 every token reads the last one too" in verdict.rerouted.sentence
    assert not any(parameter.requires_grad for parameter in model.parameters())


def test_an_encoder_is_refused_by_name():
    with pytest.raises(EmbedLabError, match=r"\(bert\) cannot be used: its tokens see later ones"):
        leak_probe(tiny_backbone("bert"))
