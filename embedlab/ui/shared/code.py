"""Runnable Python for the current view, from the template ``code.py.jinja``."""

from __future__ import annotations

from jinja2 import Environment, PackageLoader, StrictUndefined

from embedlab.lab.run import PREFIX
from embedlab.ui.shared.view import Pair

_ENVIRONMENT = Environment(
    loader=PackageLoader("embedlab.ui", "shared"),
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
)
_ENVIRONMENT.filters["repr"] = repr


def map_code(pair: Pair, n_neighbors: int, min_dist: float) -> str:
    """Vectors of both designs and their two maps."""
    return _code(pair, view="map", n_neighbors=n_neighbors, min_dist=min_dist)


def retrieve_code(pair: Pair, query: str) -> str:
    """Two ranked lists for one query."""
    return _code(pair, view="retrieve", query=query)


def similarity_code(pair: Pair) -> str:
    """Both similarity matrices and their difference."""
    return _code(pair, view="similarity")


def _code(pair: Pair, **view: object) -> str:
    # A run is loaded from the folder that its owner downloaded.
    runs = [run for run in pair.backbone_ids if run.startswith(PREFIX)]
    template = _ENVIRONMENT.get_template("code.py.jinja")
    return template.render(pair=pair, corpus=pair.corpus, runs=runs, **view)
