"""The map tab: two linked maps, the neighbours of the selected text, and what changed most."""

from __future__ import annotations

from typing import Any

import gradio as gr

from embedlab.analysis import metrics
from embedlab.analysis.comparison import NEAREST
from embedlab.data.corpus import Corpus
from embedlab.lab import views
from embedlab.progress import Progress
from embedlab.ui.shared import code, html
from embedlab.ui.shared.parse import within
from embedlab.ui.shared.session import Remembered, Updates, Values
from embedlab.ui.shared.slider import Slider
from embedlab.ui.shared.view import Pair, View, Workbench
from embedlab.ui.tabs.linked_map import (
    event_index,
    event_indices,
    linked_map,
    map_value,
    selection_update,
)

#: What the UMAP settings offer.
NEIGHBOURS, DISTANCES = (2, 100), (0, 0.99)
NO_SELECTION = (
    "Click a point on either map: its nearest texts under both designs appear here, with the "
    "overlap of the two lists."
)


def in_corpus(selection: tuple[str, Any] | None, corpus: Corpus) -> Any:
    """The selected index or indices if they are of this corpus, else None.

    A selection survives a change of design and a new drawing, but not a change of the corpus.
    """
    return selection[1] if selection and selection[0] == corpus.fingerprint else None


class MapTab(View):
    """Two linked maps, the scores of both designs, and the neighbours of what is selected."""

    id = "map"
    title = "Map"

    def __init__(self, bench: Workbench) -> None:
        defaults = bench.lab.config.defaults
        self.lab = bench.lab
        self.map = linked_map()
        self.neighbours = html.picking_html("neighbours")
        self.neighbours.value = html.empty(NO_SELECTION)
        with gr.Row(equal_height=False):
            with gr.Column(scale=3, min_width=300):
                self.quality = html.table_block("quality")
                self.field = gr.Dropdown([], label="Colour by", elem_id="field")
                with gr.Accordion("UMAP settings", open=False):
                    self.n_neighbors = Slider(
                        *NEIGHBOURS,
                        value=defaults.n_neighbors,
                        step=1,
                        label="Neighbours",
                        info="Few show fine structure, many the broad one.",
                    )
                    self.min_dist = Slider(
                        *DISTANCES, value=defaults.min_dist, step=0.01, label="Least distance"
                    )
                    gr.Markdown("The seed is in the sidebar; the same seed gives the same map.")
            with (
                gr.Column(scale=4, min_width=300),
                gr.Accordion("Neighbourhoods that changed most", open=True),
            ):
                self.changed = html.picking_html("changed")
        with gr.Accordion("Show the code", open=False):
            self.code = gr.Code(language="python", elem_id="map-code", show_label=False)
        self.shown = Remembered()  # the choice that is drawn
        # An index, or the indices within a lasso, and the corpus they are of.
        self.selected, self.lasso = Remembered(), Remembered()
        self.inputs = [self.field, self.n_neighbors, self.min_dist]
        self.outputs = [
            self.map,
            self.neighbours,
            self.quality,
            self.field,
            self.changed,
            self.code,
        ]
        self.triggers = [self.field.input, self.n_neighbors.release, self.min_dist.release]
        for trigger in (self.map.point_click, self.neighbours.pick, self.changed.pick):
            self.on(bench, trigger, self._select, shown=self.shown, inputs={self.field})
        self.on(bench, self.map.lasso, self._lasso, shown=self.shown)
        self.on(bench, self.map.cleared, self._clear, shown=self.shown)

    def show(self, pair: Pair, values: Values, report: Progress) -> Updates:
        """Both maps, the scores, and the texts with the neighbourhoods that changed most."""
        corpus, a, b = pair.corpus, pair.a, pair.b
        field = values[self.field]
        field = field if field in corpus.fields else next(iter(corpus.fields), "")
        n_neighbors = int(within(values[self.n_neighbors], "Neighbours", *NEIGHBOURS))
        min_dist = within(values[self.min_dist], "The least distance", *DISTANCES)
        maps = self.lab.maps(
            a,
            b,
            n_neighbors=n_neighbors,
            min_dist=min_dist,
            seed=pair.seed,
            progress=report,
        )
        selected = in_corpus(values[self.selected], corpus)
        lasso = in_corpus(values[self.lasso], corpus) or []
        near = self._near(pair, selected) if selected is not None else ((), ())
        name_a, name_b = pair.names
        waiting = maps.method == "PCA" and len(corpus.texts) >= 5
        note = f"{maps.method} of {corpus.size_note} texts" + (
            ", until UMAP is compiled" if waiting else ""
        )
        return {
            self.map: map_value(
                title_a=name_a,
                xy_a=maps.a,
                title_b=name_b,
                xy_b=maps.b,
                texts=corpus.texts,
                labels=corpus.fields.get(field),
                selected=selected,
                highlight_a=near[0],
                highlight_b=near[1],
                lasso=lasso,
                method=maps.method,
                note=note,
                caption=pair.caption(
                    f"{maps.method}, {n_neighbors} neighbours, least distance {min_dist:g}"
                    if maps.method == "UMAP"
                    else maps.method
                ),
            ),
            self.neighbours: html.lasso_summary(corpus, lasso)
            if lasso
            else self._lists(pair, selected, field),
            self.quality: html.quality_table(
                views.quality(self.lab, a, field, report),
                views.quality(self.lab, b, field, report),
                field,
                pair.seed,
                pair.caption("Quality"),
            )
            + html.note(html.caveats(a, b)),
            self.field: gr.update(
                choices=list(corpus.fields), value=field or None, visible=bool(corpus.fields)
            ),
            self.changed: self._changed(pair, report),
            self.code: code.map_code(pair, n_neighbors, min_dist),
            self.selected: (corpus.fingerprint, selected) if selected is not None else None,
            self.lasso: (corpus.fingerprint, lasso) if lasso else None,
            self.shown: pair.choice,
        }

    def _select(self, pair: Pair, values: Values, event: gr.EventData, report: Progress) -> Updates:
        index = event_index(event, len(pair.corpus.texts))
        if index is None:
            return self._clear(pair, values, event, report)
        return {
            self.map: selection_update(index, *self._near(pair, index)),
            self.neighbours: self._lists(pair, index, values[self.field]),
            self.selected: (pair.corpus.fingerprint, index),
            self.lasso: None,
        }

    def _lasso(self, pair: Pair, values: Values, event: gr.EventData, report: Progress) -> Updates:
        chosen = event_indices(event, len(pair.corpus.texts))
        if not chosen:
            return self._clear(pair, values, event, report)
        return {
            self.lasso: (pair.corpus.fingerprint, chosen),
            self.selected: None,
            self.neighbours: html.lasso_summary(pair.corpus, chosen),
        }

    def _clear(self, pair: Pair, values: Values, event: gr.EventData, report: Progress) -> Updates:
        return {
            self.neighbours: html.empty(NO_SELECTION),
            self.selected: None,
            self.lasso: None,
        }

    def _near(self, pair: Pair, index: int) -> tuple[list[int], list[int]]:
        ids_a, ids_b = (
            self.lab.neighbours(side).ids[index, :NEAREST].tolist() for side in (pair.a, pair.b)
        )
        return ids_a, ids_b

    def _lists(self, pair: Pair, index: int | None, field: str | None) -> str:
        """The selected text and its neighbours under both designs."""
        if index is None:
            return html.empty(NO_SELECTION)
        labels = pair.corpus.fields.get(field or "", pair.corpus.labels)
        near = self._near(pair, index)
        panels = []
        for letter, name, side, ids, others in zip(
            "AB", pair.names, (pair.a, pair.b), near, reversed(near), strict=True
        ):
            ranks = {i: rank for rank, i in enumerate(others, start=1)}
            panels.append(
                html.neighbour_list(
                    letter,
                    name,
                    pair.corpus,
                    ids,
                    self.lab.neighbours(side).similarities[index, :NEAREST].tolist(),
                    ranks.get,
                    labels,
                )
            )
        overlap = float(metrics.jaccard([near[0]], [near[1]])[0]) if near[0] else 1.0
        return html.selected_text(
            pair.corpus.texts[index], labels[index] if labels else "", overlap, len(near[0])
        ) + html.side_by_side(*panels)

    def _changed(self, pair: Pair, report: Progress) -> str:
        if len(pair.corpus.texts) < 3:
            return html.empty("Three texts or more have neighbourhoods that can change.")
        changed = views.changed_neighbourhoods(self.lab, pair.a, pair.b, report)
        overlap = changed.overlap
        return html.changed_list(
            pair.corpus, changed.order.tolist(), overlap.tolist(), float(overlap.mean())
        )
