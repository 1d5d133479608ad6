"""A visitor's own pairs: an uploaded file, and which of its columns and rows hold what."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gradio as gr

from embedlab.analysis.tasks import without_evaluated
from embedlab.data.keep import EVERY_ROW, KeepNeeded, choices
from embedlab.data.pair_columns import PairColumns, choose_columns
from embedlab.data.pair_table import deciding, read_pairs, unanswered
from embedlab.data.pairs import PairSet
from embedlab.data.tables import Table
from embedlab.data.training_sets import MAX_PAIRS
from embedlab.errors import EmbedLabError
from embedlab.lab.config import Limits
from embedlab.progress import Progress
from embedlab.ui.shared.controls import ChangingDropdown
from embedlab.ui.shared.session import Sessions, Updates, Values
from embedlab.ui.shared.table_upload import TableUpload
from embedlab.ui.shared.view import PRIVATE
from embedlab.ui.tabs.finetune.html import described

KEEP_LABEL = "Rows that belong together"
#: Between the names of several columns in one dropdown.
_AND = ", "


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
                guess=_guess,
                preview=lambda table, columns: described(_pairs(table, columns)),
                max_rows=MAX_PAIRS,
                button="Use these columns",
            )
            self.keep = ChangingDropdown(
                [],
                label=KEEP_LABEL,
                allow_custom_value=True,
                visible=False,
                elem_id="train-keep",
            )
        self.pairs = self.upload.result
        self.inputs = {*self.upload.inputs, self.keep}
        quietly: dict[str, Any] = {"show_progress": "hidden", **PRIVATE}
        ask = sessions.handler(self._ask, "keep")
        asking: dict[str, Any] = {"inputs": self.upload.inputs, "outputs": [self.keep], **quietly}
        for read in (self.upload.was_read, self.upload.was_read_again):
            read.success(ask, **asking)
        gr.on([column.input for column in self.upload.columns], ask, **asking)
        self.keep.input(
            sessions.handler(self._preview, "train preview"),
            self.inputs,
            [self.upload.shown],
            **quietly,
        )

    def read(self, values: Values, report: Progress) -> PairSet:
        """The pairs in the chosen columns, without those that an evaluation corpus contains.

        Raises:
            EmbedLabError: there is no file, these columns hold no pairs, or it is not said which
                rows do.
        """
        table, columns = self.upload.chosen(values)
        return without_evaluated(_pairs(table, columns, values[self.keep] or ""), report)

    def _preview(self, values: Values, _: Progress) -> Updates:
        table, columns = self.upload.chosen(values)
        return {self.upload.shown: described(_pairs(table, columns, values[self.keep] or ""))}

    def _ask(self, values: Values, _: Progress) -> Updates:
        """Show the question where a column decides; an answer to an earlier one does not count."""
        try:
            table, columns = self.upload.chosen(values)
            chosen = _columns(table, columns)
            question = unanswered(table, chosen, "your file")
        except EmbedLabError:
            question = None  # no file yet; what is wrong with columns is said where they are used
        if question is None:
            return {self.keep: gr.update(visible=False, choices=[], value=None)}
        proposal, column = question.proposal, deciding(table, chosen)
        offered = [(f"{proposal} (proposed)", proposal)] if proposal else []
        offered += [(each, each) for each in choices(table, column) if each != proposal]
        offered.append(("Every row", EVERY_ROW))
        info = f"Choose, or write a condition such as {proposal or f'{column}=…'}."
        return {self.keep: gr.update(visible=True, choices=offered, value=None, info=info)}


def _pairs(table: Table, columns: Sequence[str], keep: str = "") -> PairSet:
    """The pairs of an upload; where a question is open, its message says where to answer."""
    try:
        read = read_pairs(table, _columns(table, columns), keep, title="your file")
    except KeepNeeded as question:
        raise EmbedLabError(f"{question} Answer in {KEEP_LABEL!r}.") from question
    return read.pair_set(title="Your pairs")


def _columns(table: Table, columns: Sequence[str]) -> PairColumns:
    """The columns that the dropdowns say; one may say several, as :func:`_guess` writes them."""
    anchor, *more = columns
    positives, negatives = (
        [name] if name in table.columns else [each for each in name.split(_AND) if each]
        for name in more
    )
    return choose_columns(table, anchor, positives, negatives, title="your file")


def _guess(table: Table) -> tuple[str, str, str]:
    """The probable columns; none where no two can be pairs, and the visitor chooses."""
    try:
        columns = choose_columns(table)
    except EmbedLabError:
        return "", "", ""
    return columns.anchor, _AND.join(columns.positives), _AND.join(columns.negatives)
