"""A visitor's own pairs: an uploaded file, and which of its columns and rows hold what."""

from __future__ import annotations

import gradio as gr

from embedlab.analysis.tasks import without_evaluated
from embedlab.data.keep import EVERY_ROW, KeepNeeded, choices
from embedlab.data.pair_columns import choose_columns
from embedlab.data.pair_table import deciding, read_pairs, unanswered
from embedlab.data.pairs import PairSet
from embedlab.data.tables import Table
from embedlab.data.training_sets import MAX_PAIRS
from embedlab.errors import EmbedLabError
from embedlab.lab.config import Limits
from embedlab.progress import Progress
from embedlab.ui.shared.session import Sessions, Updates, Values
from embedlab.ui.shared.table_upload import TableUpload
from embedlab.ui.shared.view import PRIVATE

KEEP_LABEL = "Rows that belong together"


class OwnPairs:
    """The upload, and the question which rows belong together where the file has labels or scores.

    ``pairs`` remembers what :meth:`read` makes of the columns.
    """

    def __init__(self, limits: Limits, sessions: Sessions) -> None:
        with gr.Group(visible=False) as self.group:
            self.upload = TableUpload(
                limits,
                sessions,
                kinds="csv, json, jsonl or parquet",
                prefix="train",
                columns=("Anchor", "Positive", "Negative"),
                several=("Positive", "Negative"),
                guess=_guess,
                max_rows=MAX_PAIRS,
                button="Use these columns",
            )
            self.keep = gr.Dropdown(
                [],
                label=KEEP_LABEL,
                allow_custom_value=True,
                visible=False,
                elem_id="train-keep",
            )
        self.pairs = self.upload.result
        self.inputs = {*self.upload.inputs, self.keep}
        gr.on(
            [self.upload.was_read.success, *(column.input for column in self.upload.columns)],
            sessions.handler(self._ask, "keep"),
            self.upload.inputs,
            [self.keep],
            show_progress="hidden",
            **PRIVATE,
        )

    def read(self, values: Values, report: Progress) -> PairSet:
        """The pairs in the chosen columns, without those that an evaluation corpus contains.

        Raises:
            EmbedLabError: there is no file, these columns hold no pairs, or it is not said which
                rows do.
        """
        table, columns = self.upload.chosen(values)
        chosen = choose_columns(table, *columns, title="Your file")
        try:
            found = read_pairs(table, chosen, values[self.keep] or "", title="Your pairs")
        except KeepNeeded as question:
            raise EmbedLabError(f"{question} Answer in {KEEP_LABEL!r}.") from question
        return without_evaluated(found.pair_set(), report)

    def _ask(self, values: Values, _: Progress) -> Updates:
        """Show the question where a column decides; an answer to an earlier one does not count."""
        table, columns = self.upload.chosen(values)
        try:
            chosen = choose_columns(table, *columns, title="Your file")
            question = unanswered(table, chosen, "Your file")
        except EmbedLabError:
            question = None  # what is wrong with the columns is said where they are used
        if question is None:
            return {self.keep: gr.update(visible=False, choices=[], value=None)}
        proposal, column = question.proposal, deciding(table, chosen)
        offered = [(f"{proposal} (proposed)", proposal)] if proposal else []
        offered += [(each, each) for each in choices(table, column) if each != proposal]
        offered.append(("Every row", EVERY_ROW))
        info = f"{question} Choose, or write a condition such as {proposal or f'{column}=…'}."
        return {self.keep: gr.update(visible=True, choices=offered, value=None, info=info)}


def _guess(table: Table) -> tuple[str, list[str], list[str]]:
    """The probable columns; none where no two can be pairs, and the visitor chooses."""
    try:
        columns = choose_columns(table)
    except EmbedLabError:
        return "", [], []
    return columns.anchor, list(columns.positives), list(columns.negatives)
