"""A design's map at every layer, against what the design gives at each."""

from __future__ import annotations

import numpy as np
import pytest
from support.labs import corpus_of, tiny_lab

from embedlab import embed
from embedlab.analysis.projection import pca
from embedlab.errors import EmbedLabError
from embedlab.lab.layer_maps import has_layers, layer_maps, own_layer, settled_map
from embedlab.models.design import Design

TEXTS = [f"w{i} w{(i * i) % 50} w{(3 * i + 1) % 70}" for i in range(12)]
DESIGNS = ["causal/eos", "causal/mean+skip_first", "causal/mean+centre", "bidirectional/last"]


@pytest.fixture(scope="module")
def lab():
    return tiny_lab()


@pytest.mark.parametrize("name", DESIGNS)
def test_each_layer_is_what_the_design_gives_there(lab, name):
    design = Design.parse(name)
    embedded = lab.embedded(corpus_of(TEXTS), design)
    maps = layer_maps(lab, embedded)
    assert len(maps.xy) == embedded.backbone.num_layers + 1 == own_layer(embedded) + 1
    for layer in (1, 2, 4):
        at = Design.parse(name.replace("+", f"@{layer}+") if "+" in name else f"{name}@{layer}")
        vectors = embed(TEXTS, at, embedded.backbone)
        ours, alone = maps.xy[layer], pca(vectors)
        # Up to the turn and the scale that all layers share.
        a, b = (np.linalg.norm(xy[:, None] - xy[None], axis=-1) for xy in (ours, alone))
        np.testing.assert_allclose(a / a.max(), b / b.max(), atol=1e-4)
        pairs = (vectors @ vectors.T)[np.triu_indices(len(TEXTS), 1)]
        assert maps.cosines[layer] == pytest.approx(pairs.mean(), abs=1e-5)


def test_a_layer_where_all_texts_are_alike_is_a_point(lab):
    embedded = lab.embedded(corpus_of(TEXTS), Design.parse("causal/eos+centre"))
    maps = layer_maps(lab, embedded)
    assert np.abs(maps.xy[0]).max() < 1e-3  # the end token's embedding, of every text
    assert np.abs(maps.xy).max() == pytest.approx(1)


def test_until_umap_is_compiled_a_layer_settles_on_its_pca(lab):
    embedded = lab.embedded(corpus_of(TEXTS), Design.parse("causal/mean"))
    settings = {"n_neighbors": 5, "min_dist": 0.1, "warm": False}
    xy, method = settled_map(lab, embedded, 2, **settings)
    assert method == "PCA"
    np.testing.assert_array_equal(xy, layer_maps(lab, embedded).xy[2])
    with pytest.raises(EmbedLabError, match="Layer 9 is none of 0 to 4"):
        settled_map(lab, embedded, 9, **settings)


@pytest.mark.parametrize("name", ["M3", "causal/value_mean@1..3", "causal/mean@1..2"])
def test_designs_of_several_layers_have_no_layer_slider(lab, name):
    embedded = lab.embedded(corpus_of(TEXTS), Design.parse(name))
    assert not has_layers(embedded)
    with pytest.raises(EmbedLabError, match="chooses its own layers"):
        layer_maps(lab, embedded)
