"""The similarity tab: heatmaps of A, B and B − A, and how all similarities are distributed."""

from __future__ import annotations

from typing import Any

import gradio as gr
import numpy as np

from embedlab.analysis import metrics
from embedlab.data.tables import own_texts
from embedlab.errors import EmbedLabError
from embedlab.models.embedding import Vectors
from embedlab.progress import Progress
from embedlab.render import similarity
from embedlab.ui.shared import code, html
from embedlab.ui.shared.figure import (
    HISTOGRAM_HEADER,
    clicked_cell,
    figure_block,
    figure_value,
    histogram_rows,
)
from embedlab.ui.shared.parse import whole_number, within
from embedlab.ui.shared.session import Updates, Values
from embedlab.ui.shared.slider import Slider
from embedlab.ui.shared.view import PRIVATE, Pair, View, Workbench
from embedlab.ui.tabs.map import kept_of

WAITING = "The heatmap appears here."
FIRST, LASSO, TYPED = "from the corpus", "in the map's lasso", "typed below"


class SimilarityTab(View):
    """See the module's text.

    Args:
        bench: what all tabs share.
        lasso: the state that holds the map's lasso.
    """

    id = "similarity"
    title = "Similarity"

    def __init__(self, bench: Workbench, lasso: gr.State) -> None:
        self.lab, self.lasso = bench.lab, lasso
        self.most = most = bench.lab.config.limits.max_heatmap_texts
        with gr.Row(equal_height=True):
            self.which = gr.Radio(
                [FIRST, LASSO, TYPED],
                value=FIRST,
                label="Texts",
                scale=4,
                min_width=280,
                elem_id="which",
            )
            self.count = Slider(
                2, most, value=min(32, most), step=1, label="At most", scale=2, min_width=200
            )
            self.ordered = gr.Checkbox(
                True, label="Similar texts beside each other", scale=2, elem_classes=["roomy"]
            )
        self.typed = gr.Textbox(
            label="Your texts, one a line",
            lines=4,
            visible=False,
            elem_id="typed",
        )
        with gr.Row():
            self.heat_a = figure_block("heat-a", WAITING)
            self.heat_b = figure_block("heat-b", WAITING)
        with gr.Row():
            self.heat_difference = figure_block("heat-difference", WAITING)
            self.histogram = figure_block("histogram", WAITING)
        with gr.Row():
            self.first = gr.Number(
                1,
                label="The pair behind a cell (click one): text number",
                precision=0,
                minimum=1,
                min_width=90,
            )
            self.second = gr.Number(2, label="and number", precision=0, minimum=1, min_width=90)
        self.pair = html.block("pair")
        with gr.Accordion("Show the code", open=False):
            self.code = gr.Code(language="python", elem_id="similarity-code", show_label=False)
        self.inputs = [
            self.which,
            self.count,
            self.ordered,
            self.typed,
            self.first,
            self.second,
            lasso,
        ]
        self.outputs = [
            self.heat_a,
            self.heat_b,
            self.heat_difference,
            self.histogram,
            self.pair,
            self.code,
        ]
        self.which.input(
            lambda which: gr.update(visible=which == TYPED),
            self.which,
            self.typed,
            show_progress="hidden",
            queue=False,
            api_visibility="private",
        )
        self.triggers = [
            self.which.input,
            self.count.release,
            self.ordered.input,
            self.typed.blur,
            self.first.submit,
            self.first.blur,
            self.second.submit,
            self.second.blur,
        ]
        self.chains = [
            heatmap.point_click(
                bench.sessions.event_handler(self._cell_clicked, "cell"),
                set(),
                [self.first, self.second],
                show_progress="hidden",
                queue=False,
                **PRIVATE,
            ).then
            for heatmap in (self.heat_a, self.heat_b, self.heat_difference)
        ]

    def show(self, pair: Pair, values: Values, report: Progress) -> Updates:
        """Three heatmaps of up to 60 texts, the histogram over the corpus, and one pair."""
        which = values[self.which]
        texts, vectors = self._chosen(pair, values, report)
        a, b = (metrics.similarity_matrix(side) for side in vectors)
        if values[self.ordered] and len(texts) > 2:
            order = metrics.cluster_order((a + b) / 2)
            texts = [texts[i] for i in order]
            a, b = a[np.ix_(order, order)], b[np.ix_(order, order)]
        # One scale for both: a colour means the same number under A and under B.
        low, high = float(min(a.min(), b.min())), 1.0
        name_a, name_b = pair.names
        spread = [metrics.similarity_distribution(side.vectors) for side in (pair.a, pair.b)]
        shown = pair.caption(f"Cosines of {len(texts)} texts ({which})")
        bins = similarity.similarity_histogram(
            spread[0].similarities, spread[1].similarities, name_a, name_b
        )
        return {
            self.heat_a: _heatmap(
                similarity.similarity_heatmap(a, texts, f"A: {name_a}", low, high), texts, a, shown
            ),
            self.heat_b: _heatmap(
                similarity.similarity_heatmap(b, texts, f"B: {name_b}", low, high), texts, b, shown
            ),
            self.heat_difference: _heatmap(
                similarity.difference_heatmap(b - a, texts, "B − A"), texts, b - a, shown
            ),
            self.histogram: figure_value(
                bins,
                HISTOGRAM_HEADER,
                histogram_rows(bins),
                name="cosines",
                caption=pair.caption("Cosines of all pairs of texts"),
            ),
            self.pair: _pair_behind(texts, a, b, values[self.first], values[self.second]),
            self.code: code.similarity_code(pair),
        }

    def _cell_clicked(self, values: Values, report: Progress, event: gr.EventData) -> Updates:
        cell = clicked_cell(event)
        if cell is None:
            return {self.first: gr.skip()}
        return {self.first: cell[0] + 1, self.second: cell[1] + 1}

    def _chosen(
        self, pair: Pair, values: Values, report: Progress
    ) -> tuple[list[str], tuple[Vectors, Vectors]]:
        """The texts to compare and their vectors under A and under B."""
        which = values[self.which]
        most = int(within(values[self.count], "The number of texts", 2, self.most))
        if which == TYPED:
            texts = list(own_texts(values[self.typed] or "").texts[:most])
            a, b = (
                self.lab.embed(texts, side.design, side.backbone_id, progress=report)
                for side in pair.sides
            )
            return texts, (a, b)
        n = len(pair.corpus.texts)
        chosen = (kept_of(values[self.lasso], pair.corpus) or []) if which == LASSO else []
        if which == LASSO and len(chosen) < 2:
            raise EmbedLabError(
                "The lasso holds fewer than two texts; draw one around some points on the map, or "
                "take texts from the corpus."
            )
        if not chosen:
            chosen = np.unique(np.linspace(0, n - 1, min(most, n)).astype(int)).tolist()
        chosen = chosen[:most]
        texts = [pair.corpus.texts[i] for i in chosen]
        return texts, (pair.a.vectors[chosen], pair.b.vectors[chosen])


def _heatmap(figure: Any, texts: list[str], matrix: Any, caption: str) -> dict[str, Any]:
    rows = [
        (i + 1, j + 1, float(matrix[i, j]), texts[i], texts[j])
        for i in range(len(texts))
        for j in range(i + 1)
    ]
    header = ("number", "other number", "value", "text", "other text")
    return figure_value(figure, header, rows, name="similarity", caption=caption)


def _pair_behind(texts: list[str], a: Any, b: Any, first: Any, second: Any) -> str:
    """Two texts by their numbers in the heatmap, and how similar each design finds them."""
    i, j = (whole_number(number, "The text's number", 1) - 1 for number in (first, second))
    if max(i, j) >= len(texts):
        raise EmbedLabError(
            f"There are {len(texts)} texts in the heatmap; choose 1 to {len(texts)}."
        )
    return html.pair_behind((i + 1, texts[i]), (j + 1, texts[j]), float(a[i, j]), float(b[i, j]))
