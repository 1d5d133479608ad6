"""What chooses texts on the map: colours, legend, names, lasso and the control beside it.

A choice either filters, which holds in every tab, or selects, for the panel below the map.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import gradio as gr
import numpy as np
from markupsafe import Markup

from embedlab.analysis.colouring import Colouring
from embedlab.analysis.filtering import narrowed
from embedlab.data.corpus import Corpus
from embedlab.errors import EmbedLabError
from embedlab.lab import colourings
from embedlab.lab.address import Address
from embedlab.lab.colourings import LABEL, NEAR, Context
from embedlab.progress import Progress
from embedlab.render.map_data import coordinates, map_colouring, map_kept
from embedlab.text import escape, one_line, shorten
from embedlab.ui.shared.session import Action, Remembered, Updates, Values
from embedlab.ui.shared.view import Pair, Workbench
from embedlab.ui.tabs import map_lists
from embedlab.ui.tabs.linked_map import (
    event_hidden,
    event_indices,
    map_update,
    selection,
)
from embedlab.ui.tabs.selection import shown_rows
from embedlab.ui.tabs.text_chooser import hidden_categories, without_categories

if TYPE_CHECKING:
    from embedlab.ui.tabs.map import MapTab

#: What a lasso, a box and a search on the map select, in words.
MARKED = "marked on the map"


class MapTexts:
    """Answers the events of the map tab that choose texts, and colours the points."""

    def __init__(self, tab: MapTab, bench: Workbench) -> None:
        self.tab, self.lab, self.bench = tab, bench.lab, bench
        self.chooser, self.panel = tab.chooser, tab.panel
        #: The key of the colouring that is drawn.
        self.coloured = Remembered("")
        #: What the corpus that was drawn last was coloured by at first.
        self.first = Remembered("")
        #: The colouring that a link names, and what the dropdown said then: a later choice counts.
        self.linked = Remembered()
        asked = {*self.chooser.inputs, tab.field}
        block = self.panel.block
        for trigger, handler in (
            (tab.map.lasso, self._lasso),
            (tab.map.name_click, self._name),
            (tab.clusters.flow.pick, self._stream),
            (self.chooser.by.input, self._asked),
            (self.chooser.select.click, self._select),
            (block.compare, self._compare),
            (block.forget, self._forget),
            (block.deselect, self._deselect),
            (block.download, self._download),
        ):
            tab.on(bench, trigger, handler, shown=tab.shown, inputs=asked)
        self.actions = [
            *self.panel.actions,
            Action(trigger=tab.map.legend, run=self._legend),
            Action(trigger=self.chooser.only.click, run=self._only, inputs=self.chooser.inputs),
        ]

    # Colours

    def context(self, pair: Pair, values: Values) -> Context:
        """What the colourings of a view need besides its designs."""
        index = self.tab.selected_index(pair, values)
        query = values[self.bench.query]
        drawn = values[self.tab.clusters.drawn]
        if drawn is None:
            return Context(selected=index, query=query)
        return Context(selected=index, query=query, clustering=drawn[0], level=drawn[1])

    def colouring(self, pair: Pair, key: str, values: Values, report: Progress) -> Colouring:
        """One of the colourings of what is shown."""
        context = self.context(pair, values)
        return colourings.colouring(self.lab, key, pair.a, pair.b, context, report)

    def show(self, pair: Pair, values: Values, report: Progress) -> tuple[Updates, dict[str, Any]]:
        """Updates of the controls, and the parts of the map that are colours and filters."""
        field, corpus = self.tab.field, pair.corpus
        offered = colourings.offered(self.lab, pair.a, pair.b, report)
        first, key = colourings.first_key(corpus), values[field]
        if (named := values[self.linked]) and named[1] == key:
            key = self._named(named[0], offered)
        # What nobody chose does not outlive its corpus: labels are shown where there are some.
        if key not in offered or key == values[self.first]:
            key = first
        by = self.colouring(pair, key, values, report)
        mask = None
        if pair.kept:
            mask = np.zeros(len(corpus.texts), bool)
            mask[list(pair.kept.rows)] = True
        hidden = hidden_categories(pair.kept, key, by)
        updates = {
            field: gr.update(choices=[(title, k) for k, title in offered.items()], value=key),
            self.coloured: key,
            self.first: first,
            self.linked: None,
            self.panel.block: self.tools(pair, values, report),
            **self.chooser.offer(
                pair, offered, values, lambda key: self.colouring(pair, key, values, report)
            ),
        }
        return updates, {"colouring": map_colouring(by, hidden), "kept": map_kept(mask)}

    @staticmethod
    def _named(key: str, offered: Mapping[str, str]) -> str:
        """A link's colouring; a word where these texts have none of that name."""
        if key not in offered:
            gr.Info(f"The link names a colouring that is not here: “{escape(shorten(key, 40))}”.")
        return key

    def link_controls(self, values: Values) -> dict[str, str]:
        """The colouring, if it is not the one that the texts have at first."""
        key = values[self.coloured]
        return {"colour": one_line(key)} if key != values[self.first] else {}

    def follow_link(self, address: Address, values: Values) -> Updates:
        """The colouring that a link names: which there are is known once the map is drawn."""
        key = dict(address.controls).get("colour")
        return {} if key is None else {self.linked: (key, values[self.tab.field])}

    def recoloured(
        self, pair: Pair, values: Values, start: str, report: Progress
    ) -> dict[str, Any]:
        """The map's colours anew, where it is coloured by something that starts like this."""
        key = values[self.coloured]
        if not key.startswith(start):
            return {}
        by = self.colouring(pair, key, values, report)
        return {"colouring": map_colouring(by, hidden_categories(pair.kept, key, by))}

    # Filters

    def _drawn(self, values: Values, report: Progress) -> Pair:
        choice = values[self.tab.shown]
        if choice is None:
            raise EmbedLabError("This was drawn too long ago; change a setting to draw it again.")
        return self.bench.embedded(choice, report)

    def _legend(self, values: Values, report: Progress, event: gr.EventData) -> Updates:
        pair, key = self._drawn(values, report), values[self.coloured]
        by = self.colouring(pair, key, values, report)
        hidden = event_hidden(event, len(by.names))
        title = colourings.measured_under(key, pair.names, by.title)
        condition = without_categories(key, by, hidden, title)
        if condition is None:
            return {self.bench.kept: pair.kept.without(key) if pair.kept else None}
        return {self.bench.kept: narrowed(pair.corpus, pair.kept, condition)}

    def _only(self, values: Values, report: Progress, _: gr.EventData) -> Updates:
        pair = self._drawn(values, report)
        condition = self.chooser.condition(pair, values, self.context(pair, values), report)
        return {self.bench.kept: narrowed(pair.corpus, pair.kept, condition)}

    def _asked(self, pair: Pair, values: Values, _: gr.EventData, report: Progress) -> Updates:
        return self.chooser.asked(pair, values, self.context(pair, values), report)

    # Selections

    def tools(self, pair: Pair, values: Values, report: Progress) -> Markup:
        """The panel of the selection."""
        return self.panel.html(pair, values, self.context(pair, values), report)

    def selected(
        self,
        pair: Pair,
        values: Values,
        rows: Sequence[int],
        words: str,
        report: Progress,
        *,
        drawn: bool = False,
    ) -> Updates:
        """The updates that select texts, of which the filter may hide some; none selects nothing.

        Where the map has ``drawn`` the selection already it is not sent again: the visitor may have
        selected something else since.
        """
        updates = self.panel.select(pair, rows, words)
        values = Values(values | updates | {self.tab.selected: None})
        shown = shown_rows(values[self.panel.selected], pair.corpus, pair.kept)
        parts = self.recoloured(pair, values, NEAR, report)
        if not drawn:
            parts["selection"] = selection(lasso=shown, n=len(pair.corpus.texts))
        return updates | {
            self.tab.selected: None,
            self.tab.found: "",
            self.panel.block: self.tools(pair, values, report),
            self.tab.neighbours: map_lists.several(self.lab, pair, shown),
            **({self.tab.map: map_update(**parts)} if parts else {}),
        }

    def _lasso(self, pair: Pair, values: Values, event: gr.EventData, report: Progress) -> Updates:
        rows = event_indices(event, len(pair.corpus.texts))
        return self.selected(pair, values, rows, MARKED, report, drawn=True)

    def _name(self, pair: Pair, values: Values, event: gr.EventData, report: Progress) -> Updates:
        """The texts of a cluster whose name was pressed on a map."""
        rows, words = self.tab.clusters.named(pair, values, event, report)
        return self.selected(pair, values, rows, f"cluster of {words}", report)

    def _stream(self, pair: Pair, values: Values, event: gr.EventData, report: Progress) -> Updates:
        """The texts of a cluster, or those that two clusters share."""
        rows, words = self.tab.clusters.picked(pair, values, event, report)
        return self.selected(pair, values, rows, f"cluster of {words}", report)

    def _select(self, pair: Pair, values: Values, _: gr.EventData, report: Progress) -> Updates:
        condition = self.chooser.condition(pair, values, self.context(pair, values), report)
        rows = sorted({*condition.rows} & {*(pair.rows or condition.rows)})
        if not rows:
            among = " that the filter leaves" if pair.kept else ""
            raise EmbedLabError(f"There is no text{among} with {condition.words}.")
        return self.selected(pair, values, rows, condition.words, report)

    def _deselect(self, pair: Pair, values: Values, _: gr.EventData, report: Progress) -> Updates:
        return self.selected(pair, values, (), "", report)

    def _compare(self, pair: Pair, values: Values, _: gr.EventData, report: Progress) -> Updates:
        updates = self.panel.compare(pair, values)
        return updates | {self.panel.block: self.tools(pair, Values(values | updates), report)}

    def _forget(self, pair: Pair, values: Values, _: gr.EventData, report: Progress) -> Updates:
        updates: Updates = {self.panel.first: None}
        return updates | {self.panel.block: self.tools(pair, Values(values | updates), report)}

    def _download(
        self, pair: Pair, values: Values, event: gr.EventData, report: Progress
    ) -> Updates:
        maps, _ = values[self.tab.drawn]
        places = [coordinates(xy, len(pair.corpus.texts)) for xy in (maps.a, maps.b)]
        field = label_field(pair.corpus, values[self.coloured])
        return {self.tab.file: self.panel.file(pair, values, event, places, field)}


def label_field(corpus: Corpus, key: str | None) -> str:
    """The labels of a view: those that it is coloured by, else the corpus's first; "" for none."""
    name = (key or "").removeprefix(LABEL)
    chosen = key == LABEL + name and name in corpus.fields
    return name if chosen else next(iter(corpus.fields), "")
