"""A table, or several files that make a corpus with queries and judgements, in one upload."""

from __future__ import annotations

from pathlib import Path

import gradio as gr

from embedlab.data.corpus import Corpus
from embedlab.data.file_sets import read_uploads
from embedlab.data.reading import left_out_lines, reading
from embedlab.ui.shared import html
from embedlab.ui.shared.session import Updates
from embedlab.ui.shared.table_upload import TableUpload


class FilesUpload(TableUpload):
    """Like :class:`TableUpload`, and takes several files together, or a zip archive.

    What they make is in ``result``, and there is no column to choose then.
    """

    file_count = "multiple"

    def _opened(self, paths: list[Path], encoding: str) -> Updates:
        read = read_uploads(
            paths,
            max_bytes=self.limits.max_upload_mb * 10**6,
            max_texts=self.max_rows,
            encoding=encoding,
            bounds=self.limits.reading,
        )
        return self._shown_corpus(read) if isinstance(read, Corpus) else self._shown_table(read)

    def _shown_corpus(self, corpus: Corpus) -> Updates:
        lines = [*corpus.notes, *left_out_lines(corpus.left_out, corpus.notes)]
        return {
            self.result: corpus,
            self.group: gr.update(visible=True),
            self.encoding: gr.update(visible=False),
            self.shown: html.READING.texts(reading(corpus, corpus, ""), "", lines),
            **dict.fromkeys(self.columns, gr.update(visible=False)),
        }
