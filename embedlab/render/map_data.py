"""What the linked map draws, as small JSON: numbers travel as base64 of little-endian arrays.

The map is given parts that change at different times: places when a design changes, texts with a
corpus, colours, names and marks at any time. Each is one of the functions here.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from embedlab.analysis.colouring import Colouring
from embedlab.analysis.filtering import NO_CATEGORY
from embedlab.errors import EmbedLabError, check_known
from embedlab.render.style import (
    OTHER_COLOUR,
    OTHER_STYLE,
    PALETTE,
    SEQUENTIAL,
    category_style,
    scale_stops,
)
from embedlab.text import one_line, shorten

METHODS = ("UMAP", "PCA")
#: The files of ``ui/static`` that draw what this module packs: together the body of one function.
LINKED_MAP_SCRIPTS = (
    *("download.js", "map_points.js", "linked_map.js", "map_over.js", "map_words.js"),
    *("map_search.js", "map_layers.js", "map_input.js", "map_parts.js", "map_download.js"),
)
#: Characters of a text in a tooltip, and of all texts together that a page gets to search in.
TOOLTIP_CHARACTERS, SEARCHED_CHARACTERS = 160, 4_000_000
NAME_CHARACTERS = 48
#: Numbers beyond these quantiles get the colours of the ends, so that one outlier is not the scale.
SCALE_ENDS = (0.02, 0.98)


@dataclass(frozen=True, kw_only=True)
class MapSide:
    """One of the two maps.

    Attributes:
        title: the design's name.
        place: the id of its points, which :func:`map_place` gives.
        key: names the vectors; what is drawn of others, such as their clusters' names, goes.
        layers: whether the design reads a layer, so that the map at each can be shown.
    """

    title: str
    place: str
    key: str = ""
    layers: bool = False


@dataclass(frozen=True, kw_only=True)
class MapName:
    """A name drawn on a map, such as a cluster's.

    Attributes:
        text: the name.
        at: the number of the text where it stands, the cluster's medoid.
        size: how many texts it is for; where names collide, the largest is drawn.
        level: 0 for the names of the whole, 1 for finer ones that come while zooming in.
        key: what the event of a click on it carries, the cluster's number at its level.
    """

    text: str
    at: int
    size: int
    level: int = 0
    key: int = 0


def packed(values: npt.ArrayLike, kind: str) -> str:
    """An array as base64; ``kind`` is numpy's name of the type, such as ``<f4``."""
    return base64.b64encode(np.ascontiguousarray(values, np.dtype(kind)).tobytes()).decode("ascii")


def coordinates(points: npt.ArrayLike, n: int, letter: str = "") -> npt.NDArray[np.float32]:
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
        return np.zeros((0, 2), np.float32)
    low, high = xy.min(axis=0), xy.max(axis=0)
    half = max(float((high - low).max()) / 2, 1e-12)
    return np.asarray(np.round((xy - (low + high) / 2) / half, 4), np.float32)


def map_points(
    *,
    a: MapSide,
    b: MapSide,
    n: int,
    corpus: str = "",
    method: str = "UMAP",
    note: str = "",
    caption: str = "",
) -> dict[str, Any]:
    """What both maps show of n texts.

    Args:
        a: design A's map.
        b: design B's, with the same texts.
        n: how many texts.
        corpus: names the texts; points move to their new places if it is the same as before.
        method: how the coordinates were computed, "UMAP" or "PCA".
        note: one short line beside the maps.
        caption: what was mapped; it is part of the picture and the data that a visitor saves.

    Raises:
        EmbedLabError: an unknown method.
    """
    check_known(method, "a known method", METHODS)
    sides = {
        letter: {
            "title": shorten(side.title, 80),
            "place": side.place,
            "key": side.key,
            "layers": side.layers,
        }
        for letter, side in (("a", a), ("b", b))
    }
    return {
        "n": n,
        "corpus": corpus,
        **sides,
        "method": method,
        "note": shorten(note, 200),
        "caption": one_line(caption),
    }


def map_place(points: npt.ArrayLike, n: int, letter: str) -> dict[str, Any]:
    """Where n texts stand on one map, moved and scaled to fill −1 … 1; its id names the places.

    Raises:
        EmbedLabError: another number of points, or a coordinate that is not a number.
    """
    xy = packed(coordinates(points, n, letter), "<f4")
    return {"id": hashlib.sha256(xy.encode("ascii")).hexdigest()[:16], "xy": xy}


def map_texts(texts: Sequence[str]) -> dict[str, Any]:
    """The texts, a line each, for tooltips and for the search in the page.

    They are whole as long as they have :data:`SEARCHED_CHARACTERS` together; longer ones are all
    cut to the same ``most`` characters, which the page says where it searches.
    """
    lines = [one_line(text) for text in texts]
    most = 0
    if sum(map(len, lines)) > SEARCHED_CHARACTERS:
        most = max(TOOLTIP_CHARACTERS, SEARCHED_CHARACTERS // len(lines))
        lines = [shorten(line, most) for line in lines]
    return {"lines": "\n".join(lines), "most": most}


def map_colouring(colouring: Colouring, hidden: Collection[int] = ()) -> dict[str, Any]:
    """The colours of the points, and their legend or colour bar.

    Args:
        colouring: a category or a number for each text.
        hidden: the categories whose points are not shown; -1 are the texts without any.
    """
    shown: dict[str, Any] = {
        "title": one_line(colouring.title),
        "note": one_line(colouring.note),
        "hidden": sorted(hidden),
        "other": OTHER_COLOUR,
        "none": NO_CATEGORY if colouring.kind == "categories" else "no number",
    }
    if colouring.kind == "categories" and not colouring.names:
        shown["other"] = PALETTE[0]  # nothing is missing where nothing could be there
    if colouring.kind == "categories":
        counts = np.bincount(colouring.codes + 1, minlength=len(colouring.names) + 1)
        return shown | {
            "codes": packed(colouring.codes, "<i4"),
            "names": list(colouring.names),
            "counts": counts.tolist(),
            "styles": category_styles(counts[1:]),
        }
    low, high = _scale_ends(colouring)
    whole = colouring.range or (0.0, 0.0)
    return shown | {
        "numbers": packed(colouring.values, "<f4"),
        "low": low,
        "high": high,
        "beyond": [whole[0] < low, whole[1] > high],
        "missing": int((~colouring.has_value).sum()),
        "stops": scale_stops(SEQUENTIAL),
    }


def category_styles(counts: Sequence[int] | npt.NDArray[np.int64]) -> list[tuple[str, str]]:
    """A colour and a symbol for each category, in their order.

    Where there are more categories than styles, the largest get one and the rest look alike.
    """
    codes = range(len(counts))
    if all(category_style(code) != OTHER_STYLE for code in codes):
        return [category_style(code) for code in codes]
    rank = np.argsort(np.argsort(-np.asarray(counts), kind="stable"))
    return [category_style(int(rank[code])) for code in codes]


def _scale_ends(colouring: Colouring) -> tuple[float, float]:
    known = colouring.values[~np.isnan(colouring.values)]
    if not len(known):
        return 0.0, 0.0
    low, high = np.quantile(known, SCALE_ENDS)
    if low == high:
        low, high = known.min(), known.max()
    return float(low), float(high)


def map_names(
    a: Sequence[MapName] = (), b: Sequence[MapName] = (), *, n: int
) -> dict[str, list[dict[str, Any]]]:
    """Names on map A and on map B; they stand at points, never overlap, and thin out.

    Raises:
        EmbedLabError: a name at a text that is not one of the n.
    """
    for name in (*a, *b):
        if not 0 <= name.at < n:
            raise EmbedLabError(f"{name.at} is not one of the {n} texts; indices start at 0.")
    return {letter: [_name(name) for name in names] for letter, names in (("a", a), ("b", b))}


def _name(name: MapName) -> dict[str, Any]:
    text = shorten(name.text, NAME_CHARACTERS)
    return {
        "text": text,
        "at": int(name.at),
        "size": int(name.size),
        "level": name.level,
        "key": int(name.key),
    }


def map_kept(kept: npt.ArrayLike | None) -> dict[str, Any]:
    """The texts that filters leave on the map: a truth value each, (n,), or None for all."""
    return {"mask": None if kept is None else packed(np.asarray(kept, bool), "|u1")}


def map_found(query: str, a: Sequence[int], b: Sequence[int]) -> dict[str, Any]:
    """The texts nearest to a query under A and under B, the nearest first; they get their ranks."""
    return {"query": one_line(query), "a": [int(i) for i in a], "b": [int(i) for i in b]}


def map_asked(query: str) -> dict[str, Any]:
    """A query that the page asks as if a visitor had typed it; "" ends a search."""
    return {"query": one_line(query), "ask": True}


def map_frames(
    side: str, key: str, xy: npt.NDArray[np.float32], notes: Sequence[str], *, layer: int
) -> dict[str, Any]:
    """A design's map at each layer, which the page plays.

    Args:
        side: the map that shows them, "a" or "b".
        key: its ``MapSide.key``.
        xy: (L + 1, n, 2), aligned from layer to layer, within −1 … 1.
        notes: one short line for each layer.
        layer: the design's own, shown first.
    """
    return {
        "side": side,
        "key": key,
        "count": len(xy),
        # Sixteen bits are a 65,000th of the map, in half the size.
        "xy": packed(np.round(np.clip(xy, -1, 1) * 32767), "<i2"),
        "notes": [one_line(note) for note in notes],
        "layer": layer,
    }


def map_settled(
    side: str, key: str, layer: int, xy: npt.NDArray[np.float32], method: str
) -> dict[str, Any]:
    """A layout (n, 2) of its own for the layer that the slider was left at."""
    place = packed(coordinates(xy, len(xy), side.upper()), "<f4")
    return {"side": side, "key": key, "layer": layer, "xy": place, "method": method}
