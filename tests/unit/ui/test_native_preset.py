"""The native design as a preset of the sidebar: offered where the backbone has one."""

from __future__ import annotations

import gradio as gr
import pytest
from support.models import embedding_folder, model_folder, tiny_backbone, tiny_model

from embedlab import Backbone, Design, load_backbone
from embedlab.lab.config import BackboneEntry, Config, Limits
from embedlab.lab.lab import Lab
from embedlab.progress import no_progress
from embedlab.ui.shared.design_panel import CUSTOM, NATIVE
from embedlab.ui.shared.session import Sessions, Values
from embedlab.ui.shared.sidebar import Sidebar


class Loaded(Lab):
    """A lab whose backbones are in memory."""

    loaded: dict[str, Backbone]

    def untrained(self, backbone_id, progress=no_progress):
        return self.loaded[backbone_id]


@pytest.fixture(scope="module")
def native(tmp_path_factory) -> Backbone:
    folder = tmp_path_factory.mktemp("native")
    plain = model_folder(folder / "plain", tiny_model("qwen3", vocabulary=128))
    prompts = {"query": "query: "}
    whole = embedding_folder(folder / "whole", plain, "mean", dense=(16,), prompts=prompts)
    return load_backbone(whole, device="cpu", dtype="float32")


@pytest.fixture
def sidebar(native) -> Sidebar:
    entries = tuple(BackboneEntry(id=name) for name in ("plain", "native"))
    lab = Loaded(Config(backbones=entries, limits=Limits(state_disk_mb=0)))
    lab.loaded = {"plain": tiny_backbone(), "native": native}
    with gr.Blocks():
        return Sidebar(lab, Sessions())


class Page:
    """The controls' values as a session has them after each of a visitor's changes."""

    def __init__(self, sidebar: Sidebar) -> None:
        self.sidebar = sidebar
        self.values = Values({c: c.value for c in sidebar.inputs} | {sidebar.own: None})
        self.choices: list[str] = []

    def change(self, **changes) -> None:
        panel = self.sidebar.a
        controls = {"backbone": self.sidebar.backbone, "preset": panel.preset, **panel.fields}
        changed = {controls[name]: value for name, value in changes.items()}
        self.values |= changed
        updates = self.sidebar.follow(set(changed), self.values, no_progress)
        assert updates.keys() <= self.sidebar.followers(set(changed), self.values)
        for control, update in updates.items():
            if isinstance(update, dict):
                if control is panel.preset and "choices" in update:
                    self.choices = [key for _, key in update["choices"]]
                if "value" not in update:
                    continue
                update = update["value"]
            self.values[control] = update

    @property
    def preset(self) -> str:
        return self.values[self.sidebar.a.preset]

    @property
    def design(self) -> Design:
        return self.sidebar.a.read(self.values)


def test_native_is_offered_chosen_and_left(sidebar, native):
    page = Page(sidebar)
    page.change(backbone="native")
    assert NATIVE in page.choices and not page.design.native
    page.change(preset=NATIVE)
    assert page.design == native.native.design and page.preset == NATIVE
    page.change(query_prompt="other: ")
    assert page.preset == CUSTOM and not page.design.native
    page.change(preset=NATIVE)
    assert page.design == native.native.design  # the prompt of the files is back
    page.change(preset="M1")
    assert page.preset == "M1" and page.design.alias == "M1"


def test_another_backbone_has_no_such_preset(sidebar):
    page = Page(sidebar)
    page.change(backbone="native")
    page.change(preset=NATIVE)
    page.change(backbone="plain")
    assert NATIVE not in page.choices
    assert page.preset in (CUSTOM, "causal/mean") and not page.design.native
