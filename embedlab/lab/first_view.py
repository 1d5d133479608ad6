"""The first view, computed from what is prepared before anybody has opened the page."""

from __future__ import annotations

from embedlab.analysis.clusters import Clustering
from embedlab.lab import retrieving, views
from embedlab.lab.clusters import clusters, flow
from embedlab.lab.colourings import offered
from embedlab.lab.lab import Lab
from embedlab.models.design import Design


def compute(lab: Lab) -> bool:
    """Put the figures of the first map and of its queries into the Lab's cache, without a model.

    Returns whether there are any: nothing is done where the first view is not prepared.
    """
    defaults = lab.config.defaults
    corpus = lab.corpus(defaults.corpus)
    a, b = (
        lab.at_once(corpus, Design.parse(design))
        for design in (defaults.design_a, defaults.design_b)
    )
    if a is None or b is None:
        return False
    field, how = next(iter(corpus.fields), ""), Clustering(seed=defaults.seed)
    for side in (a, b):
        views.quality(lab, side, field)
        clusters(lab, side, how)
    flow(lab, a, b, how)
    views.changed_neighbourhoods(lab, a, b)
    offered(lab, a, b)
    retrieving.outcomes(lab, a, b)
    return True
