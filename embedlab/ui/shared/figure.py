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

from embedlab.render.csv_table import csv_table
from embedlab.render.html import Macros
from embedlab.text import one_line
from embedlab.ui.shared.theme import script


def figure_block(elem_id: str, empty: str = "The figure appears here.") -> gr.HTML:
    """A place for what :func:`figure_value` makes; it has the event ``point_click``.

    The event carries ``curve`` (a trace's number), ``x`` and ``y``: read it with
    :func:`clicked`, which trusts none of them.
    """
    gr.set_static_paths(plotly_js())
    return gr.HTML(
        None,
        html_template=str(Macros("frames.html").figure(quote(plotly_js().as_posix()), empty)),
        js_on_load=script("figure"),
        apply_default_css=False,
        elem_id=elem_id,
        elem_classes=["figure-block"],
    )


def figure_value(
    figure: Any, header: Sequence[str], rows: Iterable[Sequence[Any]], *, name: str, caption: str
) -> dict[str, Any]:
    """A plotly figure with its data and its caption, as plain JSON.

    Args:
        figure: a plotly figure whose texts are escaped.
        header: the data's column names.
        rows: the data.
        name: the downloaded files' name, without suffix.
        caption: what was measured on what.
    """
    return {
        "figure": json.loads(figure.to_json()),
        "csv": csv_table(header, rows, caption=caption, digits=6),
        "caption": one_line(caption),
        "name": name,
    }


def clicked(event: gr.EventData) -> tuple[int, Any, Any] | None:
    """A click's trace, x and y, or None unless they are numbers or short texts."""
    data = event._data if isinstance(event._data, dict) else {}
    curve, x, y = (data.get(key) for key in ("curve", "x", "y"))
    sound = all(isinstance(v, int | float | str) and len(str(v)) < 100 for v in (x, y))
    return (curve, x, y) if type(curve) is int and sound else None


def clicked_cell(event: gr.EventData) -> tuple[int, int] | None:
    """The row and column of a click on a heatmap, from 0."""
    cell = event._data.get("cell") if isinstance(event._data, dict) else None
    if not isinstance(cell, list) or len(cell) != 2 or not all(type(i) is int for i in cell):
        return None
    return cell[0], cell[1]


HISTOGRAM_HEADER = ("design", "cosine x100 from", "share of pairs %")


def histogram_rows(figure: Any) -> list[tuple[str, float, float]]:
    """The bars of :func:`embedlab.render.similarity.similarity_histogram` as data."""
    return [
        (trace.name.partition(":")[0], float(x), float(y))
        for trace in figure.data
        for x, y in zip(trace.x, trace.y, strict=True)
    ]


@cache
def plotly_js() -> Path:
    """Plotly's own script, from the installed package: nothing is fetched."""
    return Path(str(files("plotly") / "package_data" / "plotly.min.js"))
