"""Figures of the Inside tab: layers, moved states, tokens, heads, the shape of a space."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import plotly.graph_objects as go

from embedlab.render.style import (
    DESIGN_A,
    DESIGN_B,
    DESIGNS,
    GREY,
    PALETTE,
    FloatArray,
    add_designs,
    faded,
    finish,
    heatmap,
    plotly_text,
    start,
)

#: A scale for movements and norms: both span many powers of ten.
_SEQUENTIAL = "Cividis"
#: From this ratio of the largest to the smallest number on, bars from 0 would hide the small ones.
LOG_SCALE_RATIO = 20


def layer_curves(
    curves: Sequence[tuple[str, FloatArray, FloatArray, FloatArray]],
    marks: Sequence[tuple[str, int, float]],
    *,
    score: str,
    caption: str,
) -> go.Figure:
    """A line per curve over layers 0 … L with its interval, and the layers of A and B.

    Args:
        curves: name, scores, and the interval's ends, (L + 1,) each; the ends may be NaN.
        marks: ``A`` or ``B``, a layer and the score there.
        score: the measure's name.
        caption: what was measured on.
    """
    figure = start("Quality by layer", caption)
    # One colour per pooling, one stroke per attention mode.
    poolings = list(dict.fromkeys(name.partition("/")[2] for name, *_ in curves))
    colours = [PALETTE[poolings.index(name.partition("/")[2]) % 6] for name, *_ in curves]
    for colour, (name, values, *_) in zip(colours, curves, strict=True):
        causal = name.startswith("causal")
        # Lines come first: a click names the curve by its trace's number.
        figure.add_scatter(
            x=np.arange(len(values)),
            y=100 * values,
            name=plotly_text(name),
            legendgroup=name,
            mode="lines+markers",
            line={"color": colour, "dash": "solid" if causal else "dot"},
            marker={"size": 6, "symbol": "circle" if causal else "diamond-open"},
            hovertemplate=f"layer %{{x}}: %{{y:.1f}}<extra>{plotly_text(name)}</extra>",
        )
    for colour, (name, _, low, high) in zip(colours, curves, strict=True):
        if np.isnan(low).all():
            continue
        layers = np.arange(len(low))
        figure.add_scatter(
            x=np.concatenate([layers, layers[::-1]]),
            y=100 * np.concatenate([high, low[::-1]]),
            legendgroup=name,
            showlegend=False,
            mode="none",
            fill="toself",
            fillcolor=faded(colour, 0.12),
            hoverinfo="skip",
        )
    for letter, layer, value in marks:
        figure.add_scatter(
            x=[layer],
            y=[100 * value],
            mode="markers+text",
            text=[letter],
            textposition="top center",
            marker={
                "size": 16,
                "color": "rgba(0,0,0,0)",
                "line": {"color": DESIGN_A if letter == "A" else DESIGN_B, "width": 3},
                "symbol": "circle" if letter == "A" else "square",
            },
            showlegend=False,
            hoverinfo="skip",
        )
    figure.update_xaxes(zeroline=False)
    below = 40 + 20 * len(curves)  # on a phone most curves take a line of the legend
    x, y = "Layer (0 is the embedding layer)", f"{score} ×100"
    return finish(figure, x=x, y=y, height=320 + below, margin_b=below)


def layer_measures(
    sides: Sequence[tuple[str, Sequence[FloatArray]]],
    titles: Sequence[str],
    *,
    caption: str,
) -> go.Figure:
    """A small plot a measure, each over layers 0 … L with a line for A and one for B.

    ``sides`` has A's name and its measures (L + 1,) each, in the order of ``titles``, then B's.
    """
    from plotly.subplots import make_subplots

    grid = make_subplots(rows=2, cols=2, subplot_titles=list(titles), vertical_spacing=0.16)
    figure = start("Layers without labels", caption)
    figure._grid_ref = grid._grid_ref
    figure.update_layout(grid.layout.to_plotly_json())
    for (letter, colour, dash), (name, measures) in zip(DESIGNS, sides, strict=False):
        for number, values in enumerate(measures):
            figure.add_scatter(
                x=np.arange(len(values)),
                y=values,
                row=number // 2 + 1,
                col=number % 2 + 1,
                name=f"{letter}: {plotly_text(name)}",
                legendgroup=letter,
                showlegend=number == 0,
                line={"color": colour, "dash": dash},
                hovertemplate=f"layer %{{x}}: %{{y:.3g}}<extra>{letter}</extra>",
            )
    return finish(figure, x="Layer", height=620, margin_b=100)


def unmasking(
    sides: Sequence[tuple[str, Sequence[int], Sequence[float]]], *, score: str, caption: str
) -> go.Figure:
    """A score over k, up to which attention is causal: a line for A and one for B."""
    figure = start("Causal up to layer k, bidirectional above", caption)
    lines = [(name, list(layers), [100 * s for s in scores]) for name, layers, scores in sides]
    add_designs(figure, lines, "k = %{x}: %{y:.1f}", mode="lines+markers")
    return finish(figure, x="k (0: bidirectional, L: causal)", y=f"{score} ×100", height=380)


def movement_heatmap(
    moved: FloatArray, tokens_a: Sequence[str], tokens_b: Sequence[str], changed: int, title: str
) -> go.Figure:
    """How far each hidden state moved, on a logarithmic scale; empty where it did not.

    ``moved`` has relative distances, (L + 1, s); ``changed`` is the first column whose token
    differs between the two texts.
    """
    positions = np.arange(moved.shape[1])
    with np.errstate(divide="ignore"):
        powers = np.where(moved > 0, np.log10(moved), np.nan)
    names = [
        plotly_text(a) if a == b else f"{plotly_text(a)} → {plotly_text(b)}"
        for a, b in zip(tokens_a, tokens_b, strict=True)
    ]
    figure = heatmap(
        title,
        "empty: not moved at all",
        "Relative movement, power of ten",
        z=powers,
        x=positions,
        y=np.arange(moved.shape[0]),
        zmin=-4,
        zmax=0,
        customdata=moved,
        text=np.tile(np.array(names, dtype=object), (moved.shape[0], 1)),
        hovertemplate="%{text}<br>layer %{y}: moved %{customdata:.2g}<extra></extra>",
        hoverongaps=False,
        colorscale=_SEQUENTIAL,
    )
    figure.add_vline(x=changed - 0.5, line={"color": GREY, "width": 2, "dash": "dash"})
    figure.update_xaxes(tickvals=positions, ticktext=names, tickangle=-60)
    figure.update_yaxes(title="Layer")
    return figure.update_layout(height=480, margin={"l": 52, "r": 12, "b": 170})


def token_bars(
    sides: Sequence[tuple[str, Sequence[str], FloatArray]], *, title: str, unit: str
) -> go.Figure:
    """One number per token under A and under B.

    The axis starts at 0, or is logarithmic where positive numbers span more than
    :data:`LOG_SCALE_RATIO`, as norms do at an attention sink. ``sides`` has a design's name, its
    tokens, and their numbers (s,).
    """
    figure = start(title, f"{len(sides[0][1])} tokens")
    least, most = (end([end(values) for *_, values in sides]) for end in (np.min, np.max))
    wide = least > 0 and most / least > LOG_SCALE_RATIO
    for (letter, colour, _), (name, tokens, values) in zip(DESIGNS, sides, strict=False):
        figure.add_bar(
            x=np.arange(len(values)),
            y=values,
            name=f"{letter}: {plotly_text(name)}",
            marker={"color": colour, "pattern": {"shape": "" if letter == "A" else "/"}},
            customdata=[plotly_text(token) for token in tokens],
            hovertemplate="%{customdata}: %{y:.3g}<extra>" + letter + "</extra>",
        )
    tokens = sides[0][1]
    figure.update_xaxes(
        tickvals=np.arange(len(tokens)),
        ticktext=[plotly_text(token) for token in tokens],
        tickangle=-60,
        showgrid=False,
    )
    if wide:
        # From a whole power of ten on, so that the bars' lengths can be compared.
        decades = [np.floor(np.log10(least)), np.log10(most) + 0.1]
        figure.update_yaxes(type="log", range=decades)
        unit = f"{unit}, log scale"
    return finish(figure, x="", y=unit, height=360, barmode="group")


def head_lines(
    letter: str,
    lines: Sequence[tuple[str, FloatArray]],
    *,
    first: int,
    axis: str,
    title: str,
    caption: str,
) -> go.Figure:
    """Attention weights over layers, tokens or latents, one line each; every line sums to 1.

    Args:
        letter: ``A`` or ``B``: one line alone has the design's colour.
        lines: a name and its weights (s,).
        first: the number of the first position: layers count from 1.
        axis: what the x axis counts.
        caption: what was averaged over.
    """
    figure = start(title, caption)
    alone = len(lines) == 1
    colour = DESIGN_A if letter == "A" else DESIGN_B
    for i, (name, weights) in enumerate(lines):
        figure.add_scatter(
            x=np.arange(first, first + len(weights)),
            y=100 * weights,
            name=plotly_text(name),
            mode="lines+markers",
            line_color=colour if alone else PALETTE[i % 8],
            marker={"size": 5, "symbol": i % 8},
            hovertemplate=f"{axis.lower()} %{{x}}: %{{y:.2f}} %<extra>{plotly_text(name)}</extra>",
        )
    figure.update_yaxes(rangemode="tozero")
    below = 56 if alone else 130
    return finish(figure, x=axis, y="Attention, %", height=250 + below, margin_b=below)


def explained_variance(sides: Sequence[tuple[str, FloatArray]], n: int) -> go.Figure:
    """The share of the variance that the first components explain together, under A and B."""
    figure = start("Variance explained", f"n = {n:,} texts")
    lines = [
        (name, np.arange(1, len(shares) + 1), 100 * np.cumsum(shares)) for name, shares in sides
    ]
    add_designs(figure, lines, "first %{x}: %{y:.1f} %")
    figure.update_yaxes(range=[0, 101])
    return finish(figure, x="Principal components", y="Variance, %", height=360)


def occurrences(sides: Sequence[tuple[str, npt.NDArray[np.int64]]], k: int) -> go.Figure:
    """How often a text is among the k nearest of another: a long tail means hubs."""
    figure = start(f"{k}-occurrence of the texts", f"n = {len(sides[0][1]):,} texts")
    shares = [(name, 100 * np.bincount(counts) / len(counts)) for name, counts in sides]
    lines = [(name, np.arange(len(share)), share) for name, share in shares]
    hover = "%{y:.1f} % of the texts %{x} times"
    add_designs(figure, lines, hover, line_shape="hvh", fill="tozeroy")
    figure.update_yaxes(rangemode="tozero")
    return finish(figure, x=f"Times among the {k} nearest", y="Share of texts, %", height=360)
