"""The map tab: two linked maps, the neighbours of the selected text, and what changed most."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import gradio as gr
import numpy as np

from embedlab.analysis.comparison import Embedded, Maps
from embedlab.analysis.projection import UMAP_MINIMUM
from embedlab.data.corpus import Corpus
from embedlab.errors import EmbedLabError
from embedlab.lab import selections, views
from embedlab.lab.address import Address
from embedlab.lab.colourings import NEAR, QUERY
from embedlab.lab.layer_maps import has_layers
from embedlab.progress import Progress
from embedlab.render.csv_table import corpus_rows, csv_table
from embedlab.render.map_data import (
    MapSide,
    coordinates,
    map_asked,
    map_found,
    map_names,
    map_place,
    map_points,
    map_texts,
)
from embedlab.text import clean_text, one_line
from embedlab.ui.shared import code, html
from embedlab.ui.shared.controls import ChangingDropdown, Slider, changes, code_block
from embedlab.ui.shared.links import LINKED
from embedlab.ui.shared.parse import event_data, within
from embedlab.ui.shared.session import Remembered, Updates, Values
from embedlab.ui.shared.view import Pair, View, Workbench
from embedlab.ui.tabs import map_lists
from embedlab.ui.tabs.atlas import AtlasButton
from embedlab.ui.tabs.linked_map import event_index, linked_map, map_update, selection
from embedlab.ui.tabs.map_clusters import ClusterPanel
from embedlab.ui.tabs.map_layers import MapLayers
from embedlab.ui.tabs.map_lists import NO_SELECTION
from embedlab.ui.tabs.map_texts import MapTexts, label_field
from embedlab.ui.tabs.selection import Selected, SelectionPanel, rows_of, shown_rows
from embedlab.ui.tabs.text_chooser import TextChooser

#: What the UMAP settings offer.
NEIGHBOURS, DISTANCES = (2, 100), (0, 0.99)
#: Texts nearest to a query that are lit on each map.
FOUND = 10


class MapTab(View):
    """Two linked maps, the scores of both designs, and the neighbours of what is selected."""

    id = "map"
    title = "Map"
    addressed = ("sel", "q")
    at_once = True
    filtered = (
        "Points, lists and neighbours are of these texts; places, clusters and figures count all "
        "texts, unless they say that they do not."
    )

    def __init__(self, bench: Workbench) -> None:
        defaults = bench.lab.config.defaults
        self.lab, self.query = bench.lab, bench.query
        self.shown = Remembered()  # the choice that is drawn
        self.look = html.block("map-look")
        self.map = linked_map()
        self.panel = SelectionPanel(bench, self.shown)
        self.neighbours = html.picking_block("neighbours", html.empty(NO_SELECTION))
        with gr.Row(equal_height=False):
            with gr.Column(scale=3, min_width=300):
                self.quality = html.table_block("quality")
                self.field = ChangingDropdown([], label="Colour by", elem_id="field")
                with gr.Accordion("Filter or select texts", open=False, elem_id="choose"):
                    self.chooser = TextChooser(bench.lab)
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
        with gr.Accordion("Clusters, and what becomes of A's under B", open=True):
            self.clusters = ClusterPanel(bench)
        self.atlas = AtlasButton(bench)
        self.file = html.saver()
        self.code = code_block("map-code")
        # Its maps and their caption: what is saved is what was drawn, even if UMAP is ready by now.
        self.drawn = Remembered()
        #: Which texts and places the page has, by the names of the map's parts.
        self.sent = Remembered()
        # The index of one selected text and the fingerprint of its corpus; or several texts.
        self.selected, self.marked = Remembered(), self.panel.selected
        #: The query whose nearest texts are lit, and one that a link has the page ask.
        self.found, self.asking = Remembered(""), Remembered()
        #: How many links had changed what is selected when the map was drawn last.
        self.links, self.links_drawn = bench.links, Remembered(0)
        self.inputs = [self.field, self.n_neighbors, self.min_dist, *self.clusters.inputs]
        self.linked = {"neighbours": self.n_neighbors, "distance": self.min_dist}
        lists = [self.neighbours, self.quality, self.changed]
        drawings = [self.map, self.panel.block, *lists, *self.clusters.outputs]
        self.outputs = [
            self.look,
            *drawings,
            *self.chooser.outputs,
            self.field,
            self.file,
            self.code,
        ]
        self.outputs += self.atlas.outputs
        self.triggers = changes(self.inputs)
        lists = [self.neighbours, self.changed, self.clusters.moved]
        for trigger in (self.map.point_click, *(each.pick for each in lists)):
            self.on(bench, trigger, self._select, shown=self.shown, inputs={self.field})
        self.on(bench, self.map.cleared, self._clear, shown=self.shown)
        self.on(bench, self.map.find, self._find, shown=self.shown)
        MapLayers(self, bench)
        self.atlas.wire(self, bench)
        self.texts = MapTexts(self, bench)
        self.actions = self.texts.actions
        self.on(bench, self.map.save, self._save_map, shown=self.shown, inputs={self.field})
        self.on(bench, self.neighbours.save, self._save_list, shown=self.shown, inputs={self.field})
        save_clusters = self.clusters.flow.save
        self.on(bench, save_clusters, self._save_clusters, shown=self.shown, inputs={self.field})

    def show(self, pair: Pair, values: Values, report: Progress) -> Updates:
        """Both maps, the scores, and the texts with the neighbourhoods that changed most."""
        corpus, a, b = pair.corpus, pair.a, pair.b
        field = label_field(corpus, values[self.field])
        n_neighbors, min_dist = self.layout(values)
        maps = self.lab.maps(
            a, b, n_neighbors=n_neighbors, min_dist=min_dist, seed=pair.seed, progress=report
        )
        how = f", {n_neighbors} neighbours, least distance {min_dist:g}"
        caption = pair.caption(maps.method + (how if maps.method == "UMAP" else ""))
        selected = self.selected_index(pair, values)
        marked = shown_rows(values[self.marked], corpus, pair.kept)
        near_a, near_b = ([], []) if selected is None else map_lists.near(self.lab, pair, selected)
        note = f"{maps.method} of {corpus.size_note} texts"
        if maps.method == "PCA" and len(corpus.firsts) >= UMAP_MINIMUM:
            note += ", until UMAP is compiled"
        places, new = self._heavy(pair, maps, values[self.sent] or {})
        limits = html.caveats(a, b)
        clusters = self.clusters.show(pair, values, report)
        drawn = clusters[self.clusters.drawn]
        names = self.clusters.names(pair, report, drawn)
        seen = Values(values | {self.clusters.drawn: drawn, self.selected: values[self.selected]})
        controls, parts = self.texts.show(pair, seen, report)
        asking, found = values[self.asking], self._still_found(pair, values)
        if asking is not None:
            parts["found"] = map_asked(asking)
        neighbours: str
        if asking is None and found:
            parts["found"], neighbours = self._found(pair, found, report)
        elif selected is None:
            neighbours = map_lists.several(self.lab, pair, marked)
        else:
            neighbours = map_lists.neighbours(self.lab, pair, selected, field)
        return {
            self.map: map_update(
                points=map_points(
                    a=self._side(pair, 0, places["place_a"]["id"]),
                    b=self._side(pair, 1, places["place_b"]["id"]),
                    n=len(corpus.texts),
                    corpus=corpus.fingerprint,
                    method=maps.method,
                    note=note,
                    caption=caption,
                ),
                **parts,
                names=map_names(*names, n=len(corpus.texts)),
                selection={
                    **selection(selected, near_a, near_b, marked, n=len(corpus.texts)),
                    "linked": values[self.links_drawn] != values[self.links.changed],
                },
                **new,
            ),
            self.look: html.look_for(map_lists.what_to_look_for(self.lab, pair, field, report)),
            self.neighbours: neighbours,
            self.quality: html.joined(
                [
                    html.note([html.difference(a, b)]),
                    self._scores(pair, field, report),
                    html.note(limits),
                ]
            ),
            self.changed: map_lists.changed_most(self.lab, pair, report),
            **clusters,
            **controls,
            self.code: code.view_code(
                pair, "map", n_neighbors=n_neighbors, min_dist=min_dist, clustering=drawn[0]
            ),
            self.selected: (corpus.fingerprint, selected) if selected is not None else None,
            self.shown: pair.choice,
            self.drawn: (maps, caption),
            self.asking: None,
            self.links_drawn: values[self.links.changed],
            self.found: found if asking is None else asking,
            **self.atlas.outdated,
            self.sent: {"texts": corpus.fingerprint}
            | {name: part["id"] for name, part in places.items()},
        }

    def _still_found(self, pair: Pair, values: Values) -> str:
        """The query whose nearest texts stay lit: those under other designs are others."""
        before = values[self.shown]
        same = before is not None and before.corpus.key == pair.corpus.key
        models = same and before.backbone_ids == pair.backbone_ids
        found: str = values[self.found]
        return found if models and (before.a, before.b) == pair.designs else ""

    # Links

    def address(self, pair: Pair, values: Values, *, is_open: bool) -> dict[str, Any]:
        """The selected texts by their numbers, and the query that is asked."""
        index = self.selected_index(pair, values)
        rows = rows_of(values[self.marked], pair.corpus) if index is None else (index,)
        fields: dict[str, Any] = {}
        if source := self.panel.source(values):
            fields |= dict(zip(("corpus", "part"), source, strict=True))
        if rows:
            fields["sel"] = tuple(sorted(pair.corpus.rows[i] for i in rows))
        if is_open and values[self.found]:
            fields["q"] = one_line(values[self.found])
        return fields

    def link_controls(self, values: Values) -> dict[str, str]:
        """The settings of UMAP, and the colouring that somebody chose."""
        return self.texts.link_controls(values) | super().link_controls(values)

    def follow_link(
        self, address: Address, values: Values, said: list[str], *, is_open: bool
    ) -> Updates:
        """A link's colouring, and its query where the map is what it opens."""
        updates = self.texts.follow_link(address, values)
        return updates | ({self.asking: address.q} if is_open and address.q is not None else {})

    def pick_linked(
        self, corpus: Corpus, rows: Sequence[int], values: Values, corpus_id: str
    ) -> Updates:
        """The texts that were picked from a built-in corpus."""
        return self.panel.pick(corpus, rows, values, corpus_id)

    def select_linked(self, corpus: Corpus, rows: Sequence[int], values: Values) -> Updates:
        """One text as if its point had been clicked, several as a selection."""
        updates: Updates = {self.selected: None, self.marked: None}
        if len(rows) == 1:
            updates[self.selected] = (corpus.fingerprint, rows[0])
        elif rows:
            updates[self.marked] = Selected(
                fingerprint=corpus.fingerprint, rows=tuple(rows), words=LINKED
            )
        return updates

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

    def _heavy(
        self, pair: Pair, maps: Maps, sent: dict[str, str]
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """The places on both maps, and of these and the texts what the page has not got yet."""
        texts = pair.corpus.texts
        places = {
            "place_a": map_place(maps.a, len(texts), "A"),
            "place_b": map_place(maps.b, len(texts), "B"),
        }
        new = {name: part for name, part in places.items() if sent.get(name) != part["id"]}
        if sent.get("texts") != pair.corpus.fingerprint:
            new["texts"] = map_texts(texts)
        return places, new

    def _side(self, pair: Pair, number: int, place: str) -> MapSide:
        embedded = (pair.a, pair.b)[number]
        return MapSide(
            title=pair.names[number],
            place=place,
            key=self.key(embedded),
            layers=has_layers(embedded),
        )

    def selected_index(self, pair: Pair, values: Values) -> int | None:
        """The selected text, if it is one of this corpus and the filter leaves it.

        It survives a change of design and a new drawing, but not a change of the corpus.
        """
        fingerprint, index = values[self.selected] or ("", None)
        if index is None or fingerprint != pair.corpus.fingerprint:
            return None
        return index if pair.rows is None or index in pair.rows else None

    def _scores(self, pair: Pair, field: str, report: Progress) -> Any:
        """The figures of both designs, and beside them those of the texts that a filter leaves."""
        score_a, score_b = (
            views.quality(self.lab, side, field, report) for side in (pair.a, pair.b)
        )
        filtered = None
        if pair.kept:
            rows = pair.kept.rows
            a, b = (
                selections.quality_of(self.lab, side, field, rows, report)
                for side in (pair.a, pair.b)
            )
            filtered = (a, b, pair.kept.words)
        caption = pair.caption("Quality")
        return html.quality_table(score_a, score_b, field, pair.seed, caption, filtered)

    def _select(self, pair: Pair, values: Values, event: gr.EventData, report: Progress) -> Updates:
        index, corpus = event_index(event, len(pair.corpus.texts)), pair.corpus
        if index is None:
            return self._clear(pair, values, event, report)
        updates: Updates = {self.selected: (corpus.fingerprint, index), self.marked: None}
        updates[self.found] = ""
        now = Values(values | updates)
        near = map_lists.near(self.lab, pair, index)
        return updates | {
            self.map: map_update(
                selection=selection(index, *near, n=len(corpus.texts)),
                **self.texts.recoloured(pair, now, NEAR, report),
            ),
            self.neighbours: map_lists.neighbours(
                self.lab, pair, index, label_field(corpus, values[self.field])
            ),
            self.panel.block: self.texts.tools(pair, now, report),
        }

    def _clear(self, pair: Pair, values: Values, event: gr.EventData, report: Progress) -> Updates:
        return self.texts.selected(pair, values, (), "", report, drawn=True)

    def _find(self, pair: Pair, values: Values, event: gr.EventData, report: Progress) -> Updates:
        """The texts nearest to what was typed into the map's search, under both designs."""
        query = clean_text(str(event_data(event).get("query", "")))
        if not query.strip():
            return {self.found: ""}  # the search was ended
        found, lists = self._found(pair, query, report)
        now = Values(values | {self.query: query})
        colours = self.texts.recoloured(pair, now, QUERY, report)
        return {
            self.query: query,
            self.found: query,
            self.map: map_update(found=found, **colours),
            self.neighbours: lists,
        }

    def _found(self, pair: Pair, query: str, report: Progress) -> tuple[dict[str, Any], str]:
        """The texts nearest to a query under both designs: for the map, and in words."""
        hits = self.lab.retrieve(query, pair.a, pair.b, FOUND, report, pair.rows)
        lists = map(html.RESULTS.hits, "AB", pair.names, hits, "BA")
        near_a, near_b = ([hit.id for hit in side] for side in hits)
        return map_found(query, near_a, near_b), html.side_by_side(*lists)

    def _save_map(
        self, pair: Pair, values: Values, event: gr.EventData, report: Progress
    ) -> Updates:
        """The texts with their places, as they are drawn."""
        maps, caption = values[self.drawn]
        places = np.hstack([coordinates(xy, len(pair.corpus.texts)) for xy in (maps.a, maps.b)])
        axes = ("x under A", "y under A", "x under B", "y under B")
        table = corpus_rows(
            pair.corpus,
            field=label_field(pair.corpus, values[self.field]),
            more=axes,
            values=places.tolist(),
        )
        return {self.file: self._csv("map", table, caption)}

    def _save_list(
        self, pair: Pair, values: Values, event: gr.EventData, report: Progress
    ) -> Updates:
        """The selected text and its neighbours."""
        index = self.selected_index(pair, values)
        if index is None:
            raise EmbedLabError("Nothing is selected any more; click a point on the map.")
        field = label_field(pair.corpus, values[self.field])
        table = map_lists.neighbour_table(self.lab, pair, index, field)
        caption = pair.caption("A text and its neighbours")
        return {self.file: self._csv("neighbours", table, caption)}

    def _save_clusters(
        self, pair: Pair, values: Values, event: gr.EventData, report: Progress
    ) -> Updates:
        """The texts with their clusters under both designs."""
        field = label_field(pair.corpus, values[self.field])
        table = self.clusters.table(pair, values, report, field)
        return {self.file: html.saved("clusters.csv", table)}

    def _csv(self, name: str, table: tuple[list[str], list[list[Any]]], caption: str) -> Any:
        return html.saved(f"{name}.csv", csv_table(*table, caption=caption, verbatim=True))
