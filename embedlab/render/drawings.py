"""Figures for paper: drawn as SVG in black, told apart by shape and stroke and not by colour."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from markupsafe import Markup

from embedlab.render.html import Macros

_DRAWINGS = Macros("drawings.html")
#: Width and height of one of two maps, and of a diagram with axes, in the SVG's own units.
MAP_SIZE = 310
WIDE, HIGH = 640, 240
#: Space for the axes' numbers and names.
_LEFT, _BOTTOM, _TOP, _RIGHT = 46, 44, 12, 10
#: How many groups of points have a mark of their own; all others are grey dots.
MARKS = 4
#: The stroke patterns of lines.
_DASHES = ("", "7 4", "2 3", "9 3 2 3")


@dataclass(frozen=True, kw_only=True)
class Line:
    """A line over x = 0 … n - 1; NaN is a gap."""

    name: str
    values: npt.NDArray[np.float64]


def maps(
    titles: tuple[str, str],
    places: tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]],
    groups: Sequence[str],
    method: str,
) -> Markup:
    """Two maps beside each other, with the points of up to four groups marked.

    Args:
        titles: the designs' names.
        places: the points' places, (n, 2) each.
        groups: each point's group, n of them, "" for none.
        method: how the maps were made, such as ``PCA``.
    """
    names = [name for name in dict.fromkeys(groups) if name][:MARKS]
    marks = [names.index(name) if name in names else -1 for name in groups]
    sides = []
    for letter, title, xy in zip("AB", titles, places, strict=True):
        points = [(x, y, mark) for (x, y), mark in zip(_fitted(xy).tolist(), marks, strict=True)]
        # The marked points last, so that nothing covers them.
        sides.append((letter, title, sorted(points, key=lambda point: point[2])))
    return _DRAWINGS.maps(sides, list(enumerate(names)), method, MAP_SIZE)


def lines(drawn: Sequence[Line], n: int, *, x_title: str, y_title: str) -> Markup:
    """Lines over x = 0 … n - 1 in a frame from 0 to 100; without any, the frame to sketch in."""
    paths = [
        (line.name, _path(line.values, n), _DASHES[i % len(_DASHES)])
        for i, line in enumerate(drawn)
    ]
    step = 5 if n > 12 else 1
    ticks = [(_across(x, n), str(x)) for x in range(0, n, step)]
    heights = [(round(_up(value, 100), 1), str(value)) for value in range(0, 101, 20)]
    return _DRAWINGS.lines(paths, _frame(), heights, ticks, x_title, y_title)


def bars(names: Sequence[str], values: Sequence[float], *, y_title: str) -> Markup:
    """A bar for each name, from 0; without values, the frame to sketch in."""
    n, bottom = len(names), HIGH - _BOTTOM
    most = 1.12 * max(values, default=0.0)  # room for the number above the longest
    width = (WIDE - _LEFT - _RIGHT) / n
    middles = [_LEFT + width * (i + 0.5) for i in range(n)]
    drawn = []
    for x, value in zip(middles, values, strict=False):
        top = round(_up(value, most), 1)
        bar = (round(x - width / 3, 1), top, round(2 * width / 3, 1), round(bottom - top, 1))
        drawn.append((*bar, f"{value:,.0f}"))
    labels = [(round(x, 1), name) for x, name in zip(middles, names, strict=True)]
    return _DRAWINGS.bars(drawn, _frame(), labels, y_title)


def _fitted(xy: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    """Places within a map's frame, both axes on one scale."""
    low, high = xy.min(axis=0), xy.max(axis=0)
    span, room = float((high - low).max()) or 1.0, MAP_SIZE - 24
    middle = (low + high) / 2
    placed = MAP_SIZE / 2 + (xy - middle) / span * room * np.array([1, -1])
    return np.asarray(np.round(placed, 1), np.float64)


def _frame() -> tuple[int, int, int, int]:
    """Left, top, right and bottom of the frame of a diagram."""
    return _LEFT, _TOP, WIDE - _RIGHT, HIGH - _BOTTOM


def _across(x: float, n: int) -> float:
    return round(_LEFT + (WIDE - _LEFT - _RIGHT) * (x + 0.5) / n, 1)


def _up(value: float, most: float) -> float:
    return HIGH - _BOTTOM - (HIGH - _BOTTOM - _TOP) * (value / most if most else 0.0)


def _path(values: npt.NDArray[np.float64], n: int) -> str:
    """The d of an SVG path; a gap begins it anew."""
    parts, pen = [], "M"
    for x, value in enumerate(values.tolist()):
        if np.isnan(value):
            pen = "M"
            continue
        parts.append(f"{pen}{_across(x, n)} {_up(value, 100):.1f}")
        pen = "L"
    return " ".join(parts)
