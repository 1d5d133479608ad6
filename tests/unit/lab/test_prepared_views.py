"""Prepared views: used while texts, designs and weights agree, dropped where they do not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from support.labs import corpus_of
from support.models import tiny_backbone, tiny_model, words
from support.prepared import write_tiny

from embedlab import Backbone, Design, embed
from embedlab.errors import EmbedLabError, NeedsModel
from embedlab.lab import retrieving, views
from embedlab.lab.config import BackboneEntry, Config
from embedlab.lab.lab import Lab
from embedlab.lab.prepared_file import read_prepared
from embedlab.lab.prepared_views import PreparedViews
from embedlab.models.weights import weights_digest

MEAN, EOS, M3 = (Design.parse(each) for each in ("causal/mean", "causal/eos", "M3"))
NAME = "tiny-llama"
CORPUS = replace(
    corpus_of(words(*([5, 9, 3, 12] * 5), seed=5)),
    queries=tuple(words(4, 6, seed=9)),
    relevant=(frozenset({1, 7}), frozenset({3})),
    fields={"kind": tuple(str(i % 3) for i in range(20))},
)


@pytest.fixture(scope="module")
def backbone() -> Backbone:
    return tiny_backbone()


@pytest.fixture(scope="module")
def folder(backbone: Backbone, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("prepared")
    write_tiny(folder, backbone, CORPUS, "causal/mean", "causal/eos", str(M3))
    return folder


@pytest.fixture
def lab(folder: Path) -> Lab:
    """A Lab whose backbone is not loaded."""
    lab = Lab(Config(backbones=(BackboneEntry(id=NAME, max_length=64),)))
    lab.prepared_views = PreparedViews(lab.config, folder)
    return lab


def test_without_a_model_the_view_is_that_of_the_model(lab: Lab, backbone: Backbone) -> None:
    side, other = lab.at_once(CORPUS, MEAN), lab.at_once(CORPUS, EOS)
    exact = embed(CORPUS.texts, MEAN, backbone)
    assert np.abs(side.vectors - exact).max() < 1e-3
    assert not np.array_equal(side.vectors, exact)  # they were rounded to half precision
    assert np.abs(np.linalg.norm(side.vectors, axis=1) - 1).max() < 1e-6
    asked = lab.query_vectors(side)
    assert np.abs(asked - embed(CORPUS.queries, MEAN, backbone, query=True)).max() < 1e-3
    assert lab.retrieval_scores(side).n_queries == 2
    assert views.quality(lab, side, "kind").knn_accuracy is not None
    hits, _ = lab.retrieve(CORPUS.queries[0], side, other, 3)
    assert [hit.rank for hit in hits] == [1, 2, 3]
    found = retrieving.answers(lab, CORPUS.queries[0], CORPUS, {"a": MEAN, "b": EOS}, NAME, 3)
    assert [len(answer.ids) for answer in found] == [3, 3]
    assert lab.models.get(NAME) is None


def test_what_needs_the_model_says_which(lab: Lab) -> None:
    side = lab.at_once(CORPUS, MEAN)
    with pytest.raises(NeedsModel) as asked:
        lab.embed_queries(["another query"], side)
    assert asked.value.backbone_id == NAME
    with pytest.raises(NeedsModel):
        _ = side.backbone.tokenizer
    # Enough for the controls of a design, which are there before the model.
    assert lab.described(NAME).num_layers == 4 and lab.described(NAME).native is None


def test_nothing_moves_once_the_model_is_there(lab: Lab, backbone: Backbone) -> None:
    before = [lab.at_once(CORPUS, each) for each in (MEAN, EOS)]
    maps = lab.maps(*before)
    assert maps.method == "UMAP"
    lab.models.put(NAME, backbone)
    after = [lab.at_once(CORPUS, each) for each in (MEAN, EOS)]
    assert [each.key for each in before] == [each.key for each in after]
    assert after[0].backbone is backbone
    np.testing.assert_array_equal(before[0].vectors, after[0].vectors)
    np.testing.assert_array_equal(lab.maps(*after).b, maps.b)
    assert not np.array_equal(lab.maps(*reversed(after)).b, maps.b)
    assert lab.prepared_views.dropped(CORPUS, MEAN, NAME) == ""


def test_maps_are_of_their_settings_alone(lab: Lab) -> None:
    sides = lab.at_once(CORPUS, MEAN), lab.at_once(CORPUS, EOS)
    assert lab.maps(*sides).method == "UMAP"
    for settings in ({"seed": 1}, {"n_neighbors": 5}, {"min_dist": 0.5}):
        assert lab.maps(*sides, **settings).method == "PCA"  # as UMAP is not compiled here


@pytest.mark.parametrize("seed", [1])
def test_views_of_other_weights_are_dropped_and_that_is_said(lab: Lab, seed: int) -> None:
    other = tiny_backbone(seed=seed)
    assert lab.at_once(CORPUS, MEAN) is not None  # nothing is known of the weights yet
    lab.models.put(NAME, other)
    assert lab.at_once(CORPUS, MEAN) is None
    assert "other weights" in lab.prepared_views.dropped(CORPUS, MEAN, NAME)
    assert lab.prepared_views.dropped(CORPUS, Design.parse("causal/mean@1"), NAME) == ""
    computed = lab.embedded(CORPUS, MEAN, NAME)
    np.testing.assert_array_equal(computed.vectors, embed(CORPUS.texts, MEAN, other))


def test_only_these_texts_designs_and_heads(lab: Lab, backbone: Backbone) -> None:
    assert lab.at_once(corpus_of(CORPUS.texts[:10]), MEAN) is None
    assert lab.at_once(CORPUS, Design.parse("causal/mean@1")) is None
    assert lab.at_once(CORPUS, MEAN, "another backbone") is None
    longer = Config(backbones=(BackboneEntry(id=NAME, max_length=128),))
    views_of = PreparedViews(longer, lab.prepared_views._folder)
    assert views_of.embedded(CORPUS, MEAN, NAME, None) is None
    trained = tiny_backbone()
    head = trained.new_head(M3)
    head.trained = True
    lab.models.put(NAME, backbone)
    assert lab.at_once(CORPUS, M3) is not None
    trained.install(M3, head)
    lab.models.put(NAME, trained)
    assert lab.at_once(CORPUS, M3) is None and lab.at_once(CORPUS, MEAN) is not None


def test_words_of_texts_are_prepared(lab: Lab) -> None:
    side = lab.at_once(CORPUS, EOS)
    assert lab.prepared_views.words(side, [3, 1]) == [("causal/eos 3",), ("causal/eos 1",)]
    assert lab.prepared_views.words(side.without_repetitions(), [0]) == [("causal/eos 0",)]


def test_a_damaged_file_is_no_view(folder: Path, tmp_path: Path, caplog) -> None:
    [good] = folder.glob("*")
    (tmp_path / "bad.safetensors").write_bytes(good.read_bytes()[:-100])
    with pytest.raises(EmbedLabError, match=r"'bad.safetensors' holds no prepared views"):
        read_prepared(tmp_path / "bad.safetensors")
    config = Config(backbones=(BackboneEntry(id=NAME, max_length=64),))
    assert PreparedViews(config, tmp_path).embedded(CORPUS, MEAN, NAME, None) is None
    assert "embedlab prepare" in caplog.text


def test_one_digest_in_every_precision() -> None:
    model, other = tiny_model("llama"), tiny_model("llama", seed=1)
    digest = weights_digest(model)
    assert len(digest) == 32 and digest == weights_digest(tiny_model("llama").bfloat16())
    assert digest != weights_digest(other)
    name, weight = next(iter(model.named_parameters()))
    weight.data[0] *= 2
    assert weights_digest(model) != digest, name
