"""Overlapping choices without a browser: the real handlers, and a screen with some latency."""

from __future__ import annotations

import html
import random
import re
import threading
import time
import types
import warnings
from typing import Any

import gradio as gr
import pytest
from support.opened_tabs import opened_by_visitor
from support.races import OWN_TITLE, PAIRS, SIZES, Expected
from support.slow_app import BACKBONES, SlowLab

from embedlab.data.corpora import CORPORA
from embedlab.models.design import PRESETS
from embedlab.ui.page import Workspace
from embedlab.ui.shared.sidebar import OWN
from embedlab.ui.tabs.inside.tab import InsideTab
from embedlab.ui.tabs.map import MapTab

#: How many times faster than in the browser's test everything happens.
SPEED = 12
LATENCY = 0.012  # less than between two choices, so events arrive in their order
#: What stands for a kind of choice here; a file is read like pasted texts.
METHODS = {"file": "paste", "tab": "open"}
LISTS = gr.Dropdown, gr.Radio


class Screen:
    """A browser's side of a session: what it shows, and its events, each in a thread."""

    def __init__(self, lab: SlowLab, seed: int = 12) -> None:
        with gr.Blocks() as self.blocks:
            self.work = Workspace(lab, self.blocks)
        self.request = types.SimpleNamespace(session_hash=str(seed))
        self.random = random.Random(seed)
        self.shown: dict[Any, Any] = {}
        self.most: dict[Any, Any] = {}
        self.tab = "Map"
        self.lock, self.threads, self.errors = threading.Lock(), [], []
        for block in self.blocks.blocks.values():
            self.shown[block] = getattr(block, "value", None)
            self.most[block] = getattr(block, "maximum", None)
        # An event of a control has others beside the one that shows the view again.
        own = sorted(self.blocks.fns.values(), key=lambda fn: self.work.revision in fn.inputs)
        self.handlers = {target: fn for fn in own for target in fn.targets}

    def fire(
        self,
        component: Any,
        event: str,
        answered: threading.Event | None = None,
        **event_data: Any,
    ) -> threading.Event:
        """Send an event; its answer is on its way once ``answered`` is set, until the other is."""
        arrives = threading.Event()
        if answered is None:
            arrives.set()
        fn = self.handlers[component._id, event]
        with self.lock:
            values = {c: self.shown[c] for c in fn.inputs if not isinstance(c, gr.State)}

        def run() -> None:
            time.sleep(LATENCY * self.random.random())
            with self.lock:  # states are the server's
                states = {c: self.shown[c] for c in fn.inputs if isinstance(c, gr.State)}
            data = gr.EventData(component, event_data)
            try:
                with self.lock:  # Gradio's own lists refuse what they have not offered last
                    for c in values:
                        assert not isinstance(c, LISTS) or c.preprocess(values[c]) == values[c]
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    answer = fn.fn(values | states, self.request, data, gr.Progress())
            except gr.Error as error:
                self.errors += [] if error.message == "Stopped." else [error.message]
                return
            assert set(answer) <= {*fn.outputs, "__type__"}
            with self.lock:
                for c, update in answer.items():
                    if isinstance(c, gr.State):
                        self.shown[c] = update["value"]
                    elif isinstance(update, dict) and "choices" in update:
                        c.choices = [
                            each if isinstance(each, tuple) else (each, each)
                            for each in update["choices"]
                        ]
            if answered is not None:
                answered.set()
            assert arrives.wait(60)
            time.sleep(LATENCY * self.random.random())
            with self.lock:
                for c, update in answer.items():
                    if not isinstance(update, dict) or "__type__" not in update:
                        self.shown[c] = update
                        continue
                    self.shown[c] = update.get("value", self.shown.get(c))
                    self.most[c] = update.get("maximum", self.most.get(c))

        self.threads.append(threading.Thread(target=run))
        self.threads[-1].start()
        return arrives

    def set(self, component: Any, value: Any, event: str = "input") -> None:
        with self.lock:
            self.shown[component] = value
        self.fire(component, event)

    def settle(self) -> None:
        for thread in self.threads:
            thread.join(60)
            assert not thread.is_alive()
        self.threads.clear()

    # Choices, as in the browser's test

    def corpus(self, now: Expected) -> Expected:
        key = self.random.choice([key for key in SIZES if CORPORA[key].title != now.corpus])
        self.set(self.work.sidebar.corpus, key)
        return now.of_corpus(CORPORA[key].title, SIZES[key])

    def paste(self, now: Expected) -> Expected:
        own, size = self.work.sidebar.own_texts, self.random.randrange(3, 40)
        with self.lock:
            self.shown[own.pasted] = "\n".join(f"pasted {i} of {size}" for i in range(size))
        self.fire(own.use_pasted, "click")
        return now.of_corpus(OWN_TITLE, size)

    def hub(self, now: Expected) -> Expected:
        own = self.work.sidebar.own_texts
        with self.lock:
            self.shown[own.dataset] = "../etc"
        self.fire(own.use_hub, "click")
        return now

    def backbone(self, now: Expected) -> Expected:
        name = next(name for name in BACKBONES if name != now.backbone)
        self.set(self.work.sidebar.backbone, name)
        return Expected(**{**vars(now), "backbone": name})

    def attention(self, now: Expected) -> Expected:
        attention = "causal" if now.a.attention == "bidirectional" else "bidirectional"
        self.set(self.work.sidebar.a.attention, attention)
        a = type(now.a)(attention=attention, pooling=now.a.pooling)
        return Expected(**{**vars(now), "a": a})

    def attention_of_b(self, now: Expected) -> Expected:
        attention = "causal" if now.b.attention == "bidirectional" else "bidirectional"
        self.set(self.work.sidebar.b.attention, attention)
        b = type(now.b)(attention=attention, pooling=now.b.pooling)
        return Expected(**{**vars(now), "b": b})

    def pooling(self, now: Expected) -> Expected:
        pooling = "eos" if now.b.pooling == "mean" else "mean"
        self.set(self.work.sidebar.b.pooling, pooling)
        b = type(now.b)(attention=now.b.attention, pooling=pooling)
        return Expected(**{**vars(now), "b": b})

    def layer(self, now: Expected) -> Expected:
        layer = self.random.choice([n for n in range(1, 4) if n != now.layers[0]])
        self.set(self.work.sidebar.a.layer, layer, "release")
        return Expected(**{**vars(now), "layers": (layer, now.layers[1])})

    def preset(self, now: Expected) -> Expected:
        keys = [key for key in ("M1", "bidirectional/mean") if PRESETS[key] != now.designs[1]]
        key = self.random.choice(keys)
        self.set(self.work.sidebar.b.preset, key)
        return Expected(**{**vars(now), "b": PRESETS[key], "layers": (now.layers[0], -1)})

    def select(self, title: str) -> None:
        tabs = (block for block in self.blocks.blocks.values() if isinstance(block, gr.Tab))
        tab = next(tab for tab in tabs if tab.label == title)
        opened_by_visitor(self.work, self.shown, tab.id)
        self.fire(tab, "select")

    def open(self, now: Expected) -> Expected:
        names = [name for name in ("Map", "Retrieve", "Similarity") if name != now.tab]
        self.tab = self.random.choice(names)
        self.select(self.tab)
        return Expected(**{**vars(now), "tab": self.tab})

    def sample(self, now: Expected) -> Expected:
        size = self.random.choice([n for n in range(10, 22) if n != now.sample])
        size = min(size, self.most[self.work.sidebar.sample])
        self.set(self.work.sidebar.sample, size, "release")
        return Expected(**{**vars(now), "sample": min(size, now.size)})

    def look(self) -> dict[str, Any]:
        """As the browser's test reads the page."""
        sidebar, map_, similarity = self.work.sidebar, self.work.views[0], self.work.views[2]
        titles = {**{key: entry.title for key, entry in CORPORA.items()}, OWN: OWN_TITLE}

        def panel(panel: Any) -> dict[str, Any]:
            return {
                "preset": self.shown[panel.preset],
                "attention": self.shown[panel.attention],
                "pooling": self.shown[panel.pooling],
                "layer": self.shown[panel.layer],
                "most": self.most[panel.layer],
            }

        def text(html: str) -> str:
            return re.sub("<[^>]*>", "", html)

        drawn = self.shown[map_.map] or {"n": 0, "caption": ""}
        return {
            "corpus": titles[self.shown[sidebar.corpus]],
            "backbone": self.shown[sidebar.backbone],
            "sample": self.shown[sidebar.sample],
            "most": self.most[sidebar.sample],
            "a": panel(sidebar.a),
            "b": panel(sidebar.b),
            "tab": self.tab,
            "source": self.shown[self.work.source],
            "status": text(self.shown[self.work.status]),
            "points": drawn["n"],
            "map": drawn["caption"],
            "heat": (self.shown[similarity.heat_a] or {}).get("caption", ""),
        }


@pytest.fixture(scope="module")
def lab() -> SlowLab:
    return SlowLab(speed=SPEED)


def race_all(lab: SlowLab, pairs: list[tuple[str, ...]]) -> None:
    screen, expected, wrong = Screen(lab), Expected(), []
    screen.fire(screen.blocks, "load")
    for kinds in pairs:
        for kind in kinds:
            time.sleep(screen.random.uniform(0.2, 3) / SPEED)
            expected = getattr(screen, METHODS.get(kind, kind))(expected)
        screen.settle()
        if problems := expected.problems(screen.look()):
            wrong.append(f"{' then '.join(kinds)}: {'; '.join(problems)}")
    assert not wrong + screen.errors, "\n".join(wrong + screen.errors)


@pytest.mark.parametrize("kind", ["corpus", "paste", "backbone", "preset"])
def test_a_choice_before_the_first_view(lab: SlowLab, kind: str) -> None:
    race_all(lab, [(kind,)])


def test_the_later_of_two_overlapping_choices_counts(lab: SlowLab) -> None:
    race_all(lab, [("corpus", "corpus"), ("paste", "paste"), ("paste", "corpus"), *PAIRS[:12]])


def test_choosing_a_panel_draws_it_once(lab: SlowLab, monkeypatch: pytest.MonkeyPatch) -> None:
    screen, drawn = Screen(lab), []
    inside = next(view for view in screen.work.views if isinstance(view, InsideTab))
    for panel in inside.panels:
        monkeypatch.setattr(panel, "show", lambda *_, title=panel.title: drawn.append(title) or {})
    screen.fire(screen.blocks, "load")
    screen.settle()
    titles = [panel.title for panel in inside.panels]
    for title in [InsideTab.title, *titles, titles[-1], titles[0]]:
        screen.select(title)
        screen.settle()
    assert (drawn, screen.errors) == ([*titles, titles[0]], [])


def test_a_choice_after_another_of_the_same_design_is_settled(lab: SlowLab) -> None:
    race_all(lab, [("attention_of_b",), ("pooling",), ("attention_of_b",), ("preset",)])
    race_all(lab, [("attention_of_b", "pooling"), ("pooling", "attention_of_b")])


def test_what_is_clicked_while_the_view_is_drawn_again_is_not_undone(lab: SlowLab) -> None:
    screen = Screen(lab)
    screen.fire(screen.blocks, "load")
    screen.settle()
    tab = next(view for view in screen.work.views if isinstance(view, MapTab))
    expected = screen.attention_of_b(Expected())
    time.sleep(0.5 / SPEED)  # B is embedded under the other attention
    screen.fire(tab.map, "point_click", index=7)
    screen.settle()
    assert not expected.problems(screen.look()) + screen.errors
    [session] = screen.work.sessions._sessions.values()
    assert session.values({})[tab.selected][1] == 7
    assert lab.whole("senses").texts[7] in html.unescape(screen.shown[tab.neighbours])


def test_an_answer_sent_twice_does_not_undo_the_choice_that_it_crosses(lab: SlowLab) -> None:
    screen, arrivals = Screen(lab), []
    for _ in range(2):  # the second is sent while the first one's answer is on its way
        answered = threading.Event()
        arrivals.append(screen.fire(screen.blocks, "load", answered))
        assert answered.wait(60)
    arrivals[0].set()
    screen.threads.pop(0).join(60)
    expected = screen.attention_of_b(Expected())
    arrivals[1].set()
    for choose in (lambda now: now, screen.pooling):
        expected = choose(expected)
        screen.settle()
        assert not expected.problems(screen.look()) + screen.errors


def test_a_list_that_gets_other_choices_may_still_bring_an_earlier_one(lab: SlowLab) -> None:
    screen, arrivals = Screen(lab), []
    screen.fire(screen.blocks, "load")
    screen.settle()
    own = screen.work.sidebar.own_texts
    field = next(view for view in screen.work.views if isinstance(view, MapTab)).field
    labelled = screen.shown[field]
    for size in (9, 12):  # the second is sent while the first one's answer is on its way
        screen.shown[own.pasted] = "\n".join(f"text {i}" for i in range(size))
        answered = threading.Event()
        arrivals.append(screen.fire(own.use_pasted, "click", answered))
        assert answered.wait(60)
        # Texts without labels: colours by them are no longer offered.
        assert screen.shown[field] == labelled not in [value for _, value in field.choices]
    for arrives in arrivals:
        arrives.set()
        screen.threads.pop(0).join(60)
    assert not Expected().of_corpus(OWN_TITLE, 12).problems(screen.look()) + screen.errors


@pytest.mark.slow
def test_every_pair_of_overlapping_choices(lab: SlowLab) -> None:
    race_all(lab, PAIRS[12:])
