"""The map at every layer of one design: what its slider shows, plays and settles on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import gradio as gr

from embedlab.analysis import layer_maps as maps
from embedlab.analysis import projection
from embedlab.errors import EmbedLabError
from embedlab.lab import layer_maps
from embedlab.progress import Progress
from embedlab.render.map_data import map_frames, map_settled
from embedlab.ui.shared.parse import event_data, whole
from embedlab.ui.shared.session import Updates, Values
from embedlab.ui.shared.view import Pair, Workbench
from embedlab.ui.tabs.linked_map import event_side, map_update

if TYPE_CHECKING:
    from embedlab.ui.tabs.map import MapTab


class MapLayers:
    """Answers the two events of a map's layer slider: all layers, and the one it was left at."""

    def __init__(self, tab: MapTab, bench: Workbench) -> None:
        self.tab, self.lab = tab, bench.lab
        tab.on(bench, tab.map.layers, self._frames, shown=tab.shown)
        inputs = {tab.n_neighbors, tab.min_dist}
        tab.on(bench, tab.map.layer, self._settled, shown=tab.shown, inputs=inputs)

    def _frames(self, pair: Pair, values: Values, event: gr.EventData, report: Progress) -> Updates:
        side, number = self._side(event)
        embedded = pair.sides[number].embedded
        frames = layer_maps.layer_maps(self.lab, embedded, pair.seed, progress=report)
        layer = layer_maps.own_layer(embedded)
        if values[self.tab.drawn] is not None:
            drawn, _ = values[self.tab.drawn]
            frames = maps.turned_onto(frames, layer, (drawn.a, drawn.b)[number])
        sent = map_frames(
            side, self.tab.key(embedded), frames.xy, maps.notes(frames.cosines), layer=layer
        )
        return {self.tab.map: map_update(frames=sent)}

    def _settled(
        self, pair: Pair, values: Values, event: gr.EventData, report: Progress
    ) -> Updates:
        side, number = self._side(event)
        embedded = pair.sides[number].embedded
        layer = whole(event_data(event).get("layer"), "The layer")
        n_neighbors, min_dist = self.tab.layout(values)
        xy, method = layer_maps.settled_map(
            self.lab,
            embedded,
            layer,
            n_neighbors=n_neighbors,
            min_dist=min_dist,
            seed=pair.seed,
            warm=projection.is_warm(),
            progress=report,
        )
        sent = map_settled(side, self.tab.key(embedded), layer, xy, method)
        return {self.tab.map: map_update(settled=sent)}

    @staticmethod
    def _side(event: gr.EventData) -> tuple[str, int]:
        side = event_side(event)
        if side is None:
            raise EmbedLabError("A map's layers are asked for by its side, 'a' or 'b'.")
        return side, "ab".index(side)
