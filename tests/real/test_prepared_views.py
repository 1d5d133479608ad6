"""The prepared file that ships, computed again with the real weights."""

from __future__ import annotations

import numpy as np
import pytest
from support.labs import real_lab

from embedlab import Backbone, Design, embed
from embedlab.data.corpora import load_corpus
from embedlab.lab.config import Config
from embedlab.lab.prepared_file import PreparedFile, read_prepared
from embedlab.lab.preparing import designs_to_prepare
from embedlab.models.embedding import fit
from embedlab.models.weights import weights_digest
from embedlab.resources import PREPARED

#: A number of a vector of length 1 in float16 is off by at most 2⁻¹² of it, and the row is made
#: of length 1 again; what is allowed is the task's bound.
LARGEST = 1e-3
#: Half precision turns a vector by no more than this.
LEAST_COSINE = 1 - 1e-5
FILE = PREPARED / "smollm2-135m-senses.safetensors"


@pytest.fixture(scope="module")
def shipped() -> PreparedFile:
    return read_prepared(FILE)


def test_they_are_of_these_weights_texts_and_presets(shipped, smollm2: Backbone) -> None:
    assert shipped.facts.weights == weights_digest(smollm2.model)
    corpus = load_corpus("senses")
    assert shipped.is_of("smollm2-135m", corpus) and shipped.facts.queries == corpus.queries
    for design in designs_to_prepare(Config()):
        assert shipped.view(design) is not None, design
    assert FILE.stat().st_size < 6e6


def _same(shipped: PreparedFile, backbone: Backbone, design: Design, n: int) -> None:
    corpus, view = load_corpus("senses"), shipped.view(design)
    texts = corpus.texts if design.fitted else corpus.texts[:n]
    steps = fit(texts, design, backbone)
    computed = embed(texts, design, backbone, fit=steps)
    asked = embed(corpus.queries[:n], design, backbone, query=True, fit=steps)
    for found, expected in (
        (view.prepared.vectors[: len(texts)], computed),
        (view.prepared.query_vectors[:n], asked),
    ):
        assert np.abs(found - expected).max() < LARGEST, design
        assert (found * expected).sum(axis=1).min() > LEAST_COSINE, design
    # A query of a visitor's own goes through the stored steps.
    other = embed(corpus.queries[:2], design, backbone, query=True, fit=view.steps)
    assert (other * asked[:2]).sum(axis=1).min() > LEAST_COSINE, design


@pytest.mark.parametrize(
    "design", ["causal/eos", "causal/mean_last+filter1.5+centre?template=topic", "M5"]
)
def test_the_first_view_is_what_the_model_gives(shipped, smollm2, design: str) -> None:
    _same(shipped, smollm2, Design.parse(design), 8)


@pytest.mark.slow
def test_every_prepared_view_is_what_the_model_gives(shipped, smollm2) -> None:
    for facts in shipped.facts.designs:
        _same(shipped, smollm2, Design.parse(facts.design), 160)


@pytest.mark.slow
def test_the_prepared_maps_are_those_of_the_vectors(shipped, smollm2) -> None:
    """As far as UMAP of this machine lays out as that of the one that prepared them."""
    lab = real_lab(smollm2)
    corpus = load_corpus("senses")
    first, second = (
        lab.at_once(corpus, Design.parse(each.design)) for each in shipped.facts.designs[:2]
    )
    prepared = lab.maps(first, second)
    lab.prepared_views.files.clear()
    computed = lab.maps(first, second, compile_umap=True)
    assert prepared.method == computed.method == "UMAP"
    np.testing.assert_allclose(prepared.a, computed.a, atol=1e-3)
    np.testing.assert_allclose(prepared.b, computed.b, atol=1e-3)
