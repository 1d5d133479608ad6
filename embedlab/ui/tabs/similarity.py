"""The similarity tab: heatmaps of A, B and B − A, and how all similarities are distributed."""

from __future__ import annotations

from typing import Any

import gradio as gr
import numpy as np

from embedlab.analysis.blocks import saturated
from embedlab.analysis.comparison import Embedded
from embedlab.data.tables import own_texts
from embedlab.errors import EmbedLabError
from embedlab.lab import views
from embedlab.lab.address import Address
from embedlab.lab.selections import evenly
from embedlab.lab.views import Similarities
from embedlab.progress import Progress
from embedlab.render import look_for, similarity
from embedlab.render.similarity import Cells
from embedlab.text import shorten
from embedlab.ui.shared import code, html
from embedlab.ui.shared.controls import Slider, changes, code_block
from embedlab.ui.shared.figure import clicked_cell, cosine_histogram, figure_block, figure_value
from embedlab.ui.shared.parse import whole_number, within
from embedlab.ui.shared.session import Action, Remembered, Updates, Values
from embedlab.ui.shared.view import Pair, View, Workbench
from embedlab.ui.tabs.selection import shown_rows

WAITING = "The heatmap appears here."
#: What orders the texts, and what the colours say, as the controls call them.
ORDERS = {
    "both": "by cluster of these texts, A and B together",
    "a": "by cluster of the corpus under A",
    "b": "by cluster of the corpus under B",
    "labels": "by label",
    "given": "as in the corpus",
}
SCALES = {"cosine": "cosine", "rank": "rank of the pair", "centred": "centred"}
FIRST, MARKED, TYPED = "from the corpus", "selected on the map", "typed below"


class SimilarityTab(View):
    """Heatmaps of up to 60 texts, and the histogram of all cosines of the corpus."""

    id = "similarity"
    title = "Similarity"
    at_once = True
    filtered = "Heatmaps, histogram and pairs are of these texts; typed texts are not filtered."

    def __init__(self, bench: Workbench, marked: Remembered) -> None:
        self.lab, self.marked = bench.lab, marked
        self.most = most = bench.lab.config.limits.max_heatmap_texts
        with gr.Row(equal_height=True):
            self.which = gr.Radio(
                [FIRST, MARKED, TYPED],
                value=FIRST,
                label="Texts",
                scale=4,
                min_width=280,
                elem_id="which",
            )
            self.count = Slider(
                2, most, value=min(32, most), step=1, label="At most", scale=2, min_width=200
            )
        with gr.Row(equal_height=True):
            self.order = gr.Dropdown(
                [(words, name) for name, words in ORDERS.items()],
                value="both",
                label="Order",
                min_width=240,
                elem_id="heat-order",
            )
            self.scale = gr.Radio(
                [(words, name) for name, words in SCALES.items()],
                value="cosine",
                label="Colours",
                min_width=280,
                elem_id="heat-scale",
            )
        self.typed = gr.Textbox(
            label="Your texts, one a line",
            lines=4,
            visible=False,
            elem_id="typed",
        )
        self.notes = html.block("heat-notes")
        with gr.Row():
            self.heat_a = figure_block("heat-a", WAITING)
            self.heat_b = figure_block("heat-b", WAITING)
        with gr.Row():
            self.heat_difference = figure_block("heat-difference", WAITING)
            self.histogram = figure_block("histogram", WAITING)
        labels = ("The pair behind a cell (click one): text number", "and number")
        with gr.Row():
            self.first, self.second = (
                gr.Number(number, label=label, precision=0, minimum=1, min_width=90)
                for number, label in enumerate(labels, start=1)
            )
        self.pair = html.block("pair")
        self.code = code_block("similarity-code")
        heatmaps = [self.heat_a, self.heat_b, self.heat_difference]
        self.inputs = [
            *(self.which, self.count, self.order, self.scale, self.typed),
            *(self.first, self.second),
        ]
        self.linked = {"texts": self.which, "count": self.count}
        self.linked |= {"order": self.order, "scale": self.scale}
        self.outputs = [self.notes, *heatmaps, self.histogram, self.pair, self.code]
        self.which.input(
            lambda which: gr.update(visible=which == TYPED),
            self.which,
            self.typed,
            show_progress="hidden",
            queue=False,
            trigger_mode="multiple",
            api_visibility="private",
        )
        self.triggers = changes(self.inputs)
        self.actions = [
            Action(
                trigger=heatmap.point_click,
                run=self._cell_clicked,
                sets=(self.first, self.second),
            )
            for heatmap in heatmaps
        ]

    def show(self, pair: Pair, values: Values, report: Progress) -> Updates:
        """Three heatmaps of up to 60 texts, the histogram over the corpus, and one pair."""
        a, b, rows = self._chosen(pair, values, report)
        order, scale = values[self.order], values[self.scale]
        unlabelled = order == "labels" and a.corpus.labels is None  # such as texts typed here
        order = "both" if unlabelled else order
        compared = views.similarities(
            self.lab, a, b, rows, order=order, scale=scale, progress=report
        )
        texts = [a.corpus.texts[i] for i in compared.rows]
        caption = pair.caption(
            f"{_said(scale, len(a))} of {len(texts)} texts ({values[self.which]}), {ORDERS[order]}"
        )
        cells = Cells(
            texts=texts,
            cosines=np.stack([compared.a, compared.b], axis=-1),
            starts=compared.blocks.starts,
            scale=similarity.SCALES[scale],
        )
        drawn = compared.drawn_a, compared.drawn_b
        # One scale for both: a colour means the same number under A and under B.
        limits = (0.0 if scale == "rank" else float(min(map(np.min, drawn))), 1.0)
        updates: Updates = {}
        labels = a.corpus.labels
        shown = None if labels is None else [labels[i] for i in compared.rows]
        for letter, name, heatmap, matrix, cosines in zip(
            *("AB", pair.names, (self.heat_a, self.heat_b), drawn, (compared.a, compared.b)),
            strict=True,
        ):
            figure = similarity.similarity_heatmap(matrix, cells, f"{letter}: {name}", *limits)
            look = look_for.blocks(cosines, shown, letter)
            updates[heatmap] = _heatmap(figure, cells, cosines, matrix, scale, caption, look)
        figure = similarity.difference_heatmap(drawn[1] - drawn[0], cells, "B − A")
        differences = compared.b - compared.a, drawn[1] - drawn[0]
        look = look_for.differences(compared.a, compared.b, texts)
        numbers = values[self.first], values[self.second]
        return updates | {
            self.heat_difference: _heatmap(figure, cells, *differences, scale, caption, look),
            self.notes: html.note(
                ["These texts have no labels to order them by."] * unlabelled
                + _notes(compared, order, scale)
            ),
            self.histogram: self._histogram(pair, report),
            self.pair: _pair_behind(texts, compared, *numbers),
            self.code: code.view_code(pair, "similarity"),
        }

    # Links

    def link_controls(self, values: Values) -> dict[str, str]:
        """All but typed texts, which stay with whoever typed them."""
        controls = super().link_controls(values)
        return {name: said for name, said in controls.items() if said != TYPED}

    def follow_link(
        self, address: Address, values: Values, said: list[str], *, is_open: bool
    ) -> Updates:
        """No link has typed texts."""
        if dict(address.controls).get("texts") != TYPED:
            return {}
        said.append("texts that were typed are in no link")
        return {self.which: FIRST}

    def _histogram(self, pair: Pair, report: Progress) -> Any:
        if len(pair.rows or pair.corpus.texts) < 2:
            return None  # one text has no pairs
        all_a, all_b = (
            views.cosine_distribution(self.lab, side, pair.rows, report).similarities
            for side in (pair.a, pair.b)
        )
        caption = pair.caption("Cosines of all pairs of texts")
        return cosine_histogram(all_a, all_b, pair.names, caption)

    def _cell_clicked(self, _: Values, __: Progress, event: gr.EventData) -> Updates:
        cell = clicked_cell(event)
        return {} if cell is None else {self.first: cell[0] + 1, self.second: cell[1] + 1}

    def _chosen(
        self, pair: Pair, values: Values, report: Progress
    ) -> tuple[Embedded, Embedded, tuple[int, ...]]:
        """The texts to compare: their corpus under A and B, and their numbers."""
        most = int(within(values[self.count], "The number of texts", 2, self.most))
        if values[self.which] == TYPED:
            typed = own_texts(values[self.typed] or "", max_texts=most)
            a, b = (
                self.lab.embedded(typed, side.design, side.backbone_id, report)
                for side in pair.sides
            )
            return a, b, tuple(range(len(a)))
        if values[self.which] == MARKED:
            rows = shown_rows(values[self.marked], pair.corpus, pair.kept)
            if len(rows) < 2:
                left = " of those that the filter leaves" if pair.kept else ""
                raise EmbedLabError(
                    f"Fewer than two texts{left} are selected on the map; select some there, or "
                    "take texts from the corpus."
                )
            return pair.a, pair.b, rows[:most]
        return pair.a, pair.b, evenly(pair.rows, len(pair.corpus.texts), most)


def _said(scale: str, corpus: int) -> str:
    """What the colours are, for the caption."""
    return {
        "rank": "Ranks among the pairs of these texts, each design by itself,",
        "centred": f"Cosines about the mean of {corpus:,} texts, each design by itself,",
    }.get(scale, "Cosines")


def _notes(compared: Similarities, order: str, scale: str) -> list[str]:
    """Where the blocks are, and which design's colours hardly differ."""
    blocks, lines = compared.blocks, []
    if len(blocks.starts) > 1:
        parts = [
            f"{first + 1}–{last + 1}" + (f" {shorten(name, 30)}" if name else "")
            for (first, last), name in zip(blocks.spans, blocks.names, strict=True)
        ]
        lines.append(f"Blocks ({ORDERS[order]}): {', '.join(parts)}.")
    for letter, matrix in zip("AB", (compared.a, compared.b), strict=True):
        if scale == "cosine" and (ends := saturated(matrix)) is not None:
            low, high = (f"{100 * end:.1f}" for end in ends)
            lines.append(
                f"{letter}: the cosines of these texts lie from {low} to {high}, so that its "
                "colours hardly differ. Colours by rank or centred, above, tell them apart."
            )
    return lines


def _heatmap(
    figure: Any, cells: Cells, cosines: Any, drawn: Any, scale: str, caption: str, look: str
) -> dict[str, Any]:
    """The figure, with the cosines as its data and what was drawn where that is something else."""
    texts = cells.texts
    rows = [
        (i + 1, j + 1, float(cosines[i, j]), texts[i], texts[j])
        + ((float(drawn[i, j]),) if scale != "cosine" else ())
        for i in range(len(texts))
        for j in range(i + 1)
    ]
    header = ["number", "other number", "cosine", "text", "other text"]
    header += [scale] if scale != "cosine" else []
    return figure_value(figure, header, rows, name="similarity", caption=caption, look=look)


def _pair_behind(texts: list[str], compared: Similarities, first: Any, second: Any) -> str:
    """Two texts by their numbers in the heatmap, and how similar each design finds them."""
    i, j = (whole_number(number, "The text's number", 1) - 1 for number in (first, second))
    if len(texts) == 1:
        return html.RESULTS.pair([(1, texts[0])]) + html.muted("One text has no pairs.")
    if max(i, j) >= len(texts):
        raise EmbedLabError(
            f"There are {len(texts)} texts in the heatmap; choose 1 to {len(texts)}."
        )
    scores = [("Cosine of the pair", float(compared.a[i, j]), float(compared.b[i, j]))]
    both = html.RESULTS.pair([(i + 1, texts[i]), (j + 1, texts[j])])
    return both + html.score_table(scores, "×100")
