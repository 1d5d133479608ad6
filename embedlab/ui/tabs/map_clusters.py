"""The clusters below the maps: their names, how A's become B's, and the texts that moved."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeGuard

import gradio as gr
import numpy as np

from embedlab.analysis.cluster_flow import Flow
from embedlab.analysis.clusters import (
    COARSE,
    FINE,
    HDBSCAN,
    K_MEANS,
    LEVELS,
    METHODS,
    NOISE,
    Clustering,
    Clusters,
)
from embedlab.analysis.retrieval import Int64Array
from embedlab.errors import check_known
from embedlab.lab import clusters as lab_clusters
from embedlab.progress import Progress
from embedlab.render.csv_table import corpus_rows, csv_table
from embedlab.render.html import Macros, points
from embedlab.render.map_data import MapName
from embedlab.ui.shared import html
from embedlab.ui.shared.controls import Slider, changes
from embedlab.ui.shared.parse import event_data, within
from embedlab.ui.shared.session import Remembered, Updates, Values
from embedlab.ui.shared.view import Pair, Workbench
from embedlab.ui.tabs.linked_map import event_side

#: What the sliders offer; 0 stands for a proposal.
CLUSTERS, LEAST = (0, 60), (0, 100)
#: Texts that are listed as moved.
_MOST_MOVED = 30
_NO_CLUSTER = "in no cluster"
_ANY = -2  # in a stream's code: whatever the cluster
#: What stands on map A and on map B.
Names = tuple[list[MapName], list[MapName]]
_TEMPLATES = Macros("clusters.html")


@dataclass(frozen=True)
class Stream:
    """The texts that a cluster shares with one of the other design; ``code`` names both.

    ``matched`` says that this is the largest stream of both.
    """

    name: str
    size: int
    code: int
    matched: bool


@dataclass(frozen=True)
class Row:
    """A cluster with its streams, the largest first; ``spoken`` is what its mean says."""

    name: str
    spoken: str
    size: int
    code: int
    streams: list[Stream]

    @property
    def rest(self) -> int:
        """The texts of the streams that are not shown one by one."""
        return sum(stream.size for stream in self.streams[4:])


class ClusterPanel:
    """The controls of the clusters and what is shown of them; a part of the map tab.

    ``flow.pick`` selects the texts of a cluster or of a stream (:meth:`picked`), ``moved.pick`` one
    text, and ``flow.save`` asks for a file (:meth:`table`).
    """

    def __init__(self, bench: Workbench) -> None:
        self.lab = bench.lab
        with gr.Row(equal_height=True):
            self.method = gr.Radio(
                list(METHODS),
                value=K_MEANS,
                label="Clusters by",
                info="In the original space, never on the map.",
                min_width=220,
                elem_id="cluster-method",
            )
            self.k = Slider(
                *CLUSTERS, value=0, step=1, label="Clusters", info="0: as proposed", min_width=200
            )
            self.least = Slider(
                *LEAST,
                value=0,
                step=1,
                label="Texts of the smallest cluster",
                info="0: as proposed",
                visible=False,
                min_width=200,
            )
            self.level = gr.Radio(
                list(LEVELS),
                value=FINE,
                label="Level",
                info="Fine clusters, grouped into coarse ones.",
                min_width=220,
                elem_id="cluster-level",
            )
        self.flow = html.picking_block("cluster-flow")
        self.moved = html.picking_block("cluster-moved")
        self.drawn = Remembered()  # the clustering and the level that are on the screen
        self.inputs = [self.method, self.k, self.least, self.level]
        self.outputs = [self.flow, self.moved]
        self.triggers = changes(self.inputs)
        self.method.input(
            lambda method: (
                gr.update(visible=method == K_MEANS),
                gr.update(visible=method == HDBSCAN),
            ),
            self.method,
            [self.k, self.least],
            show_progress="hidden",
            queue=False,
            trigger_mode="multiple",
            api_visibility="private",
        )

    def read(self, values: Values, seed: int) -> tuple[Clustering, str]:
        """What the controls say: how to cluster, and the level.

        Raises:
            EmbedLabError: a value that the controls do not offer.
        """
        check_known(values[self.level], "a level of clusters", LEVELS)
        how = Clustering(
            method=values[self.method],
            k=int(within(values[self.k], "The number of clusters", *CLUSTERS)),
            least=int(within(values[self.least], "The smallest cluster", *LEAST)),
            seed=seed,
        )
        return how, values[self.level]

    def show(self, pair: Pair, values: Values, report: Progress) -> Updates:
        """The clusters of A and of B with their streams, and the texts that moved."""
        how, level = drawn = self.read(values, pair.seed)
        a, b, flow = self._found(pair, how, level, report)
        spoken = [
            lab_clusters.spoken_names(self.lab, side.embedded, how, level, report)
            for side in pair.sides
        ]
        back = {j: i for i, j in flow.matches.items()}
        sides = (
            ("A", pair.names[0], _rows(a, b, flow.table, flow.matches, spoken[0])),
            ("B", pair.names[1], _rows(b, a, flow.table.T, back, spoken[1], turned=True)),
        )
        notes = [f"{letter}: {each.note}" for letter, each in (("A", a), ("B", b)) if each.note]
        if level == COARSE and not (a.method.endswith("grouped") and b.method.endswith("grouped")):
            notes.append("Fewer than five clusters are not grouped; they are shown as they are.")
        astray = flow.moved
        if pair.rows is not None:
            astray = astray[np.isin(astray, pair.rows)]
        moved = [
            (i, a.names[a.labels[i]], b.names[b.labels[i]]) for i in astray[:_MOST_MOVED].tolist()
        ]
        return {
            self.flow: _TEMPLATES.flow(sides, _summary(a, b, flow), notes),
            self.moved: _TEMPLATES.moved(pair.corpus.texts, moved, len(astray)),
            self.drawn: drawn,
        }

    def names(self, pair: Pair, report: Progress, drawn: tuple[Clustering, str]) -> Names:
        """What stands on map A and on map B: coarse names, and finer ones for a closer look."""
        a, b = (
            _map_names(lab_clusters.clusters(self.lab, side, drawn[0], report))
            for side in (pair.a, pair.b)
        )
        return a, b

    def named(
        self, pair: Pair, values: Values, event: gr.EventData, report: Progress
    ) -> tuple[list[int], str]:
        """The texts of a name that was pressed on a map, and what they are; none without such."""
        side, data = event_side(event), event_data(event)
        if side is None or values[self.drawn] is None:
            return [], ""
        found = lab_clusters.clusters(
            self.lab, pair.a if side == "a" else pair.b, values[self.drawn][0], report
        )
        levels = [found] if found.coarse is None else [found.coarse, found]
        level, c = data.get("level"), data.get("key")
        if not (_is_number(level, len(levels)) and _is_number(c, len(levels[level]))):
            return [], ""
        chosen = np.flatnonzero(levels[level].labels == c).tolist()
        return chosen, f"{side.upper()}: {levels[level].names[c]}"

    def picked(
        self, pair: Pair, values: Values, event: gr.EventData, report: Progress
    ) -> tuple[list[int], str]:
        """The texts of what was pressed, a cluster or a stream, and what they are, in words.

        No texts where there is no such stream.
        """
        how, level = values[self.drawn]
        a, b, _ = self._found(pair, how, level, report)
        code = event_data(event).get("index")
        if not _is_number(code, (len(a) + 2) * (len(b) + 2)):
            return [], ""
        ends = [part - 2 for part in divmod(code, len(b) + 2)]
        inside = np.ones(len(a.labels), bool)
        words = []
        for letter, side, end in zip("AB", (a, b), ends, strict=True):
            if end != _ANY:
                inside &= side.labels == end
                words.append(f"{letter}: {_name(side, end)}")
        return np.flatnonzero(inside).tolist(), " and ".join(words)

    def table(self, pair: Pair, values: Values, report: Progress, field: str = "") -> str:
        """The texts with their clusters under A and under B as CSV, the coarse ones too."""
        how, _ = values[self.drawn]
        columns, names = [], []
        for side in pair.sides:
            found = lab_clusters.clusters(self.lab, side.embedded, how, report)
            for level in LEVELS if found.coarse is not None else (FINE,):
                each = found.at(level)
                names.append(f"{'' if level == FINE else 'coarse '}cluster under {side.letter}")
                columns.append([_name(each, c) if c >= 0 else "" for c in each.labels.tolist()])
        rows = list(zip(*columns, strict=True))
        table = corpus_rows(pair.corpus, field=field, more=names, values=rows)
        caption = pair.caption(f"Clusters by {how.method}")
        return csv_table(*table, caption=caption, verbatim=True)

    def _found(
        self, pair: Pair, how: Clustering, level: str, report: Progress
    ) -> tuple[Clusters, Clusters, Flow]:
        a, b = (
            lab_clusters.clusters(self.lab, side, how, report).at(level)
            for side in (pair.a, pair.b)
        )
        return a, b, lab_clusters.flow(self.lab, pair.a, pair.b, how, level, report)


def _map_names(found: Clusters) -> list[MapName]:
    levels = [found] if found.coarse is None else [found.coarse, found]
    return [
        MapName(text=name, at=int(at), size=int(size), level=level, key=c)
        for level, each in enumerate(levels)
        for c, (name, at, size) in enumerate(zip(each.names, each.medoids, each.sizes, strict=True))
    ]


def _is_number(value: Any, n: int) -> TypeGuard[int]:
    return type(value) is int and 0 <= value < n


def _name(clusters: Clusters, c: int) -> str:
    return _NO_CLUSTER if c == NOISE else clusters.names[c]


def _rows(
    own: Clusters,
    other: Clusters,
    table: Int64Array,
    matches: dict[int, int],
    spoken: tuple[str, ...],
    *,
    turned: bool = False,
) -> list[Row]:
    """The clusters of one side with what they share with the other's.

    ``table`` counts the texts of each pair of clusters, the own ones in its rows; ``turned`` says
    that these are B's.
    """
    most_b = (len(own) if turned else len(other)) + 2

    def code(i: int, j: int) -> int:
        return (j + 2) * most_b + i + 2 if turned else (i + 2) * most_b + j + 2

    rows = []
    for i in [*range(len(own)), NOISE]:
        ends = [NOISE if j == len(other) else j for j in np.argsort(-table[i], kind="stable")]
        streams = [
            Stream(_name(other, j), int(table[i, j]), code(i, j), matches.get(i) == j)
            for j in ends
            if table[i, j]
        ]
        if streams:
            size = sum(stream.size for stream in streams)
            words = spoken[i] if spoken and i != NOISE else ""
            rows.append(Row(_name(own, i), words, size, code(i, _ANY), streams))
    return rows


def _summary(a: Clusters, b: Clusters, flow: Flow) -> str:
    """How both were found, and how much they agree."""
    how = f"A: {a.method}. B: {b.method}. "
    if flow.v_measure is None or flow.rand is None:
        return how + "No text is in a cluster under both."
    return how + (
        f"Agreement over {flow.n:,} texts that are in a cluster under both, ×100: V-measure "
        f"{points(flow.v_measure)}, adjusted Rand index {points(flow.rand)}. "
        f"{len(flow.matches)} of A's {len(a)} clusters match one of B's (⇄): what they share is "
        "the largest part of both."
    )
