"""Layers of the real backbone on STS-B, against a script straight from transformers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import scipy.stats
import torch

from embedlab import load_corpus
from embedlab.analysis.layers import layer_quality
from embedlab.analysis.space import fit, scores
from embedlab.data.corpus import Corpus
from embedlab.models.pooling import POOLINGS

ATTENTIONS = ("causal", "bidirectional")


def first_pairs(corpus: Corpus, n: int) -> Corpus:
    """The first n scored pairs with their texts alone."""
    used = sorted({i for pair in corpus.pairs[:n] for i in pair[:2]})
    place = {old: new for new, old in enumerate(used)}
    return replace(
        corpus,
        texts=tuple(corpus.texts[i] for i in used),
        fields={},
        pairs=tuple((place[i], place[j], score) for i, j, score in corpus.pairs[:n]),
        pair_groups=(),
        ids=(),
        rows=(),
    )


@pytest.fixture(scope="module")
def stsb(smollm2):
    corpus = first_pairs(load_corpus("stsb"), 600)
    return corpus, {"causal": smollm2.states(corpus.texts, "causal")}


def curve(result, name):
    return next(c for c in result.curves if c.name == name)


@pytest.mark.slow
@torch.no_grad()
def test_values_equal_a_script_straight_from_transformers(smollm2, stsb):
    whole, _ = stsb
    corpus = first_pairs(whole, 40)
    result = layer_quality(
        corpus, {a: smollm2.states(corpus.texts, a) for a in ATTENTIONS}, bootstrap=0
    )
    tokenizer, layers = smollm2.tokenizer, [1, 11, 20, 30]
    for attention in ATTENTIONS:
        made = {"eos": [], "mean": [], "weighted_mean": []}
        for text in corpus.texts:
            ids = torch.tensor([[*tokenizer(text)["input_ids"], tokenizer.eos_token_id]])
            hidden = smollm2.model(
                input_ids=ids,
                is_causal=attention == "causal",
                use_cache=False,
                output_hidden_states=True,
            ).hidden_states
            rows = torch.stack([hidden[layer][0] for layer in layers])  # (4, T, d)
            position = torch.arange(1, ids.shape[1] + 1)[:, None]
            made["eos"].append(rows[:, -1])
            made["mean"].append(rows.mean(dim=1))
            made["weighted_mean"].append((position * rows).sum(dim=1) / position.sum())
        gold = [score for *_, score in corpus.pairs]
        for pooling, vectors in made.items():
            for at, layer in enumerate(layers):
                cosines = [
                    float(torch.cosine_similarity(vectors[i][at], vectors[j][at], dim=0))
                    for i, j, _ in corpus.pairs
                ]
                expected = scipy.stats.spearmanr(cosines, gold).statistic
                actual = curve(result, f"{attention}/{pooling}").scores[layer]
                assert actual == pytest.approx(expected, abs=0.005)


def test_the_story_of_smollm2_on_stsb(stsb):
    result = layer_quality(*stsb, skip_first=True)
    centred = layer_quality(*stsb, skip_first=True, transform="centre", bootstrap=0)
    assert (result.measure, result.unit, result.n, result.bootstrap) == (
        "spearman",
        "pairs",
        600,
        200,
    )
    mean = curve(result, "causal/mean")
    for layer, expected in {0: 0.42, 1: 0.69, 11: 0.56, 20: 0.21, 24: 0.29, 30: 0.45}.items():
        assert mean.scores[layer] == pytest.approx(expected, abs=0.02)
    assert np.argmax(mean.scores) == 1
    assert np.isnan(curve(result, "causal/eos").scores[0])  # every text's EOS embedding is the same
    without = curve(result, "causal/mean+skip_first")
    for layer, expected in {1: 0.71, 20: 0.49, 24: 0.55}.items():
        assert without.scores[layer] == pytest.approx(expected, abs=0.02)
    for layer, expected in {20: 0.57, 24: 0.65}.items():
        actual = curve(centred, "causal/mean+skip_first").scores[layer]
        assert actual == pytest.approx(expected, abs=0.02)
    defined = ~np.isnan(mean.low)
    assert defined.all() and (mean.low < mean.scores).all() and (mean.scores < mean.high).all()
    assert 0.02 < np.mean(mean.high - mean.low) < 0.25


@pytest.mark.slow  # a pass of its own, of 40 s
def test_bidirectional_attention_collapses(smollm2, stsb):
    corpus, _ = stsb
    states = {"bidirectional": smollm2.states(corpus.texts, "bidirectional")}
    collapsed = curve(layer_quality(corpus, states, bootstrap=0), "bidirectional/mean")
    assert collapsed.scores[1] == pytest.approx(0.68, abs=0.02)
    assert (np.abs(collapsed.scores[12:]) < 0.1).all()


def test_centring_raw_vectors_is_another_thing_at_layer_one(stsb):
    # The figures written down for layer 1 were taken before vectors were brought to length 1.
    corpus, states = stsb
    raw = POOLINGS["mean"](states["causal"], 1, True).numpy()
    assert scores(corpus, fit(raw, "centre")(raw)).spearman == pytest.approx(0.72, abs=0.02)
