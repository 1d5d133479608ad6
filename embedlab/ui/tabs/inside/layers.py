"""Quality by layer: which layer carries the meaning; a click makes a layer design A's or B's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gradio as gr

from embedlab.analysis.layers import MEASURES, LayerQuality, choose_measure
from embedlab.data.corpora import CORPORA
from embedlab.errors import EmbedLabError
from embedlab.lab.explain import layer_quality
from embedlab.models.design import Design
from embedlab.progress import Progress
from embedlab.render.inside import layer_curves
from embedlab.ui.shared import html
from embedlab.ui.shared.figure import clicked, figure_block, figure_value
from embedlab.ui.shared.session import Updates, Values
from embedlab.ui.shared.sidebar import DesignPanel
from embedlab.ui.shared.view import PRIVATE, Pair, Side, View, Workbench

NAMES = {
    "spearman": "Spearman over scored pairs",
    "ndcg_10": "nDCG@10 over queries",
    "knn_accuracy": "kNN accuracy over labels",
    "v_measure": "V-measure over labels",
}
AUTO = "what the corpus offers"
#: Built-in corpora that know enough for a measure, the quickest first.
KNOWS = {
    "auto": ("senses", "stsb", "trec"),
    "spearman": ("stsb",),
    "ndcg_10": ("senses", "semanlink", "boolq"),
    "knn_accuracy": ("senses", "trec", "sms-spam", "bbc"),
    "v_measure": ("senses", "trec", "sms-spam", "bbc"),
}


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
                min_width=240,
                elem_id="layer-measure",
            )
            self.skip_first = gr.Checkbox(
                False,
                label="Also the mean without the first token",
                elem_classes=["roomy"],
                elem_id="layer-skip",
            )
            self.centre = gr.Checkbox(
                False,
                label="Centre the space",
                elem_classes=["roomy"],
                elem_id="layer-centre",
            )
            self.side = gr.Radio(
                ["A", "B"],
                value="A",
                label="A click on a line sets design",
                min_width=200,
                elem_id="layer-side",
            )
            self.model = gr.Radio(
                ["A", "B"],
                value="A",
                label="Lines of the model of",
                visible=False,  # while both stand on the same
                min_width=160,
                elem_id="layer-model",
            )
        self.figure = figure_block("layer-figure", "The quality of every layer appears here.")
        self.notes = html.block("layer-notes")
        self.elsewhere = gr.Button(visible=False, elem_id="layer-elsewhere")
        self.target = gr.State("")
        self.curves = gr.State([])
        self.inputs = [self.measure, self.skip_first, self.centre, self.model]
        self.outputs = [
            self.figure,
            self.notes,
            self.curves,
            self.model,
            self.elsewhere,
            self.target,
        ]
        self.triggers = [control.input for control in self.inputs]
        self.designs: dict[str, DesignPanel] = {"A": bench.sidebar.a, "B": bench.sidebar.b}
        picked = self.figure.point_click(
            bench.sessions.event_handler(self._pick, "layer point"),
            {self.side, self.curves},
            [c for panel in self.designs.values() for c in (panel.preset, *panel.inputs)],
            show_progress="hidden",
            **PRIVATE,
        )
        self.chains = [picked.then]
        self.arrivals = [
            self.elsewhere.click(
                bench.sessions.handler(
                    lambda values, report: {
                        bench.sidebar.corpus: values[self.target],
                        self.measure: "auto",
                    },
                    "layer corpus",
                ),
                {self.target},
                [bench.sidebar.corpus, self.measure],
                show_progress="hidden",
                **PRIVATE,
            ).then
        ]

    def show(self, pair: Pair, values: Values, report: Progress) -> Updates:
        """The lines of both attention modes, with the layers of A and B marked."""
        measure = values[self.measure]
        try:
            choose_measure(pair.corpus, measure)
        except EmbedLabError as error:
            return self._nothing_to_score(str(error), measure)
        side = pair.sides[1 if values[self.model] == "B" and not pair.one_backbone else 0]
        found = layer_quality(
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
        marks = _marks(marked, found)
        notes = _notes(marked, {letter for letter, *_ in marks})
        if not pair.one_backbone:
            notes.insert(0, f"The lines are those of {side.letter}'s model, {side.backbone.name}.")
        return {
            self.figure: _figure(pair, side, found, marks),
            self.curves: [c.name for c in found.curves],
            self.notes: html.note(notes),
            self.model: gr.update(visible=not pair.one_backbone),
            self.elsewhere: gr.update(visible=False),
        }

    def _nothing_to_score(self, sentence: str, measure: str) -> Updates:
        """What is missing, and a button that leads to a corpus that has it."""
        offered = [key for key in KNOWS.get(measure, ()) if key in self.lab.config.corpora]
        update: Updates = {
            self.figure: None,
            self.curves: [],
            self.notes: html.note([sentence]),
            self.elsewhere: gr.update(visible=False),
        }
        if offered:
            title = CORPORA[offered[0]].title
            update[self.elsewhere] = gr.update(value=f"Switch to {title}", visible=True)
            update[self.target] = offered[0]
        return update

    def _pick(self, values: Values, report: Progress, event: gr.EventData) -> Updates:
        panel, names = self.designs[values[self.side]], values[self.curves]
        point = clicked(event)
        if point is None or not 0 <= point[0] < len(names) or not isinstance(point[1], int):
            return {panel.preset: gr.skip()}
        curve = Design.parse(names[point[0]])
        design = Design(
            attention=curve.attention,
            pooling=curve.pooling,
            layer=point[1],
            skip_first=curve.skip_first,
        )
        return {
            **panel.set_to(design),
            panel.query_prompt: gr.skip(),
            panel.document_prompt: gr.skip(),
        }


def _figure(
    pair: Pair, side: Side, found: LayerQuality, marks: Sequence[tuple[str, int, float]]
) -> dict[str, Any]:
    caption = pair.caption(
        f"{NAMES[found.measure]}, n = {found.n:,} {found.unit}"
        + (f", labels: {found.field}" if found.field else "")
        + (f", 95 % bootstrap of {found.bootstrap}" if found.bootstrap else "")
        + (", space centred" if found.transform == "centre" else "")
        + ("" if pair.one_backbone else f", layers of {side.backbone.name}")
    )
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
    header = ("curve", "layer", "score", "low", "high")
    name = f"layers-{pair.corpus.id}"
    return figure_value(figure, header, rows, name=name, caption=caption)


def _marks(sides: Sequence[Side], found: LayerQuality) -> list[tuple[str, int, float]]:
    """Where A and B stand, as far as a line goes through them."""
    marks = []
    for side in sides:
        for curve in found.curves:
            layer = side.design.layer % len(curve.scores)
            if curve.design(side.design.layer).name == side.design.name:
                marks.append((side.letter, layer, float(curve.scores[layer])))
    return marks


def _notes(sides: Sequence[Side], there: set[str]) -> list[str]:
    return [
        f"{side.letter} ({side.design.name}) reads all layers or tokens by its own head, so no "
        "line goes through it."
        for side in sides
        if side.letter not in there
    ] + [
        "The bootstrap resamples the corpus's items; it says how sure a point is for texts like "
        "these, not for other backbones or corpora."
    ]
