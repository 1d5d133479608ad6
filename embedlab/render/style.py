"""The look of all plotly figures: one palette, one layout, every text escaped.

Figures are transparent and their fonts a middle grey; ``ui/static/style.css`` gives the text of
every plot the colour of the light or the dark theme, because Gradio leaves plotly figures as they
are.
"""

from __future__ import annotations

import html
import textwrap
from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import plotly.graph_objects as go

from embedlab.text import one_line, shorten

DESIGN_A = "#0072B2"
DESIGN_B = "#E69F00"
# Okabe–Ito, with brown in place of black, which vanishes on a dark page. The two colours of the
# designs come last, so that few categories never look like designs.
PALETTE = (
    "#009E73",
    "#D55E00",
    "#56B4E9",
    "#CC79A7",
    "#F0E442",
    "#A0522D",
    "#0072B2",
    "#E69F00",
)
SYMBOLS = ("circle", "diamond", "square", "cross")
OTHER_COLOUR = "#8C8C8C"
OTHER_STYLE = (OTHER_COLOUR, "circle")
UNLABELLED = "unlabelled"
FONT_STACK = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"
GREY = "#7A7A7A"
GRID = "rgba(128,128,128,0.25)"
#: Keyword arguments of a legend below the plot, where it takes no width on a phone.
LEGEND_BELOW = {
    "orientation": "h",
    "tracegroupgap": 0,
    "x": 0,
    "y": 0,
    "yref": "container",
    "yanchor": "bottom",
}
# Only the download stays: figures do not zoom, so that a finger on them scrolls the page.
_MODEBAR = ("zoom", "pan", "select", "lasso", "zoomin", "zoomout", "autoscale", "resetscale")
FloatArray = npt.NDArray[np.floating[Any]]


def plotly_text(text: str) -> str:
    """``one_line(text)`` with the characters escaped that plotly reads as markup."""
    return html.escape(one_line(text), quote=False)


def wrapped(text: str, width: int = 60, limit: int = 240) -> str:
    """Escaped lines of at most ``width`` characters joined by ``<br>``, ``limit`` in all."""
    lines = textwrap.wrap(shorten(text, limit), width, break_on_hyphens=False)
    return "<br>".join(plotly_text(line) for line in lines)


def categories(values: Sequence[Hashable]) -> tuple[list[int], list[str]]:
    """Number the values in order of first appearance: ``(codes, names)``, one code per value.

    A missing value (None, NaN or an empty text) is a category of its own, "unlabelled".
    """
    names = [_label(value) for value in values]
    order = {name: code for code, name in enumerate(dict.fromkeys(names))}
    return [order[name] for name in names], list(order)


def category_style(code: int) -> tuple[str, str]:
    """``(colour, symbol)`` of a category; from the 33rd on all look alike, as "other"."""
    turn, colour = divmod(code, len(PALETTE))
    return (PALETTE[colour], SYMBOLS[turn]) if turn < len(SYMBOLS) else OTHER_STYLE


def _label(value: Hashable) -> str:
    missing = value is None or (isinstance(value, float) and value != value)
    return (one_line(str(value)) if not missing else "") or UNLABELLED


def colour_bar(unit: str) -> dict[str, Any]:
    """A colour bar below the matrix, where it takes no width on a phone."""
    position = {"orientation": "h", "y": 0, "yref": "container", "yanchor": "bottom", "ypad": 4}
    title = {"text": unit, "side": "bottom"}
    return {**position, "title": title, "thickness": 10, "outlinewidth": 0, "nticks": 5}


def figure_layout(title: str, caption: str) -> dict[str, Any]:
    """The layout that all figures share: transparent, title and caption at the top left."""
    return {
        "template": "none",
        "title": {
            "text": plotly_text(shorten(title, 60)),
            "subtitle": {"text": plotly_text(caption), "font": {"size": 12, "color": GREY}},
            "font": {"size": 15, "color": GREY},
            "x": 0.01,
            "xref": "container",
            "y": 1,
            "yanchor": "top",
            "pad": {"t": 14},
        },
        "font": {"family": FONT_STACK, "size": 12, "color": GREY},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "modebar": {"remove": _MODEBAR, "bgcolor": "rgba(0,0,0,0)", "color": GREY},
        "hoverlabel": {"font": {"family": FONT_STACK, "size": 13}, "align": "left"},
    }


def start(title: str, caption: str) -> go.Figure:
    """An empty figure with the layout that all share."""
    return go.Figure(layout=figure_layout(title, caption))


def finish(
    figure: go.Figure, *, x: str, y: str = "", height: int, below: int = 130, **layout: Any
) -> go.Figure:
    """Name the axes of a figure and set its size.

    Args:
        figure: with its traces.
        x: the x axis's name, with the unit.
        y: the y axis's.
        height: of the whole figure, pixels.
        below: the bottom margin, which holds the legend, pixels.
        layout: more of plotly's layout.
    """
    figure.update_xaxes(title={"text": plotly_text(x), "standoff": 6}, gridcolor=GRID)
    figure.update_yaxes(title=plotly_text(y), gridcolor=GRID)
    margin = {"l": 56, "r": 16, "t": 64, "b": below}
    settings = {"dragmode": False, "legend": LEGEND_BELOW, "margin": margin, **layout}
    return figure.update_layout(height=height, **settings)


def faded(colour: str, alpha: float = 0.18) -> str:
    """A ``#rrggbb`` colour, partly transparent."""
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red},{green},{blue},{alpha})"
