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
    tiny_model("llama", tied=True).save_pretrained(folder)
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


def test_words_measures_and_masks_of_a_corpus(lab, corpus):
    embedded = lab.embedded(corpus, Design.parse("causal/last+centre?template=w1 {text} w2"))
    [words_of_one] = inside.key_tokens(lab, embedded, (3,))
    assert words_of_one == inside.key_words(lab, [TEXTS[3]], embedded.design)[0] != []
    assert len(inside.key_tokens(lab, embedded, (0, 1), together=True)) == 1
    measured = inside.label_free_layers(lab, embedded)
    assert measured.n == len(TEXTS) and measured.design == embedded.design
    curve = inside.unmasking_curve(lab, embedded)
    assert curve.layers == (0, 1, 2, 3, 4)
    for k, attention in ((0, "bidirectional"), (2, "bidirectional>2"), (4, "causal")):
        design = f"{attention}/last+centre?template=w1 {{text}} w2"
        assert curve.scores[k] == pytest.approx(direct(lab, design), abs=1e-5)


def test_queries_get_the_steps_of_their_corpus(lab, corpus):
    design = Design.parse("causal/mean+centre+filter2")
    embedded = lab.embedded(corpus, design)
    assert embedded.steps is not None and embedded.steps.texts == len(TEXTS)
    expected = embed(["w1 w2"], design, lab.backbone(), query=True, fit=TEXTS)
    actual = lab.embed_queries(["w1 w2"], embedded)
    assert actual == pytest.approx(expected, abs=1e-5)
