"""Results of the Inside tab as HTML."""

from __future__ import annotations

from typing import TYPE_CHECKING

from markupsafe import Markup

from embedlab.analysis.metrics import Quality
from embedlab.analysis.space import Shape
from embedlab.render.html import Macros, table
from embedlab.ui.shared.html import Row, measures

if TYPE_CHECKING:
    from embedlab.analysis.tokens import TokenView

INSIDE = Macros("inside.html")


def token_strip(letter: str, name: str, view: TokenView) -> Markup:
    """The text in tokens, each shaded by its weight under the pooling."""
    weights = view.weights.tolist()
    title = f"{name}: weight of each token under the pooling, %"
    return INSIDE.tokens(letter, title, list(zip(view.tokens, weights, strict=True)), max(weights))


SCORES = {"spearman": "Spearman", "ndcg_10": "nDCG@10", "knn_accuracy": "kNN accuracy"}


def score_rows(prefix: str, a: Quality, b: Quality) -> list[Row]:
    """The measures that both know, with a prefix before their titles."""
    return measures(a, b, {name: f"{prefix}: {title}" for name, title in SCORES.items()})


def shape_table(a: Shape, b: Shape, measured_on: str) -> Markup:
    """The measures of two embedding spaces."""
    rows = (
        ("Mean cosine ×100 (anisotropy)", 100 * a.cosines.mean, 100 * b.cosines.mean),
        ("Spread of the cosines ×100 (SD)", 100 * a.cosines.std, 100 * b.cosines.std),
        ("Effective rank", a.effective_rank, b.effective_rank),
        ("Participation ratio", a.participation_ratio, b.participation_ratio),
        ("First component, % of variance", 100 * a.explained[0], 100 * b.explained[0]),
        (
            "First ten components, % of variance",
            100 * a.explained[:10].sum(),
            100 * b.explained[:10].sum(),
        ),
        (f"Hubness: skew of {a.hubness.k}-occurrence", a.hubness.skewness, b.hubness.skewness),
    )
    cells = [(name, f"{x:.1f}", f"{y:.1f}", f"{y - x:+.1f}") for name, x, y in rows]
    caption = f"n = {a.n:,} texts in {a.dim} dimensions"
    return table(("Shape of the space", "A", "B", "B − A"), cells, caption, measured_on=measured_on)
