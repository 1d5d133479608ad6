"""The inside tab's results as HTML, escaped like everything in :mod:`embedlab.ui.shared.html`."""

from __future__ import annotations

from collections.abc import Sequence

from embedlab.analysis.space import Scores, Shape
from embedlab.data.corpus import Corpus
from embedlab.text import escape, shorten
from embedlab.ui.shared.html import SHOWN, panel, table


def verdicts(sentences: Sequence[tuple[bool, str]]) -> str:
    """One line a probe, marked by a sign and not by colour alone."""
    return "".join(
        f'<p class="verdict {"holds" if holds else "fails"}"><strong>{"✓" if holds else "✗"}'
        f"</strong> {escape(sentence)}</p>"
        for holds, sentence in sentences
    )


def token_strip(letter: str, name: str, tokens: Sequence[str], weights: Sequence[float]) -> str:
    """The text in tokens, each shaded by its weight under the pooling."""
    most = max(weights)
    spans = "".join(
        f'<span class="token" style="--weight: {100 * weight / most if most else 0:.0f}%" '
        f'title="weight {100 * weight:.1f} %">{escape(token)}<small class="num">'
        f"{100 * weight:.0f}</small></span>"
        for token, weight in zip(tokens, weights, strict=True)
    )
    return panel(
        letter,
        f"{name}: weight of each token under the pooling, %",
        f'<div class="tokens">{spans}</div>',
    )


def score_rows(a: Scores, b: Scores) -> list[tuple[str, float | None, float | None]]:
    """The measures that both know."""
    rows = [
        ("Spearman", a.spearman, b.spearman),
        ("nDCG@10", a.ndcg_10, b.ndcg_10),
        ("kNN accuracy", a.knn_accuracy, b.knn_accuracy),
    ]
    return [row for row in rows if row[1] is not None and row[2] is not None]


def shape_table(a: Shape, b: Shape, about: str) -> str:
    """The figures of two spaces."""
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
    body = "".join(
        f"<tr><td>{escape(name)}</td><td>{x:.1f}</td><td>{y:.1f}</td><td>{y - x:+.1f}</td></tr>"
        for name, x, y in rows
    )
    caption = f"n = {a.n:,} texts in {a.dim} dimensions"
    return table(body, caption, ("Shape of the space", "A", "B", "B − A"), about)


def hub_list(
    letter: str, name: str, corpus: Corpus, ids: Sequence[int], counts: Sequence[int]
) -> str:
    """The texts that are near many others."""
    rows = "".join(
        f'<li><span class="rank">{rank}</span><span class="text" dir="auto">'
        f"{escape(shorten(corpus.texts[i], SHOWN))}</span>"
        f'<span class="score">{count}×</span></li>'
        for rank, (i, count) in enumerate(zip(ids, counts, strict=True), start=1)
    )
    return panel(letter, f"{name}: hubs", f'<ol class="ranked-list">{rows}</ol>')
