"""A visitor's own texts: pasted, uploaded, or a Hub dataset by name."""

from __future__ import annotations

from collections.abc import Sequence

import gradio as gr

from embedlab.data.corpus import Corpus
from embedlab.data.hub_dataset import load_hub_dataset
from embedlab.data.layouts import corpus_of, layout_of
from embedlab.data.reading import counted_labels, left_out_lines, reading
from embedlab.data.tables import Table, own_texts
from embedlab.lab.lab import Lab
from embedlab.progress import Progress
from embedlab.ui.shared import html
from embedlab.ui.shared.files_upload import FilesUpload
from embedlab.ui.shared.session import STATE_SECONDS, Sessions, Values
from embedlab.ui.shared.vectors_upload import VectorsUpload

#: Rows read from a visitor's texts; what is embedded is a sample of them.
MAX_ROWS = 50_000
#: What may be uploaded.
WHAT = "A table; or several files, or a zip, with queries and judgements."


def _preview(table: Table, columns: Sequence[str]) -> str:
    """The first texts in the chosen columns, the labels' counts, and what is left out."""
    text_column, label_column = columns
    corpus = corpus_of(table, text_column, label_column)
    contents = reading(table, corpus, text_column or table.text_column or "")
    labels = counted_labels(contents)
    lines = [*corpus.notes[1:], *left_out_lines(corpus.left_out, corpus.notes)]
    if corpus.repeated:
        lines.insert(0, f"{corpus.repeated:,} of {len(corpus.texts):,} texts repeat earlier ones.")
    return html.READING.texts(contents, labels, lines)


def _probable(table: Table) -> tuple[str, str]:
    """What a table probably holds: its queries or pairs, else the text column; and the labels."""
    return layout_of(table) or table.text_column or "", table.label_column or ""


def _choices(table: Table) -> list[str]:
    """What can be chosen as texts: queries or pairs where there are some, and all columns."""
    return [*filter(None, [layout_of(table)]), *table.text_choices]


class OwnTexts:
    """The panel in the sidebar.

    ``corpus`` is a state for the result. ``sources`` are the events of its buttons, each with
    the function that makes a corpus of the values of ``inputs``, or raises EmbedLabError where that
    is not possible.
    """

    def __init__(self, lab: Lab, sessions: Sessions) -> None:
        self.limits = lab.config.limits
        self.corpus = gr.State(None, time_to_live=STATE_SECONDS)
        with gr.Accordion("Your own texts", open=False, elem_id="own-texts"), gr.Tabs():
            with gr.Tab("Paste"):
                self.pasted = gr.Textbox(
                    label="One text a line", lines=5, max_lines=12, elem_id="pasted"
                )
                self.use_pasted = gr.Button("Use these texts", elem_id="use-pasted")
            with gr.Tab("File"):
                html.block("own-kinds", html.muted(WHAT))
                self.upload = FilesUpload(
                    self.limits,
                    sessions,
                    kinds="txt, csv, jsonl or parquet",
                    prefix="own",
                    columns=("Text column", "Label column"),
                    guess=_probable,
                    preview=_preview,
                    choices=_choices,
                    max_rows=MAX_ROWS,
                    button="Use this file",
                    min_width=250,
                )
            with gr.Tab("Hub"):
                self.dataset = gr.Textbox(
                    label="Dataset on the Hugging Face Hub",
                    placeholder="owner/name",
                    info="Needs a network that reaches the Hub.",
                    elem_id="hub-dataset",
                )
                self.use_hub = gr.Button("Load it", elem_id="use-hub")
        # No fourth tab: a narrow sidebar would hide one of four behind a menu.
        with gr.Accordion("Vectors of these texts", open=False, elem_id="own-vectors"):
            #: Vectors of the chosen corpus's texts, which the sidebar makes a design of.
            self.vectors = VectorsUpload(self.limits, sessions)
        self.inputs = {self.pasted, self.dataset, *self.upload.inputs}
        self.sources = (
            (self.use_pasted.click, self.from_paste),
            (self.upload.use.click, self.from_file),
            (self.use_hub.click, self.from_hub),
        )

    def from_paste(self, values: Values, _: Progress) -> Corpus:
        """The pasted texts."""
        return own_texts(values[self.pasted] or "", max_texts=MAX_ROWS)

    def from_file(self, values: Values, _: Progress) -> Corpus:
        """The texts of the uploaded file, or the corpus that several files make."""
        if (corpus := values.get(self.upload.result)) is not None:
            made: Corpus = corpus
            return made
        table, (text_column, label_column) = self.upload.chosen(values)
        return corpus_of(table, text_column, label_column)

    def from_hub(self, values: Values, report: Progress) -> Corpus:
        """The texts of the named dataset."""
        name = (values[self.dataset] or "").strip()
        return load_hub_dataset(name, limit=self.limits.max_texts, progress=report)
