"""A captioned figure that reports clicks and can be saved as PNG or CSV.

``gr.Plot`` has neither clicks nor data; the drawing is ``ui/static/figure.js``.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any
from urllib.parse import quote

import gradio as gr

from embedlab.render import look_for
from embedlab.render.csv_table import csv_table
from embedlab.render.similarity import similarity_histogram
from embedlab.text import one_line
from embedlab.ui.shared.html import frame
from embedlab.ui.shared.parse import event_data


def figure_block(elem_id: str, empty: str = "The figure appears here.") -> gr.HTML:
    """A place for what :func:`figure_value` makes; it has the event ``point_click``.

    The event carries ``curve`` (a trace's number), ``x`` and ``y``: read it with
    :func:`clicked`, which trusts none of them.
    """
    return frame(elem_id, "figure", plotly_js(), empty)


def figure_value(
    figure: Any,
    header: Sequence[str],
    rows: Iterable[Sequence[Any]],
    *,
    name: str,
    caption: str,
    look: str,
) -> dict[str, Any]:
    """A plotly figure with its data and its caption, as plain JSON.

    Args:
        figure: a plotly figure whose texts are escaped.
        header: the data's column names.
        rows: the data.
        name: the downloaded files' name, without suffix.
        caption: what was measured on what.
        look: what to look for in it, a sentence.
    """
    return {
        "figure": json.loads(figure.to_json()),
        "csv": csv_table(header, rows, caption=caption, digits=6),
        "caption": one_line(caption),
        "look": one_line(look),
        "name": name,
    }


def cosine_histogram(a: Any, b: Any, names: tuple[str, str], caption: str) -> dict[str, Any]:
    """A figure of the cosines (m,) under A and under B, with its bars as the data."""
    figure = similarity_histogram(a, b, *names)
    rows = [
        (trace.name.partition(":")[0], float(x), float(y))
        for trace in figure.data
        for x, y in zip(trace.x, trace.y, strict=True)
    ]
    header = ("design", "cosine x100 from", "share of pairs %")
    look = look_for.cosines(a, b)
    return figure_value(figure, header, rows, name="cosines", caption=caption, look=look)


def clicked(event: gr.EventData) -> tuple[int, Any, Any] | None:
    """A click's trace, x and y, or None unless they are numbers or short texts."""
    curve, x, y = map(event_data(event).get, ("curve", "x", "y"))
    sound = all(isinstance(v, int | float | str) and len(str(v)) < 100 for v in (x, y))
    return (curve, x, y) if type(curve) is int and sound else None


def clicked_cell(event: gr.EventData) -> tuple[int, int] | None:
    """The row and column of a click on a heatmap, from 0."""
    match event_data(event).get("cell"):
        case [int(row), int(column)]:
            return row, column
    return None


@cache
def plotly_js() -> str:
    """The address of Plotly's own script, from the installed package: nothing is fetched."""
    path = Path(str(files("plotly") / "package_data" / "plotly.min.js"))
    gr.set_static_paths(path)
    return quote(path.as_posix())
