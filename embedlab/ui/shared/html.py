"""Results as HTML. Whatever a user typed or uploaded goes through ``escape`` here."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import gradio as gr

from embedlab.analysis.comparison import Embedded, Hit, Quality
from embedlab.analysis.metrics import RetrievalScores
from embedlab.data.corpus import Corpus
from embedlab.models.backbone import Backbone
from embedlab.models.design import Design
from embedlab.models.pooling import POOLINGS
from embedlab.text import escape, shorten
from embedlab.ui.shared.theme import script

#: Characters of a text in a list; the whole text is in its tooltip.
SHOWN = 220

#: A button with data-index tells Python which text it stands for.
PICK_JS = """
element.addEventListener('click', (event) => {
  const button = event.target.closest('[data-index]');
  if (button) trigger('pick', { index: Number(button.dataset.index) });
});
"""


def picking_html(elem_id: str) -> gr.HTML:
    """HTML whose ``data-index`` buttons send the event ``pick`` with that index."""
    return gr.HTML(js_on_load=PICK_JS, elem_id=elem_id, apply_default_css=False)


def block(elem_id: str, html: str = "") -> gr.HTML:
    """A place for HTML that looks as our own style sheets say."""
    return gr.HTML(html, elem_id=elem_id, apply_default_css=False)


def table_block(elem_id: str) -> gr.HTML:
    """A :func:`block` whose tables can be taken away as data."""
    return gr.HTML(
        js_on_load=script("download.js", "table.js"),
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


def empty(sentence: str) -> str:
    """The empty state: what will be here."""
    return f'<p class="empty-state">{escape(sentence)}</p>'


def note(sentences: Iterable[str]) -> str:
    """Short lines on what limits the numbers."""
    return "".join(f'<p class="note">{escape(sentence)}</p>' for sentence in sentences)


def caveats(corpus: Corpus, sides: Sequence[tuple[Embedded, Backbone]]) -> list[str]:
    """What a reader has to know about these numbers, in one short line each."""
    lines = list(corpus.notes)
    for letter, (embedded, backbone) in zip("AB", sides, strict=True):
        design = embedded.design
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
        lines.append(f"n = {len(corpus.texts)}: figures over so few texts say little.")
    return lines


def provenance(backbone: Backbone, *more: str) -> str:
    """``smollm2-135m · pinned package · 4-bit weights, dequantised · float32``."""
    precision = str(backbone.dtype).removeprefix("torch.")
    parts = [backbone.name, backbone.source, backbone.note, *more, precision]
    return " · ".join(part for part in parts if part)


def source_line(a: Backbone, b: Backbone) -> str:
    """What A and B stand on, the device included; a line each where they differ."""
    lines = [escape(provenance(backbone, backbone.device.type)) for backbone in (a, b)]
    if a is not b:
        lines = [
            f'<span class="chip chip-{letter.lower()}">{letter}</span> {line}'
            for letter, line in zip("AB", lines, strict=True)
        ]
    return "".join(f'<p class="source-line muted">{line}</p>' for line in dict.fromkeys(lines))


def status_line(corpus: Corpus, names: tuple[str, str]) -> str:
    """What is on the screen: the corpus, its size, and the two designs."""
    return (
        f'<p class="status-line"><strong>{escape(corpus.title)}</strong> '
        f'<span class="num">{corpus.size_note} texts</span> '
        f'<span><span class="chip chip-a">A</span> {escape(names[0])}</span> '
        f'<span><span class="chip chip-b">B</span> {escape(names[1])}</span></p>'
    )


def score_table(
    rows: Sequence[tuple[str, float | None, float | None]],
    caption: str,
    *,
    headers: str = "",
    columns: tuple[str, str, str] = ("A", "B", "B − A"),
    about: str = "",
) -> str:
    """Two scores times 100 and their difference; rows nobody can compute are left out."""
    body = "".join(
        f"<tr><td>{escape(name)}</td><td class='num'>{_score(a)}</td>"
        f"<td class='num'>{_score(b)}</td><td class='num'>{_difference(a, b)}</td></tr>"
        for name, a, b in rows
        if a is not None and b is not None
    )
    return table(body, caption, (headers, *columns), about)


def table(body: str, caption: str, header: Sequence[str], about: str = "") -> str:
    """A score table around rows of HTML.

    ``about`` says what was measured on what; given, a table in a :func:`table_block` can be taken
    away as data.
    """
    if not body:
        return f'<p class="muted">{escape(caption)}</p>'
    colours = {"A": " class='col-a'", "B": " class='col-b'"}
    cells = "".join(f"<th{colours.get(name, '')}>{escape(name)}</th>" for name in header)
    button = (
        f' <button type="button" class="take" data-get="table" data-name="scores" '
        f'data-about="{escape(f"{caption} · {about}")}" title="Save the data">CSV</button>'
        if about
        else ""
    )
    return (
        f'<table class="score-table"><caption class="muted">{escape(caption)}{button}</caption>'
        f"<thead><tr>{cells}</tr></thead><tbody>{body}</tbody></table>"
    )


def quality_table(a: Quality, b: Quality, field: str, seed: int, about: str = "") -> str:
    """The map tab's figures."""
    rows = [
        ("kNN accuracy (k = 10)", a.knn_accuracy, b.knn_accuracy),
        ("V-measure (k-means)", a.v_measure, b.v_measure),
        ("Spearman, scored pairs", a.spearman, b.spearman),
        ("Mean cosine (anisotropy)", a.mean_cosine, b.mean_cosine),
    ]
    labels = f", labels: {field}" if a.knn_accuracy is not None else ""
    caption = f"n = {a.n:,} texts{labels}, seed {seed}; ×100, in the original space"
    return score_table(rows, caption, about=about)


def retrieval_table(a: RetrievalScores | None, b: RetrievalScores | None, about: str = "") -> str:
    """nDCG@10, MRR@10 and recall@10 over the corpus's own queries."""
    if a is None or b is None:
        return (
            '<p class="muted">This corpus brings no queries with known answers; senses, BoolQ and '
            "Semanlink do.</p>"
        )
    rows = [
        ("nDCG@10", a.ndcg_10, b.ndcg_10),
        ("MRR@10", a.mrr_10, b.mrr_10),
        ("Recall@10", a.recall_10, b.recall_10),
    ]
    return score_table(rows, f"{a.n_queries:,} queries of the corpus, ×100", about=about)


def hit_list(letter: str, name: str, hits: Sequence[Hit], other: str) -> str:
    """One ranked list with scores, rank moves and relevance."""
    return _ranked(letter, name, "".join(_hit(hit, other) for hit in hits))


def neighbour_list(
    letter: str,
    name: str,
    corpus: Corpus,
    ids: Sequence[int],
    similarities: Sequence[float],
    other_rank: Callable[[int], int | None],
    labels: Sequence[str] | None,
) -> str:
    """The nearest texts under one design, each with its rank under the other."""
    rows = []
    for rank, (i, similarity) in enumerate(zip(ids, similarities, strict=True), start=1):
        elsewhere = other_rank(i)
        where = "not near" if elsewhere is None else f"#{elsewhere}"
        label = f' <span class="muted">{escape(shorten(labels[i], 40))}</span>' if labels else ""
        rows.append(
            f'<li><span class="rank">{rank}</span><span class="text">'
            f"{_pick(i, corpus.texts[i])}{label}</span>"
            f'<span><span class="score">{100 * similarity:.1f}</span> <span class="move" '
            f'title="rank under {"B" if letter == "A" else "A"}">{where}</span></span></li>'
        )
    return _ranked(letter, name, "".join(rows))


def side_by_side(a: str, b: str) -> str:
    """Two panels beside each other, stacked on a phone."""
    return f'<div class="ranked-lists">{a}{b}</div>'


def selected_text(text: str, label: str, overlap: float, k: int) -> str:
    """The selected text above its neighbours, and how far the two lists agree."""
    mark = f' <span class="chip">{escape(shorten(label, 40))}</span>' if label else ""
    return (
        f'<div class="selected-text" dir="auto">{escape(shorten(text, 600))}{mark}</div>'
        f'<p class="muted num">Nearest {k} texts, cosine ×100, and their rank under the other '
        f"design. Overlap of the two lists (Jaccard@{k}): <strong>{overlap:.2f}</strong></p>"
    )


def lasso_summary(corpus: Corpus, chosen: Sequence[int]) -> str:
    """The first of the texts inside a lasso."""
    rows = "".join(
        f'<li><span class="rank">{n}</span><span class="text">{_pick(i, corpus.texts[i])}</span>'
        "<span></span></li>"
        for n, i in enumerate(chosen[:20], start=1)
    )
    more = f'<p class="muted">and {len(chosen) - 20:,} more</p>' if len(chosen) > 20 else ""
    return (
        f'<p class="muted num">{len(chosen):,} of {len(corpus.texts):,} texts in the lasso; the '
        f'Similarity tab can draw them.</p><ol class="ranked-list">{rows}</ol>{more}'
    )


def changed_list(
    corpus: Corpus, indices: Sequence[int], overlap: Sequence[float], mean: float
) -> str:
    """The texts whose neighbourhoods differ most between A and B."""
    rows = "".join(
        f'<li><span class="rank">{rank}</span><span class="text">{_pick(i, corpus.texts[i])}'
        f'</span><span class="score">{overlap[i]:.2f}</span></li>'
        for rank, i in enumerate(indices, start=1)
    )
    return (
        f'<p class="muted num">Overlap of each text\'s nearest ten under A and under B '
        f"(Jaccard@10); mean over {len(corpus.texts):,} texts {mean:.2f}</p>"
        f'<ol class="ranked-list scrolling">{rows}</ol>'
    )


def pair_behind(first: tuple[int, str], second: tuple[int, str], a: float, b: float) -> str:
    """Two texts of the heatmap and their similarity under both designs."""
    lines = "".join(
        f'<li><span class="rank">{n}</span><span class="text" dir="auto">'
        f"{escape(shorten(text, 600))}</span><span></span></li>"
        for n, text in (first, second)
    )
    return f'<ol class="ranked-list">{lines}</ol>' + score_table(
        [("Cosine of the pair", a, b)], "×100"
    )


def panel(letter: str, name: str, content: str) -> str:
    """A design's panel around HTML."""
    return (
        f'<div class="design-{letter.lower()}"><header class="list-head"><span class="chip">'
        f"{letter}</span> {escape(name)}</header>{content}</div>"
    )


def _ranked(letter: str, name: str, rows: str) -> str:
    return panel(letter, name, f'<ol class="ranked-list">{rows}</ol>')


def _pick(index: int, text: str) -> str:
    return (
        f'<button type="button" class="pick" data-index="{index}" dir="auto" '
        f'title="{escape(shorten(text, 1000))}">{escape(shorten(text, SHOWN))}</button>'
    )


def _hit(hit: Hit, other: str) -> str:
    mark = ' <span class="relevant-mark">✓ relevant</span>' if hit.relevant else ""
    row = ' class="relevant"' if hit.relevant else ""
    return (
        f'<li{row}><span class="rank">{hit.rank}</span><span class="text" dir="auto" '
        f'title="{escape(shorten(hit.text, 1000))}">{escape(shorten(hit.text, SHOWN))}{mark}</span>'
        f'<span><span class="score">{100 * hit.score:.1f}</span> <span class="move" '
        f'title="ranks gained against {other}">{_move(hit.move)}</span></span></li>'
    )


def _move(move: int | None) -> str:
    if move is None:
        return "new"
    if move == 0:
        return "="
    return f"▲{move}" if move > 0 else f"▼{-move}"


def _score(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.1f}"


def _difference(a: float | None, b: float | None) -> str:
    return "–" if a is None or b is None else f"{100 * (b - a):+.1f}"
