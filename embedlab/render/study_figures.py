"""Figures of a study: scores, differences with intervals, corrected p-values, training curves.

In all of them a filled green mark means "separable", a hollow grey one "not separable".
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np
import plotly.graph_objects as go

from embedlab.analysis.bootstrap import verdict
from embedlab.analysis.tasks import category_name
from embedlab.errors import EmbedLabError
from embedlab.render.style import GREY, PALETTE, faded, finish, heatmap, plotly_text, start
from embedlab.study.comparisons import Difference
from embedlab.study.effects import means_by_two
from embedlab.study.report import (
    Curve,
    Grid,
    Model,
    Report,
    against,
    design_title,
    designs_in,
    p_text,
    short_name,
    why_no_p,
)
from embedlab.text import shorten

SEPARABLE = PALETTE[0]
#: Rows of a figure; of more designs the best are drawn, and the tables have the rest.
MOST_ROWS = 30
#: Without the yellow, in which a thin line vanishes on a light page.
_LINE_COLOURS = tuple(colour for colour in PALETTE if colour != "#F0E442")
_DASHES = ("solid", "dash", "dot")
T = TypeVar("T")


def difference_plot(
    differences: Sequence[Difference], title: str, *, reference: str = "", unit: str = "datasets"
) -> go.Figure:
    """Gains in points with 95 % intervals and verdicts.

    Args:
        title: what they were measured on.
        reference: the design to compare the others with; without one, every pair is drawn.
        unit: what a pair's ``n`` counts.

    Raises:
        EmbedLabError: there is no pair to show.
    """
    every = against(differences, reference) if reference else list(differences)
    if not every:
        raise EmbedLabError("There is no difference to show; a study compares two designs or more.")
    rows = _largest(every, [one.difference for one in every])
    names = [
        _two_lines(design_title(one.b), 60)
        if reference
        else f"{plotly_text(short_name(one.b))}<br>− {plotly_text(short_name(one.a))}"
        for one in rows
    ]
    on = f"gain on {short_name(reference)}" if reference else "every pair"
    n = _counts([one.n for one in rows])
    cut = "" if len(rows) == len(every) else f", the {len(rows)} largest of {len(every):,}"
    figure = start(f"{title}: {on}", f"n = {n} {unit}, 95 % intervals{cut}")
    # The legend has both words even if one is unused; a row without a score stays as an empty row.
    for separable in (True, False):
        _add_gains(
            figure, [o if o.separable == separable else None for o in rows], names, separable
        )
    figure.add_vline(x=0, line={"color": GREY, "width": 1.5})
    figure.update_xaxes(automargin=False)
    return _finish_rows(figure, names, "Gain, points ×100", 150 if reference else 120)


def effect_plot(grid: Grid) -> go.Figure:
    """What each choice gains on its factor's first one, in points with 95 % intervals.

    Raises:
        EmbedLabError: no two designs differ in one choice alone.
    """
    if not grid.effects:
        raise EmbedLabError("No two designs differ in one choice alone, so there is no effect.")
    names = [
        f"{plotly_text(one.factor)}: {plotly_text(one.over.b)}<br>− {plotly_text(one.over.a)}"
        for one in grid.effects
    ]
    n = _counts([one.over.n for one in grid.effects])
    caption = f"n = {n} sources of texts, 95 % intervals, averaged over the other choices"
    figure = start("What each choice gains", caption)
    for separable in (True, False):
        rows = [one.over if one.over.separable == separable else None for one in grid.effects]
        _add_gains(figure, rows, names, separable, name=str)
    figure.add_vline(x=0, line={"color": GREY, "width": 1.5})
    figure.update_xaxes(automargin=False)
    return _finish_rows(figure, names, "Gain, points ×100", 170)


def choice_matrix(grid: Grid, rows: int, columns: int) -> go.Figure:
    """Mean scores by two factors, at these positions of the grid's, averaged over the others."""
    down, across, means = means_by_two(
        [one.choices for one in grid.designs], [one.mean for one in grid.designs], rows, columns
    )
    figure = heatmap(
        f"{grid.factors[rows]} × {grid.factors[columns]}",
        f"mean over {grid.sources} sources of texts and over the other choices",
        "Mean score ×100",
        z=100 * means,
        x=[plotly_text(level) for level in across],
        y=[plotly_text(level) for level in down],
        texttemplate="%{z:.1f}",
        hovertemplate="%{y}, %{x}: %{z:.1f}<extra></extra>",
        # Transparent, so that numbers are readable in light and dark.
        colorscale=[(0.0, faded(SEPARABLE, 0.05)), (1.0, faded(SEPARABLE, 0.7))],
        xgap=2,
        ygap=2,
    )
    axis = {"ticks": "", "type": "category", "tickfont": {"size": 11}}
    figure.update_xaxes(**axis)
    figure.update_yaxes(**axis, autorange="reversed")
    margin = {"l": 130, "r": 12, "b": 120}
    return figure.update_layout(height=210 + 40 * max(3, len(down)), margin=margin)


def p_matrix(differences: Sequence[Difference], title: str, alpha: float) -> go.Figure:
    """P-values after Holm's correction, one per pair of designs; green up to the level ``alpha``.

    Raises:
        EmbedLabError: no pair has a p-value; the text is the reason.
    """
    if (why := why_no_p(differences)) is not None:
        raise EmbedLabError(why)
    labels = designs_in(differences)
    names = [_two_lines(short_name(label), 40) for label in labels]
    pairs = {(one.a, one.b): one for one in differences}
    cells = [[pairs.get((a, b)) for a in labels[:-1]] for b in labels[1:]]
    figure = heatmap(
        title,
        f"Holm over {len(differences)} pairs, α = {alpha:g}",
        f"p after Holm; green: p ≤ {alpha:g}",
        z=np.array([[one and one.corrected for one in row] for row in cells], dtype=float),
        x=names[:-1],
        y=names[1:],
        text=[["" if one is None else p_text(one.corrected) for one in row] for row in cells],
        customdata=[
            ["" if one is None else _hover_text(one, short_name) for one in row] for row in cells
        ],
        texttemplate="%{text}",
        hovertemplate="%{customdata}<extra></extra>",
        zmin=0,
        zmax=1,
        # Green up to α, grey above; transparent, so that numbers are readable in light and dark.
        colorscale=[
            (0.0, faded(SEPARABLE, 0.75)),
            (alpha, faded(SEPARABLE, 0.45)),
            (min(1.0, alpha + 1e-9), faded(GREY, 0.35)),
            (1.0, faded(GREY, 0.05)),
        ],
        xgap=2,
        ygap=2,
    )
    axis = {"ticks": "", "type": "category", "tickfont": {"size": 11}}
    figure.update_xaxes(**axis)
    figure.update_yaxes(**axis, autorange="reversed")
    margin = {"l": 104, "r": 12, "b": 120}
    return figure.update_layout(height=180 + 40 * max(3, len(labels)), margin=margin)


def score_plot(report: Report, category: str) -> go.Figure:
    """Mean scores of all models on a category: trained filled, untrained hollow.

    The bars are one standard deviation of the seeds to either side, where there are several.

    Raises:
        EmbedLabError: nothing is measured yet.
    """
    if not report.models:
        raise EmbedLabError("No model is measured yet; run the study first.")
    position = report.categories.index(category)
    shown = _largest(report.models, [row.means[position] for row in report.summary])
    many = sorted({len(model.seeds) for model in report.models if model.seeds})
    spread = f"bars: ± SD over {_counts(many)} seeds" if many and many[-1] > 1 else "no seed spread"
    best = "" if len(shown) == len(report.models) else f"the {len(shown)} best of "
    caption = f"×100, {best}{len(report.models)} models, {spread}"
    figure = start(f"{category_name(category)}: mean score", caption)
    for kind in _MARKERS:
        _add_scores(figure, report, position, kind, shown)
    names = list(dict.fromkeys(_row_name(model) for model in shown))
    return _finish_rows(figure, names, "Mean score ×100", 150)


def training_curves(report: Report) -> go.Figure:
    """The loss of every step: a colour per design, thin lines for seeds, a thick one for the mean.

    Raises:
        EmbedLabError: nothing was trained.
    """
    labels = list(dict.fromkeys(curve.label for curve in report.curves))
    if not labels:
        raise EmbedLabError("No training is done yet; there is no curve to show.")
    seeds = _counts([sum(c.label == label for c in report.curves) for label in labels])
    figure = start("Training loss", f"{len(labels)} designs, seeds each: {seeds}")
    for number, label in enumerate(labels):
        curves = [curve for curve in report.curves if curve.label == label]
        turn, colour = divmod(number, len(_LINE_COLOURS))
        dash = _DASHES[turn % len(_DASHES)]
        _add_curves(figure, curves, design_title(label), _LINE_COLOURS[colour], dash)
    figure.update_xaxes(rangemode="tozero")
    figure.update_yaxes(rangemode="tozero")
    legend = 22 * len(labels)
    y = "Loss (InfoNCE, nats)"
    return finish(figure, x="Step", y=y, height=420 + legend, margin_b=84 + legend)


# Parts


def _finish_rows(figure: go.Figure, names: Sequence[str], x: str, left: int) -> go.Figure:
    """One row per name, the first on top."""
    figure.update_xaxes(zeroline=False)
    figure.update_yaxes(
        type="category",
        categoryorder="array",
        categoryarray=list(names),
        range=[len(names) - 0.5, -0.5],
        tickfont={"size": 11},
        ticks="",
    )
    margin = {"l": left, "b": 84}
    return finish(figure, x=x, height=150 + 40 * max(3, len(names)), margin=margin)


def _points(value: float | None) -> float | None:
    return None if value is None else 100 * value


def _counts(values: Sequence[int]) -> str:
    """``12``, or ``5–7`` where the values differ."""
    low, high = min(values, default=0), max(values, default=0)
    return f"{low:,}" if low == high else f"{low:,}–{high:,}"


def _two_lines(title: str, limit: int) -> str:
    return plotly_text(shorten(title, limit)).replace("/", "/<br>", 1)


def _largest(rows: Sequence[T], values: Sequence[float | None]) -> list[T]:
    """The rows as they are, or those with the largest values in falling order where many."""
    if len(rows) <= MOST_ROWS:
        return list(rows)

    def place(number: int) -> float:
        value = values[number]
        return np.inf if value is None else -value

    return [rows[i] for i in sorted(range(len(rows)), key=place)[:MOST_ROWS]]


def _hover_text(one: Difference, name: Callable[[str], str]) -> str:
    gain = "no score" if one.difference is None else f"{100 * one.difference:+.1f} points"
    return (
        f"{plotly_text(name(one.b))} − {plotly_text(name(one.a))}: {gain}"
        f"<br>p {p_text(one.p)}, corrected {p_text(one.corrected)}<br>{verdict(one.separable)}"
    )


def _add_gains(
    figure: go.Figure,
    rows: Sequence[Difference | None],
    names: Sequence[str],
    separable: bool,
    name: Callable[[str], str] = short_name,
) -> None:
    ends = [
        (0.0, 0.0)
        if one is None or one.difference is None or one.low is None or one.high is None
        else (100 * (one.high - one.difference), 100 * (one.difference - one.low))
        for one in rows
    ]
    colour = SEPARABLE if separable else GREY
    symbol = "circle" if separable else "circle-open"
    figure.add_scatter(
        x=[None if one is None else _points(one.difference) for one in rows],
        y=list(names),
        name=verdict(separable),
        mode="markers",
        marker={"size": 12, "symbol": symbol, "color": colour, "line": {"width": 2}},
        error_x={
            "type": "data",
            "symmetric": False,
            "array": [up for up, _ in ends],
            "arrayminus": [down for _, down in ends],
            "color": colour,
            "thickness": 2.5 if separable else 1.5,
            "width": 4,
        },
        text=["" if one is None else _hover_text(one, name) for one in rows],
        hovertemplate="%{text}<extra></extra>",
    )


_MARKERS: dict[str, dict[str, Any]] = {
    "trained": {"symbol": "circle", "color": PALETTE[1]},
    "untrained": {"symbol": "circle-open", "color": GREY, "line": {"width": 2}},
    "yardstick": {"symbol": "diamond", "color": PALETTE[3]},
}


def _row_name(model: Model) -> str:
    return _two_lines(model.label if model.kind == "yardstick" else design_title(model.label), 60)


def _add_scores(
    figure: go.Figure, report: Report, category: int, kind: str, shown: Sequence[Model]
) -> None:
    rows = [
        (model, summary.means[category], summary.seed_sds[category])
        for model, summary in zip(report.models, report.summary, strict=True)
        if model.kind == kind and model in shown
    ]
    figure.add_scatter(
        x=[_points(mean) for _, mean, _ in rows],
        y=[_row_name(model) for model, _, _ in rows],
        name=kind,
        legendgroup=kind,
        mode="markers",
        marker={"size": 11, **_MARKERS[kind]},
        error_x={
            "type": "data",
            "array": [100 * (sd or 0.0) for *_, sd in rows],
            "visible": any(sd is not None for *_, sd in rows),
            "thickness": 2,
            "width": 4,
        },
        text=[
            plotly_text(model.title) + ("" if sd is None else f" · SD of seeds {100 * sd:.1f}")
            for model, _, sd in rows
        ],
        hovertemplate="%{x:.1f} · %{text}<extra></extra>",
    )


def _add_curves(
    figure: go.Figure, curves: Sequence[Curve], name: str, colour: str, dash: str
) -> None:
    losses: dict[int, list[float]] = {}
    name = plotly_text(name)
    style: dict[str, Any] = {"mode": "lines", "legendgroup": name, "line_dash": dash}
    hover = "<br>step %{x}: %{y:.3f}<extra></extra>"
    for curve in curves:
        points = {step: loss for step, loss, _ in curve.points if loss is not None}
        for step, loss in points.items():
            losses.setdefault(step, []).append(loss)
        figure.add_scatter(
            x=list(points),
            y=list(points.values()),
            showlegend=False,
            line={"color": faded(colour, 0.4), "width": 1},
            hovertemplate=f"{name}, seed {curve.seed}{hover}",
            **style,
        )
    figure.add_scatter(
        x=list(losses),
        y=[float(np.mean(values)) for values in losses.values()],
        name=name,
        line={"color": colour, "width": 2.5},
        hovertemplate=f"{name}, mean of seeds{hover}",
        **style,
    )
