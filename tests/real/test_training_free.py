"""Designs that need no training, on SmolLM2: the figures of docs/method.md, and transformers' own.

The references run each text alone, straight from transformers.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr
from support.labs import real_lab

from embedlab import Backbone, Design, embed, load_corpus
from embedlab.lab.views import quality

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
