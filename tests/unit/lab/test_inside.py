"""The results of the inside tab, on a tiny backbone that loads from a folder."""

from __future__ import annotations

from dataclasses import replace

import pytest
from scipy.stats import spearmanr
from support.labs import tiny_lab
from support.models import tiny_model, tiny_tokenizer, words

from embedlab import Corpus, Design, EmbedLabError, embed
from embedlab.analysis.metrics import pair_similarities
from embedlab.lab import inside
from embedlab.lab.config import BackboneEntry, Config
from embedlab.lab.inside import first_token_effect, layer_curves, space_scores
from embedlab.lab.lab import Lab

TEXTS = tuple(words(*([5, 9, 3, 12] * 6), seed=3))
PAIRS = tuple((i, i + 1, float((7 * i) % 5)) for i in range(23))


@pytest.fixture(scope="module")
def lab(tmp_path_factory) -> Lab:
    folder = tmp_path_factory.mktemp("backbone") / "tiny"
    tiny_model("llama").save_pretrained(folder)
    tiny_tokenizer().save_pretrained(folder)
    return Lab(Config(backbones=(BackboneEntry(id=str(folder)),)))


@pytest.fixture
def corpus() -> Corpus:
    return Corpus(id="own", title="Mine", texts=TEXTS, pairs=PAIRS)


def direct(lab: Lab, design: str) -> float:
    vectors = embed(TEXTS, Design.parse(design), lab.backbone())
    sims = pair_similarities(vectors, [pair[:2] for pair in PAIRS])
    return float(spearmanr(sims, [score for *_, score in PAIRS]).statistic)


def test_layer_quality_equals_the_design_of_each_layer(lab, corpus):
    quality = layer_curves(lab, corpus, Design(), skip_first=True)
    assert (quality.measure, quality.n, quality.unit) == ("spearman", 23, "pairs")
    curves = {curve.name: curve.scores for curve in quality.curves}
    assert len(curves) == 8
    for name, layer in (("causal/mean", 2), ("bidirectional/weighted_mean", 4)):
        assert curves[name][layer] == pytest.approx(direct(lab, f"{name}@{layer}"), abs=1e-5)
    skipped = direct(lab, "causal/mean@3+skip_first")
    assert curves["causal/mean+skip_first"][3] == pytest.approx(skipped, abs=1e-5)


def test_the_first_tokens_effect_is_that_of_the_two_designs(lab, corpus):
    with_it, without = first_token_effect(lab, corpus, Design.parse("causal/mean@2"))
    assert with_it.spearman == pytest.approx(direct(lab, "causal/mean@2"), abs=1e-5)
    assert without.spearman == pytest.approx(direct(lab, "causal/mean@2+skip_first"), abs=1e-5)
    assert first_token_effect(lab, corpus, Design.parse("causal/eos")) is None


def test_a_corpus_without_knowledge_says_which_have_it(lab):
    with pytest.raises(EmbedLabError, match="stsb"):
        layer_curves(lab, Corpus(id="own", title="Mine", texts=TEXTS), Design())


def test_space_scores_are_none_where_nothing_is_known(lab):
    bare = Corpus(id="own", title="Mine", texts=TEXTS)
    scores = space_scores(lab, lab.embedded(bare, Design()))
    assert (scores.spearman, scores.ndcg_10, scores.knn_accuracy) == (None, None, None)


def test_a_text_beyond_the_limit_is_refused_by_every_function():
    lab = tiny_lab(max_text_chars=20)
    long = Corpus(
        id="own", title="Mine", texts=("w1 w2", "w3 " * 7), queries=("w1",), relevant=({0},)
    )
    text, head = long.texts[1], Design.parse("M3")
    for call in (
        lambda: lab.embedded(long, Design()),
        lambda: inside.token_view(lab, text, Design()),
        lambda: inside.mask_proof(lab, "w1", text, "causal"),
        lambda: inside.layer_curves(lab, long, Design()),
        lambda: inside.head_attention(lab, lab.embedded(long, head)),
    ):
        with pytest.raises(EmbedLabError, match=r"characters; the limit is 20\. Split it"):
            call()
    short = replace(long, texts=long.texts[:1] * 2)
    assert inside.head_attention(lab, lab.embedded(short, head), only=0).mean.shape == (4,)


def test_a_text_and_its_proof_are_computed_once_for_a_design():
    lab = tiny_lab()
    view = inside.token_view(lab, "w1 w2 w3", Design.parse("causal/mean"))
    assert inside.token_view(lab, "w1 w2 w3", Design.parse("causal/mean")) is view
    assert inside.token_view(lab, "w1 w2 w3", Design.parse("causal/eos")) is not view
    proof = inside.mask_proof(lab, "w1 w2", "w1 w3", "causal")
    assert proof.holds and inside.mask_proof(lab, "w1 w2", "w1 w3", "causal") is proof
    assert inside.mask_proof(lab, "w1 w3", "w1 w2", "causal") is not proof
