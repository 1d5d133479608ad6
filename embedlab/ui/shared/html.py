"""Results of the designs A and B as HTML, and the components that show HTML."""

from __future__ import annotations

import base64
import itertools
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import gradio as gr
from markupsafe import Markup

from embedlab.analysis.comparison import Embedded
from embedlab.analysis.metrics import Quality, RetrievalScores
from embedlab.models.design import Design
from embedlab.models.pooling import POOLINGS
from embedlab.models.template import is_template, prompts_of
from embedlab.render.html import Macros, points, table
from embedlab.render.html import joined as joined  # the tabs find all their HTML here
from embedlab.render.html import muted as muted
from embedlab.render.html import note as note
from embedlab.text import one_line
from embedlab.ui.shared.theme import script

if TYPE_CHECKING:
    from embedlab.models.backbone import Backbone

LISTS, RESULTS, READING = (Macros(f"{name}.html") for name in ("lists", "results", "reading"))
#: What will be here, and two panels beside each other, stacked on a phone.
empty, side_by_side = LISTS.empty, LISTS.side_by_side
#: What to look for in the figure that follows, in one line.
look_for = LISTS.look_for
#: What is on the screen, and why a choice is not.
status_line, not_shown = RESULTS.status_line, RESULTS.not_shown
#: Which texts a filter leaves, for what it holds in a tab, and a way to end it.
filter_line = RESULTS.filter_line
_QUALITY = {
    "knn_accuracy": "kNN accuracy (k = 10)",
    "v_measure": "V-measure (k-means)",
    "spearman": "Spearman, scored pairs",
    "mean_cosine": "Mean cosine (anisotropy)",
}
_FILTERED = {
    "knn_accuracy": "kNN accuracy, filtered texts",
    "mean_cosine": "Mean cosine, filtered texts",
}
_saved = itertools.count(1)
#: The scores of retrieval by the names of their attributes.
RETRIEVAL = {"ndcg_10": "nDCG@10", "mrr_10": "MRR@10", "recall_10": "Recall@10"}


def block(elem_id: str, html: str = "", **kwargs: Any) -> gr.HTML:
    """A component for HTML in the look of our style sheets, without Gradio's."""
    return gr.HTML(html, elem_id=elem_id, apply_default_css=False, **kwargs)


def picking_block(elem_id: str, html: str = "") -> gr.HTML:
    """A :func:`block` whose ``data-index`` buttons send the event ``pick`` with that index."""
    return block(elem_id, html, js_on_load=script("pick"))


def filter_block(elem_id: str) -> gr.HTML:
    """A :func:`block` for a :func:`filter_line`, with the event ``clear``."""
    return block(elem_id, js_on_load=script("pick"), elem_classes=["filter-block"])


def table_block(elem_id: str) -> gr.HTML:
    """A :func:`block` whose tables can be saved as CSV."""
    return block(elem_id, js_on_load=script("table"), elem_classes=["table-block"])


def saver() -> gr.HTML:
    """Saves the file in its value, which :func:`saved` makes."""
    return gr.HTML(
        None, html_template="<i hidden></i>", js_on_load=script("saver"), visible="hidden"
    )


def saved(name: str, text: str) -> dict[str, Any]:
    """A value for :func:`saver`, other than any before it."""
    return {"name": name, "text": text, "number": next(_saved)}


def saved_bytes(name: str, data: bytes, media: str) -> dict[str, Any]:
    """The same for bytes of any kind."""
    encoded = base64.b64encode(data).decode("ascii")
    return {"name": name, "bytes": encoded, "media": media, "number": next(_saved)}


def frame(elem_id: str, kind: str, *args: Any, **kwargs: Any) -> gr.HTML:
    """A component that a script of ours draws in the frame of the same name, given ``args``."""
    return gr.HTML(
        None,
        html_template=str(getattr(Macros("frames.html"), kind)(*args)),
        js_on_load=script(kind),
        apply_default_css=False,
        elem_id=elem_id,
        elem_classes=[f"{kind.replace('_', '-')}-block"],
        **kwargs,
    )


def design_name(design: Design, *, untrained: bool) -> str:
    """``M3 · causal/multi_layer_trainable · untrained (random)``, with its template."""
    if design.file:
        return design.name
    alias = f"{design.alias} · " if design.alias else ""
    prompts = (design.query_prompt, design.document_prompt)
    templates = [one_line(prompt)[:40] for prompt in dict.fromkeys(prompts) if is_template(prompt)]
    parts = [f"{alias}{design.name}", *templates, *(["untrained (random)"] * untrained)]
    return " · ".join(parts)


def difference(a: Embedded, b: Embedded) -> str:
    """One sentence that says what differs between two designs on one backbone, or nothing."""
    untrained = not (a.design.trainable or b.design.trainable)
    if a.backbone is not b.backbone or a.design == b.design or not untrained:
        return ""
    return (
        f"The same model, and not a weight differs: A {_in_words(a)}; B {_in_words(b)}. Look which "
        "texts come to lie together."
    )


def _in_words(embedded: Embedded) -> str:
    """What a design does with a text."""
    design = embedded.design
    prompts = prompts_of(design.document_prompt, query=False)
    if len(prompts) > 1:
        where = f"puts each text into {len(prompts)} templates"
    elif is_template(design.document_prompt):
        where = f"puts each text into “{one_line(prompts[0])[:80]}”"
    else:
        where = f"puts each text behind “{one_line(prompts[0])[:80]}”" if prompts[0] else ""
    attended = "" if design.attention == "causal" else f" under {design.attention} attention"
    read = f"reads {POOLINGS[design.pooling].reads}{attended}"
    does = f"{where} and {read}" if where else read
    steps = ", ".join(f"+{step}" for step in design.steps)
    fitted = f" (fitted on {embedded.steps.source})" if embedded.steps and design.fitted else ""
    return does + (f", then {steps}{fitted}" if steps else "")


def is_untrained(design: Design, backbone: Backbone) -> bool:
    """Whether a design's head has random weights."""
    return design.trainable and not backbone.head(design).trained


def caveats(a: Embedded, b: Embedded) -> list[str]:
    """The limits of these numbers, one short line each."""
    corpus = a.corpus
    lines = list(corpus.notes)
    if n := corpus.repeated:
        repeat = (
            "repeats an earlier one and shares its place"
            if n == 1
            else ("repeat earlier ones and share their places")
        )
        lines.append(
            f"{n:,} of the {len(corpus.texts):,} texts {repeat} on the map; the same text is no "
            "neighbour of itself in kNN accuracy."
        )
    for letter, embedded in (("A", a), ("B", b)):
        design, backbone = embedded.design, embedded.backbone
        if design.file:
            lines += [f"{letter}: {each}" for each in corpus.prepared[design.file].notes]
            continue
        if embedded.truncated:
            lines.append(
                f"{letter}: {embedded.truncated:,} of {len(embedded):,} texts were cut to "
                f"{backbone.max_length} tokens."
            )
        if is_untrained(design, backbone):
            lines.append(f"{letter}: the head is untrained (random); it only mixes what it reads.")
        if design.fitted and embedded.steps is not None:
            lines.append(f"{letter}: its steps were fitted on {embedded.steps.source}.")
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
    return RESULTS.source_lines(list(dict.fromkeys(zip(letters, lines, strict=True))))


#: A row of a :func:`score_table`: a measure, and its value for A and for B if there is one.
Row = tuple[str, float | None, float | None]


def measures(a: object, b: object, titles: Mapping[str, str]) -> list[Row]:
    """The rows of a :func:`score_table`: what both results have of these attributes, by title.

    A score that is not possible although the corpus has something for it stays, without a value.
    """
    expected = {*getattr(a, "reasons", ()), *getattr(b, "reasons", ())}
    rows = {name: (title, getattr(a, name), getattr(b, name)) for name, title in titles.items()}
    return [row for name, row in rows.items() if None not in row or name in expected]


def reasons(a: Quality, b: Quality, titles: Mapping[str, str] = _QUALITY) -> list[str]:
    """Why scores are missing, a line each."""
    lines: dict[str, None] = {}
    for letter, quality, other in (("A", a, b), ("B", b, a)):
        for name, reason in quality.reasons.items():
            both = other.reasons.get(name) == reason
            if name in titles:
                lines[f"{'' if both else f'{letter}: '}{titles[name]}: –, because {reason}."] = None
    return list(lines)


def score_table(
    rows: Sequence[Row],
    caption: str,
    *,
    headers: str = "",
    columns: tuple[str, str, str] = ("A", "B", "B − A"),
    measured_on: str = "",
) -> Markup:
    """Two scores ×100 and their difference; a dash where there is none."""
    cells = []
    for name, a, b in rows:
        difference = None if a is None or b is None else b - a
        cells.append((name, points(a), points(b), points(difference, sign=True)))
    return table((headers, *columns), cells, caption, measured_on=measured_on)


def quality_table(
    a: Quality,
    b: Quality,
    field: str,
    seed: int,
    measured_on: str,
    filtered: tuple[Quality, Quality, str] | None = None,
) -> Markup:
    """The map tab's scores, and why one is missing.

    ``filtered`` are the figures over the texts that a filter leaves, and the filter's words.
    """
    labels = f", labels: {field}" if field else ""
    if field and a.labelled < a.n:
        labels += f" (of {a.labelled:,} texts; unlabelled ones are no class)"
    caption = f"n = {a.n:,} texts{labels}, seed {seed}; ×100, in the original space"
    rows = measures(a, b, _QUALITY)
    if filtered:
        some_a, some_b, words = filtered
        rows += measures(some_a, some_b, _FILTERED)
        caption += (
            f". The rows of filtered texts are over {some_a.n:,} texts ({words}), with neighbours "
            "among all texts; the others count all texts"
        )
    scores = score_table(rows, caption, measured_on=measured_on)
    return scores + note(reasons(a, b))


def retrieval_table(
    a: RetrievalScores | None, b: RetrievalScores | None, measured_on: str
) -> Markup:
    """nDCG@10, MRR@10 and recall@10 over the corpus's own queries."""
    if a is None or b is None:
        return muted(
            "This corpus has no queries with known answers; senses, BoolQ and Semanlink have, and "
            "so do files of your own with queries and judgements."
        )
    caption = f"{a.n_queries:,} queries of the corpus, ×100"
    return score_table(measures(a, b, RETRIEVAL), caption, measured_on=measured_on)
