"""Results of the designs A and B as HTML, and the components that show HTML."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import gradio as gr
from markupsafe import Markup

from embedlab.analysis.comparison import Embedded, Hit, Quality
from embedlab.analysis.metrics import RetrievalScores
from embedlab.data.corpus import Corpus
from embedlab.models.design import Design
from embedlab.models.pooling import POOLINGS
from embedlab.render.html import Macros, points, table
from embedlab.render.html import joined as joined  # the tabs find all their HTML here
from embedlab.render.html import muted as muted
from embedlab.render.html import note as note
from embedlab.ui.shared.theme import script

if TYPE_CHECKING:
    from embedlab.models.backbone import Backbone

_LISTS, _RESULTS = Macros("lists.html"), Macros("results.html")


def picking_html(elem_id: str) -> gr.HTML:
    """HTML whose ``data-index`` buttons send the event ``pick`` with that index."""
    return gr.HTML(js_on_load=script("pick"), elem_id=elem_id, apply_default_css=False)


def block(elem_id: str, html: str = "") -> gr.HTML:
    """A component for HTML in the look of our style sheets, without Gradio's."""
    return gr.HTML(html, elem_id=elem_id, apply_default_css=False)


def table_block(elem_id: str) -> gr.HTML:
    """A :func:`block` whose tables can be saved as CSV."""
    return gr.HTML(
        js_on_load=script("table"),
        apply_default_css=False,
        elem_id=elem_id,
        elem_classes=["table-block"],
    )


def design_name(design: Design, *, untrained: bool) -> str:
    """``M3 causal/multi_layer_trainable · untrained (random)``."""
    alias = f"{design.alias} · " if design.alias else ""
    return f"{alias}{design.name}{' · untrained (random)' if untrained else ''}"


def is_untrained(design: Design, backbone: Backbone) -> bool:
    """Whether a design's head has random weights."""
    return design.trainable and not backbone.head(design).trained


def empty(sentence: str) -> Markup:
    """The empty state: what will be here."""
    return _LISTS.empty(sentence)


def caveats(a: Embedded, b: Embedded) -> list[str]:
    """The limits of these numbers, one short line each."""
    corpus = a.corpus
    lines = list(corpus.notes)
    for letter, embedded in (("A", a), ("B", b)):
        design, backbone = embedded.design, embedded.backbone
        if embedded.truncated:
            lines.append(
                f"{letter}: {embedded.truncated:,} of {len(embedded):,} texts were cut to "
                f"{backbone.max_length} tokens."
            )
        if is_untrained(design, backbone):
            lines.append(f"{letter}: the head is untrained (random); it only mixes what it reads.")
        if caveat := POOLINGS[design.pooling].caveat(design.attention):
            lines.append(f"{letter}: {caveat}")
    if len(corpus.texts) < 30:
        lines.append(f"n = {len(corpus.texts)}: scores over so few texts say little.")
    return lines


def provenance(backbone: Backbone, *more: str) -> str:
    """``smollm2-135m · pinned package · 4-bit weights, dequantised · float32``."""
    precision = str(backbone.dtype).removeprefix("torch.")
    parts = [backbone.name, backbone.source, backbone.note, *more, precision]
    return " · ".join(part for part in parts if part)


def source_line(a: Backbone, b: Backbone) -> Markup:
    """The models of A and B with their device; a line each where they differ."""
    lines = [provenance(backbone, backbone.device.type) for backbone in (a, b)]
    letters = ("", "") if a is b else ("A", "B")
    return _RESULTS.source_lines(list(dict.fromkeys(zip(letters, lines, strict=True))))


def status_line(corpus: Corpus, names: tuple[str, str]) -> Markup:
    """What is on the screen: the corpus, its size, and the two designs."""
    return _RESULTS.status_line(corpus, names)


def not_shown(reason: str, shown: str) -> Markup:
    """Why the choice is not on the screen, and the status line of what still is."""
    return _RESULTS.not_shown(reason, shown)


def score_table(
    rows: Sequence[tuple[str, float | None, float | None]],
    caption: str,
    *,
    headers: str = "",
    columns: tuple[str, str, str] = ("A", "B", "B − A"),
    measured_on: str = "",
) -> Markup:
    """Two scores ×100 and their difference; rows without both scores are left out."""
    cells = [
        (name, points(a), points(b), points(b - a, sign=True))
        for name, a, b in rows
        if a is not None and b is not None
    ]
    return table((headers, *columns), cells, caption, measured_on=measured_on)


def quality_table(a: Quality, b: Quality, field: str, seed: int, measured_on: str = "") -> Markup:
    """The map tab's scores."""
    rows = [
        ("kNN accuracy (k = 10)", a.knn_accuracy, b.knn_accuracy),
        ("V-measure (k-means)", a.v_measure, b.v_measure),
        ("Spearman, scored pairs", a.spearman, b.spearman),
        ("Mean cosine (anisotropy)", a.mean_cosine, b.mean_cosine),
    ]
    labels = f", labels: {field}" if a.knn_accuracy is not None else ""
    caption = f"n = {a.n:,} texts{labels}, seed {seed}; ×100, in the original space"
    return score_table(rows, caption, measured_on=measured_on)


def retrieval_table(
    a: RetrievalScores | None, b: RetrievalScores | None, measured_on: str = ""
) -> Markup:
    """nDCG@10, MRR@10 and recall@10 over the corpus's own queries."""
    if a is None or b is None:
        return muted(
            "This corpus has no queries with known answers; senses, BoolQ and Semanlink do."
        )
    rows = [
        ("nDCG@10", a.ndcg_10, b.ndcg_10),
        ("MRR@10", a.mrr_10, b.mrr_10),
        ("Recall@10", a.recall_10, b.recall_10),
    ]
    return score_table(
        rows, f"{a.n_queries:,} queries of the corpus, ×100", measured_on=measured_on
    )


def hit_list(letter: str, name: str, hits: Sequence[Hit], other: str) -> Markup:
    """One ranked list with scores, rank moves and relevance."""
    return _RESULTS.hits(letter, name, hits, other)


def neighbour_list(
    letter: str,
    name: str,
    corpus: Corpus,
    ids: Sequence[int],
    similarities: Sequence[float],
    other_rank: Callable[[int], int | None],
    labels: Sequence[str] | None,
) -> Markup:
    """The nearest texts under one design, each with its rank under the other."""
    nearest = list(zip(ids, similarities, strict=True))
    return _RESULTS.neighbours(letter, name, corpus.texts, nearest, labels, other_rank)


def side_by_side(a: Markup, b: Markup) -> Markup:
    """Two panels beside each other, stacked on a phone."""
    return _LISTS.side_by_side(a, b)


def selected_text(text: str, label: str, overlap: float, k: int) -> Markup:
    """The selected text above its neighbours, and how far the two lists agree."""
    return _RESULTS.selected_text(text, label, overlap, k)


def lasso_summary(corpus: Corpus, chosen: Sequence[int]) -> Markup:
    """The first texts inside a lasso."""
    return _RESULTS.lasso_summary(corpus.texts, chosen, 20)


def changed_list(
    corpus: Corpus, indices: Sequence[int], overlap: Sequence[float], mean: float
) -> Markup:
    """The texts whose neighbourhoods differ most between A and B."""
    return _RESULTS.changed_list(corpus.texts, indices, overlap, mean)


def pair_behind(first: tuple[int, str], second: tuple[int, str], a: float, b: float) -> Markup:
    """Two texts of the heatmap and their similarity under both designs."""
    return _RESULTS.pair((first, second)) + score_table([("Cosine of the pair", a, b)], "×100")
