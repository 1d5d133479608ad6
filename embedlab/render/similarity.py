"""Figures of similarities: heatmaps, their difference, histograms."""

from __future__ import annotations

from collections.abc import Sequence
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


def similarity_heatmap(
    matrix: FloatArray, labels: Sequence[str], title: str, zmin: float, zmax: float
) -> go.Figure:
    """Cosines between n texts, ×100, on a perceptual scale with the limits given.

    Args:
        matrix: (n, n) cosines, -1 … 1.
        labels: the n texts.
        title: the design's name.
        zmin: lowest cosine of the scale; both heatmaps of a pair need the same limits.
        zmax: highest cosine of the scale.

    Raises:
        EmbedLabError: the matrix does not have one row and one column per text.
    """
    figure = _heatmap(matrix, labels, title, "Cosine ×100", "%{z:.1f}")
    return figure.update_traces(colorscale=SIMILARITY_SCALE, zmin=100 * zmin, zmax=100 * zmax)


def difference_heatmap(matrix: FloatArray, labels: Sequence[str], title: str) -> go.Figure:
    """Differences of cosines, B − A, (n, n), ×100: blue where A is higher, orange where B is.

    Raises:
        EmbedLabError: the matrix does not have one row and one column per text.
    """
    figure = _heatmap(matrix, labels, title, "B − A, ×100", "%{z:+.1f}")
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
    return finish(figure, x=x, y=y, height=340, margin_b=88, margin_t=92)


def _heatmap(
    matrix: FloatArray, labels: Sequence[str], title: str, unit: str, number: str
) -> go.Figure:
    values = np.asarray(matrix, dtype=float)
    n = len(labels)
    if values.shape != (n, n):
        raise EmbedLabError(
            f"The matrix is {values.shape} but there are {n} texts; give one row and column each."
        )
    # The texts are the axes' categories, so that hovering can show them whole without a copy for
    # every cell; the short labels along the axes are annotations. The number distinguishes equal
    # texts.
    texts = [f"{i}. {wrapped(label, _HOVER_WIDTH)}" for i, label in enumerate(labels, 1)]
    figure = heatmap(
        title,
        f"n = {n} {'text' if n == 1 else 'texts'}",
        unit,
        z=100 * values,
        x=texts,
        y=texts,
        hovertemplate=f"{number}<br><br>%{{y}}<br><br>%{{x}}<extra></extra>",
    )
    size = max(7, min(11, 330 // max(n, 1)))
    height = 500 + 6 * min(max(n - 30, 0), 60)  # so that the rows' labels do not overlap
    axis = {"showticklabels": False, "ticks": "", "type": "category"}
    figure.update_xaxes(**axis, title={"text": "Text number", "standoff": 22})
    figure.update_yaxes(**axis, autorange="reversed")
    margin = {"l": 136, "r": 12, "b": 104}
    return figure.update_layout(
        annotations=_axis_labels(labels, size), height=height, margin=margin
    )


def _axis_labels(labels: Sequence[str], size: int) -> list[dict[str, Any]]:
    """Along y the number and the short text; along x the number, thinned out where it is tight."""
    plain = {"showarrow": False, "font": {"size": size}}
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
