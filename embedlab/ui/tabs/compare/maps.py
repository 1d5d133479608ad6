"""Up to nine small maps of one corpus, aligned, in which a text lights up in all at once.

``ui/static/small_maps.js`` draws them; this module has the component and the value that it gets.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

import gradio as gr
import numpy as np
import numpy.typing as npt

from embedlab.render.map_data import TOOLTIP_CHARACTERS, coordinates
from embedlab.render.style import OTHER_COLOUR, categories, category_style
from embedlab.text import one_line, shorten
from embedlab.ui.shared.html import frame

#: Maps that are drawn at once.
MOST_MAPS = 9


def small_maps() -> gr.HTML:
    """A place for what :func:`maps_value` makes."""
    return frame("small-maps", "small_maps")


def maps_value(
    maps: Sequence[tuple[str, str, npt.ArrayLike]],
    texts: Sequence[str],
    labels: Sequence[Hashable] | None = None,
    *,
    rows: Sequence[int] | None = None,
    caption: str = "",
    look: str = "",
) -> dict[str, Any]:
    """What the small maps show, as plain JSON.

    Args:
        maps: the name of each design, its chips (``A``, ``B`` or nothing), and its points (n, 2).
        texts: the n texts.
        labels: n categories, or None where the corpus has none.
        rows: the texts that are drawn, by index; by default all.
        caption: what was mapped.
        look: what to look for in them, a sentence.
    """
    n = len(texts)
    chosen = range(n) if rows is None else rows
    codes, names = categories(labels) if labels is not None else ([0] * n, [])
    return {
        "maps": [
            {"title": shorten(name, 80), "sides": sides, "xy": _places(xy, n, chosen)}
            for name, sides, xy in maps
        ],
        "texts": [shorten(texts[i], TOOLTIP_CHARACTERS) for i in chosen],
        "categories": [codes[i] for i in chosen],
        "names": [shorten(name, 40) for name in names],
        "styles": [category_style(code) for code in range(max(1, len(names)))],
        "other": OTHER_COLOUR,
        "caption": one_line(caption),
        "look": one_line(look),
    }


def _places(xy: npt.ArrayLike, n: int, chosen: Sequence[int]) -> list[list[float]]:
    """Where the chosen ones of n points are; three decimals are less than a pixel here."""
    places = coordinates(xy, n).astype(np.float64)[list(chosen)]
    rounded: list[list[float]] = np.round(places, 3).tolist()
    return rounded
