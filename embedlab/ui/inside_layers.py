"""Quality by layer: which layer carries the meaning; a click makes a layer design A's or B's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gradio as gr

from embedlab.design import Design
from embedlab.explain import layer_quality
from embedlab.layers import MEASURES, LayerQuality
from embedlab.plots_inside import layer_curves
from embedlab.progress import Progress
from embedlab.ui import render
from embedlab.ui.figure import clicked, figure_block, figure_value
from embedlab.ui.sidebar import DesignPanel, preset_of
from embedlab.ui.workbench import PRIVATE, Pair, View, Workbench

NAMES = {
    "spearman": "Spearman over scored pairs",
    "ndcg_10": "nDCG@10 over queries",
    "knn_accuracy": "kNN accuracy over labels",
    "v_measure": "V-measure over labels",
}
AUTO = "what the corpus knows best"


class LayersPanel(View):
    """See the module's text."""

    id = "layers"
    title = "Layers"

    def __init__(self, bench: Workbench) -> None:
        self.lab = bench.lab
        with gr.Row(equal_height=True):
            self.measure = gr.Dropdown(
                [(AUTO, "auto"), *((NAMES[key], key) for key in MEASURES)],
                value="auto",
                label="Score",
                elem_id="layer-measure",
            )
            self.skip_first = gr.Checkbox(
                False, label="Also the mean without the first token", elem_id="layer-skip"
            )
            self.centre = gr.Checkbox(False, label="Centre the space", elem_id="layer-centre")
            self.side = gr.Radio(
                ["A", "B"], value="A", label="A click on a line sets design", elem_id="layer-side"
            )
        self.figure = figure_block("layer-figure", "The quality of every layer appears here.")
        self.notes = render.block("layer-notes")
        self.curves = gr.State([])
        self.inputs = [self.measure, self.skip_first, self.centre]
        self.outputs = [self.figure, self.notes, self.curves]
        self.triggers = [self.measure.input, self.skip_first.input, self.centre.input]
        panels: dict[str, DesignPanel] = {"A": bench.sidebar.a, "B": bench.sidebar.b}
        targets = [
            component
            for panel in panels.values()
            for component in (panel.preset, *panel.inputs[:4])
        ]
        picked = self.figure.point_click(
            self._pick, [self.side, self.curves], targets, show_progress="hidden", **PRIVATE
        )
        self.chains = [picked.then]

    def show(self, pair: Pair, values: Sequence[Any], report: Progress) -> dict[Any, Any]:
        """The lines of both attention modes, with the layers of A and B marked."""
        measure, skip_first, centre = values
        skip = bool(skip_first) or any(design.skip_first for design in pair.designs)
        found = layer_quality(
            self.lab,
            pair.corpus,
            pair.designs[0],
            pair.backbone_id,
            measure=measure,
            skip_first=skip,
            transform="centre" if centre else "none",
            seed=pair.seed,
            progress=report,
        )
        caption = pair.caption(
            f"{NAMES[found.measure]}, n = {found.n:,} {found.unit}"
            + (f", labels: {found.field}" if found.field else "")
            + (f", 95 % bootstrap of {found.bootstrap}" if found.bootstrap else "")
            + (", space centred" if centre else "")
        )
        marks = _marks(pair, found)
        figure = layer_curves(
            [(c.name, c.scores, c.low, c.high) for c in found.curves],
            marks,
            score=NAMES[found.measure].split(" over")[0],
            caption=f"n = {found.n:,} {found.unit}",
        )
        rows = [
            (c.name, layer, c.scores[layer], c.low[layer], c.high[layer])
            for c in found.curves
            for layer in range(len(c.scores))
        ]
        return {
            self.figure: figure_value(
                figure,
                ("curve", "layer", "score", "low", "high"),
                rows,
                name=f"layers-{pair.corpus.id}",
                caption=caption,
            ),
            self.curves: [c.name for c in found.curves],
            self.notes: render.note(_unmarked(pair, marks)),
        }

    def _pick(self, side: str, curves: list[str], event: gr.EventData) -> list[Any]:
        untouched = [gr.skip() for _ in range(5)]
        point = clicked(event)
        if point is None or not 0 <= point[0] < len(curves) or not isinstance(point[1], int):
            return untouched * 2
        curve = Design.parse(curves[point[0]])
        design = Design(
            attention=curve.attention,
            pooling=curve.pooling,
            layer=point[1],
            skip_first=curve.skip_first,
        )
        values = [
            preset_of(design),
            design.attention,
            design.pooling,
            design.layer,
            design.skip_first,
        ]
        return values + untouched if side == "A" else untouched + values


def _marks(pair: Pair, found: LayerQuality) -> list[tuple[str, int, float]]:
    """Where A and B stand, as far as a line goes through them."""
    marks = []
    for letter, design in zip("AB", pair.designs, strict=True):
        for curve in found.curves:
            layer = design.layer % len(curve.scores)
            if curve.design(design.layer).name == design.name:
                marks.append((letter, layer, float(curve.scores[layer])))
    return marks


def _unmarked(pair: Pair, marks: Sequence[tuple[str, int, float]]) -> list[str]:
    there = {letter for letter, *_ in marks}
    return [
        f"{letter} ({design.name}) reads all layers or tokens by its own head, so no line goes "
        "through it."
        for letter, design in zip("AB", pair.designs, strict=True)
        if letter not in there
    ] + [
        "The bootstrap resamples the corpus's items; it says how sure a point is for texts like "
        "these, not for other backbones or corpora."
    ]
