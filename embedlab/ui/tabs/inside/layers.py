"""Quality by layer: which layer carries the meaning; a click makes a layer design A's or B's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import gradio as gr

from embedlab.analysis.layers import LAYER_MEASURES, LayerQuality, choose_measure
from embedlab.data.corpora import CORPORA
from embedlab.errors import EmbedLabError
from embedlab.lab import inside
from embedlab.models.design import Design
from embedlab.progress import Progress
from embedlab.render import look_inside
from embedlab.render.inside import layer_curves
from embedlab.ui.shared import html
from embedlab.ui.shared.design_panel import DesignPanel
from embedlab.ui.shared.figure import clicked, figure_block, figure_value
from embedlab.ui.shared.session import Action, Remembered, Updates, Values
from embedlab.ui.shared.view import Pair, Side, View, Workbench

MEASURE_TITLES = {
    "spearman": "Spearman over scored pairs",
    "ndcg_10": "nDCG@10 over queries",
    "knn_accuracy": "kNN accuracy over labels",
    "v_measure": "V-measure over labels",
}
#: Built-in corpora that a measure can score, the quickest first.
SCORED_BY = {
    "auto": ("senses", "stsb", "trec"),
    "spearman": ("stsb",),
    "ndcg_10": ("senses", "semanlink", "boolq"),
    "knn_accuracy": ("senses", "trec", "sms-spam", "bbc"),
    "v_measure": ("senses", "trec", "sms-spam", "bbc"),
}


class LayersPanel(View):
    """The curves of every attention mode and pooling over the layers, with A and B marked."""

    id = "layers"
    title = "Layers"

    def __init__(self, bench: Workbench) -> None:
        self.lab = bench.lab
        choices = [(MEASURE_TITLES[key], key) for key in LAYER_MEASURES]
        with gr.Row(equal_height=True):
            self.measure = gr.Dropdown(
                [("what the corpus offers", "auto"), *choices],
                value="auto",
                label="Score",
                min_width=240,
                elem_id="layer-measure",
            )
            self.skip_first, self.centre = (
                gr.Checkbox(label=label, elem_classes=["roomy"], elem_id=elem_id)
                for label, elem_id in (
                    ("Also the mean without the first token", "layer-skip"),
                    ("Centre the space", "layer-centre"),
                )
            )
            self.side, self.model = (
                gr.Radio(["A", "B"], value="A", label=label, min_width=180, elem_id=elem_id)
                for label, elem_id in (
                    ("A click on a line sets design", "layer-side"),
                    ("Lines of the model of", "layer-model"),
                )
            )
            self.model.visible = False  # while both stand on the same
        self.figure = figure_block("layer-figure", "The quality of every layer appears here.")
        self.notes = html.block("layer-notes")
        self.elsewhere = gr.Button(visible=False, elem_id="layer-elsewhere")
        self.curves = Remembered([])  # their designs: a click names a curve by its number
        self.inputs = [self.measure, self.skip_first, self.centre, self.model]
        self.linked = {"measure": self.measure, "centre": self.centre}
        self.outputs = [self.figure, self.notes, self.model, self.elsewhere]
        self.triggers = [control.input for control in self.inputs]
        self.designs: dict[str, DesignPanel] = {"A": bench.sidebar.a, "B": bench.sidebar.b}
        self.corpus = bench.sidebar.corpus
        designs = [c for panel in self.designs.values() for c in panel.inputs]
        pick, leave = self.figure.point_click, self.elsewhere.click
        self.actions = [
            Action(trigger=pick, run=self._pick, sets=designs, inputs={self.side}),
            Action(trigger=leave, run=self._leave, sets=[self.corpus, self.measure]),
        ]

    def show(self, pair: Pair, values: Values, report: Progress) -> Updates:
        """The lines of both attention modes, with the layers of A and B marked."""
        measure = values[self.measure]
        try:
            choose_measure(pair.corpus, measure)
        except EmbedLabError as error:
            return self._nothing_to_score(str(error), measure)
        side = pair.sides[1 if values[self.model] == "B" and not pair.one_backbone else 0]
        quality = inside.layer_curves(
            self.lab,
            pair.corpus,
            side.design,
            side.backbone_id,
            measure=measure,
            skip_first=bool(values[self.skip_first])
            or any(design.skip_first for design in pair.designs),
            transform="centre" if values[self.centre] else "none",
            seed=pair.seed,
            progress=report,
        )
        marked = pair.sides if pair.one_backbone else (side,)
        marks = _marks(marked, quality)
        notes = _notes(marked, {letter for letter, *_ in marks})
        if not pair.one_backbone:
            notes.insert(0, f"The lines are those of {side.letter}'s model, {side.backbone.name}.")
        return {
            self.figure: _figure(pair, side, quality, marks),
            self.curves: [curve.name for curve in quality.curves],
            self.notes: html.note(notes),
            self.model: gr.update(visible=not pair.one_backbone),
            self.elsewhere: gr.update(visible=False),
        }

    def _nothing_to_score(self, sentence: str, measure: str) -> Updates:
        """What is missing, and a button that leads to a corpus that has it."""
        other = self._scored_by(measure)
        return {
            self.figure: None,
            self.curves: [],
            self.notes: html.note([sentence]),
            self.elsewhere: gr.update(value=f"Switch to {CORPORA[other].title}", visible=True)
            if other
            else gr.update(visible=False),
        }

    def _scored_by(self, measure: str) -> str | None:
        """The quickest corpus on offer that a measure can score, if there is one."""
        corpora = SCORED_BY.get(measure, ())
        return next((corpus for corpus in corpora if corpus in self.lab.config.corpora), None)

    def _leave(self, values: Values, *_: Any) -> Updates:
        """Switch to that corpus."""
        return {self.corpus: self._scored_by(values[self.measure]), self.measure: "auto"}

    def _pick(self, values: Values, _: Progress, event: gr.EventData) -> Updates:
        """The design of the clicked point, for A or B; its prompts and steps stay."""
        point, names = clicked(event), values[self.curves]
        if point is None or not 0 <= point[0] < len(names) or not isinstance(point[1], int):
            return {}
        design = replace(Design.parse(names[point[0]]), layer=point[1])
        return self.designs[values[self.side]].set_head(design)


def _figure(
    pair: Pair, side: Side, quality: LayerQuality, marks: Sequence[tuple[str, int, float]]
) -> dict[str, Any]:
    caption = pair.caption(
        f"{MEASURE_TITLES[quality.measure]}, n = {quality.n:,} {quality.unit}"
        + (f", labels: {quality.field}" if quality.field else "")
        + (f", 95 % bootstrap of {quality.bootstrap}" if quality.bootstrap else "")
        + (", space centred" if quality.transform == "centre" else "")
        + ("" if pair.one_backbone else f", layers of {side.backbone.name}")
    )
    figure = layer_curves(
        [(c.name, c.scores, c.low, c.high) for c in quality.curves],
        marks,
        score=MEASURE_TITLES[quality.measure].split(" over")[0],
        caption=f"n = {quality.n:,} {quality.unit}",
    )
    rows = [
        (c.name, layer, c.scores[layer], c.low[layer], c.high[layer])
        for c in quality.curves
        for layer in range(len(c.scores))
    ]
    header = ("curve", "layer", "score", "low", "high")
    name = f"layers-{pair.corpus.id}"
    look = look_inside.layer_quality(quality)
    return figure_value(figure, header, rows, name=name, caption=caption, look=look)


def _marks(sides: Sequence[Side], quality: LayerQuality) -> list[tuple[str, int, float]]:
    """Where A and B stand, as far as a line goes through them."""
    marks = []
    for side in sides:
        for curve in quality.curves:
            layer = side.design.layer % len(curve.scores)
            head = replace(curve.design, layer=side.design.layer, steps=side.design.steps)
            if head.name == side.design.name:
                marks.append((side.letter, layer, float(curve.scores[layer])))
    return marks


def _notes(sides: Sequence[Side], marked: set[str]) -> list[str]:
    return [
        f"{side.letter} ({side.design.name}) reads all layers or tokens with a trainable head, so "
        "no line goes through it."
        if side.design.trainable
        else f"No line goes through {side.letter} ({side.design.name})."
        for side in sides
        if side.letter not in marked
    ] + [
        "The bootstrap resamples the corpus's items; it says how sure a point is for texts like "
        "these, not for other backbones or corpora."
    ]
