"""The panel for vectors of the corpus's texts that another model made."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import gradio as gr

from embedlab.data.corpus import Corpus
from embedlab.data.prepared import Prepared
from embedlab.data.vector_file import VectorFile, prepared, upload_vector_file, vector_name
from embedlab.errors import EmbedLabError
from embedlab.lab.config import Limits
from embedlab.progress import Progress
from embedlab.ui.shared import html
from embedlab.ui.shared.controls import ChangingDropdown
from embedlab.ui.shared.session import Remembered, Sessions, Updates, Values

#: What a file's or a column's event calls.
Reader = Callable[[Values, Progress], Updates]
WHAT = (
    "Vectors of the texts chosen above, by any model: one for each, in their order, or parquet "
    "with the texts beside the vectors. They become a design, “file: name”."
)


class VectorsUpload:
    """Two files, of texts and of queries, each read at once; ``use.click`` makes a design of them.

    ``inputs`` are what :meth:`read` reads besides what the session remembers.
    """

    def __init__(self, limits: Limits, sessions: Sessions) -> None:
        self.limits = limits
        html.block("vectors-what", html.muted(WHAT))
        most = f"to {limits.max_prepared_mb} MB"
        # The files by their paths and columns, and not what they hold: only what becomes a design
        # takes memory.
        self.of_texts, self.of_queries = Remembered(), Remembered()
        self.file = gr.File(label=f"Vectors of the texts: npy or parquet {most}", elem_id="vectors")
        self.column = ChangingDropdown(
            [], label="Column of the vectors", visible=False, elem_id="vectors-column"
        )
        self.queries = gr.File(
            label="Vectors of the queries, if there are some", elem_id="query-vectors"
        )
        self.queries_column = ChangingDropdown(
            [], label="Column of the queries' vectors", visible=False, elem_id="query-column"
        )
        self.shown = html.block("vectors-preview")
        self.name = gr.Textbox(
            label="Name", placeholder="the file's", max_length=40, elem_id="vectors-name"
        )
        self.use = gr.Button("Add as a design", elem_id="use-vectors")
        self.inputs = {self.name}
        for file, column, place in (
            (self.file, self.column, self.of_texts),
            (self.queries, self.queries_column, self.of_queries),
        ):
            for event in (file.change, column.input):
                event(
                    sessions.handler(self._reader(file, column, place), f"{file.elem_id} upload"),
                    {file, column},
                    [column, self.shown, self.name],
                    api_visibility="private",
                )

    def read(self, values: Values, corpus: Corpus) -> Prepared:
        """The vectors of a corpus, under the name that was given.

        Raises:
            EmbedLabError: there is no file, or it does not fit the corpus.
        """
        if values[self.of_texts] is None:
            raise EmbedLabError("There are no vectors yet; upload an .npy or .parquet file.")
        file = self._opened(*values[self.of_texts])
        queries = self._opened(*values[self.of_queries]) if values[self.of_queries] else None
        return prepared(file, corpus, name=values[self.name] or "", queries=queries)

    def _opened(self, path: str, column: str) -> VectorFile:
        return upload_vector_file(
            Path(path),
            column=column,
            max_bytes=self.limits.max_prepared_mb * 10**6,
            bounds=self.limits.reading,
        )

    def _reader(self, file: gr.File, column: gr.Dropdown, place: Remembered) -> Reader:
        def read(values: Values, _: Progress) -> Updates:
            path = values[file]
            if not path:
                return {place: None, column: gr.update(visible=False, value=None), self.shown: ""}
            known = values[place] is not None and values[place][0] == path
            read = self._opened(path, values[column] or "" if known else "")
            m, d = read.rows.shape
            where = f" in column {read.column!r}" if read.column else ""
            several = len(read.columns) > 1
            updates: Updates = {
                place: (path, read.column),
                column: gr.update(
                    choices=list(read.columns), value=read.column or None, visible=several
                ),
                self.shown: html.muted(f"{read.name}: {m:,} × {d:,}, {read.kind}{where}."),
            }
            if place is self.of_texts and not values.get(self.name):
                updates[self.name] = gr.update(placeholder=vector_name(Path(path)))
            return updates

        return read
