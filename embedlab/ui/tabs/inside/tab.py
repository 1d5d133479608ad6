"""The inside tab: why two designs differ, with one panel for each question."""

from __future__ import annotations

from typing import Any

import gradio as gr

from embedlab.progress import Progress
from embedlab.ui.shared import html
from embedlab.ui.shared.session import Action, Remembered, Updates, Values
from embedlab.ui.shared.view import Pair, View, Workbench
from embedlab.ui.tabs.inside.layers import LayersPanel
from embedlab.ui.tabs.inside.space import ShapePanel
from embedlab.ui.tabs.inside.tokens import HeadsPanel, MaskPanel, TokensPanel
from embedlab.ui.tabs.inside.unlabelled import UnlabelledPanel
from embedlab.ui.tabs.inside.unmasking import UnmaskingPanel

PANELS: tuple[type[Any], ...] = (
    *(LayersPanel, UnlabelledPanel, MaskPanel, UnmaskingPanel),
    *(TokensPanel, HeadsPanel, ShapePanel),
)


#: Panels that read vectors alone; all others read layers, tokens or heads of a model.
OF_VECTORS = (ShapePanel.id,)


class InsideTab(View):
    """The panels side by side; only the open one is computed."""

    id = "inside"
    title = "Inside"
    filtered = "The hubs that are listed are of these texts; all figures count all texts."

    def __init__(self, bench: Workbench) -> None:
        self.panel = Remembered(PANELS[0].id)
        self.remembered = [self.panel]
        self.panels: list[View] = []
        #: Why a panel cannot show anything, and the panel itself, by its id.
        self.places: dict[str, tuple[Any, Any]] = {}
        self.actions = []
        with gr.Tabs(selected=PANELS[0].id, overflow_behavior="wrap", elem_id="inside-panels"):
            for kind in PANELS:
                with gr.Tab(kind.title, id=kind.id) as tab:
                    why = html.block(f"{kind.id}-why")
                    with gr.Column() as group:
                        panel = kind(bench)
                self.panels.append(panel)
                self.places[kind.id] = (why, group)
                # A panel's own controls open it too: under load, Gradio's select of the first
                # panel can arrive after the choice of another one.
                self.actions += [
                    Action(trigger=trigger, run=lambda *_, panel=kind.id: {self.panel: panel})
                    for trigger in (tab.select, *panel.triggers)
                ]
                self.actions += panel.actions
        self.inputs = [c for panel in self.panels for c in panel.inputs]
        self.outputs = [c for panel in self.panels for c in panel.outputs]
        self.outputs += [place for both in self.places.values() for place in both]

    def show(self, pair: Pair, values: Values, report: Progress) -> Updates:
        """The open panel."""
        for panel in self.panels:
            if panel.id == values[self.panel]:
                why, group = self.places[panel.id]
                if lines := [] if panel.id in OF_VECTORS else _without_model(pair):
                    return {why: html.note(lines), group: gr.update(visible=False)}
                shown = panel.show(pair, values, report)
                return shown | {why: "", group: gr.update(visible=True)}
        return {}


def _without_model(pair: Pair) -> list[str]:
    """Why this pair has nothing to look into: vectors from a file have no model behind them."""
    return [
        f"{side.letter} ({side.name}) is vectors from a file: behind them is no model whose "
        "layers, tokens or heads could be read. Choose a design of a backbone for it; Shape of the "
        "space reads the vectors alone."
        for side in pair.sides
        if side.design.file
    ]
