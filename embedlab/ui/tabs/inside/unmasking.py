"""Partial unmasking: quality over the layer up to which attention is causal."""

from __future__ import annotations

from embedlab.errors import EmbedLabError
from embedlab.lab import inside
from embedlab.progress import Progress
from embedlab.render import look_inside
from embedlab.render.inside import unmasking
from embedlab.ui.shared import html
from embedlab.ui.shared.figure import figure_block, figure_value
from embedlab.ui.shared.session import Updates, Values
from embedlab.ui.shared.view import Pair, View, Workbench
from embedlab.ui.tabs.inside.layers import MEASURE_TITLES


class UnmaskingPanel(View):
    """Where the untrained collapse begins: a pass over the corpus for each of about nine k."""

    id = "unmasking"
    title = "Partial unmasking"

    def __init__(self, bench: Workbench) -> None:
        self.lab = bench.lab
        self.figure = figure_block(
            "unmasking-figure", "The quality over the layers that stay causal appears here."
        )
        self.notes = html.block("unmasking-notes")
        self.outputs = [self.figure, self.notes]

    def show(self, pair: Pair, values: Values, report: Progress) -> Updates:
        """The curves of A's and B's head over k."""
        try:
            curves = [
                inside.unmasking_curve(self.lab, side.embedded, progress=report)
                for side in pair.sides
            ]
        except EmbedLabError as error:
            return {self.figure: None, self.notes: html.note([str(error)])}
        score = MEASURE_TITLES[curves[0].measure]
        caption = f"n = {len(pair.corpus.texts):,} texts"
        lines = [
            (side.name.partition("/")[2], curve.layers, curve.scores)
            for side, curve in zip(pair.sides, curves, strict=True)
        ]
        rows = [
            (letter, k, score_, low, high)
            for letter, curve in zip("AB", curves, strict=True)
            for k, score_, low, high in zip(
                curve.layers, curve.scores, curve.low, curve.high, strict=True
            )
        ]
        header = ("design", "causal up to layer", "score", "low", "high")
        figure = unmasking(lines, score=score, caption=caption)
        return {
            self.figure: figure_value(
                figure,
                header,
                rows,
                name=f"unmasking-{pair.corpus.id}",
                caption=pair.caption(f"{score} over k, 95 % bootstrap in the data"),
                look=look_inside.unmasking([(each.layers, each.scores) for each in curves]),
            ),
            self.notes: html.note(
                [
                    "Each point is a pass of its own: causal attention in layers 1 to k, "
                    "bidirectional above. Where the line falls, untrained layers no longer bear "
                    "tokens that see what comes later."
                ]
            ),
        }
