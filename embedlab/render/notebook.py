"""The linked map in a notebook: two designs' vectors of the same texts, and what is selected.

The page's own scripts draw it, joined into one module, so nothing has to be built. It needs
``anywidget``: ``pip install "embedlab[notebook]"``.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from embedlab.analysis import projection
from embedlab.analysis.colouring import by_categories
from embedlab.analysis.retrieval import Neighbours, check_vectors, neighbours
from embedlab.errors import EmbedLabError, check_known
from embedlab.render.html import Macros
from embedlab.render.map_data import (
    LINKED_MAP_SCRIPTS,
    METHODS,
    MapSide,
    map_colouring,
    map_place,
    map_points,
    map_texts,
)
from embedlab.resources import STATIC

#: Neighbours of a selected text that light up, in the original space of each design.
NEAREST = 10


def linked_map(
    texts: Sequence[str],
    designs: Mapping[str, npt.ArrayLike],
    labels: Sequence[str] = (),
    method: str = "UMAP",
) -> Any:
    """A widget: two maps of the same texts; its trait ``selection`` holds the selected numbers.

    A click selects a text and lights up its neighbours in both maps, a lasso selects many, and
    ``widget.selection = [3, 7]`` does the same from Python; ``widget.observe`` tells of changes.

    Args:
        texts: n texts.
        designs: two names, each with its vectors (n, d), unit rows as :func:`embedlab.embed` gives.
        labels: n categories to colour by, or none.
        method: ``UMAP``, whose first map takes some 20 s, or ``PCA``; few texts get PCA.

    Raises:
        EmbedLabError: anywidget is not installed, or texts, vectors and labels do not fit.
    """
    try:
        import anywidget
        import traitlets
    except ImportError as error:
        raise EmbedLabError(
            'The notebook widget needs anywidget; pip install "embedlab[notebook]" brings it.'
        ) from error
    check_known(method, "a way to draw a map", METHODS)
    names, sides = _checked(texts, designs, labels)
    near = [neighbours(rows, NEAREST) for rows in sides]

    parts = _parts(texts, names, sides, labels, method)

    class LinkedMap(anywidget.AnyWidget):
        """The widget."""

        _esm = _module()
        _css = _style()
        _frame = traitlets.Unicode(str(Macros("frames.html").linked_map())).tag(sync=True)
        _value = traitlets.Dict(parts["value"]).tag(sync=True)
        _place_a = traitlets.Dict(parts["place_a"]).tag(sync=True)
        _place_b = traitlets.Dict(parts["place_b"]).tag(sync=True)
        _texts = traitlets.Dict(parts["texts"]).tag(sync=True)
        _colouring = traitlets.Dict(parts["colouring"]).tag(sync=True)
        _selection = traitlets.Dict(_marked([], near)).tag(sync=True)
        selection = traitlets.List(traitlets.Int()).tag(sync=True)

        @traitlets.validate("selection")  # type: ignore[untyped-decorator]
        def _known(self, proposal: Any) -> list[int]:
            for i in proposal["value"]:
                if not 0 <= i < len(texts):
                    raise EmbedLabError(
                        f"{i} is not one of the {len(texts)} texts; numbers start at 0."
                    )
            return sorted(set(proposal["value"]))

        @traitlets.observe("selection")  # type: ignore[untyped-decorator]
        def _lit(self, change: Any) -> None:
            self._selection = _marked(change["new"], near)

    return LinkedMap()


def _checked(
    texts: Sequence[str], designs: Mapping[str, npt.ArrayLike], labels: Sequence[str]
) -> tuple[list[str], list[npt.NDArray[np.float32]]]:
    if len(designs) != 2:
        raise EmbedLabError(f"{len(designs)} designs were given; the linked map compares two.")
    names = list(designs)
    sides = [check_vectors(designs[name], f"vectors of {name}") for name in names]
    for name, rows in zip(names, sides, strict=True):
        if len(rows) != len(texts):
            raise EmbedLabError(f"{name} has {len(rows)} vectors for {len(texts)} texts.")
    if labels and len(labels) != len(texts):
        raise EmbedLabError(f"There are {len(labels)} labels for {len(texts)} texts.")
    return names, sides


def _parts(
    texts: Sequence[str],
    names: Sequence[str],
    sides: Sequence[npt.NDArray[np.float32]],
    labels: Sequence[str],
    method: str,
) -> dict[str, dict[str, Any]]:
    """What the map is given, by part; each with a revision, by which the script knows it is new."""
    umap = method == "UMAP" and projection.umap_possible(*sides)
    if umap:
        wide = [neighbours(rows, 15) for rows in sides]
        places = projection.umap_pair(sides[0], sides[1], wide[0], wide[1])
    else:
        places = projection.pca_pair(sides[0], sides[1])
    n = len(texts)
    drawn = [map_place(xy, n, letter) for xy, letter in zip(places, "AB", strict=True)]
    two = [
        MapSide(title=name, place=place["id"], key=name)
        for name, place in zip(names, drawn, strict=True)
    ]
    corpus = hashlib.sha256("\n".join(texts).encode(errors="replace")).hexdigest()[:16]
    used = "UMAP" if umap else "PCA"
    parts = {
        "value": map_points(a=two[0], b=two[1], n=n, corpus=corpus, method=used),
        "place_a": drawn[0],
        "place_b": drawn[1],
        "texts": map_texts(texts),
        "colouring": map_colouring(by_categories("label", labels or [""] * n)),
    }
    return {name: {**part, "revision": next(_revision)} for name, part in parts.items()}


_revision = itertools.count(1)


def _marked(chosen: Sequence[int], near: Sequence[Neighbours]) -> dict[str, Any]:
    """What is lit up: one text with its neighbours in each map, or many texts."""
    one = chosen[0] if len(chosen) == 1 else None
    lit = [[] if one is None else side.ids[one].tolist() for side in near]
    return {
        "selected": one,
        "highlight_a": lit[0],
        "highlight_b": lit[1],
        "lasso": [] if one is not None else list(chosen),
        "revision": next(_revision),
    }


def _module() -> str:
    """The page's scripts of the map inside the module that a notebook loads."""
    body = "\n".join((STATIC / name).read_text(encoding="utf-8") for name in LINKED_MAP_SCRIPTS)
    frame = (STATIC / "notebook_map.js").read_text(encoding="utf-8")
    return frame.replace("  MAP;\n", body)


def _style() -> str:
    """The page's style within the widget alone, and the variables that the page's theme has."""
    rules = (STATIC / "style.css").read_text(encoding="utf-8")
    variables = (STATIC / "notebook_map.css").read_text(encoding="utf-8")
    return f"{variables}\n.embedlab-map {{\n{rules}\n}}\n"
