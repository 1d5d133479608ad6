"""The map tab: two linked maps, the neighbours of the selected text, and what changed most."""

from __future__ import annotations

import hashlib
from typing import Any

import gradio as gr
import numpy as np

from embedlab.analysis import metrics
from embedlab.analysis.colouring import Colouring, by_categories, by_codes
from embedlab.analysis.comparison import NEAREST, Embedded
from embedlab.analysis.projection import UMAP_MINIMUM
from embedlab.data.corpus import Corpus
from embedlab.errors import EmbedLabError
from embedlab.lab import inside, views
from embedlab.lab.layer_maps import has_layers
from embedlab.progress import Progress
from embedlab.render.csv_table import corpus_rows, csv_table
from embedlab.render.map_data import (
    MapSide,
    coordinates,
    map_colouring,
    map_found,
    map_points,
    map_texts,
)
from embedlab.text import clean_text
from embedlab.ui.shared import code, html
from embedlab.ui.shared.controls import Slider, changes, code_block
from embedlab.ui.shared.parse import event_data, within
from embedlab.ui.shared.session import Remembered, Updates, Values
from embedlab.ui.shared.view import Pair, View, Workbench
from embedlab.ui.tabs.linked_map import (
    event_index,
    event_indices,
    linked_map,
    map_update,
    selection,
)
from embedlab.ui.tabs.map_layers import MapLayers

#: What the UMAP settings offer.
NEIGHBOURS, DISTANCES = (2, 100), (0, 0.99)
#: Texts nearest to a query that are lit on each map.
FOUND = 10
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
        self.neighbours = html.picking_block("neighbours", html.empty(NO_SELECTION))
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
                self.changed = html.picking_block("changed")
        self.file = html.saver()
        self.code = code_block("map-code")
        self.shown = Remembered()  # the choice that is drawn
        # Its maps and their caption: what is saved is what was drawn, even if UMAP is ready by now.
        self.drawn = Remembered()
        #: The fingerprint of the corpus whose texts the page has.
        self.sent = Remembered()
        # An index, or the indices within a lasso, and the corpus they are of.
        self.selected, self.lasso = Remembered(), Remembered()
        self.inputs = [self.field, self.n_neighbors, self.min_dist]
        lists = [self.neighbours, self.quality, self.changed]
        self.outputs = [self.map, *lists, self.field, self.file, self.code]
        self.triggers = changes(self.inputs)
        for trigger in (self.map.point_click, self.neighbours.pick, self.changed.pick):
            self.on(bench, trigger, self._select, shown=self.shown, inputs={self.field})
        self.on(bench, self.map.lasso, self._lasso, shown=self.shown)
        self.on(bench, self.map.cleared, self._clear, shown=self.shown)
        self.on(bench, self.map.find, self._find, shown=self.shown)
        MapLayers(self, bench)
        self.on(bench, self.map.save, self._save_map, shown=self.shown, inputs={self.field})
        self.on(bench, self.neighbours.save, self._save_list, shown=self.shown, inputs={self.field})

    def show(self, pair: Pair, values: Values, report: Progress) -> Updates:
        """Both maps, the scores, and the texts with the neighbourhoods that changed most."""
        corpus, a, b = pair.corpus, pair.a, pair.b
        field = values[self.field]
        field = field if field in corpus.fields else next(iter(corpus.fields), "")
        n_neighbors, min_dist = self.layout(values)
        maps = self.lab.maps(
            a, b, n_neighbors=n_neighbors, min_dist=min_dist, seed=pair.seed, progress=report
        )
        how = f", {n_neighbors} neighbours, least distance {min_dist:g}"
        caption = pair.caption(maps.method + (how if maps.method == "UMAP" else ""))
        selected = in_corpus(values[self.selected], corpus)
        lasso = in_corpus(values[self.lasso], corpus) or []
        near = self._near(pair, selected) if selected is not None else ((), ())
        new_texts = values[self.sent] != corpus.fingerprint
        note = f"{maps.method} of {corpus.size_note} texts"
        if maps.method == "PCA" and len(corpus.firsts) >= UMAP_MINIMUM:
            note += ", until UMAP is compiled"
        score_a, score_b = (views.quality(self.lab, side, field, report) for side in (a, b))
        scores = html.quality_table(score_a, score_b, field, pair.seed, pair.caption("Quality"))
        limits = html.caveats(a, b)
        return {
            self.map: map_update(
                points=map_points(
                    a=self._side(pair, 0, maps.a),
                    b=self._side(pair, 1, maps.b),
                    n=len(corpus.texts),
                    corpus=corpus.fingerprint,
                    method=maps.method,
                    note=note,
                    caption=caption,
                ),
                colouring=map_colouring(self._colouring(corpus, field)),
                selection=selection(selected, *near, lasso, n=len(corpus.texts)),
                # The page keeps the texts until another corpus comes.
                **({"texts": map_texts(corpus.texts)} if new_texts else {}),
            ),
            self.neighbours: html.RESULTS.lasso_summary(corpus.texts, lasso)
            if lasso
            else self._lists(pair, selected, field),
            self.quality: html.note([html.difference(a, b)]) + scores + html.note(limits),
            self.field: gr.update(
                choices=list(corpus.fields), value=field or None, visible=bool(corpus.fields)
            ),
            self.changed: self._changed(pair, report),
            self.code: code.view_code(pair, "map", n_neighbors=n_neighbors, min_dist=min_dist),
            self.selected: (corpus.fingerprint, selected) if selected is not None else None,
            self.lasso: (corpus.fingerprint, lasso) if lasso else None,
            self.shown: pair.choice,
            self.drawn: (maps, caption),
            self.sent: corpus.fingerprint,
        }

    def layout(self, values: Values) -> tuple[int, float]:
        """UMAP's settings: the number of neighbours and the least distance."""
        return (
            int(within(values[self.n_neighbors], "Neighbours", *NEIGHBOURS)),
            within(values[self.min_dist], "The least distance", *DISTANCES),
        )

    @staticmethod
    def key(embedded: Embedded) -> str:
        """Names a design's vectors in the page, in a few characters."""
        return hashlib.sha256(repr(embedded.key).encode("utf-8", "replace")).hexdigest()[:16]

    def _side(self, pair: Pair, number: int, xy: Any) -> MapSide:
        embedded = (pair.a, pair.b)[number]
        return MapSide(
            title=pair.names[number],
            xy=xy,
            key=self.key(embedded),
            layers=has_layers(embedded),
        )

    @staticmethod
    def _colouring(corpus: Corpus, field: str) -> Colouring:
        values = corpus.fields.get(field)
        if values is None:
            nothing = np.full(len(corpus.texts), -1)
            return by_codes("", nothing, ())
        return by_categories(field, values)

    def _select(self, pair: Pair, values: Values, event: gr.EventData, report: Progress) -> Updates:
        index = event_index(event, len(pair.corpus.texts))
        if index is None:
            return self._clear(pair, values, event, report)
        return {
            self.map: map_update(
                selection=selection(index, *self._near(pair, index), n=len(pair.corpus.texts))
            ),
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
            self.neighbours: self._words(pair, tuple(chosen), together=True)
            + html.RESULTS.lasso_summary(pair.corpus.texts, chosen),
        }

    def _clear(self, pair: Pair, values: Values, event: gr.EventData, report: Progress) -> Updates:
        return {
            self.neighbours: html.empty(NO_SELECTION),
            self.selected: None,
            self.lasso: None,
        }

    def _find(self, pair: Pair, values: Values, event: gr.EventData, report: Progress) -> Updates:
        """The texts nearest to what was typed into the map's search, under both designs."""
        query = clean_text(str(event_data(event).get("query", "")))
        hits = self.lab.retrieve(query, pair.a, pair.b, FOUND, report)
        lists = map(html.RESULTS.hits, "AB", pair.names, hits, "BA")
        near_a, near_b = ([hit.id for hit in side] for side in hits)
        return {
            self.map: map_update(found=map_found(query, near_a, near_b)),
            self.neighbours: html.side_by_side(*lists),
        }

    def _save_map(
        self, pair: Pair, values: Values, event: gr.EventData, report: Progress
    ) -> Updates:
        """The texts with their places, as they are drawn."""
        maps, caption = values[self.drawn]
        places = np.hstack([coordinates(xy, len(pair.corpus.texts)) for xy in (maps.a, maps.b)])
        axes = ("x under A", "y under A", "x under B", "y under B")
        table = corpus_rows(
            pair.corpus, field=values[self.field] or "", more=axes, values=places.tolist()
        )
        return {self.file: self._csv("map", table, caption)}

    def _save_list(
        self, pair: Pair, values: Values, event: gr.EventData, report: Progress
    ) -> Updates:
        """The texts in the lasso, or the selected one and its neighbours."""
        corpus, field = pair.corpus, values[self.field] or ""
        if lasso := in_corpus(values[self.lasso], corpus):
            table = corpus_rows(corpus, lasso, field=field)
            return {self.file: self._csv("lasso", table, pair.caption("Texts in the lasso"))}
        index = in_corpus(values[self.selected], corpus)
        if index is None:
            raise EmbedLabError("Nothing is selected any more; click a point on the map.")
        near = [
            {i: (rank, cosine) for rank, (i, cosine) in enumerate(self._nearest(side, index), 1)}
            for side in (pair.a, pair.b)
        ]
        chosen = [index, *dict.fromkeys([*near[0], *near[1]])]
        more = ("rank under A", "cosine under A", "rank under B", "cosine under B")
        ranks = [[x for side in near for x in side.get(i, ("", ""))] for i in chosen]
        table = corpus_rows(corpus, chosen, field=field, more=more, values=ranks)
        caption = pair.caption("A text and its neighbours")
        return {self.file: self._csv("neighbours", table, caption)}

    def _csv(self, name: str, table: tuple[list[str], list[list[Any]]], caption: str) -> Any:
        return html.saved(f"{name}.csv", csv_table(*table, caption=caption, verbatim=True))

    def _nearest(self, side: Embedded, index: int) -> list[tuple[int, float]]:
        near = self.lab.neighbours(side)
        ids, cosines = near.ids[index].tolist(), near.similarities[index].tolist()
        return list(zip(ids, cosines, strict=True))[:NEAREST]

    def _near(self, pair: Pair, index: int) -> tuple[list[int], list[int]]:
        a, b = ([i for i, _ in self._nearest(side, index)] for side in (pair.a, pair.b))
        return a, b

    def _lists(self, pair: Pair, index: int | None, field: str | None) -> str:
        """The selected text and its neighbours under both designs."""
        if index is None:
            return html.empty(NO_SELECTION)
        corpus, (near_a, near_b) = pair.corpus, self._near(pair, index)
        labels = corpus.fields.get(field or "", corpus.labels)
        panels = []
        for side, others in zip(pair.sides, (near_b, near_a), strict=True):
            nearest = self._nearest(side.embedded, index)
            ranks = {i: rank for rank, i in enumerate(others, start=1)}
            panels.append(
                html.RESULTS.neighbours(
                    side.letter, side.name, corpus.texts, nearest, labels, ranks.get
                )
            )
        overlap = float(metrics.jaccard([near_a], [near_b])[0]) if near_a else 1.0
        label = labels[index] if labels else ""
        head = html.RESULTS.selected_text(corpus.texts[index], label, overlap, len(near_a))
        return head + self._words(pair, (index,)) + html.side_by_side(*panels)

    def _words(self, pair: Pair, chosen: tuple[int, ...], *, together: bool = False) -> str:
        """Words near to a text's state, or to what tells some texts from all, under A and B."""
        rows = []
        for side in pair.sides:
            try:
                [words] = inside.key_tokens(self.lab, side.embedded, chosen, together=together)
            except EmbedLabError:  # a head's vectors, or an unembedding that is not at hand
                continue
            rows.append((side.letter, [token.word for token in words]))
        return html.RESULTS.key_tokens(rows, together) if rows else html.joined([])

    def _changed(self, pair: Pair, report: Progress) -> str:
        if len(pair.corpus.texts) < 3:
            return html.empty("Three texts or more have neighbourhoods that can change.")
        changed = views.changed_neighbourhoods(self.lab, pair.a, pair.b, report)
        order, overlap = changed.order.tolist(), changed.overlap.tolist()
        mean = float(changed.overlap.mean())
        return html.RESULTS.changed_list(pair.corpus.texts, order, overlap, mean)
