"""A visitor's own pairs: an uploaded file, and which of its columns hold what."""

from __future__ import annotations

import gradio as gr

from embedlab.analysis.tasks import without_evaluated
from embedlab.data.pairs import PairSet
from embedlab.data.training_sets import MAX_PAIRS, guess_columns, pairs_from_table
from embedlab.lab.config import Limits
from embedlab.progress import Progress
from embedlab.ui.shared import html
from embedlab.ui.shared.session import Sessions, Values
from embedlab.ui.shared.table_upload import TableUpload


class OwnPairs:
    """The upload. ``pairs`` remembers what :meth:`read` makes of the columns."""

    def __init__(self, limits: Limits, sessions: Sessions) -> None:
        with gr.Group(visible=False) as self.group:
            self.upload = TableUpload(
                limits,
                sessions,
                kinds="csv, jsonl or parquet",
                prefix="train",
                columns=("Anchor", "Positive", "Negative"),
                guess=guess_columns,
                preview=lambda table, _: html.note(table.notes),
                max_rows=MAX_PAIRS,
                button="Use these columns",
            )
        self.pairs = self.upload.result

    def read(self, values: Values, report: Progress) -> PairSet:
        """The pairs in the chosen columns, without those that an evaluation corpus contains.

        Raises:
            EmbedLabError: there is no file, or these columns hold no pairs.
        """
        table, columns = self.upload.chosen(values)
        return without_evaluated(pairs_from_table(table, *columns), report)
