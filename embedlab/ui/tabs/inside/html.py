"""Results of the Inside tab as HTML."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from embedlab.analysis.space import Scores, Shape
from embedlab.data.corpus import Corpus
from embedlab.render.html import Macros, table

_INSIDE = Macros("inside.html")


def verdicts(sentences: Sequence[tuple[bool, str]]) -> Markup:
    """A line for each test with its outcome, marked by a sign and not by colour alone."""
    return _INSIDE.verdicts(sentences)


def token_strip(letter: str, name: str, tokens: Sequence[str], weights: Sequence[float]) -> Markup:
    """The text in tokens, each shaded by its weight under the pooling."""
    title = f"{name}: weight of each token under the pooling, %"
    return _INSIDE.tokens(letter, title, list(zip(tokens, weights, strict=True)), max(weights))


def score_rows(a: Scores, b: Scores) -> list[tuple[str, float | None, float | None]]:
    """The measures that both know."""
    rows = [
        ("Spearman", a.spearman, b.spearman),
        ("nDCG@10", a.ndcg_10, b.ndcg_10),
        ("kNN accuracy", a.knn_accuracy, b.knn_accuracy),
    ]
    return [row for row in rows if row[1] is not None and row[2] is not None]


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


def hub_list(
    letter: str, name: str, corpus: Corpus, ids: Sequence[int], counts: Sequence[int]
) -> Markup:
    """The texts that are near many others."""
    return _INSIDE.hubs(letter, f"{name}: hubs", corpus.texts, list(zip(ids, counts, strict=True)))
