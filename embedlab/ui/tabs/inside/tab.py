"""The inside tab: why two designs differ, with one panel for each question."""

from __future__ import annotations

from typing import Any

import gradio as gr

from embedlab.lab.address import Address
from embedlab.progress import Progress
from embedlab.ui.shared import html
from embedlab.ui.shared.controls import OpenTab
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
        #: The panel that the browser has yet to open.
        self.opening = Remembered("")
        self.remembered = [self.panel]
        self.panels: list[View] = []
        #: Why a panel cannot show anything, and the panel itself, by its id.
        self.places: dict[str, tuple[Any, Any]] = {}
        self.actions = []
        self.open_panel = OpenTab("inside-panels")
        # None is selected here: the page would report that as a choice, after that of a link.
        with gr.Tabs(overflow_behavior="wrap", elem_id="inside-panels") as self.tabs:
            for kind in PANELS:
                with gr.Tab(kind.title, id=kind.id) as tab:
                    why = html.block(f"{kind.id}-why")
                    with gr.Column() as group:
                        panel = kind(bench)
                self.panels.append(panel)
                self.places[kind.id] = (why, group)
                scripts = self.open_panel.scripts
                self.actions.append(Action(trigger=tab.select, run=self._select, scripts=scripts))
                # A panel's own controls open it too: the browser may still draw what it was told
                # to open before.
                self.actions += [
                    Action(trigger=trigger, run=lambda *_, panel=kind.id: {self.panel: panel})
                    for trigger in panel.triggers
                ]
                self.actions += panel.actions
        self.inputs = [c for panel in self.panels for c in panel.inputs]
        self.outputs = [c for panel in self.panels for c in panel.outputs]
        self.outputs += [place for both in self.places.values() for place in both] + [self.tabs]
        self.linked = {name: c for panel in self.panels for name, c in panel.linked.items()}

    def _select(self, values: Values, *_: Any) -> Updates:
        opened = self.open_panel.read(values)
        return {self.panel: opened} if opened else {}

    def show(self, pair: Pair, values: Values, report: Progress) -> Updates:
        """The open panel."""
        open_id = values[self.panel]
        updates: Updates = {self.opening: ""}
        if values[self.opening] == open_id:
            updates[self.tabs] = gr.update(selected=open_id)
        for panel in self.panels:
            if panel.id == open_id:
                why, group = self.places[panel.id]
                if lines := [] if panel.id in OF_VECTORS else _without_model(pair):
                    return updates | {why: html.note(lines), group: gr.update(visible=False)}
                updates |= panel.show(pair, values, report)
                updates |= {why: "", group: gr.update(visible=True)}
        return updates

    # Links

    def address(self, pair: Pair, values: Values, *, is_open: bool) -> dict[str, Any]:
        """The open panel, unless it is the first."""
        panel = values[self.panel]
        return {"panel": panel} if is_open and panel != PANELS[0].id else {}

    def link_controls(self, values: Values) -> dict[str, str]:
        """Those of the open panel."""
        panel = next(panel for panel in self.panels if panel.id == values[self.panel])
        return panel.link_controls(values)

    def follow_link(
        self, address: Address, values: Values, said: list[str], *, is_open: bool
    ) -> Updates:
        """The panel that a link names."""
        panel = address.panel
        if not panel:
            return {}
        if panel not in self.places:
            said.append(f"“{panel}” is no panel of Inside ({', '.join(self.places)})")
            return {}
        return {self.panel: panel, self.opening: panel}


def _without_model(pair: Pair) -> list[str]:
    """Why this pair has nothing to look into: vectors from a file have no model behind them."""
    return [
        f"{side.letter} ({side.name}) is vectors from a file: behind them is no model whose "
        "layers, tokens or heads could be read. Choose a design of a backbone for it; Shape of the "
        "space reads the vectors alone."
        for side in pair.sides
        if side.design.file
    ]
