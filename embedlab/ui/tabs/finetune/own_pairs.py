"""A user's own pairs: a file, and which of its columns hold what."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr

from embedlab.analysis.tasks import without_evaluated
from embedlab.data.pairs import PairSet
from embedlab.data.readers import read_table
from embedlab.data.tables import Table
from embedlab.data.training_sets import MAX_PAIRS, guess_columns, pairs_from_table
from embedlab.errors import EmbedLabError
from embedlab.lab.lab import Lab
from embedlab.ui.shared.own_texts import KEEP
from embedlab.ui.shared.session import Sessions, user_errors
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
            user_errors(self._read),
            self.file,
            [self.table, self.pairs, self.row, *self.columns, self.use],
            **PRIVATE,
        )
        taken = self.use.click(
            user_errors(self._take), [self.table, *self.columns], self.pairs, **PRIVATE
        )
        #: Events after which ``pairs`` says something else.
        self.ready = [read.then, taken.success]

    def _read(self, path: str | None) -> list[Any]:
        if not path:
            return [
                None,
                None,
                gr.update(visible=False),
                *[gr.skip()] * 3,
                gr.update(visible=False),
            ]
        most = self.lab.config.limits.max_upload_mb * 10**6
        table = read_table(Path(path), max_bytes=most, max_texts=MAX_PAIRS)
        anchor, positive, negative = guess_columns(table)
        names = list(table.columns)
        return [
            table,
            None,
            gr.update(visible=True),
            gr.update(choices=names, value=anchor),
            gr.update(choices=names, value=positive),
            gr.update(choices=[(NONE, ""), *names], value=negative),
            gr.update(visible=True),
        ]

    def _take(
        self,
        table: Table | None,
        anchor: str,
        positive: str,
        negative: str,
        request: gr.Request,
        progress: gr.Progress = gr.Progress(),  # noqa: B008 - how Gradio hands it in
    ) -> PairSet:
        if table is None:
            raise EmbedLabError("There is no file yet; upload a csv, jsonl or parquet file.")
        pairs = pairs_from_table(table, anchor or "", positive or "", negative or "")
        with self.sessions.work(request, "pairs", progress) as report:
            return without_evaluated(pairs, report)
