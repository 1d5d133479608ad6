"""The linked map: two pictures of one corpus in which a point is the same text in both.

``ui/static/linked_map.js`` draws it; this module has the component, the value that it gets, and the
checks on what it sends back.
"""

from __future__ import annotations

import itertools
from collections.abc import Hashable, Sequence
from typing import Any

import gradio as gr
import numpy as np
import numpy.typing as npt

from embedlab.errors import EmbedLabError, check_known
from embedlab.render.style import OTHER_COLOUR, categories, category_style
from embedlab.text import one_line, shorten
from embedlab.ui.shared.figure import plotly_js
from embedlab.ui.shared.html import frame
from embedlab.ui.shared.parse import event_data

TOOLTIP_CHARACTERS = 160
METHODS = ("UMAP", "PCA")

# Counts what is sent, so that the browser shows it again even if it equals what was sent before:
# what is on the screen may have moved on since, by a click.
_revision = itertools.count(1)


def linked_map() -> gr.HTML:
    """Two linked scatter plots with the events ``point_click``, ``lasso``, ``cleared``, ``save``.

    ``point_click`` carries ``{"index": int}`` and ``lasso`` ``{"indices": [int, …]}``: read them
    with ``event_index`` and ``event_indices``. ``save`` asks for the data as a file. Update the
    component with a new ``map_value``, or, for a selection alone, with the much smaller
    ``selection_update``.
    """
    # A function and not a subclass: Gradio writes a .pyi file beside every subclass it meets.
    return frame("linked-map", "linked_map", plotly_js(), selection=None)


def map_value(
    *,
    title_a: str,
    xy_a: npt.ArrayLike,
    title_b: str,
    xy_b: npt.ArrayLike,
    texts: Sequence[str],
    labels: Sequence[Hashable] | None = None,
    method: str = "UMAP",
    note: str = "",
    caption: str = "",
    **selection: Any,
) -> dict[str, Any]:
    """What the linked map shows, as plain JSON.

    Args:
        title_a: design A's name.
        xy_a: (n, 2) coordinates under design A; each map is moved and scaled to fill −1 … 1.
        title_b: design B's name.
        xy_b: (n, 2) coordinates under design B, rows in the same order.
        texts: the n texts; the tooltip shows their first 160 characters.
        labels: n categories, or None where the corpus has none.
        method: how the coordinates were computed, "UMAP" or "PCA".
        note: one short line beside the maps.
        caption: what was mapped; it is part of the picture and the data that a visitor saves.
        selection: the arguments of :func:`selection_update`.

    Raises:
        EmbedLabError: the lengths differ, a coordinate is not a number, or there is no such index.
    """
    n = len(texts)
    if labels is not None and len(labels) != n:
        raise EmbedLabError(f"There are {n} texts but {len(labels)} labels; give one label each.")
    check_known(method, "a known method", METHODS)
    codes, names = categories(labels) if labels is not None else ([0] * n, [])
    drawn = selection_update(**selection)["selection"]
    several = [*drawn["highlight_a"], *drawn["highlight_b"], *drawn["lasso"]]
    for index in [*several, drawn["selected"] or 0]:
        if n and not 0 <= index < n:
            raise EmbedLabError(f"{index} is not one of the {n} texts; indices start at 0.")
    return {
        "a": {"title": shorten(title_a, 80), "xy": map_coordinates(xy_a, n, "A")},
        "b": {"title": shorten(title_b, 80), "xy": map_coordinates(xy_b, n, "B")},
        "texts": [shorten(text, TOOLTIP_CHARACTERS) for text in texts],
        "categories": codes,
        "category_names": [shorten(name, 40) for name in names],
        "category_styles": [category_style(code) for code in range(max(1, len(names)))],
        "other_colour": OTHER_COLOUR,
        "method": method,
        "note": shorten(note, 200),
        "caption": one_line(caption),
        **drawn,
    }


def selection_update(
    selected: int | None = None,
    highlight_a: Sequence[int] = (),
    highlight_b: Sequence[int] = (),
    lasso: Sequence[int] = (),
) -> Any:
    """An update for the linked map that changes what is selected and sends no points again.

    Args:
        selected: the selected text's index.
        highlight_a: indices of its neighbours under A.
        highlight_b: indices of its neighbours under B.
        lasso: the indices within a lasso.
    """
    return gr.update(
        selection={
            "selected": None if selected is None else int(selected),
            "highlight_a": [int(i) for i in highlight_a],
            "highlight_b": [int(i) for i in highlight_b],
            "lasso": [int(i) for i in lasso],
            "revision": next(_revision),
        }
    )


def event_index(event: gr.EventData, n: int) -> int | None:
    """The index a ``point_click`` carries, or None unless it is one of 0 … n-1."""
    index = event_data(event).get("index")
    return index if _is_index(index, n) else None


def event_indices(event: gr.EventData, n: int) -> list[int]:
    """The indices a ``lasso`` carries, each once and in order, without those outside 0 … n-1."""
    indices = event_data(event).get("indices")
    if not isinstance(indices, list):
        return []
    return sorted({index for index in indices if _is_index(index, n)})


def _is_index(value: Any, n: int) -> bool:
    return type(value) is int and 0 <= value < n


def map_coordinates(points: npt.ArrayLike, n: int, letter: str = "") -> list[list[float]]:
    """The points (n, 2) moved and scaled as they are drawn, to fill −1 … 1.

    Raises:
        EmbedLabError: another number of points, or a coordinate that is not a number.
    """
    xy = np.asarray(points, dtype=np.float64)
    if xy.shape != (n, 2):
        raise EmbedLabError(
            f"Map {letter} has coordinates of shape {xy.shape} but there are {n} texts; "
            f"give an array of shape ({n}, 2)."
        )
    if not np.isfinite(xy).all():
        raise EmbedLabError(f"Map {letter} has coordinates that are not numbers; project it again.")
    if n == 0:
        return []
    low, high = xy.min(axis=0), xy.max(axis=0)
    half = max(float((high - low).max()) / 2, 1e-12)
    scaled: list[list[float]] = np.round((xy - (low + high) / 2) / half, 4).tolist()
    return scaled
