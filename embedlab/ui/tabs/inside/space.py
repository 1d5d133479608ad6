"""The shape of the space: spread, rank, hubs, and what centring or whitening would do."""

from __future__ import annotations

import gradio as gr

from embedlab.analysis import space
from embedlab.lab import inside
from embedlab.progress import Progress
from embedlab.render.inside import explained_variance, occurrences
from embedlab.render.similarity import similarity_histogram
from embedlab.ui.shared import html
from embedlab.ui.shared.figure import HISTOGRAM_HEADER, figure_block, figure_value, histogram_rows
from embedlab.ui.shared.session import Updates, Values
from embedlab.ui.shared.view import Pair, View, Workbench
from embedlab.ui.tabs.inside import html as inside_html

#: Hubs listed a design.
HUBS = 5


class ShapePanel(View):
    """Spread, rank and hubs of both spaces, as they are, centred or whitened."""

    id = "shape"
    title = "Shape of the space"

    def __init__(self, bench: Workbench) -> None:
        self.lab = bench.lab
        self.how = gr.Radio(
            list(space.TRANSFORMS),
            value="none",
            label="Preview of the space",
            info="Centring takes the mean away, whitening also evens out all directions. A "
            "preview: the other tabs keep the vectors as they are.",
            elem_id="shape-how",
        )
        with gr.Row(equal_height=False):
            self.table = html.table_block("shape-table")
            self.effect = html.table_block("shape-effect")
        with gr.Row():
            self.cosines = figure_block("shape-cosines")
            self.explained = figure_block("shape-explained")
        self.occurrences = figure_block("shape-occurrences")
        self.hubs = html.block("shape-hubs")
        self.inputs = [self.how]
        self.outputs = [
            self.table,
            self.effect,
            self.cosines,
            self.explained,
            self.occurrences,
            self.hubs,
        ]
        self.triggers = [self.how.input]

    def show(self, pair: Pair, values: Values, report: Progress) -> Updates:
        """Figures of both spaces, transformed as chosen."""
        how = values[self.how] or "none"
        a, b = (
            inside.space_shape(self.lab, side.embedded, how, pair.seed, report)
            for side in pair.sides
        )
        sides = list(zip("AB", pair.names, (a, b), strict=True))
        caption = pair.caption(f"space: {how}")
        cosines = similarity_histogram(a.cosines.similarities, b.cosines.similarities, *pair.names)
        k = a.hubness.k
        return {
            self.table: inside_html.shape_table(a, b, caption),
            self.effect: self._effect(pair, report),
            self.cosines: figure_value(
                cosines, HISTOGRAM_HEADER, histogram_rows(cosines), name="cosines", caption=caption
            ),
            self.explained: figure_value(
                explained_variance([(name, shape.explained) for _, name, shape in sides], a.n),
                ("design", "component", "share of variance"),
                [
                    (letter, component, float(share))
                    for letter, _, shape in sides
                    for component, share in enumerate(shape.explained, start=1)
                ],
                name="variance",
                caption=caption,
            ),
            self.occurrences: figure_value(
                occurrences([(name, shape.hubness.counts) for _, name, shape in sides], k),
                ("design", "text", f"{k}-occurrence"),
                [
                    (letter, text[:200], int(count))
                    for letter, _, shape in sides
                    for text, count in zip(pair.corpus.texts, shape.hubness.counts, strict=True)
                ],
                name="occurrences",
                caption=caption,
            ),
            self.hubs: html.side_by_side(
                *(
                    inside_html.hub_list(
                        letter,
                        name,
                        pair.corpus,
                        shape.hubness.hub_ids[:HUBS].tolist(),
                        shape.hubness.hub_counts[:HUBS].tolist(),
                    )
                    for letter, name, shape in sides
                )
            ),
        }

    def _effect(self, pair: Pair, report: Progress) -> str:
        """The corpus's score as it is, centred and whitened."""
        rows = []
        for how in space.TRANSFORMS:
            a, b = (
                inside.space_scores(self.lab, side.embedded, how, report) for side in pair.sides
            )
            rows += [(f"{how}: {name}", x, y) for name, x, y in inside_html.score_rows(a, b)]
        return html.score_table(
            rows,
            f"{pair.corpus.size_note} texts, ×100"
            if rows
            else "This corpus has neither scored pairs, queries nor labels to score a space by.",
            headers="The corpus's score",
            measured_on=pair.caption("The corpus's score"),
        )
