"""The page's tabs on prepared vectors: shown without a model, which is loaded by what needs it."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import gradio as gr
import pytest
from support.labs import corpus_of
from support.models import tiny_backbone, words
from support.prepared import write_tiny
from support.tabs import tabs_of

from embedlab import Backbone
from embedlab.errors import NeedsModel
from embedlab.lab.config import BackboneEntry, Config, Limits
from embedlab.lab.lab import Lab
from embedlab.lab.prepared_views import PreparedViews
from embedlab.models.design import Design
from embedlab.progress import Progress, no_progress
from embedlab.ui.shared import html
from embedlab.ui.shared.session import Values
from embedlab.ui.shared.sidebar import OWN
from embedlab.ui.shared.view import Pair

NAME = "tiny-llama"
CORPUS = replace(
    corpus_of(words(*([5, 9, 3, 12] * 5), seed=5)),
    queries=tuple(words(4, 6, seed=9)),
    relevant=(frozenset({1, 7}), frozenset({3})),
    fields={"kind": tuple(f"bank: {i % 2}" for i in range(20))},
)


class Loading(Lab):
    """A Lab that notes when its backbone is loaded."""

    loads = 0

    def backbone(self, backbone_id: str = "", progress: Progress = no_progress) -> Backbone:
        if self.models.get(NAME) is None:
            self.loads += 1
            self.models.put(NAME, tiny_backbone())
        return self.models.get(NAME)


@pytest.fixture
def lab(tmp_path) -> Loading:
    write_tiny(tmp_path, tiny_backbone(), CORPUS, "causal/eos", "causal/mean")
    config = Config(
        backbones=(BackboneEntry(id=NAME, max_length=64),), limits=Limits(state_disk_mb=0)
    )
    lab = Loading(config)
    lab.prepared_views = PreparedViews(config, tmp_path)
    return lab


@pytest.fixture
def tabs(lab: Lab) -> dict[str, Any]:
    return tabs_of(lab)


def pair_of(tabs: dict[str, Any], a: str = "causal/eos", b: str = "causal/mean") -> Pair:
    sidebar = tabs["bench"].sidebar
    values = {
        sidebar.backbone: NAME,
        sidebar.a.model: "",
        sidebar.b.model: "",
        sidebar.corpus: OWN,
        sidebar.own: CORPUS,
        sidebar.sample: 20,
        sidebar.seed: 0,
        **sidebar.a.set_to(Design.parse(a)),
        **sidebar.b.set_to(Design.parse(b)),
    }
    return tabs["bench"].pair(values, no_progress)


def show(tab: Any, pair: Pair, changes: dict | None = None) -> dict:
    values = {component: component.value for component in tab.inputs}
    return tab.show(pair, Values(values | (changes or {})), no_progress)


def test_the_first_tabs_need_no_model_and_stay_as_they_are(tabs, lab) -> None:
    def screen() -> tuple[Any, ...]:
        pair = pair_of(tabs)
        chart, retrieve, similarity = tabs["map"], tabs["retrieve"], tabs["similarity"]
        view, lists, heat = show(chart, pair), show(retrieve, pair), show(similarity, pair)
        drawn = view[chart.map]
        return (
            drawn["value"]["method"],
            drawn["place_a"]["id"],
            drawn["place_b"]["id"],
            view[chart.quality],
            view[chart.look],
            view[chart.clusters.flow],
            view[chart.changed],
            lists[retrieve.lists],
            lists[retrieve.scores],
            heat[similarity.heat_a]["csv"],
        )

    before = screen()
    assert before[0] == "UMAP" and lab.loads == 0
    assert pair_of(tabs).prepared
    lab.backbone()
    # Captions name the device of the loaded model; everything that was measured is the same.
    for old, new in zip(before, screen(), strict=True):
        assert _without_source(old) == _without_source(new)
    assert pair_of(tabs).prepared and pair_of(tabs).a.backbone is lab.models.get(NAME)


def _without_source(shown: Any) -> str:
    return re.sub(r"tiny-llama( · a test)? · float32", "the model", str(shown))


def test_neighbours_and_words_of_a_click_are_there(tabs, lab) -> None:
    chart, pair = tabs["map"], pair_of(tabs)
    event = gr.EventData(None, {"index": 4})
    values = {component: component.value for component in chart.inputs}
    updates = chart._select(pair, Values(values), event, no_progress)
    assert "causal/mean 4" in updates[chart.neighbours]  # the prepared word
    assert lab.loads == 0


def test_what_needs_the_model_loads_it_and_is_done_again(tabs, lab) -> None:
    bench, retrieve = tabs["bench"], tabs["retrieve"]

    def asked() -> dict:
        return show(retrieve, pair_of(tabs), {retrieve.query: "w1 w2 w3"})

    with pytest.raises(NeedsModel):
        asked()
    assert lab.loads == 0
    assert "look-for" in bench.with_model(no_progress, asked)[retrieve.lists]
    assert lab.loads == 1
    panel = tabs["inside"]
    assert bench.with_model(no_progress, lambda: show(panel, pair_of(tabs)))
    assert lab.loads == 1


def test_another_design_waits_for_the_model(tabs, lab) -> None:
    pair = pair_of(tabs, b="causal/mean@1")
    assert lab.loads == 1 and not pair.prepared
    assert pair.a.shipped is not None and pair.a.backbone is pair.b.backbone


def test_the_status_says_prepared_and_why_it_was_dropped() -> None:
    names = ("causal/eos", "causal/mean")
    assert "prepared" in html.status_line(CORPUS, names, True)
    assert "prepared" not in html.status_line(CORPUS, names, False)
    assert '<p class="muted">other weights</p>' in html.status_line(
        CORPUS, names, False, "other weights"
    )
