"""Figures of a training: its curves, and how the texts moved from before to after."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go

from embedlab.errors import EmbedLabError
from embedlab.render.style import (
    GREY,
    PALETTE,
    FloatArray,
    categories,
    category_style,
    faded,
    finish,
    plotly_text,
    start,
    wrapped,
)
from embedlab.text import shorten
from embedlab.training.history import Step

#: Points of a movement map; more lines than this cannot be distinguished.
MAX_MOVEMENTS = 400
#: Legends with more names than this cover the map on a phone; hovering still shows the label.
_MAX_LEGEND_NAMES = 10
_PHASES = {
    "contrastive": ("loss", PALETTE[0], "solid", "circle"),
    "mntp": ("MNTP loss", PALETTE[5], "dot", "diamond-open"),
}


def loss_curve(history: Sequence[Step], total: int, *, held_out: int) -> go.Figure:
    """The loss of every step above, the held-out score ×100 below, over the same steps.

    ``total`` counts the steps of both phases, done or not; ``held_out`` the pairs of the score.
    """
    figure = start("Loss and held-out score", f"held-out n = {held_out:,} pairs")
    for phase, (name, colour, dash, symbol) in _PHASES.items():
        steps = [s for s in history if s.phase == phase and s.loss is not None]
        if steps:
            figure.add_scatter(
                x=[s.number for s in steps],
                y=[s.loss for s in steps],
                name=name,
                mode="lines+markers" if len(steps) <= 60 else "lines",
                line={"color": colour, "dash": dash},
                marker={"size": 5, "symbol": symbol},
                hovertemplate=f"step %{{x}}: {name} %{{y:.3f}}<extra></extra>",
            )
    scored = [(s.number, 100 * s.held_out) for s in history if s.held_out is not None]
    figure.add_scatter(
        x=[number for number, _ in scored],
        y=[score for _, score in scored],
        name="held-out score",
        yaxis="y2",
        mode="lines+markers",
        line={"color": PALETTE[1], "dash": "dash"},
        marker={"size": 8, "symbol": "square"},
        hovertemplate="step %{x}: held-out score %{y:.1f}<extra></extra>",
    )
    _over_steps(figure, total, 440, "Loss (InfoNCE, nats)")
    return figure.update_layout(
        yaxis_domain=[0.46, 1],
        yaxis2={"title": "MRR ×100", "domain": [0, 0.36]},
        xaxis_anchor="y2",
    )


def learning_rate_curve(history: Sequence[Step], total: int) -> go.Figure:
    """The learning rate that every step used."""
    rates = [(s.number, s.lr) for s in history if s.number]
    figure = _step_curve("Learning rate", rates, "%{y:.2e}", PALETTE[3])
    figure.update_yaxes(exponentformat="e")
    return _over_steps(figure, total, 300, "Learning rate")


def speed_curve(history: Sequence[Step], total: int) -> go.Figure:
    """Tokens trained on in a second, step by step, and their mean."""
    steps = [s for s in history if s.number]
    speeds = [(s.number, s.tokens_per_second) for s in steps]
    figure = _step_curve("Speed", speeds, "%{y:,.0f} tokens/s", PALETTE[2])
    if seconds := sum(s.seconds for s in steps):
        mean = sum(s.tokens for s in steps) / seconds
        figure.add_hline(
            y=mean,
            line={"color": GREY, "dash": "dash", "width": 1.5},
            annotation={"text": f"mean {mean:,.0f}", "font": {"size": 12}},
        )
    return _over_steps(figure, total, 300, "Tokens/s")


def movement_map(
    before: FloatArray,
    after: FloatArray,
    labels: Sequence[str | None] | None,
    texts: Sequence[str],
    *,
    method: str,
) -> go.Figure:
    """Two aligned maps as one: every text from where it was, hollow, to where it is now, filled.

    Args:
        before: (n, 2) positions.
        after: (n, 2) positions in the same frame.
        labels: the n texts' labels, which colour them; None for none.
        method: of projection, such as ``UMAP``.

    Raises:
        EmbedLabError: there are not as many positions as texts.
    """
    n = len(texts)
    old, new = np.asarray(before, dtype=float), np.asarray(after, dtype=float)
    if old.shape != (n, 2) or new.shape != (n, 2) or len(labels or texts) != n:
        raise EmbedLabError(
            f"The maps have {len(old)} and {len(new)} points, but there are {n} texts; give one "
            "position and one label each."
        )
    chosen = shown_points(n)
    share = f"{len(chosen):,} of {n:,}" if len(chosen) < n else f"{n:,}"
    figure = start("From before to after", f"{method}, n = {share} texts")
    codes, names = categories([None if labels is None else labels[i] for i in chosen])
    for code, name in enumerate(names):
        members = [i for i, other in zip(chosen, codes, strict=True) if other == code]
        labelled = [texts[i] for i in members]
        _movements(figure, old[members], new[members], labelled, name, category_style(code))
    axis = {"visible": False, "showgrid": False, "zeroline": False}
    figure.update_xaxes(**axis).update_yaxes(**axis)
    named = labels is not None and len(names) <= _MAX_LEGEND_NAMES
    return figure.update_layout(
        height=520,
        showlegend=named,
        margin={"l": 16, "b": 90 if named else 24},
        hovermode="closest",
    )


def shown_points(n: int) -> list[int]:
    """Which of n points a movement map shows: all, or ``MAX_MOVEMENTS`` spread evenly over them."""
    if n <= MAX_MOVEMENTS:
        return list(range(n))
    return list(map(int, np.linspace(0, n - 1, MAX_MOVEMENTS).round()))


def _movements(
    figure: go.Figure,
    old: FloatArray,
    new: FloatArray,
    texts: Sequence[str],
    name: str,
    style: tuple[str, str],
) -> None:
    colour, symbol = style
    # One trace for all lines: from, to, and a gap.
    x, y = np.stack([old, new, np.full_like(old, np.nan)], axis=1).reshape(-1, 2).T
    shared = {"legendgroup": name, "showlegend": False, "hoverinfo": "skip"}
    figure.add_scatter(
        x=x, y=y, mode="lines", line={"color": faded(colour, 0.4), "width": 1}, **shared
    )
    figure.add_scatter(
        x=old[:, 0],
        y=old[:, 1],
        mode="markers",
        marker={"size": 4, "color": colour, "symbol": f"{symbol}-open", "opacity": 0.7},
        **shared,
    )
    shown = plotly_text(shorten(name, 30))
    figure.add_scatter(
        x=new[:, 0],
        y=new[:, 1],
        name=shown,
        legendgroup=name,
        mode="markers",
        marker={"size": 7, "color": colour, "symbol": symbol},
        text=[wrapped(text, 42) for text in texts],
        hovertemplate=f"%{{text}}<extra>{shown}</extra>",
    )


def _step_curve(
    title: str, points: Sequence[tuple[int, float]], hover: str, colour: str
) -> go.Figure:
    n = len(points)
    figure = start(title, f"n = {n:,} {'step' if n == 1 else 'steps'}")
    figure.add_scatter(
        x=[step for step, _ in points],
        y=[value for _, value in points],
        mode="lines",
        line_color=colour,
        hovertemplate=f"step %{{x}}: {hover}<extra></extra>",
    )
    figure.update_yaxes(rangemode="tozero")
    return figure


def _over_steps(figure: go.Figure, total: int, height: int, y: str) -> go.Figure:
    figure.update_traces(cliponaxis=False)
    figure.update_xaxes(range=[0, max(1, total)])
    legend = height > 300
    margin = {"l": 76, "r": 20, "b": 88 if legend else 48}
    return finish(figure, x="Step", y=y, height=height, showlegend=legend, margin=margin)
