"""The same mean vectors as sentence-transformers gives for the same backbone."""

from __future__ import annotations

import numpy as np
import pytest

from embedlab import Design, embed

TEXTS = [
    "A bank.",
    "She sat on the bank of the river and counted the boats that went by until it was dark.",
    "Zürich, 東京, مرحبا, 😀",
    "word " * 40,
    "A bank.",
    "The match went out in the wind, so he struck another one and shielded the flame.",
]


@pytest.fixture(scope="module")
def other(smollm2):
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.base.modules.transformer import Transformer
    from sentence_transformers.sentence_transformer.modules.pooling import Pooling

    # Text alone: with the default it would wrap every text in the tokenizer's chat template.
    body = Transformer(
        smollm2.model.name_or_path,
        model_kwargs={"dtype": smollm2.dtype},
        modality_config={"text": {"method": "forward", "method_output_name": "last_hidden_state"}},
        module_output_name="token_embeddings",
    )
    body.tokenizer.padding_side = "right"
    pooling = Pooling(smollm2.hidden_size, pooling_mode="mean")
    return SentenceTransformer(modules=[body, pooling], device="cpu")


def theirs(other, texts: list[str], attention: str, eos: str, prompt: str = "") -> np.ndarray:
    """Unit mean vectors with the EOS, which sentence-transformers does not append, written out."""
    config = other[0].model.config
    config.is_causal = attention == "causal"
    return other.encode(
        [text + eos for text in texts],
        prompt=prompt or None,
        normalize_embeddings=True,
        batch_size=len(texts),
    )


@pytest.mark.parametrize("attention", ["causal", "bidirectional"])
def test_mean_vectors_equal_those_of_sentence_transformers(smollm2, other, attention):
    ours = embed(TEXTS, Design(attention=attention, pooling="mean"), smollm2)
    wanted = theirs(other, TEXTS, attention, smollm2.tokenizer.eos_token)
    np.testing.assert_allclose(ours, wanted, atol=1e-4)


@pytest.mark.parametrize("attention", ["causal", "bidirectional"])
def test_with_a_prompt_too(smollm2, other, attention):
    design = Design(attention=attention, pooling="mean", query_prompt="Find texts like: ")
    ours = embed(TEXTS, design, smollm2, query=True)
    wanted = theirs(other, TEXTS, attention, smollm2.tokenizer.eos_token, design.query_prompt)
    np.testing.assert_allclose(ours, wanted, atol=1e-4)


def test_the_two_modes_differ_so_that_the_agreement_says_something(smollm2):
    causal, bidirectional = (
        embed(TEXTS, Design(attention=attention, pooling="mean"), smollm2)
        for attention in ("causal", "bidirectional")
    )
    assert np.abs(causal - bidirectional).max() > 0.05
