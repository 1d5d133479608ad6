"""A and B on two models: every view takes each side from its own."""

from __future__ import annotations

import types
from dataclasses import replace
from typing import Any

import gradio as gr
import numpy as np
import pytest
from support.models import tiny_backbone, words
from support.tabs import tabs_of

from embedlab import Backbone, embed
from embedlab.analysis.clusters import Clustering
from embedlab.data.corpus import Corpus
from embedlab.errors import Cancelled, EmbedLabError
from embedlab.lab.config import BackboneEntry, Config, Limits
from embedlab.lab.lab import Lab
from embedlab.models.design import Design
from embedlab.progress import Progress, no_progress
from embedlab.text import escape
from embedlab.ui.shared import code, html
from embedlab.ui.shared.controls import Slider
from embedlab.ui.shared.session import STATE_SECONDS, Remembered, Session, Sessions, Values
from embedlab.ui.shared.sidebar import OWN
from embedlab.ui.shared.view import Pair
from embedlab.ui.tabs.selection import Selected
from embedlab.ui.tabs.similarity import TYPED

RUN = "run:1"
TEXTS = tuple(words(*range(3, 23)))
CORPUS = Corpus(
    id=OWN,
    title="Words",
    texts=TEXTS,
    fields={"kind": tuple(str(i % 2) for i in range(20))},
    queries=(TEXTS[4], TEXTS[7]),
    relevant=(frozenset({4}), frozenset({7})),
)


@pytest.fixture(scope="module")
def models() -> dict[str, Backbone]:
    trained = tiny_backbone("qwen2", seed=1)
    trained.name = "tiny + <my run>"
    return {"tiny": tiny_backbone(), RUN: trained}


class TwoModels(Lab):
    """A Lab with a backbone and a visitor's run, both there already."""

    models: dict[str, Backbone]

    def backbone(self, backbone_id: str = "", progress: Progress = no_progress) -> Backbone:
        return self.models[backbone_id or "tiny"]


@pytest.fixture(scope="module")
def lab(models) -> Lab:
    limits = Limits(state_disk_mb=0)
    lab = TwoModels(
        Config(backbones=(BackboneEntry(id="tiny"),), default_backbone="tiny", limits=limits)
    )
    lab.models = models
    return lab


@pytest.fixture(scope="module")
def tabs(lab) -> dict[str, object]:
    return tabs_of(lab)


def pair_on(tabs, model_a: str, model_b: str) -> Pair:
    return tabs["bench"].pair(sidebar_values(tabs, CORPUS, model_a, model_b), no_progress)


def sidebar_values(tabs, corpus: Corpus, model_a: str = "", model_b: str = "") -> dict:
    sidebar = tabs["bench"].sidebar
    designs = [panel.set_to(Design.parse("causal/mean")) for panel in (sidebar.a, sidebar.b)]
    return {
        sidebar.backbone: "tiny",
        sidebar.a.model: model_a,
        sidebar.b.model: model_b,
        sidebar.corpus: OWN,
        sidebar.own: corpus,
        sidebar.sample: 20,
        sidebar.seed: 0,
        **designs[0],
        **designs[1],
    }


def show(tab: Any, pair: Pair, changes: dict | None = None) -> dict:
    """What a tab shows with its controls as they are at first, but for some changes."""
    values = {component: component.value for component in tab.inputs}
    return tab.show(pair, Values(values | (changes or {})), no_progress)


@pytest.fixture(scope="module")
def pair(tabs) -> Pair:
    return pair_on(tabs, "", RUN)


def test_each_side_is_embedded_by_its_own_model(pair, models):
    design = Design.parse("causal/mean")
    for side, backbone in zip((pair.a, pair.b), models.values(), strict=True):
        np.testing.assert_allclose(side.vectors, embed(TEXTS, design, backbone), atol=1e-6)
    assert pair.backbone_ids == ("tiny", RUN) and not pair.one_backbone
    assert pair.choice.backbone_ids == pair.backbone_ids


def test_two_models_are_named_everywhere_and_one_only_once(pair, tabs):
    assert pair.names == ("tiny-llama · causal/mean", "tiny + <my run> · causal/mean")
    for words_ in (pair.caption("x"), pair.source("x")):
        assert "tiny-llama" in words_ and "tiny + <my run>" in words_
    line = html.source_line(*pair.backbones)
    assert "tiny + &lt;my run&gt;" in line and line.count("source-line") == 2
    same = pair_on(tabs, RUN, RUN)
    assert same.one_backbone and same.names == ("causal/mean", "causal/mean")
    assert html.source_line(*same.backbones).count("source-line") == 1
    assert same.source("x").count("my run") == 1


def test_a_query_is_embedded_by_each_sides_model(pair, lab, models):
    lists = lab.retrieve("w1 w2", pair.a, pair.b, 5)
    for hits, backbone in zip(lists, models.values(), strict=True):
        query = embed(["w1 w2"], pair.a.design, backbone, query=True)[0]
        cosines = embed(TEXTS, pair.a.design, backbone) @ query
        assert [hit.id for hit in hits] == np.argsort(-cosines, kind="stable")[:5].tolist()


def test_a_selection_survives_a_new_drawing_and_not_another_corpus(pair, tabs):
    chart = tabs["map"]
    marked = Selected(fingerprint=pair.corpus.fingerprint, rows=(0, 2), words="marked")

    view = show(chart, pair, {chart.marked: marked})
    assert view[chart.map]["selection"]["lasso"] == [0, 2]
    assert "2 of" in view[chart.neighbours] and "marked" in view[chart.panel.block]
    other = show(chart, pair, {chart.marked: replace(marked, fingerprint="another corpus")})
    assert other[chart.map]["selection"]["lasso"] == []
    assert "marked" not in other[chart.panel.block]


def test_the_tabs_show_both_models(pair, tabs):
    chart, retrieve, similarity = tabs["map"], tabs["retrieve"], tabs["similarity"]
    assert show(chart, pair)[chart.map]["value"]["b"]["title"] == pair.names[1]
    lists = show(retrieve, pair, {retrieve.query: "w1 w2", retrieve.k: 5})[retrieve.lists]
    assert "&lt;my run&gt;" in lists
    typed = {similarity.which: TYPED, similarity.typed: "w1 w2\nw3 w4 w5"}
    heat = show(similarity, pair, {**typed, similarity.order: "given"})
    for side, place in zip(pair.sides, (similarity.heat_a, similarity.heat_b), strict=True):
        a, b = embed(["w1 w2", "w3 w4 w5"], side.design, side.backbone)
        last = heat[place]["csv"].splitlines()[3].split(",")
        assert float(last[2]) == pytest.approx(float(a @ b), abs=1e-5)


def inside(tabs, pair: Pair, panel: str, **changes: Any) -> dict:
    """What a panel shows, by the ids of its elements; ``changes`` are its controls by their ids."""
    tab = tabs["inside"]
    controls = {component.elem_id: component for component in tab.inputs}
    changed = {controls[name.replace("_", "-")]: value for name, value in changes.items()}
    view = show(tab, pair, {tab.panel: panel, **changed})
    return {k.elem_id: v for k, v in view.items() if not isinstance(k, Remembered)}


def test_the_inside_panels_read_each_sides_model(pair, tabs):
    tokens = inside(tabs, pair, "tokens")["token-norms"]["csv"].splitlines()
    names = {line.split(",")[0] for line in tokens[2:]}
    assert names == set(pair.names)
    proof = inside(tabs, pair, "mask", proof_a="w1 w2", proof_b="w1 w3")
    assert escape("Shown on A's model, tiny-llama.") in proof["proof-verdict"]
    assert "my run" not in proof["proof-causal"]["caption"]
    assert "centre" in inside(tabs, pair, "shape")["shape-effect"]


@pytest.mark.parametrize(("panel", "control"), [("tokens", "token_text"), ("mask", "proof_b")])
def test_the_panels_obey_the_limits_of_the_endpoints(pair, tabs, panel, control):
    with pytest.raises(EmbedLabError, match=r"Text \d has 2,000,001 characters"):
        inside(tabs, pair, panel, **{control: "a" * 2_000_001})


@pytest.mark.parametrize("side", ["A", "B"])
def test_the_layer_lines_are_those_of_the_chosen_model(pair, tabs, side):
    view = inside(tabs, pair, "layers", layer_model=side)
    name = pair.backbones["AB".index(side)].name
    assert view["layer-model"]["visible"]
    assert escape(f"those of {side}'s model, {name}.") in view["layer-notes"]
    assert f"layers of {name}" in view["layer-figure"]["caption"]


def test_a_corpus_with_nothing_to_score_leads_to_one_that_has(tabs):
    bare = Corpus(id=OWN, title="Bare", texts=TEXTS)
    view = inside(tabs, tabs["bench"].pair(sidebar_values(tabs, bare), no_progress), "layers")
    assert view["layer-figure"] is None and "has no scored pairs" in view["layer-notes"]
    assert view["layer-elsewhere"]["visible"]
    assert view["layer-elsewhere"]["value"] == "Switch to One word, several senses"


def test_the_code_loads_what_is_on_the_table(pair, tabs):
    settings = {"n_neighbors": 15, "min_dist": 0.1, "clustering": Clustering(k=2)}
    for text in (
        code.view_code(pair, "map", **settings),
        code.view_code(pair, "similarity"),
        code.view_code(pair, "retrieve", query="w1"),
    ):
        compile(text, "shown", "exec")
        assert "backbone_a = load_backbone('tiny')" in text
        assert (
            "backbone_b = load_backbone('path/to/run')  # the folder of 'tiny + <my run>'" in text
        )
        assert "embed(corpus.texts, design_b, backbone_b)" in text
    same = code.view_code(pair_on(tabs, "", ""), "map", **settings)
    assert same.count("load_backbone(") == 1 and "backbone = load_backbone('tiny')" in same


def test_runs_are_offered_once_there_are_some(tabs):
    sidebar = tabs["bench"].sidebar
    none, one = sidebar.offer_runs([]), sidebar.offer_runs([("tiny + my run", RUN)])
    assert (none[sidebar.runs], one[sidebar.runs]) == ((), (RUN,))
    for panel in (sidebar.a, sidebar.b):
        assert not none[panel.model]["visible"] and "my run" not in none[panel.weights]["choices"]
        assert one[panel.model]["visible"] and "my run" in one[panel.weights]["choices"]
        assert [value for _, value in one[panel.model]["choices"]] == ["", RUN]


def test_the_same_view_is_shown_once():
    session, mean, eos = Session(), ["mean"], ["eos"]
    assert session.starts_showing(mean) and not session.starts_showing(["mean"])
    assert session.starts_showing(eos) and session.starts_showing(mean)
    session.failed_to_show(eos)  # an earlier one that was stopped
    assert not session.starts_showing(["mean"])
    mean = ["mean"]
    session.starts_showing(mean)
    session.failed_to_show(mean)  # what failed may be tried again
    assert session.starts_showing(["mean"])
    session.shows_as(eos, ["eos", "late"])  # no longer what is shown
    session.shows_as(["mean"], ["mean", "colour"])  # it has set a control
    assert not session.starts_showing(["mean", "colour"])
    assert session.starts_showing(["eos", "late"]) and session.starts_showing(["mean", "colour"])


def test_sessions_share_nothing_and_are_forgotten():
    sessions, value = Sessions(), Remembered(3)
    one, other, nobody = (types.SimpleNamespace(session_hash=key) for key in ("s", "t", None))
    assert sessions.of(one).remember({value: 4}) == {}
    assert sessions.of(one).values({})[value] == 4
    assert sessions.of(other).values({})[value] == sessions.of(nobody).values({})[value] == 3
    sessions.of(nobody).remember({value: 5})
    assert sessions.of(nobody).values({})[value] == 3
    sessions.leave(one)
    assert sessions.of(one).values({})[value] == 3
    sessions.of(one).remember({value: 4})
    sessions.of(one).last_used -= STATE_SECONDS + 1
    sessions.of(other)
    assert sessions.of(one).values({})[value] == 3


def test_stopping_says_whether_anything_ran():
    sessions, request = Sessions(), types.SimpleNamespace(session_hash="s")
    assert not sessions.stop(request)
    session = sessions.of(request)
    with session.work("show", gr.Progress()) as report:
        report(1, 2, "working")
        assert sessions.stop(request) and not sessions.stop(request)
        with pytest.raises(Cancelled):
            report(2, 2, "working")
    with (
        session.work("show", gr.Progress()) as first,
        session.work("show", gr.Progress()) as second,
    ):
        second(1, 2, "the later one")
        with pytest.raises(Cancelled):
            first(1, 2, "the earlier one")
    assert not sessions.stop(request)


@pytest.mark.parametrize("value", [1, 101, None, "5"])
def test_a_number_out_of_range_is_said_in_a_sentence(pair, tabs, value):
    with pytest.raises(EmbedLabError, match=r"Neighbours is .*; choose 2 to 100\."):
        show(tabs["map"], pair, {tabs["map"].n_neighbors: value})


def test_a_sliders_bounds_are_for_the_eye():
    slider = Slider(1, 10, step=1)
    assert slider.preprocess(99) == 99
    config = gr.Slider(1, 10, step=1).get_config()
    assert slider.get_config().keys() == config.keys() and slider.get_block_name() == "slider"
