"""The linked map: two pictures of one corpus in which a point is the same text in both.

``ui/static/linked_map.js`` and the files after it draw it; this module has the component, the
updates that it takes, and the checks on what it sends back.

What is drawn comes in parts, so that a change of one sends nothing else again. Each is made by the
function of ``embedlab.render.map_data`` behind its name here; it changes with …

* ``points``, ``map_points``: anything of the view; it names the places;
* ``place_a`` and ``place_b``, ``map_place``: a design, a setting of the layout;
* ``texts``, ``map_texts``: the corpus;
* ``colouring``, ``map_colouring``: "Colour by";
* ``names``, ``map_names``: the clusters;
* ``kept``, ``map_kept``: the filters;
* ``found``, ``map_found``: a query that was sent with Enter;
* ``frames``, ``map_frames``: the design whose layers are shown;
* ``settled``, ``map_settled``: the layer that the slider of layers is left at;
* ``selection``, from :func:`selection` here: a click, a lasso.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import gradio as gr

from embedlab.errors import EmbedLabError
from embedlab.ui.shared.html import frame
from embedlab.ui.shared.parse import event_data

#: The parts that come beside the points, which are the component's value.
PARTS = (
    *("place_a", "place_b", "texts", "colouring", "names", "kept", "found"),
    *("frames", "settled", "selection"),
)

# Counts what is sent, so that the browser shows it again even if it equals what was sent before:
# what is on the screen may have moved on since, by a click.
_revision = itertools.count(1)


def linked_map() -> gr.HTML:
    """Two linked scatter plots. Change them with :func:`map_update`; their events are

    * ``point_click`` {"index"}, ``lasso`` {"indices"} and ``cleared``: what is selected;
    * ``name_click`` {"side", "level", "key"}: a name on the map, with its ``MapName.key``;
    * ``legend`` {"hidden"}: the categories whose points the visitor hides, -1 for texts without;
    * ``find`` {"query"}: Enter in the search box; answer with ``found``;
    * ``layers`` {"side"} asks for ``frames``, ``layer`` {"side", "layer"} for a settled one;
    * ``save`` asks for the data as a file.

    Read them with ``event_index``, ``event_indices``, ``event_hidden``, ``event_side``.
    """
    # A function and not a subclass: Gradio writes a .pyi file beside every subclass it meets.
    return frame("linked-map", "linked_map", **dict.fromkeys(PARTS))


def map_update(*, points: dict[str, Any] | None = None, **parts: dict[str, Any]) -> Any:
    """An update of the linked map with these parts; the others stay as they are.

    Give ``points`` together with ``colouring``, and with the places and the ``texts`` unless the
    page has them from before. With other texts, the filters, search results and frames of those
    before are forgotten; with another design (another ``MapSide.key``), its names and ranks: give
    ``names`` together with ``points`` or after them.
    """
    unknown = set(parts) - set(PARTS)
    if unknown:
        raise ValueError(f"{sorted(unknown)} are no parts of the map")
    sent = {name: {**part, "revision": next(_revision)} for name, part in parts.items()}
    if points is not None:
        sent["value"] = {**points, "revision": next(_revision)}
    return gr.update(**sent)


def selection(
    selected: int | None = None,
    highlight_a: Sequence[int] = (),
    highlight_b: Sequence[int] = (),
    lasso: Sequence[int] = (),
    *,
    n: int,
) -> dict[str, Any]:
    """What is selected among n texts.

    Args:
        selected: the selected text's index.
        highlight_a: indices of its neighbours under A.
        highlight_b: indices of its neighbours under B.
        lasso: the indices within a lasso.
        n: how many texts there are.

    Raises:
        EmbedLabError: an index that is not one of the texts'.
    """
    one = [] if selected is None else [selected]
    for index in (*one, *highlight_a, *highlight_b, *lasso):
        if not 0 <= index < n:
            raise EmbedLabError(f"{index} is not one of the {n} texts; indices start at 0.")
    return {
        "selected": None if selected is None else int(selected),
        "highlight_a": [int(i) for i in highlight_a],
        "highlight_b": [int(i) for i in highlight_b],
        "lasso": [int(i) for i in lasso],
    }


def event_index(event: gr.EventData, n: int) -> int | None:
    """The index a ``point_click`` carries, or None unless it is one of 0 … n-1."""
    index = event_data(event).get("index")
    return index if _is_index(index, n) else None


def event_indices(event: gr.EventData, n: int) -> list[int]:
    """The indices a ``lasso`` carries, each once and in order, without those outside 0 … n-1."""
    return _indices(event, "indices", 0, n)


def event_hidden(event: gr.EventData, categories: int) -> list[int]:
    """The categories a ``legend`` carries, from -1 (texts without any) to ``categories`` - 1."""
    return _indices(event, "hidden", -1, categories)


def event_side(event: gr.EventData) -> str | None:
    """The map an event is of, "a" or "b"; None for anything else."""
    side = event_data(event).get("side")
    return side if side in ("a", "b") else None


def _indices(event: gr.EventData, name: str, least: int, n: int) -> list[int]:
    numbers = event_data(event).get(name)
    if not isinstance(numbers, list):
        return []
    return sorted({number for number in numbers if _is_index(number, n, least)})


def _is_index(value: Any, n: int, least: int = 0) -> bool:
    return type(value) is int and least <= value < n
