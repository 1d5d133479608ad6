"""A user's own pairs: a file, and which of its columns hold what."""

from __future__ import annotations

from pathlib import Path

import gradio as gr

from embedlab.analysis.tasks import without_evaluated
from embedlab.data.pairs import PairSet
from embedlab.data.readers import read_table
from embedlab.data.tables import Table
from embedlab.data.training_sets import MAX_PAIRS, guess_columns, pairs_from_table
from embedlab.errors import EmbedLabError
from embedlab.lab.lab import Lab
from embedlab.progress import Progress
from embedlab.ui.shared.own_texts import KEEP
from embedlab.ui.shared.session import Sessions, Updates, Values
from embedlab.ui.shared.view import PRIVATE

NONE = "(none)"


class OwnPairs:
    """The upload; ``pairs`` is a state with the pairs once they are chosen.

    Args:
        lab: for the limits.
        sessions: whose work is whose.
    """

    def __init__(self, lab: Lab, sessions: Sessions) -> None:
        self.lab, self.sessions = lab, sessions
        most = lab.config.limits.max_upload_mb
        self.pairs = gr.State(None, time_to_live=KEEP)
        self.table = gr.State(None, time_to_live=KEEP)
        with gr.Group(visible=False) as self.group:
            self.file = gr.File(label=f"csv, jsonl or parquet to {most} MB", elem_id="train-upload")
            with gr.Row(visible=False) as self.row:
                self.columns = [
                    gr.Dropdown([], label=label, min_width=130, elem_id=f"train-{label.lower()}")
                    for label in ("Anchor", "Positive", "Negative")
                ]
            self.use = gr.Button("Use these columns", visible=False, elem_id="train-use")
        read = self.file.change(
            sessions.handler(self._read, "pairs"),
            {self.file},
            [self.table, self.pairs, self.row, *self.columns, self.use],
            **PRIVATE,
        )
        taken = self.use.click(
            sessions.handler(self._take, "pairs"),
            {self.table, *self.columns},
            self.pairs,
            **PRIVATE,
        )
        #: Events after which ``pairs`` says something else.
        self.ready = [read.then, taken.success]

    def _read(self, values: Values, report: Progress) -> Updates:
        path = values[self.file]
        shown = dict.fromkeys((self.row, self.use), gr.update(visible=bool(path)))
        if not path:
            return {self.table: None, self.pairs: None, **shown}
        most = self.lab.config.limits.max_upload_mb * 10**6
        table = read_table(Path(path), max_bytes=most, max_texts=MAX_PAIRS)
        names = list(table.columns)
        choices = [names, names, [(NONE, ""), *names]]
        return {
            self.table: table,
            self.pairs: None,
            **shown,
            **{
                column: gr.update(choices=offered, value=guess)
                for column, offered, guess in zip(
                    self.columns, choices, guess_columns(table), strict=True
                )
            },
        }

    def _take(self, values: Values, report: Progress) -> PairSet:
        table: Table | None = values[self.table]
        if table is None:
            raise EmbedLabError("There is no file yet; upload a csv, jsonl or parquet file.")
        anchor, positive, negative = (values[column] or "" for column in self.columns)
        return without_evaluated(pairs_from_table(table, anchor, positive, negative), report)
