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


def view_code(pair: Pair, view: str, **values: object) -> str:
    """The vectors of both designs, and what a view makes of them.

    ``map``: two maps, made with ``n_neighbors`` and ``min_dist``, and the clusters by
    ``clustering``. ``retrieve``: two ranked lists for one ``query``. ``similarity``: both
    similarity matrices and their difference.
    """
    # A run is loaded from the folder that its owner downloaded.
    runs = [run for run in pair.backbone_ids if run.startswith(PREFIX)]
    template = _ENVIRONMENT.get_template("code.py.jinja")
    return template.render(pair=pair, corpus=pair.corpus, runs=runs, view=view, **values)
