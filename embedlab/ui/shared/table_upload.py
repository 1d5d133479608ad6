"""An uploaded file of rows: it is read at once, and dropdowns ask what its columns hold."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

import gradio as gr

from embedlab.data.decoding import ENCODINGS
from embedlab.data.readers import read_upload
from embedlab.data.tables import Table
from embedlab.errors import EmbedLabError
from embedlab.lab.config import Limits
from embedlab.progress import Progress
from embedlab.ui.shared.controls import ChangingDropdown
from embedlab.ui.shared.html import block, muted
from embedlab.ui.shared.session import Remembered, Sessions, Updates, Values

#: What the last dropdown offers instead of a column.
NO_COLUMN = ("(none)", "")


class TableUpload:
    """A file, the table read from it, a dropdown for each column to choose, and what they mean.

    The dropdowns and the button below them appear once a file is read, with a preview of what the
    columns give, which follows them. The panel around this one decides what the button does:
    ``use.click`` is the event, and :meth:`chosen` reads ``inputs``.

    Args:
        kinds: the kinds of files, in words.
        prefix: how the ids of the elements begin.
        columns: the labels of the dropdowns; the last one may be left at "(none)".
        guess: the probable columns of a table, in the order of ``columns``; "" for none.
        preview: what a table gives with these columns, as HTML.
        choices: what the first dropdown offers for a table.
        max_rows: how many rows are read; a note says when there are more.
        button: the words on the button.
        min_width: of a dropdown in pixels; they stand side by side where there is room.
    """

    #: How many files the visitor may choose at a time.
    file_count: Literal["single", "multiple"] = "single"

    def __init__(
        self,
        limits: Limits,
        sessions: Sessions,
        *,
        kinds: str,
        prefix: str,
        columns: Sequence[str],
        guess: Callable[[Table], Sequence[str]],
        preview: Callable[[Table, Sequence[str]], str],
        choices: Callable[[Table], Sequence[str]] = lambda table: list(table.columns),
        max_rows: int,
        button: str,
        min_width: int = 130,
    ) -> None:
        self.limits, self.guess, self.max_rows = limits, guess, max_rows
        self.kinds, self.preview, self.choices = kinds, preview, choices
        self.table = Remembered()
        #: For what the panel makes of the table; a new file makes it None.
        self.result = Remembered()
        self.file = gr.File(
            label=f"{kinds} to {limits.max_upload_mb} MB",
            file_count=self.file_count,
            elem_id=f"{prefix}-upload",
        )
        with gr.Column(visible=False) as self.group:
            with gr.Row():
                self.columns = [
                    ChangingDropdown(
                        [],
                        label=label,
                        min_width=min_width,
                        elem_id=f"{prefix}-{label.lower().replace(' ', '-')}",
                    )
                    for label in columns
                ]
            self.encoding = gr.Dropdown(
                [(title, name) for name, title in ENCODINGS.items()],
                label="Encoding",
                info="Found out from the file; another choice reads it again.",
                elem_id=f"{prefix}-encoding",
            )
            self.shown = block(f"{prefix}-preview")
            self.use = gr.Button(button, elem_id=f"{prefix}-use")
        self.inputs = set(self.columns)
        #: The event of a file that was read; ``success`` continues it.
        read = [self.group, self.encoding, self.shown, *self.columns]
        self.was_read = self.file.change(
            sessions.handler(self._read, f"{prefix} upload"),
            {self.file},
            read,
            api_visibility="private",
        )
        self.was_read_again = self.encoding.input(
            sessions.handler(self._read_again, f"{prefix} upload"),
            {self.file, self.encoding},
            read,
            api_visibility="private",
        )
        for column in self.columns:
            column.input(
                sessions.handler(self._preview, f"{prefix} preview"),
                set(self.columns),
                [self.shown],
                show_progress="hidden",
                api_visibility="private",
            )

    def chosen(self, values: Values) -> tuple[Table, list[str]]:
        """The table and the names of the chosen columns, "" for none.

        Raises:
            EmbedLabError: no file was uploaded.
        """
        table = values[self.table]
        if table is None:
            raise EmbedLabError(f"There is no file yet; upload a {self.kinds} file.")
        return table, [values[column] or "" for column in self.columns]

    def _read_again(self, values: Values, report: Progress) -> Updates:
        return self._read(values, report, values[self.encoding] or "")

    def _read(self, values: Values, _: Progress, encoding: str = "") -> Updates:
        files = values[self.file]
        updates: Updates = {
            self.table: None,
            self.result: None,
            self.group: gr.update(visible=False),
        }
        if not files:
            return updates
        paths = [Path(file) for file in (files if isinstance(files, list) else [files])]
        return updates | self._opened(paths, encoding)

    def _opened(self, paths: list[Path], encoding: str) -> Updates:
        """What uploaded files change: here a table out of one of them."""
        return self._shown_table(
            read_upload(
                paths[0],
                max_bytes=self.limits.max_upload_mb * 10**6,
                max_texts=self.max_rows,
                encoding=encoding,
                bounds=self.limits.reading,
            )
        )

    def _shown_table(self, table: Table) -> Updates:
        guesses = self.guess(table)
        names = list(table.columns)
        updates: Updates = {}
        for column, guess in zip(self.columns, guesses, strict=True):
            choices: list[Any] = list(self.choices(table)) if column is self.columns[0] else names
            if column is self.columns[-1]:
                choices = [NO_COLUMN, *choices]
            if guess and guess not in choices:
                choices.append(guess)  # several columns in one
            updates[column] = gr.update(choices=choices, value=guess, visible=True)
        return updates | {
            self.table: table,
            self.group: gr.update(visible=True),
            self.encoding: gr.update(value=table.encoding, visible=bool(table.encoding)),
            self.shown: self._preview_of(table, guesses),
        }

    def _preview(self, values: Values, _: Progress) -> Updates:
        table, columns = self.chosen(values)
        return {self.shown: self._preview_of(table, columns)}

    def _preview_of(self, table: Table, columns: Sequence[str]) -> str:
        try:
            return self.preview(table, columns)
        except EmbedLabError as error:  # such as a column without text
            return muted(str(error))
