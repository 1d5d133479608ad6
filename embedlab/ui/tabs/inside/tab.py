"""The inside tab: why two designs differ, with one panel for each question."""

from __future__ import annotations

from typing import Any

import gradio as gr

from embedlab.progress import Progress
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


class InsideTab(View):
    """The panels side by side; only the open one is computed."""

    id = "inside"
    title = "Inside"

    def __init__(self, bench: Workbench) -> None:
        self.panel = Remembered(PANELS[0].id)
        self.remembered = [self.panel]
        self.panels: list[View] = []
        self.actions = []
        with gr.Tabs(selected=PANELS[0].id, overflow_behavior="wrap", elem_id="inside-panels"):
            for kind in PANELS:
                with gr.Tab(kind.title, id=kind.id) as tab:
                    panel = kind(bench)
                self.panels.append(panel)
                # A panel's own controls open it too: under load, Gradio's select of the first
                # panel can arrive after the choice of another one.
                self.actions += [
                    Action(trigger=trigger, run=lambda *_, panel=kind.id: {self.panel: panel})
                    for trigger in (tab.select, *panel.triggers)
                ]
                self.actions += panel.actions
        self.inputs = [c for panel in self.panels for c in panel.inputs]
        self.outputs = [c for panel in self.panels for c in panel.outputs]

    def show(self, pair: Pair, values: Values, report: Progress) -> Updates:
        """The open panel."""
        for panel in self.panels:
            if panel.id == values[self.panel]:
                return panel.show(pair, values, report)
        return {}
