"""The shape of the space: spread, rank, hubs, and what centring or whitening would do."""

from __future__ import annotations

from collections.abc import Sequence

import gradio as gr

from embedlab.analysis import space
from embedlab.errors import EmbedLabError
from embedlab.lab import inside
from embedlab.progress import Progress
from embedlab.render import look_inside
from embedlab.render.inside import explained_variance, occurrences
from embedlab.ui.shared import html
from embedlab.ui.shared.figure import cosine_histogram, figure_block, figure_value
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
        self.linked = {"space": self.how}
        figures = [self.cosines, self.explained, self.occurrences]
        self.outputs = [self.table, self.effect, *figures, self.hubs]
        self.triggers = [self.how.input]

    def show(self, pair: Pair, values: Values, report: Progress) -> Updates:
        """Figures of both spaces, transformed as chosen."""
        how = values[self.how] or "none"
        try:
            shapes = [
                inside.space_shape(self.lab, side.embedded, how, pair.seed, report)
                for side in pair.sides
            ]
        except EmbedLabError as error:  # too few texts, or all of them the same
            nothing = dict.fromkeys((self.cosines, self.explained, self.occurrences))
            return {self.table: html.empty(str(error)), self.effect: "", self.hubs: "", **nothing}
        a, b = shapes
        caption = pair.caption(f"space: {how}")
        k = a.hubness.k
        hubs, components, counts = [], [], []
        for letter, name, shape in zip("AB", pair.names, shapes, strict=True):
            hubness = shape.hubness
            nearest = [(i, hubness.counts[i]) for i in _most_frequent(hubness, pair.rows)]
            hubs.append(
                inside_html.INSIDE.hubs(letter, f"{name}: hubs", pair.corpus.texts, nearest)
            )
            components += [(letter, i, float(x)) for i, x in enumerate(shape.explained, start=1)]
            counts += [
                (letter, text[:200], int(count))
                for text, count in zip(pair.corpus.texts, hubness.counts, strict=True)
            ]
        explained = [shape.explained for shape in shapes]
        occurring = [shape.hubness.counts for shape in shapes]
        return {
            self.table: inside_html.shape_table(a, b, caption),
            self.effect: self._effect(pair, report),
            self.cosines: cosine_histogram(
                a.cosines.similarities, b.cosines.similarities, pair.names, caption
            ),
            self.explained: figure_value(
                explained_variance(list(zip(pair.names, explained, strict=True)), a.n),
                ("design", "component", "share of variance"),
                components,
                name="variance",
                caption=caption,
                look=look_inside.explained(shapes),
            ),
            self.occurrences: figure_value(
                occurrences(list(zip(pair.names, occurring, strict=True)), k),
                ("design", "text", f"{k}-occurrence"),
                counts,
                name="occurrences",
                caption=caption,
                look=look_inside.hubs(shapes),
            ),
            self.hubs: html.side_by_side(*hubs),
        }

    def _effect(self, pair: Pair, report: Progress) -> str:
        """The corpus's score as it is, centred and whitened."""
        rows, missing = [], []
        for how in space.TRANSFORMS:
            a, b = (
                inside.space_scores(self.lab, side.embedded, how, report) for side in pair.sides
            )
            rows += inside_html.score_rows(how, a, b)
            missing += html.reasons(a, b, inside_html.SCORES)
        scores = html.score_table(
            rows,
            f"{pair.corpus.size_note} texts, ×100"
            if rows
            else "This corpus has neither scored pairs, queries nor labels to score a space by.",
            headers="The corpus's score",
            measured_on=pair.caption("The corpus's score"),
        )
        return scores + html.note(dict.fromkeys(missing))


def _most_frequent(hubness: space.Hubness, rows: Sequence[int] | None) -> list[int]:
    """The texts that are neighbours most often: of all, or of some."""
    if rows is None:
        return [int(i) for i in hubness.hub_ids[:HUBS]]
    return sorted(rows, key=lambda i: -int(hubness.counts[i]))[:HUBS]
