"""A user's own texts: pasted, uploaded, or a Hub dataset by name."""

from __future__ import annotations

from pathlib import Path

import gradio as gr

from embedlab.data.corpus import Corpus
from embedlab.data.hub_dataset import load_hub_dataset
from embedlab.data.readers import read_table
from embedlab.data.tables import Table, own_texts, table_to_corpus
from embedlab.errors import EmbedLabError
from embedlab.lab.lab import Lab
from embedlab.progress import Progress
from embedlab.ui.shared.session import Sessions, Updates, Values

#: Rows read from a user's file; what is embedded is a sample of them.
MOST_ROWS = 50_000
#: Seconds a visitor's texts are kept after their last use.
KEEP = 3600
NO_LABEL = "(none)"


class OwnTexts:
    """The panel in the sidebar; ``loaded`` events carry a corpus to the ``own`` state.

    Args:
        lab: for the limits.
        sessions: whose work is whose.
    """

    def __init__(self, lab: Lab, sessions: Sessions) -> None:
        self.lab, self.sessions = lab, sessions
        most = lab.config.limits.max_upload_mb
        self.corpus = gr.State(None, time_to_live=KEEP)
        self.table = gr.State(None, time_to_live=KEEP)
        with gr.Accordion("Your own texts", open=False, elem_id="own-texts"), gr.Tabs():
            with gr.Tab("Paste"):
                self.pasted = gr.Textbox(
                    label="One text a line", lines=5, max_lines=12, elem_id="pasted"
                )
                self.use_pasted = gr.Button("Use these texts", elem_id="use-pasted")
            with gr.Tab("File"):
                self.file = gr.File(
                    label=f"txt, csv, jsonl, parquet to {most} MB", elem_id="upload"
                )
                self.text_column = gr.Dropdown(
                    [], label="Text column", visible=False, elem_id="text-column"
                )
                self.label_column = gr.Dropdown(
                    [], label="Label column", visible=False, elem_id="label-column"
                )
                self.use_file = gr.Button("Use this file", visible=False, elem_id="use-file")
            with gr.Tab("Hub"):
                self.dataset = gr.Textbox(
                    label="Dataset on the Hugging Face Hub",
                    placeholder="owner/name",
                    info="Needs a network that reaches the Hub.",
                    elem_id="hub-dataset",
                )
                self.use_hub = gr.Button("Load it", elem_id="use-hub")
        self.file.change(
            sessions.handler(self._read, "file"),
            {self.file},
            [self.table, self.text_column, self.label_column, self.use_file],
            api_visibility="private",
        )
        self.loaded = [
            self.use_pasted.click(
                sessions.handler(self._paste, "own texts"),
                {self.pasted},
                self.corpus,
                api_visibility="private",
            ),
            self.use_file.click(
                sessions.handler(self._take, "own texts"),
                {self.table, self.text_column, self.label_column},
                self.corpus,
                api_visibility="private",
            ),
            self.use_hub.click(
                sessions.handler(self._fetch, "own texts"),
                {self.dataset},
                self.corpus,
                api_visibility="private",
            ),
        ]

    def _paste(self, values: Values, report: Progress) -> Corpus:
        return own_texts(values[self.pasted] or "", max_texts=MOST_ROWS)

    def _read(self, values: Values, report: Progress) -> Updates:
        path, columns = values[self.file], (self.text_column, self.label_column)
        if not path:
            hidden = [*columns, self.use_file]
            return {self.table: None, **{each: gr.update(visible=False) for each in hidden}}
        limits = self.lab.config.limits
        table = read_table(Path(path), max_bytes=limits.max_upload_mb * 10**6, max_texts=MOST_ROWS)
        names = list(table.columns)
        return {
            self.table: table,
            self.text_column: gr.update(choices=names, value=table.text_column, visible=True),
            self.label_column: gr.update(
                choices=[NO_LABEL, *names], value=table.label_column or NO_LABEL, visible=True
            ),
            self.use_file: gr.update(visible=True),
        }

    def _take(self, values: Values, report: Progress) -> Corpus:
        table: Table | None = values[self.table]
        if table is None:
            raise EmbedLabError("There is no file yet; upload a txt, csv, jsonl or parquet file.")
        label = values[self.label_column]
        label = "" if label in (None, NO_LABEL) else label
        return table_to_corpus(table, values[self.text_column], label)

    def _fetch(self, values: Values, report: Progress) -> Corpus:
        name = (values[self.dataset] or "").strip()
        return load_hub_dataset(name, limit=self.lab.config.limits.max_texts, progress=report)
