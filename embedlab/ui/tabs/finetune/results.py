"""What a training changed: the table, the movement on the sidebar's corpus, the changed queries."""

from __future__ import annotations

from typing import Any

import gradio as gr

from embedlab.analysis.comparison import NEAREST, Embedded
from embedlab.lab.views import Movement, movement
from embedlab.progress import Progress
from embedlab.render import look_for
from embedlab.render.training import movement_map, shown_points
from embedlab.ui.shared import html
from embedlab.ui.shared.figure import figure_block, figure_value
from embedlab.ui.shared.session import Updates, Values
from embedlab.ui.shared.view import PRIVATE, Pair, Workbench
from embedlab.ui.tabs.finetune.html import MACROS, before_after
from embedlab.ui.tabs.finetune.live import LivePanel
from embedlab.ui.tabs.finetune.snapshot import RunSnapshot

#: Opens the Map tab, which then shows the sidebar's new choices.
OPEN_MAP = """() => [...document.querySelectorAll('[role=tab]')]
  .find((tab) => tab.textContent.trim() === 'Map')?.click()"""
CSV_HEADER = ("text", "label", "before x", "before y", "after x", "after y")


class ResultsPanel:
    """What a training changed: its scores, the map's movement, and the changed rankings."""

    def __init__(self, bench: Workbench, live: LivePanel) -> None:
        self.lab, self.sidebar, self.live = bench.lab, bench.sidebar, live
        with gr.Column(visible=False) as self.group:
            gr.HTML("<h3 class='section-head'>Before and after</h3>", apply_default_css=False)
            self.table = html.table_block("before-after")
            with gr.Row(equal_height=False):
                with gr.Column(scale=3, min_width=300):
                    self.map = figure_block("train-movement")
                with gr.Column(scale=2, min_width=300):
                    self.queries = html.block("train-queries")
            self.compare = gr.Button(
                "Compare in the other tabs: A untrained, B trained", elem_id="train-compare"
            )
        self.outputs = [self.group, self.table, self.map, self.queries]
        compared = self.compare.click(
            bench.sessions.handler(self._compare, "compare"),
            {self.live.run},
            [self.sidebar.backbone, *self.sidebar.a.controls, *self.sidebar.b.controls],
            show_progress="hidden",
            **PRIVATE,
        )
        compared.success(None, js=OPEN_MAP)

    def show(self, pair: Pair, run: RunSnapshot | None, report: Progress) -> Updates:
        """Before and after of a training that has learned something."""
        if run is None or run.backbone is None:
            return {self.group: gr.update(visible=False)}
        both, design = (run.request.backbone_id, run.id), run.request.design
        self.lab.prepare([(pair.corpus, design, each) for each in both], progress=report)
        before, after = (self.lab.embedded(pair.corpus, design, each, report) for each in both)
        moved = movement(self.lab, before, after, pair.seed, report)
        return {
            self.group: gr.update(visible=True),
            self.table: self._table(run),
            self.map: _map(pair, run, moved, self._look(before, after, report)),
            self.queries: MACROS.changed_queries(pair.corpus, moved),
        }

    def _look(self, before: Embedded, after: Embedded, report: Progress) -> str:
        old, new = (
            self.lab.neighbours(side, NEAREST, report).ids[:, :NEAREST] for side in (before, after)
        )
        names = ("before the training", "after it")
        return look_for.neighbourhoods(before.corpus.labels, old, new, names)

    def _table(self, run: RunSnapshot) -> str:
        if not run.changes:
            waiting = "The scores before and after appear here in about a minute."
            none = "This training has no scores; tick 'Score before and after' for the table."
            return html.note([waiting if run.request.score and not run.over else none])
        name = run.backbone.name if run.backbone else run.request.name
        return before_after(
            run.changes, run.request.pairs.in_domain, f"{name}, {run.request.design}"
        )

    def _compare(self, values: Values, _: Progress) -> Updates:
        """Set the sidebar to the run's design on both sides: A untrained, B trained."""
        run = self.lab.runs.get(values[self.live.run] or "")
        a, b = self.sidebar.a, self.sidebar.b
        return {
            self.sidebar.backbone: run.request.backbone_id,
            a.model: "",
            b.model: run.id,
            **a.set_to(run.request.design),
            **b.set_to(run.request.design),
        }


def _map(pair: Pair, run: RunSnapshot, moved: Movement, look: str) -> dict[str, Any]:
    corpus, maps = pair.corpus, moved.maps
    labels = corpus.labels
    figure = movement_map(maps.a, maps.b, labels, corpus.texts, method=maps.method)
    rows = [
        (corpus.texts[i], labels[i] if labels else "", *map(float, (*maps.a[i], *maps.b[i])))
        for i in shown_points(len(corpus.texts))
    ]
    assert run.backbone is not None
    caption = pair.source(
        f"Movement of {run.request.design} from untrained to trained, {maps.method} · "
        f"{corpus.title}, {corpus.size_note} texts, seed {pair.seed}",
        run.backbone,
    )
    name = f"movement-{corpus.id}"
    return figure_value(figure, CSV_HEADER, rows, name=name, caption=caption, look=look)
