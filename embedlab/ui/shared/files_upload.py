"""Several uploaded files, or a zip archive, that make a corpus with queries and judgements."""

from __future__ import annotations

from pathlib import Path

import gradio as gr

from embedlab.data.corpus import Corpus
from embedlab.data.file_sets import read_uploads
from embedlab.data.layouts import corpus_of
from embedlab.data.reading import left_out_lines, reading
from embedlab.errors import EmbedLabError
from embedlab.lab.config import Limits
from embedlab.progress import Progress
from embedlab.ui.shared import html
from embedlab.ui.shared.session import Remembered, Sessions, Updates, Values

WHAT = "corpus.jsonl, queries.jsonl and qrels.tsv as BEIR has them, MTEB's parquet, or a zip"


class FilesUpload:
    """The files, what is in them, and a button.

    The panel around this one decides what the button does: ``use.click`` is the event, and
    :meth:`chosen` gives the corpus.
    """

    def __init__(self, limits: Limits, sessions: Sessions, *, max_texts: int) -> None:
        self.limits, self.max_texts = limits, max_texts
        self.corpus = Remembered()
        self.files = gr.File(
            label=f"{WHAT}, to {limits.max_upload_mb} MB",
            file_count="multiple",
            elem_id="queries-upload",
        )
        with gr.Column(visible=False) as self.group:
            self.shown = html.block("queries-preview")
            self.use = gr.Button("Use these files", elem_id="queries-use")
        self.files.change(
            sessions.handler(self._read, "queries upload"),
            {self.files},
            [self.group, self.shown],
            api_visibility="private",
        )

    def chosen(self, values: Values) -> Corpus:
        """The corpus in the files.

        Raises:
            EmbedLabError: no files were uploaded.
        """
        corpus: Corpus | None = values[self.corpus]
        if corpus is None:
            raise EmbedLabError(f"There are no files yet; upload {WHAT}.")
        return corpus

    def _read(self, values: Values, _: Progress) -> Updates:
        updates: Updates = {self.corpus: None, self.group: gr.update(visible=False)}
        if not (files := values[self.files]):
            return updates
        max_bytes = self.limits.max_upload_mb * 10**6
        paths = [Path(file) for file in files]
        read = read_uploads(
            paths, max_bytes=max_bytes, max_texts=self.max_texts, bounds=self.limits.reading
        )
        corpus = read if isinstance(read, Corpus) else corpus_of(read)
        lines = [*corpus.notes, *left_out_lines(corpus.left_out)]
        shown = html.READING.texts(reading(read, corpus, ""), "", lines)
        return updates | {
            self.corpus: corpus,
            self.group: gr.update(visible=True),
            self.shown: shown,
        }
