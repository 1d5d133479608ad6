"""The look of all plotly figures: one palette, one layout, every text escaped.

Figures are transparent and their fonts a middle grey; ``ui/static/style.css`` gives the text of
every plot the colour of the light or the dark theme, because Gradio leaves plotly figures as they
are.
"""

from __future__ import annotations

import html
import json
import re
import textwrap
from collections.abc import Hashable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import plotly.graph_objects as go
from plotly.colors import get_colorscale

from embedlab.text import one_line, shorten

DESIGN_A = "#0072B2"
DESIGN_B = "#E69F00"
#: Letter, colour and stroke of the two designs.
DESIGNS = (("A", DESIGN_A, "solid"), ("B", DESIGN_B, "dash"))
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
#: Plotly's name of the scale for numbers that have no middle; safe for the colour-blind.
SEQUENTIAL = "Cividis"
#: Transparent, without zoom (a finger on a figure scrolls the page), title and caption at the top
#: left, legend and colour bar below the plot, where they take no width on a phone.
_TEMPLATE = json.loads(Path(__file__).with_name("figure.json").read_text(encoding="utf-8"))
GREY: str = _TEMPLATE["layout"]["font"]["color"]
FloatArray = npt.NDArray[np.floating[Any]]


def plotly_text(text: str) -> str:
    """``one_line(text)`` with the characters escaped that plotly reads as markup."""
    return html.escape(one_line(text), quote=False)


def wrapped(text: str, width: int = 60, limit: int = 240) -> str:
    """Escaped lines of at most ``width`` characters joined by ``<br>``, ``limit`` in all."""
    lines = textwrap.wrap(shorten(text, limit), width, break_on_hyphens=False)
    return "<br>".join(plotly_text(line) for line in lines)


def in_lines(name: str, width: int = 44) -> str:
    """An escaped name, broken before its steps, template and figures where it is long."""
    lines = [""]
    for part in re.split(r"(?=[?+]| · )", name):
        if lines[-1] and len(lines[-1]) + len(part) > width:
            lines.append("")
        lines[-1] += part
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


def scale_stops(name: str) -> list[str]:
    """The colours of a scale of plotly's, evenly spaced, as ``#rrggbb``."""
    return [colour for _, colour in get_colorscale(name)]


def _label(value: Hashable) -> str:
    missing = value is None or (isinstance(value, float) and value != value)
    return (one_line(str(value)) if not missing else "") or UNLABELLED


def start(title: str, caption: str) -> go.Figure:
    """An empty figure with the layout that all share, and a title that half a page has room for."""
    text = in_lines(shorten(title, 90))
    heading = {"text": text, "subtitle": {"text": plotly_text(caption)}}
    margin = {"l": 56, "r": 16, "t": 64 + 20 * text.count("<br>"), "b": 130}
    return go.Figure(layout={"template": _TEMPLATE, "title": heading, "margin": margin})


def finish(figure: go.Figure, *, x: str, y: str = "", height: int, **layout: Any) -> go.Figure:
    """Name the axes of a figure, with their units, and set its height in pixels.

    ``layout`` is more of plotly's; the bottom margin, ``margin_b``, holds the legend.
    """
    figure.update_xaxes(title_text=plotly_text(x)).update_yaxes(title_text=plotly_text(y))
    return figure.update_layout(height=height, **layout)


def add_designs(
    figure: go.Figure, lines: Sequence[tuple[str, Any, Any]], hover: str, **trace: Any
) -> None:
    """Draw a line for A and one for B, both with the settings ``trace``.

    ``lines`` has A's name, x and y, then B's; ``hover`` is plotly's template of a point.
    """
    for (letter, colour, dash), (name, x, y) in zip(DESIGNS, lines, strict=True):
        figure.add_scatter(
            x=x,
            y=y,
            name=in_lines(f"{letter}: {name}"),
            line={"color": colour, "dash": dash},
            fillcolor=faded(colour),
            hovertemplate=f"{hover}<extra>{letter}</extra>",
            **trace,
        )


def heatmap(title: str, caption: str, unit: str, **trace: Any) -> go.Figure:
    """A matrix without grid; ``unit`` is the title of its colour bar."""
    figure = start(title, caption)
    figure.add_heatmap(colorbar_title_text=unit, **trace)
    axis = {"showgrid": False, "zeroline": False}
    return figure.update_xaxes(**axis).update_yaxes(**axis)


def faded(colour: str, alpha: float = 0.18) -> str:
    """A ``#rrggbb`` colour, partly transparent."""
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red},{green},{blue},{alpha})"
