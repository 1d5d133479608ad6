"""Which layer, without labels: four measures of every layer, a proposal, and what it is worth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from embedlab.analysis.label_free import LABEL_FREE, LabelFree
from embedlab.analysis.layers import choose_measure
from embedlab.errors import EmbedLabError
from embedlab.lab import inside
from embedlab.models.design import Design
from embedlab.models.pooling import POOLINGS
from embedlab.progress import Progress
from embedlab.render import look_inside
from embedlab.render.html import table
from embedlab.render.inside import layer_measures
from embedlab.ui.shared import html
from embedlab.ui.shared.figure import figure_block, figure_value
from embedlab.ui.shared.session import Updates, Values
from embedlab.ui.shared.view import Pair, Side, View, Workbench
from embedlab.ui.tabs.inside.layers import MEASURE_TITLES


class UnlabelledPanel(View):
    """The measures of A's and B's layers, and on labelled texts how far they agree with quality."""

    id = "unlabelled"
    title = "Without labels"

    def __init__(self, bench: Workbench) -> None:
        self.lab = bench.lab
        self.figure = figure_block(
            "unlabelled-figure", "What the layers look like without labels appears here."
        )
        self.notes = html.block("unlabelled-notes")
        self.agreement = html.table_block("unlabelled-agreement")
        self.outputs = [self.figure, self.notes, self.agreement]

    def show(self, pair: Pair, values: Values, report: Progress) -> Updates:
        """Both designs at every layer; one that reads no single layer is shown by its mean."""
        try:
            measured = [self._measured(pair, side, report) for side in pair.sides]
        except EmbedLabError as error:
            return {
                self.figure: None,
                self.notes: html.note([str(error)]),
                self.agreement: html.joined([]),
            }
        caption = pair.caption(f"n = {len(pair.corpus.texts):,} texts, no labels used")
        sides = [(one.design.name, [getattr(one, name) for name in LABEL_FREE]) for one in measured]
        figure = layer_measures(
            sides, list(LABEL_FREE.values()), caption=f"n = {len(pair.corpus.texts):,} texts"
        )
        rows = [
            (letter, layer, *(getattr(one, name)[layer] for name in LABEL_FREE))
            for letter, one in zip("AB", measured, strict=True)
            for layer in range(len(one.entropy))
        ]
        header = ("design", "layer", *LABEL_FREE)
        return {
            self.figure: figure_value(
                figure,
                header,
                rows,
                name=f"layers-without-labels-{pair.corpus.id}",
                caption=caption,
                look=look_inside.without_labels(measured),
            ),
            self.notes: html.note(_notes(measured)),
            self.agreement: self._agreement(pair, measured, report),
        }

    def _measured(self, pair: Pair, side: Side, report: Progress) -> LabelFree:
        design = _one_layer(side.design)
        embedded = self.lab.embedded_on(pair.corpus, design, side.backbone, report)
        return inside.label_free_layers(self.lab, embedded, progress=report)

    def _agreement(self, pair: Pair, measured: Sequence[LabelFree], report: Progress) -> str:
        """Rank correlations over layers with the score that the corpus offers."""
        try:
            measure = choose_measure(pair.corpus)
        except EmbedLabError:
            return html.muted("This corpus has nothing to score, so nothing to compare with.")
        rows = []
        for side, one in zip(pair.sides, measured, strict=True):
            if one.design.attention not in ("causal", "bidirectional"):
                continue
            quality = inside.layer_curves(
                self.lab,
                pair.corpus,
                one.design,
                side.backbone_id,
                attentions=(one.design.attention,),
                seed=pair.seed,
                progress=report,
            )
            curve = next(c for c in quality.curves if c.design.pooling == one.design.pooling)
            best = int(np.nanargmax(curve.scores))
            agreed = one.agreement(curve.scores)
            rows.append(
                (
                    f"{side.letter} {one.design.name}",
                    *(f"{agreed[name]:.2f}" for name in LABEL_FREE),
                    f"{best} ({100 * curve.scores[best]:.1f})",
                    f"{one.proposal[0]} ({100 * curve.scores[one.proposal[0]]:.1f})",
                )
            )
        header = ("", *LABEL_FREE.values(), "best layer", "proposed layer")
        caption = f"Spearman over layers between a measure and {MEASURE_TITLES[measure]}"
        return table(header, rows, caption, measured_on=pair.caption(caption))


def _one_layer(design: Design) -> Design:
    """The design at its last layer, or the mean where it reads no single layer."""
    pooling = POOLINGS[design.pooling]
    reads = design.pooling if pooling.reads_layer and not pooling.between_layers else "mean"
    takes_mean = POOLINGS[reads].takes_mean
    return replace(
        design,
        pooling=reads,
        layer=-1,
        layers=None,
        steps=(),
        skip_first=design.skip_first and takes_mean,
    )


def _notes(measured: Sequence[LabelFree]) -> list[str]:
    proposals = [f"{letter}: {one.proposal[1]}" for letter, one in zip("AB", measured, strict=True)]
    return [
        *proposals,
        "A proposal to try, not a finding: the table below says how far to trust it.",
    ]
