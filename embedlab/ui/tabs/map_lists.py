"""The lists of texts below the maps: a text's neighbours, a selection, what changed most.

Where a filter holds, only its texts are listed; neighbours are then the nearest among these.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from markupsafe import Markup

from embedlab.analysis import metrics
from embedlab.analysis.comparison import NEAREST, Embedded
from embedlab.errors import EmbedLabError, NeedsModel
from embedlab.lab import inside, selections, views
from embedlab.lab.lab import Lab
from embedlab.progress import Progress
from embedlab.render import look_for
from embedlab.render.csv_table import corpus_rows
from embedlab.ui.shared import html
from embedlab.ui.shared.view import Pair

NO_SELECTION = (
    "Click a point on either map: its nearest texts under both designs appear here, with the "
    "overlap of the two lists."
)


def what_to_look_for(lab: Lab, pair: Pair, field: str, report: Progress) -> str:
    """A sentence on the two maps, from the neighbours in the original space."""
    near_a, near_b = (
        lab.neighbours(side, NEAREST, report).ids[:, :NEAREST] for side in (pair.a, pair.b)
    )
    labels = pair.corpus.fields.get(field, pair.corpus.labels)
    return look_for.neighbourhoods(labels, near_a, near_b)


def near(lab: Lab, pair: Pair, index: int) -> tuple[list[int], list[int]]:
    """A text's nearest under A and under B, by index."""
    a, b = ([i for i, _ in _nearest(lab, pair, side, index)] for side in (pair.a, pair.b))
    return a, b


def neighbours(lab: Lab, pair: Pair, index: int, field: str) -> Markup:
    """A text and its neighbours under both designs; ``field`` holds the labels beside them."""
    corpus, both = pair.corpus, near(lab, pair, index)
    labels = corpus.fields.get(field, corpus.labels)
    panels = []
    for side, others in zip(pair.sides, reversed(both), strict=True):
        nearest = _nearest(lab, pair, side.embedded, index)
        ranks = {i: rank for rank, i in enumerate(others, start=1)}
        panels.append(
            html.RESULTS.neighbours(
                side.letter, side.name, corpus.texts, nearest, labels, ranks.get
            )
        )
    overlap = float(metrics.jaccard([both[0]], [both[1]])[0]) if both[0] else 1.0
    label = labels[index] if labels else ""
    among = f"{len(pair.kept.rows):,} texts of the filter" if pair.kept else ""
    head = html.RESULTS.selected_text(corpus.texts[index], label, overlap, len(both[0]), among)
    return html.joined([head, words(lab, pair, (index,)), html.side_by_side(*panels)])


def neighbour_table(
    lab: Lab, pair: Pair, index: int, field: str
) -> tuple[list[str], list[list[Any]]]:
    """The same as a header and rows: the text, and all that are near to it under A or B."""
    ranked = [
        {i: (rank, cosine) for rank, (i, cosine) in enumerate(_nearest(lab, pair, side, index), 1)}
        for side in (pair.a, pair.b)
    ]
    chosen = [index, *dict.fromkeys([*ranked[0], *ranked[1]])]
    more = ("rank under A", "cosine under A", "rank under B", "cosine under B")
    ranks = [[x for side in ranked for x in side.get(i, ("", ""))] for i in chosen]
    return corpus_rows(pair.corpus, chosen, field=field, more=more, values=ranks)


def several(lab: Lab, pair: Pair, rows: Sequence[int]) -> Markup:
    """What tells some texts from all others, and the first of them."""
    if not rows:
        return html.empty(NO_SELECTION)
    told = words(lab, pair, tuple(rows), together=True)
    return html.joined([told, html.RESULTS.several(pair.corpus.texts, list(rows))])


def words(lab: Lab, pair: Pair, chosen: tuple[int, ...], *, together: bool = False) -> Markup:
    """Words near to a text's state, or to what tells some texts from all, under A and B."""
    rows = []
    for side in pair.sides:
        prepared = None if together else lab.prepared_views.words(side.embedded, chosen)
        if prepared is not None:
            rows.append((side.letter, list(prepared[0])))
            continue
        try:
            [found] = inside.key_tokens(lab, side.embedded, chosen, together=together)
        except (EmbedLabError, NeedsModel):
            continue  # a head's vectors, an unembedding that is not at hand, or a model not yet
        rows.append((side.letter, [token.word for token in found]))
    return html.RESULTS.key_tokens(rows, together) if rows else html.joined([])


def changed_most(lab: Lab, pair: Pair, report: Progress) -> Markup:
    """The texts whose neighbourhoods differ most between A and B."""
    if len(pair.corpus.texts) < 3:
        return html.empty("Three texts or more have neighbourhoods that can change.")
    changed = views.changed_neighbourhoods(lab, pair.a, pair.b, report)
    overlap, order, some = changed.overlap, changed.order.tolist(), changed.overlap
    if pair.rows is not None:
        order = sorted(pair.rows, key=lambda i: overlap[i])[: views.MOST_CHANGED]
        some = overlap[list(pair.rows)]
    mean = float(some.mean())
    return html.RESULTS.changed_list(pair.corpus.texts, order, overlap.tolist(), mean, len(some))


def _nearest(lab: Lab, pair: Pair, side: Embedded, index: int) -> list[tuple[int, float]]:
    return selections.nearest(lab, side, index, pair.rows)
