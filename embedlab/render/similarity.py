"""Figures of similarities: heatmaps, their difference, histograms."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import plotly.graph_objects as go

from embedlab.errors import EmbedLabError
from embedlab.render.style import (
    DESIGNS,
    FloatArray,
    add_designs,
    finish,
    heatmap,
    plotly_text,
    start,
    wrapped,
)
from embedlab.text import shorten

SIMILARITY_SCALE = "Cividis"
# From design A's blue over near-white to design B's orange, both ends about equally dark.
DIFFERENCE_SCALE = (
    (0.0, "#005A8C"),
    (0.25, "#4A9CCB"),
    (0.5, "#F4F4F4"),
    (0.75, "#EDB23F"),
    (1.0, "#A86500"),
)
_BINS = 50
_HOVER_WIDTH = 42  # characters; wider would be cut off on a phone
_ROW, _LEAST_HEIGHT = 14, 332  # pixels: of a row with its label, and of all rows


@dataclass(frozen=True, kw_only=True)
class Scale:
    """What the colours of a heatmap say: the title of the colour bar, and of differences."""

    unit: str
    difference: str


#: By the names that :func:`embedlab.lab.views.similarities` takes; all numbers are ×100.
SCALES = {
    "cosine": Scale(unit="Cosine ×100", difference="B − A, ×100"),
    "rank": Scale(unit="Less similar pairs, %", difference="B − A, percentage points"),
    "centred": Scale(unit="Centred cosine ×100", difference="B − A, centred, ×100"),
}


@dataclass(frozen=True, kw_only=True, eq=False)
class Cells:
    """What the heatmaps of n texts share.

    ``cosines`` (n, n, 2) are those under A and under B, for the tooltips; ``starts`` are the places
    at which blocks of texts begin, which lines divide.
    """

    texts: Sequence[str]
    cosines: FloatArray | None = None
    starts: Sequence[int] = (0,)
    scale: Scale = SCALES["cosine"]


def similarity_heatmap(
    matrix: FloatArray, cells: Cells, title: str, zmin: float, zmax: float
) -> go.Figure:
    """Similarities of n texts, ×100, on a perceptual scale with the limits given.

    Args:
        matrix: (n, n), what the colours say, -1 … 1.
        cells: the n texts and what else the cells have.
        title: the design's name.
        zmin: the lowest value of the scale; both heatmaps of a pair need the same limits.
        zmax: the highest value of the scale.

    Raises:
        EmbedLabError: the matrix does not have one row and one column per text.
    """
    figure = _heatmap(matrix, cells, title, cells.scale.unit, "%{z:.1f}", "#FFFFFF")
    return figure.update_traces(colorscale=SIMILARITY_SCALE, zmin=100 * zmin, zmax=100 * zmax)


def difference_heatmap(matrix: FloatArray, cells: Cells, title: str) -> go.Figure:
    """Differences, B − A, (n, n), ×100: blue where A is higher, orange where B is.

    Raises:
        EmbedLabError: the matrix does not have one row and one column per text.
    """
    figure = _heatmap(matrix, cells, title, cells.scale.difference, "%{z:+.1f}", "#333333")
    limit = float(np.nanmax(np.abs(matrix), initial=0.0)) * 100 or 1.0
    return figure.update_traces(colorscale=DIFFERENCE_SCALE, zmin=-limit, zmax=limit, zmid=0)


def similarity_histogram(
    sims_a: FloatArray, sims_b: FloatArray, name_a: str, name_b: str
) -> go.Figure:
    """The distribution of pairwise cosines under two designs, (pairs,), ×100, with their means.

    Raises:
        EmbedLabError: there is no pair to show.
    """
    a, b = (100 * np.asarray(sims, dtype=float).ravel() for sims in (sims_a, sims_b))
    if not (a.size and b.size):
        raise EmbedLabError("There are no pairs of texts to count; give at least two texts.")
    both = np.concatenate([a, b])
    edges = np.linspace(both.min() - 0.5, both.max() + 0.5, _BINS + 1)
    figure = start("Cosines of all pairs", f"n = {_pairs(a.size, b.size)}")
    lines = [
        (
            f"{name} · mean {values.mean():.1f}, SD {values.std():.1f}",
            edges,
            np.append(100 * np.histogram(values, edges)[0] / values.size, 0.0),
        )
        for name, values in ((name_a, a), (name_b, b))
    ]
    hover = "%{y:.1f} % of the pairs from %{x:.1f}"
    add_designs(figure, lines, hover, line_shape="hv", fill="tozeroy")
    for (letter, colour, dash), values in zip(DESIGNS, (a, b), strict=True):
        figure.add_vline(
            x=values.mean(),
            line={"color": colour, "dash": dash, "width": 1.5},
            # Above the curves, and A above B, so that close means can be told apart.
            annotation={
                "text": f"mean {letter} {values.mean():.1f}",
                "yshift": 15 if letter == "A" else 0,
                "xanchor": "center",
                "yanchor": "bottom",
            },
        )
    figure.update_xaxes(zeroline=False)
    figure.update_yaxes(rangemode="tozero")
    x, y = "Cosine ×100", "Share of pairs, %"
    more = 17 * sum(trace.name.count("<br>") for trace in figure.data)  # lines of the legend
    return finish(figure, x=x, y=y, height=340 + more, margin_b=88 + more, margin_t=92)


def _heatmap(
    matrix: FloatArray, cells: Cells, title: str, unit: str, number: str, line: str
) -> go.Figure:
    values = np.asarray(matrix, dtype=float)
    n = len(cells.texts)
    if values.shape != (n, n):
        raise EmbedLabError(
            f"The matrix is {values.shape} but there are {n} texts; give one row and column each."
        )
    # The texts are the axes' categories, so that hovering can show them whole without a copy for
    # every cell; the short labels along the axes are annotations. The number distinguishes equal
    # texts.
    texts = [f"{i}. {wrapped(label, _HOVER_WIDTH)}" for i, label in enumerate(cells.texts, 1)]
    hover, more = f"{unit.partition(',')[0]}: {number}", {}
    if cells.cosines is not None:
        # Nested lists: plotly draws no typed arrays of three dimensions.
        more["customdata"] = np.round(100 * cells.cosines, 1).tolist()
        hover += "<br>cosine A %{customdata[0]:.1f} · B %{customdata[1]:.1f}"
    figure = heatmap(
        title,
        f"n = {n} {'text' if n == 1 else 'texts'}",
        unit,
        z=100 * values,
        x=texts,
        y=texts,
        hovertemplate=f"{hover}<br><br>%{{y}}<br><br>%{{x}}<extra></extra>",
        **more,
    )
    axis = {"showticklabels": False, "ticks": "", "type": "category"}
    figure.update_xaxes(**axis, title={"text": "Text number", "standoff": 22})
    figure.update_yaxes(**axis, autorange="reversed")
    for place in cells.starts[1:]:
        border = {"color": line, "width": 1.5}
        figure.add_vline(x=place - 0.5, line=border).add_hline(y=place - 0.5, line=border)
    # A row is as high as its label needs, at any number of texts.
    height = max(_LEAST_HEIGHT, n * _ROW)
    margin = {"l": 136, "r": 12, "t": figure.layout.margin.t, "b": 104}
    return figure.update_layout(
        annotations=_axis_labels(cells.texts),
        height=height + margin["t"] + margin["b"],
        margin=margin,
    )


def _axis_labels(labels: Sequence[str]) -> list[dict[str, Any]]:
    """Along y the number and the short text; along x the number, thinned out where it is tight."""
    plain = {"showarrow": False, "font": {"size": 11}}
    step = max(1, -(-len(labels) // 12))
    rows = [
        {"x": 0, "xref": "paper", "xanchor": "right", "y": i, "yref": "y", "xshift": -4}
        | {"text": f"{plotly_text(shorten(label, 16))} {i + 1}"}
        for i, label in enumerate(labels)
    ]
    columns = [
        {"y": 0, "yref": "paper", "yanchor": "top", "x": i, "xref": "x", "text": str(i + 1)}
        for i in range(0, len(labels), step)
    ]
    return [plain | label for label in [*rows, *columns]]


def _pairs(a: int, b: int) -> str:
    return f"{a:,} pairs" if a == b else f"{a:,} pairs (A), {b:,} pairs (B)"
