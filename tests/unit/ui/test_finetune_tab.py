"""The Fine-tune tab without a browser: the form's plan, and what the live panel sends."""

from __future__ import annotations

from pathlib import Path

import gradio as gr
import pytest
from support.models import tiny_backbone
from support.pairs import pair_set
from support.runs import run_info

from embedlab import Backbone
from embedlab.errors import EmbedLabError
from embedlab.lab.config import BackboneEntry, Config, Limits
from embedlab.lab.lab import Lab
from embedlab.lab.run import DONE, SCORING, TRAINING, LiveRun, Request, SavedModel
from embedlab.models.design import Design
from embedlab.progress import Progress, no_progress
from embedlab.training.history import Step
from embedlab.training.recipe import RECIPES, Recipe
from embedlab.ui.shared.session import Sessions, Updates, Values
from embedlab.ui.shared.sidebar import Sidebar
from embedlab.ui.shared.view import Workbench
from embedlab.ui.tabs.finetune.form import OWN_FILE, FinetuneForm
from embedlab.ui.tabs.finetune.live import STOP_SCORING, STOP_TRAINING, LivePanel, Trainings
from embedlab.ui.tabs.finetune.tab import FinetuneTab


class OneModel(Lab):
    """A Lab with a tiny backbone that is loaded already."""

    model: Backbone

    def backbone(self, backbone_id: str = "", progress: Progress = no_progress) -> Backbone:
        return self.model


@pytest.fixture(scope="module")
def tab() -> FinetuneTab:
    limits = Limits(state_disk_mb=0)
    lab = OneModel(
        Config(backbones=(BackboneEntry(id="tiny"),), default_backbone="tiny", limits=limits)
    )
    lab.model = tiny_backbone()
    with gr.Blocks() as blocks:
        sessions = Sessions()
        return FinetuneTab(Workbench(lab, Sidebar(lab, sessions), sessions), Trainings(blocks))


@pytest.fixture
def form(tab: FinetuneTab) -> FinetuneForm:
    return tab.form


def filled(form: FinetuneForm, **settings: object) -> Values:
    """The form as it is at first, with its own file's pairs and these settings."""
    values = {component: component.value for component in form.inputs}
    values |= {form.data: OWN_FILE, form.own.pairs: pair_set()}
    return Values(values | {form.settings[name]: value for name, value in settings.items()})


def test_the_form_starts_with_the_cpu_recipe(form: FinetuneForm) -> None:
    request = form.request(filled(form), no_progress)
    assert request.recipe == Recipe() and request.name == "my-run" and request.score
    assert request.design == Design.parse("causal/eos")


def test_a_recipe_fills_the_form(form: FinetuneForm) -> None:
    updates = form._apply_preset({form.preset: "paper"}, no_progress)
    values = filled(form) | {form.preset: "paper"} | updates
    assert form.request(values, no_progress).recipe == RECIPES["paper"]


def test_the_plan_of_a_training(form: FinetuneForm) -> None:
    updates = form.plan(filled(form, steps=7, batch=4), no_progress)
    assert "7 steps of 4 pairs" in updates[form.note]
    assert "causal/eos" in updates[form.what]
    assert not updates[form.numbers["head_lr"]]["visible"]
    assert set(updates) <= set(form.outputs)
    hidden = filled(form) | {form.shown_for: None}
    assert set(form._plan_if_shown(hidden, no_progress)) == {form.note}


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"mode": "head"}, "has no trainable head"),
        ({"steps": 0}, "steps is 0"),
        ({"lora_rank": None}, "LoRA rank is empty; enter a number."),
    ],
)
def test_what_is_not_possible(form: FinetuneForm, settings: dict[str, object], words: str) -> None:
    values = filled(form, **settings)
    assert words in form.plan(values, no_progress)[form.note]
    missing = {**values, form.own.pairs: None}
    assert "no pairs of yours yet" in form.plan(missing, no_progress)[form.note]
    with pytest.raises(EmbedLabError, match="no pairs of yours yet"):
        form.request(missing, no_progress)


def live_run(tmp_path: Path) -> LiveRun:
    request = Request(
        backbone_id="tiny", design=Design(), pairs=pair_set(), recipe=Recipe(), name="first"
    )
    return LiveRun("run:1", request, tmp_path, state=TRAINING, total=40)


def saved_model(folder: Path) -> SavedModel:
    backbone = tiny_backbone()
    info = run_info(backbone, Design())
    return SavedModel(version=1, folder=folder, backbone=backbone, run_info=info)


def step(number: int) -> Step:
    return Step(number, "contrastive", 1.0, 1e-4, 50, 2.0)


def refreshed(panel: LivePanel, values: Values) -> Updates:
    """The updates of a refresh; ``values`` then hold what the panel shows."""
    updates = panel._refresh(values, no_progress)
    values[panel.screen] = updates[panel.screen]
    return updates


def test_a_refresh_sends_only_what_changed(tab: FinetuneTab, tmp_path: Path) -> None:
    panel, run = tab.live, live_run(tmp_path)
    values = Values({panel.run_ids: [run.id, "run:gone"], panel.run: None})
    always = {panel.screen, panel.timer}
    tab.live.lab.runs._runs[run.id] = run

    updates = refreshed(panel, values)
    assert updates[panel.timer].active
    assert updates[panel.run]["choices"] == [("first · causal/eos", "run:1")]
    assert updates[panel.stop]["value"] == STOP_TRAINING and updates[panel.stop]["visible"]
    assert not updates[panel.curves]["visible"]
    assert panel.results in updates
    assert set(refreshed(panel, values)) == always

    run.history = (step(0), step(1))
    updates = refreshed(panel, values)
    assert set(updates) > {panel.loss, panel.rate, panel.speed, panel.status}
    assert updates[panel.curves]["visible"] and panel.results not in updates
    assert updates[panel.loss]["csv"].splitlines()[2] == "0,contrastive,1,0.0001,50,2,"

    run.state = SCORING
    assert refreshed(panel, values)[panel.stop]["value"] == STOP_SCORING

    run.state, run.model = DONE, saved_model(tmp_path)
    updates = refreshed(panel, values)
    assert not updates[panel.timer].active and not updates[panel.stop]["visible"]
    assert panel.loss not in updates and panel.results in updates
    for model in (panel.sidebar.a.model, panel.sidebar.b.model):
        assert (run.backbone.name, run.id) in updates[model]["choices"]

    del tab.live.lab.runs._runs[run.id]
    updates = refreshed(panel, values)
    assert "No training yet" in updates[panel.status]
    assert updates[panel.run]["choices"] == [] and not updates[panel.sidebar.a.model]["visible"]
    assert set(refreshed(panel, values)) == always


def test_the_sidebar_is_set_to_compare(tab: FinetuneTab, tmp_path: Path) -> None:
    run = live_run(tmp_path)
    tab.live.lab.runs._runs[run.id] = run
    updates = tab.results._compare({tab.live.run: run.id}, no_progress)
    a, b = tab.live.sidebar.a, tab.live.sidebar.b
    assert (updates[a.model], updates[b.model]) == ("", run.id)
    assert updates[a.preset] == updates[b.preset] == "M1"
