"""A new pooling is one class and one entry in POOLINGS: it appears everywhere by itself."""

from __future__ import annotations

import gradio as gr
import numpy as np
import pytest
import torch
from scipy.stats import spearmanr
from support.models import tiny_backbone, words
from support.runs import run_info

from embedlab import Backbone, Design, embed
from embedlab.analysis.tokens import token_view
from embedlab.data.corpus import Corpus
from embedlab.export.sentence_transformers import export_sentence_transformers
from embedlab.lab.config import BackboneEntry, Config, Limits
from embedlab.lab.inside import layer_curves
from embedlab.lab.lab import Lab
from embedlab.models.pooling import POOLINGS, Pooling
from embedlab.models.states import Bank
from embedlab.progress import Progress, no_progress
from embedlab.ui.shared import html
from embedlab.ui.shared.session import Sessions
from embedlab.ui.shared.sidebar import Sidebar


class BothEnds(Pooling):
    """The first and the last token, one part to two."""

    def from_bank(self, bank: Bank, skip_first: bool = False) -> torch.Tensor:
        return (bank.first + 2 * bank.last) / 3

    def caveat(self, attention: str) -> str:
        return f"Only the ends are read under {attention} attention."


@pytest.fixture(autouse=True)
def both_ends(monkeypatch):
    monkeypatch.setitem(POOLINGS, "both_ends", BothEnds())


class TinyLab(Lab):
    """A Lab whose only backbone is a tiny one."""

    tiny: Backbone

    def backbone(self, backbone_id: str = "", progress: Progress = no_progress) -> Backbone:
        return self.tiny


@pytest.fixture
def lab(tiny) -> Lab:
    entry, limits = BackboneEntry(id="tiny"), Limits(state_disk_mb=0)
    lab = TinyLab(Config(backbones=(entry,), default_backbone="tiny", limits=limits))
    lab.tiny = tiny
    return lab


def corpus() -> Corpus:
    texts = tuple(words(*range(1, 13)))
    pairs = tuple((i, (i * 5 + 1) % 12, float(i % 4)) for i in range(10))
    return Corpus(id="own", title="Own", texts=texts, pairs=pairs)


@torch.no_grad()
def by_hand(backbone: Backbone, text: str, attention: str, layer: int) -> np.ndarray:
    """The unit vector of one text, straight from the model."""
    ids = [*backbone.tokenizer(text)["input_ids"], backbone.tokenizer.eos_token_id]
    output = backbone.model(
        torch.tensor([ids], device=backbone.device),
        is_causal=attention == "causal",
        output_hidden_states=True,
    )
    hidden = output.hidden_states[layer][0].cpu()
    vector = (hidden[0] + 2 * hidden[-1]) / 3
    return (vector / vector.norm()).numpy()


def test_the_sidebar_offers_it(lab):
    with gr.Blocks():
        sidebar = Sidebar(lab, Sessions())
    for panel in (sidebar.a, sidebar.b):
        assert ("both_ends", "both_ends") in panel.pooling.choices
        chosen = {"pooling": "both_ends", "layer": 2, "skip_first": True}
        values = panel.set_to(Design())
        values |= {panel.fields[name]: value for name, value in chosen.items()}
        design = panel.read(values)
        assert design == Design(pooling="both_ends", layer=2)
    assert Design.parse("causal/both_ends@2") == design


def test_the_layer_plot_has_its_curves(lab):
    result = layer_curves(lab, corpus(), Design(), skip_first=True)
    for attention in ("causal", "bidirectional"):
        [curve] = [c for c in result.curves if c.name == f"{attention}/both_ends"]
        for layer in (1, 4):
            vectors = [by_hand(lab.tiny, text, attention, layer) for text in corpus().texts]
            cosines = [vectors[i] @ vectors[j] for i, j, _ in corpus().pairs]
            expected = spearmanr(cosines, [score for *_, score in corpus().pairs]).statistic
            assert curve.scores[layer] == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("text", ["w1", "w1 w2 w3"])
def test_the_token_view_shows_its_weights(tiny, text):
    view = token_view(tiny, text, Design.parse("bidirectional/both_ends@2"))
    expected = np.zeros(view.token_count)
    expected[0], expected[-1] = 1 / 3, 2 / 3
    np.testing.assert_allclose(view.weights, expected, atol=1e-6)


def test_a_search_ranks_by_it(lab):
    texts = corpus()
    design = Design.parse("causal/both_ends@3")
    embedded = lab.embedded(texts, design)
    hits, _ = lab.retrieve("w1 w2 w3", embedded, embedded, 5)
    query = by_hand(lab.tiny, "w1 w2 w3", "causal", 3)
    cosines = [query @ by_hand(lab.tiny, text, "causal", 3) for text in texts.texts]
    assert [hit.id for hit in hits] == np.argsort(-np.array(cosines))[:5].tolist()
    lines = html.caveats(embedded, embedded)
    assert "A: Only the ends are read under causal attention." in lines


@pytest.mark.parametrize("name", ["causal/both_ends", "bidirectional/both_ends@2"])
def test_sentence_transformers_gives_its_vectors(name, tmp_path):
    design, backbone = Design.parse(name), tiny_backbone()
    folder = tmp_path / "one"
    export_sentence_transformers(backbone, design, run_info(backbone, design), folder)
    texts = words(1, 2, 5, 20, 62, 63, 64, 65, 90)
    for path in (folder, tmp_path / "two"):
        from sentence_transformers import SentenceTransformer

        model = SentenceTransformer(str(path), device="cpu", trust_remote_code=True)
        vectors = model.encode_document(texts, batch_size=4)
        np.testing.assert_allclose(vectors, embed(texts, design, backbone), atol=1e-4)
        model.save(str(tmp_path / "two"))
    for text, vector in zip(texts[:5], vectors[:5], strict=True):
        expected = by_hand(backbone, text, design.attention, design.layer)
        np.testing.assert_allclose(vector, expected, atol=1e-4)
    # Texts may be longer than EmbedLab's own limit, up to what the model has positions for.
    model.max_seq_length = 500
    [text] = words(150)
    expected = by_hand(backbone, text, design.attention, design.layer)
    np.testing.assert_allclose(model.encode([text])[0], expected, atol=1e-4)
    with pytest.raises(ValueError, match="at most 256 tokens"):
        model.encode(words(300))
