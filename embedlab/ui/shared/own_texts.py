"""A user's own texts: pasted, uploaded, or a Hub dataset by name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr

from embedlab.data.corpus import Corpus
from embedlab.data.hub_dataset import load_hub_dataset
from embedlab.data.readers import read_table
from embedlab.data.tables import Table, own_texts, table_to_corpus
from embedlab.errors import EmbedLabError
from embedlab.lab.lab import Lab
from embedlab.ui.shared.session import Sessions, user_errors

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
            user_errors(self._read),
            self.file,
            [self.table, self.text_column, self.label_column, self.use_file],
            api_visibility="private",
        )
        self.loaded = [
            self.use_pasted.click(
                user_errors(self._paste), self.pasted, self.corpus, api_visibility="private"
            ),
            self.use_file.click(
                user_errors(self._take),
                [self.table, self.text_column, self.label_column],
                self.corpus,
                api_visibility="private",
            ),
            self.use_hub.click(
                user_errors(self._fetch), self.dataset, self.corpus, api_visibility="private"
            ),
        ]

    def _paste(self, pasted: str) -> Corpus:
        return own_texts(pasted or "", max_texts=MOST_ROWS)

    def _read(self, path: str | None) -> list[Any]:
        if not path:
            return [None, *(gr.update(visible=False) for _ in range(3))]
        limits = self.lab.config.limits
        table = read_table(Path(path), max_bytes=limits.max_upload_mb * 10**6, max_texts=MOST_ROWS)
        columns = list(table.columns)
        return [
            table,
            gr.update(choices=columns, value=table.text_column, visible=True),
            gr.update(
                choices=[NO_LABEL, *columns], value=table.label_column or NO_LABEL, visible=True
            ),
            gr.update(visible=True),
        ]

    def _take(self, table: Table | None, text_column: str, label_column: str) -> Corpus:
        if table is None:
            raise EmbedLabError("There is no file yet; upload a txt, csv, jsonl or parquet file.")
        label = "" if label_column in (None, NO_LABEL) else label_column
        return table_to_corpus(table, text_column, label)

    def _fetch(
        self,
        name: str,
        request: gr.Request,
        progress: gr.Progress = gr.Progress(),  # noqa: B008 - how Gradio hands it in
    ) -> Corpus:
        with self.sessions.work(request, "hub", progress) as report:
            return load_hub_dataset(
                (name or "").strip(), limit=self.lab.config.limits.max_texts, progress=report
            )
