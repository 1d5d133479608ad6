"""Static models: the formula by hand, and the libraries that they are for."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from sklearn.decomposition import PCA
from support.models import tiny_backbone, words
from support.runs import run_info

from embedlab import Design, EmbedLabError, embed
from embedlab.export.check import CHECK_TEXTS
from embedlab.export.export_model import export_model
from embedlab.export.static import SIF, distil, export_static

DESIGN = Design.parse("bidirectional/mean")
TEXTS = words(1, 3, 7, 20, 5, 9)


@pytest.fixture(scope="module")
def backbone():
    return tiny_backbone()


@pytest.fixture(scope="module")
def model(backbone):
    return distil(backbone, DESIGN, dimensions=8)


@pytest.fixture(scope="module")
def folder(backbone, model, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("static") / "model"
    return export_static(model, run_info(backbone, DESIGN), out, ["STS: 50.0, the original 60.0."])


def by_hand(backbone, texts, k=8):
    """Model2Vec's steps one after the other, token by token."""
    tokenizer = backbone.tokenizer
    size = len(tokenizer)
    special = set(tokenizer.all_special_ids)
    pieces = {i: tokenizer.decode([i]) for i in range(size) if i not in special}
    pieces = {i: piece for i, piece in pieces.items() if piece.strip() and "\ufffd" not in piece}
    vectors = np.stack([embed([piece], DESIGN, backbone)[0] for piece in pieces.values()])
    reduced = dict(zip(pieces, PCA(k, svd_solver="full").fit_transform(vectors), strict=True))
    harmonic = sum(1 / (rank + 2) for rank in range(size))
    rows = []
    for text in texts:
        ids = tokenizer(text, add_special_tokens=False)["input_ids"]
        weighed = [reduced[i] * SIF / (SIF + 1 / (i + 2) / harmonic) for i in ids if i in reduced]
        mean = np.mean(weighed, axis=0)
        rows.append(mean / np.linalg.norm(mean))
    return np.stack(rows)


def test_it_is_the_formula(backbone, model):
    expected = by_hand(backbone, TEXTS)
    # An axis of a PCA has no sign: similarities are compared.
    ours = model.embed(TEXTS)
    np.testing.assert_allclose(ours @ ours.T, expected @ expected.T, atol=1e-4)


def test_model2vec_opens_it(folder, model):
    model2vec = pytest.importorskip("model2vec")
    loaded = model2vec.StaticModel.from_pretrained(folder)
    np.testing.assert_allclose(loaded.encode(list(TEXTS)), model.embed(TEXTS), atol=1e-5)
    assert loaded.normalize and loaded.dim == 8


def test_sentence_transformers_opens_it(folder, model):
    from sentence_transformers import SentenceTransformer

    loaded = SentenceTransformer(str(folder), device="cpu")
    np.testing.assert_allclose(loaded.encode(list(TEXTS)), model.embed(TEXTS), atol=1e-5)


def test_the_card_says_how_to_open_it_and_how_good_it_is(folder):
    card = (folder / "README.md").read_text(encoding="utf-8")
    assert "library_name: model2vec" in card and "from model2vec import StaticModel" in card
    assert "STS: 50.0, the original 60.0." in card
    assert "distilled into one vector a token" in card and "| longest text | no limit |" in card
    assert json.loads((folder / "config.json").read_text("utf-8"))["normalize"] is True


def test_text_without_a_known_token_has_a_zero_vector_and_no_error(model):
    assert not model.embed([""]).any()


def test_steps_have_to_be_fitted(backbone):
    with pytest.raises(EmbedLabError, match=r"\+centre have not been fitted; name the texts"):
        distil(backbone, Design.parse("causal/mean+centre"))


@pytest.mark.slow  # a process of its own imports sentence-transformers
def test_the_export_is_checked_in_a_fresh_process(backbone, tmp_path):
    archive, check = export_model(
        *(backbone, DESIGN, run_info(backbone, DESIGN), tmp_path, tmp_path, "static"),
        quality=lambda model, progress: [f"{model.rows.shape[1]} numbers."],
    )
    assert check.ok and check.n == len(CHECK_TEXTS) and check.notes == ("32 numbers.",)
    assert re.search("my-run-static.zip", archive.name)
