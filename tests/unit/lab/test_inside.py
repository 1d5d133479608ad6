"""What the inside tab asks of a Lab, on a tiny backbone that loads from a folder."""

from __future__ import annotations

import pytest
from scipy.stats import spearmanr
from support.models import tiny_model, tiny_tokenizer, words

from embedlab import Corpus, Design, EmbedLabError, embed
from embedlab.analysis.metrics import pair_similarities
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
    found = layer_curves(lab, corpus, Design(), skip_first=True)
    assert (found.measure, found.n, found.unit) == ("spearman", 23, "pairs")
    curves = {curve.name: curve.scores for curve in found.curves}
    assert len(curves) == 8
    for name, layer in (("causal/mean", 2), ("bidirectional/weighted_mean", 4)):
        assert curves[name][layer] == pytest.approx(direct(lab, f"{name}@{layer}"), abs=1e-5)
    skipped = direct(lab, "causal/mean@3+skip_first")
    assert curves["causal/mean+skip_first"][3] == pytest.approx(skipped, abs=1e-5)


def test_the_first_tokens_effect_is_that_of_the_two_designs(lab, corpus):
    kept, left_out = first_token_effect(lab, corpus, Design.parse("causal/mean@2"))
    assert kept.spearman == pytest.approx(direct(lab, "causal/mean@2"), abs=1e-5)
    assert left_out.spearman == pytest.approx(direct(lab, "causal/mean@2+skip_first"), abs=1e-5)
    assert first_token_effect(lab, corpus, Design.parse("causal/eos")) is None


def test_a_corpus_without_knowledge_says_which_have_it(lab):
    with pytest.raises(EmbedLabError, match="stsb"):
        layer_curves(lab, Corpus(id="own", title="Mine", texts=TEXTS), Design())


def test_space_scores_are_none_where_nothing_is_known(lab):
    bare = Corpus(id="own", title="Mine", texts=TEXTS)
    scores = space_scores(lab, bare, lab.embedded(bare, Design()))
    assert (scores.spearman, scores.ndcg_10, scores.knn_accuracy) == (None, None, None)
