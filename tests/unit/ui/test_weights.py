"""The switch of each side: untrained, trained, my run."""

from __future__ import annotations

import gradio as gr
import numpy as np
import pytest
from support.design_sets import small_set

from embedlab import Design, embed, load_backbone
from embedlab.data.corpus import Corpus
from embedlab.errors import EmbedLabError
from embedlab.lab.config import BackboneEntry, Config, Limits
from embedlab.lab.lab import Lab
from embedlab.progress import no_progress
from embedlab.study.design_set import read_design_set
from embedlab.study.train_designs import train_designs
from embedlab.ui.shared.session import Sessions, Values, set_values
from embedlab.ui.shared.sidebar import Sidebar
from embedlab.ui.shared.weights import MY_RUN, TRAINED, UNTRAINED

TEXTS = ("how to fry rice", "salt", "put it away")
RUN = "run:secret"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The folder of M1 and M5 on a tiny backbone, and the backbone's id."""
    folder = tmp_path_factory.mktemp("designs")
    train_designs(read_design_set(small_set(folder, designs=["M1", "M5"], mntp_steps=0)), folder)
    return folder, str((folder / "tiny").resolve())


@pytest.fixture
def lab(made, monkeypatch) -> Lab:
    monkeypatch.setattr("embedlab.resources.DESIGNS", made[0])
    entry = BackboneEntry(id=made[1], max_length=64)
    limits = Limits(state_disk_mb=0)
    return Lab(Config(backbones=(entry,), default_backbone=made[1], limits=limits))


class Page:
    """A sidebar's controls as a session has them after each of a visitor's changes."""

    def __init__(self, lab: Lab) -> None:
        with gr.Blocks():
            self.sidebar = Sidebar(lab, Sessions())
        self.values = Values({c: c.value for c in self.sidebar.inputs} | {self.sidebar.own: None})
        self.told: dict = {}

    def take(self, updates) -> None:
        for control, update in updates.items():
            if isinstance(update, dict) and "__type__" in update:
                self.told.setdefault(control, {}).update(update)
        self.values |= set_values(updates)

    def change(self, **changes) -> None:
        panel = self.sidebar.a
        controls = {"backbone": self.sidebar.backbone, "preset": panel.preset}
        controls |= {"weights": panel.weights, "model": panel.model} | panel.fields
        changed = {controls[name]: value for name, value in changes.items()}
        before = dict(self.values)
        self.values |= changed
        try:
            updates = self.sidebar.follow(set(changed), self.values, no_progress)
        except EmbedLabError:
            self.values = Values(before)
            raise
        assert updates.keys() <= self.sidebar.followers(set(changed), self.values)
        self.take(updates)

    @property
    def a(self) -> tuple[str, str, str]:
        """What A's switch says, its model, and its design."""
        panel = self.sidebar.a
        model = self.sidebar.resolved(self.values)[0]
        return self.values[panel.weights], model, str(panel.read(self.values))


def test_trained_takes_the_weights_of_the_design_and_follows_it(lab, made):
    page = Page(lab)
    assert page.a == (UNTRAINED, made[1], "causal/eos")
    page.change(weights=TRAINED)
    assert page.a == (TRAINED, "tiny-m1", "causal/eos")
    page.change(preset="M5")
    assert page.a == (TRAINED, "tiny-m5", "bidirectional/multi_layer_trainable")
    page.change(weights=UNTRAINED)
    assert page.a == (UNTRAINED, made[1], "bidirectional/multi_layer_trainable")


def test_a_design_without_trained_weights_is_shown_untrained_and_says_why(lab, made):
    page = Page(lab)
    page.change(weights=TRAINED)
    page.change(preset="M3")
    assert page.a == (UNTRAINED, made[1], "causal/multi_layer_trainable")
    told = page.told[page.sidebar.a.weights]
    assert "No trained weights for causal/multi_layer_trainable" in told["info"]
    assert "M1, M5" in told["info"] and "none-trained" in told["elem_classes"]
    with pytest.raises(EmbedLabError, match="No trained weights for causal/multi"):
        page.change(weights=TRAINED)
    page.change(preset="M1")
    assert "none-trained" not in page.told[page.sidebar.a.weights]["elem_classes"]


def test_steps_behind_the_pooling_keep_the_weights(lab):
    page = Page(lab)
    page.change(weights=TRAINED)
    page.change(steps=["centre"])
    assert page.a == (TRAINED, "tiny-m1", "causal/eos+centre")


def test_a_chosen_model_brings_its_design(lab, made):
    page = Page(lab)
    page.change(model="tiny-m5")
    assert page.a == (TRAINED, "tiny-m5", "bidirectional/multi_layer_trainable")
    page.change(model="")
    assert page.a == (UNTRAINED, made[1], "bidirectional/multi_layer_trainable")


def test_my_run_is_offered_once_there_is_one_and_brings_its_design(lab, monkeypatch):
    page = Page(lab)
    assert page.sidebar.a.weights.choices == [(UNTRAINED, UNTRAINED), (TRAINED, TRAINED)]
    with pytest.raises(EmbedLabError, match="trained nothing yet"):
        page.change(weights=MY_RUN)
    mine = Design.parse("causal/mean")
    monkeypatch.setattr("embedlab.ui.shared.weights.design_of", lambda *_: mine)
    backbone = lab.backbone()
    monkeypatch.setattr(lab, "backbone", lambda *_: backbone)
    page.take(page.sidebar.offer_runs([("tiny + my run", RUN)]))
    assert page.told[page.sidebar.a.weights]["choices"] == [UNTRAINED, TRAINED, MY_RUN]
    page.change(weights=MY_RUN)
    assert page.a == (MY_RUN, RUN, "causal/mean")
    page.change(preset="M5")  # a run can be looked at under any design
    assert page.a == (MY_RUN, RUN, "bidirectional/multi_layer_trainable")


def test_the_papers_comparison_is_one_click(lab):
    page = Page(lab)
    assert page.sidebar.paper.visible
    updates = page.sidebar._compare_trained()
    page.take(updates)
    page.take(page.sidebar.follow(set(updates), page.values, no_progress))
    assert page.sidebar.resolved(page.values) == ("tiny-m1", "tiny-m5")
    designs = [panel.read(page.values).alias for panel in (page.sidebar.a, page.sidebar.b)]
    assert designs == ["M1", "M5"]
    assert page.values[page.sidebar.b.weights] == TRAINED


def test_what_is_not_there_does_not_appear(made, monkeypatch, tmp_path):
    monkeypatch.setattr("embedlab.resources.DESIGNS", tmp_path)
    page = Page(Lab(Config(backbones=(BackboneEntry(id=made[1]),))))
    assert not page.sidebar.paper.visible
    assert [value for _, value in page.sidebar.a.model.choices] == [""]
    assert not page.sidebar.a.weights.visible
    run = page.sidebar.offer_runs([("tiny + my run", RUN)])
    assert run[page.sidebar.a.weights]["visible"] and page.sidebar.a.weights.info


def test_a_lab_embeds_with_a_trained_design_and_loads_it_once(lab, made):
    corpus = Corpus(id="own", title="mine", texts=TEXTS)
    design = Design.parse("M5")
    embedded = lab.embedded(corpus, design, "tiny-m5")
    alone = embed(TEXTS, design, load_backbone("tiny-m5", dtype="float32"))
    np.testing.assert_allclose(embedded.vectors, alone, atol=1e-5)
    assert lab.backbone("tiny-m5") is lab.backbone("tiny-m5")
    assert abs(embedded.vectors - lab.embedded(corpus, design, made[1]).vectors).max() > 1e-3
    lab.models.put(made[1], load_backbone(made[1], dtype="float32"))  # loaded anew
    assert lab.backbone("tiny-m5").owner is lab.backbone(made[1]).owner
