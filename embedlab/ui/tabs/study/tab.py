"""The Study tab: the results that come with EmbedLab, or a report that its reader brings along."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

import gradio as gr

from embedlab.errors import EmbedLabError
from embedlab.lab.config import Limits
from embedlab.progress import Progress
from embedlab.render import study_tables
from embedlab.render.study_page import FILES
from embedlab.resources import ASSETS
from embedlab.study.report import (
    Report,
    design_title,
    designs_in,
    over_datasets,
    read_report,
    within_task,
)
from embedlab.study.uploaded_report import opened
from embedlab.text import clean
from embedlab.ui.shared import html
from embedlab.ui.shared.figure import figure_block
from embedlab.ui.shared.own_texts import KEEP
from embedlab.ui.shared.session import Sessions, Updates, Values
from embedlab.ui.shared.theme import script
from embedlab.ui.shared.view import PRIVATE
from embedlab.ui.tabs.study import figures

SHIPPED, OWN = "shipped", "own"
EVERY_PAIR = "(every pair)"
OPEN = "Open another study's report.json"
EMPTY = (
    "Here a study's results will be: scores, differences with intervals and what is separable. "
    "Run `embedlab study minutes --out my-study` and open its report.json above."
)


class StudyTab:
    """See the module's text.

    It stands apart from the other tabs: it needs neither the sidebar nor a backbone, and what it
    shows is read when it is opened for the first time.

    Args:
        tab: the tab that it stands in.
        limits: for the upload.
        sessions: for its handlers.
        shipped: the report that comes with EmbedLab.
    """

    id = "study"
    title = "Study"

    def __init__(
        self, tab: gr.Tab, limits: Limits, sessions: Sessions, shipped: Path | None = None
    ) -> None:
        self.limits, self.sessions, self._shipped = limits, sessions, _Shipped(shipped)
        self.which = gr.State("")
        self.own = gr.State(None, time_to_live=KEEP)
        with gr.Column(elem_id="study"):
            self._build_head()
            self.empty = html.block("study-empty", html.empty(EMPTY))
            with gr.Column(visible=False) as self.body:
                self._build_answers()
                self._build_category()
                self._build_task()
                self._build_rest()
        self._wire(tab)

    def _build_head(self) -> None:
        with gr.Row(equal_height=False):
            with gr.Column(scale=3, min_width=300):
                self.head = html.block("study-head")
            with gr.Column(scale=2, min_width=300), gr.Accordion(OPEN, open=False):
                self.file = gr.File(
                    label=f"report.json to {self.limits.max_upload_mb} MB", elem_id="study-upload"
                )

    def _build_answers(self) -> None:
        _heading("Beside the paper's conclusions")
        self.claims = html.block("study-claims")
        _heading("Scores")
        self.summary = html.block("study-summary")

    def _build_category(self) -> None:
        with gr.Row():
            self.category = gr.Radio([], label="Category", elem_id="study-category", scale=3)
            self.reference = gr.Dropdown(
                [], label="Against", elem_id="study-reference", scale=2, min_width=200
            )
        self.verdicts = html.block("study-verdicts")
        with gr.Row():
            self.gains = figure_block("study-gains")
            self.matrix = figure_block("study-matrix", "Without p-values there is no matrix.")
        with gr.Accordion("These differences in numbers", open=False):
            self.pairs = html.block("study-pairs")
        self.scores = figure_block("study-scores")
        with gr.Accordion("Scores on every task of the category", open=False):
            self.table = html.block("study-table")

    def _build_task(self) -> None:
        _heading("Within one task")
        self.task = gr.Dropdown([], label="Task", elem_id="study-task")
        with gr.Row():
            self.task_gains = figure_block("study-task-gains", "Its items were not kept.")
            self.task_matrix = figure_block("study-task-matrix", "There are no p-values here.")

    def _build_rest(self) -> None:
        _heading("Training")
        self.curves = figure_block("study-curves", "Nothing was trained.")
        with gr.Accordion("What was run", open=False):
            self.ran = html.block("study-ran")
        with gr.Accordion("Show the code", open=False):
            self.code = gr.Code(language="shell", elem_id="study-code", show_label=False)
        self.files = _files_block()

    def _wire(self, tab: gr.Tab) -> None:
        self._within = [self.task_gains, self.task_matrix]
        self._of_category = [
            *(
                self.verdicts,
                self.scores,
                self.gains,
                self.matrix,
                self.pairs,
                self.table,
                self.task,
            ),
            *self._within,
        ]
        page = [
            *(self.which, self.own, self.head, self.empty, self.body, self.claims, self.summary),
            *(self.category, self.reference, *self._of_category, self.curves, self.ran, self.code),
        ]
        known = {self.which, self.own}
        handler = self.sessions.handler
        quiet: dict[str, Any] = {"show_progress": "hidden", **PRIVATE}
        tab.select(handler(self._first, "study"), {self.which}, page, **quiet)
        self.file.change(
            handler(self._open, "study"), {self.file}, page, trigger_mode="always_last", **quiet
        )
        gr.on(
            [self.category.input, self.reference.input],
            handler(self._choose, "study"),
            {*known, self.category, self.reference, self.task},
            self._of_category,
            trigger_mode="always_last",
            **quiet,
        )
        self.task.input(
            handler(self._choose_task, "study"),
            {*known, self.reference, self.task},
            self._within,
            trigger_mode="always_last",
            **quiet,
        )
        take = self.sessions.event_handler(self._take, "study file")
        self.files.take(take, known, self.files, **quiet)

    # What is shown

    def _first(self, values: Values, report: Progress) -> Updates:
        """The shipped results, unless something is shown already."""
        return {self.which: gr.skip()} if values[self.which] else self._page(SHIPPED, None)

    def _open(self, values: Values, report: Progress) -> Updates:
        """One's own results; the shipped ones again once the file is taken away."""
        path = values[self.file]
        if not path:
            return self._page(SHIPPED, None)
        return self._page(OWN, opened(Path(path), self.limits.max_upload_mb * 10**6))

    def _page(self, which: str, own: Report | None) -> Updates:
        report = own or self._shipped.report
        if report is None:
            return {
                self.which: "",
                self.own: None,
                self.head: "",
                self.empty: html.empty(EMPTY),
                self.body: gr.update(visible=False),
            }
        category = report.categories[0] if report.categories else ""
        designs = [model.label for model in report.models if model.compared]
        found = over_datasets(report, category)
        reference = designs_in(found)[0] if found else EVERY_PAIR
        choices = [(design_title(label), label) for label in dict.fromkeys(designs)]
        return {
            self.which: which,
            self.own: own,
            self.head: _head(report),
            self.empty: "",
            self.body: gr.update(visible=True),
            self.claims: study_tables.claims_table(report),
            self.summary: study_tables.summary_table(report) + study_tables.notes(report),
            self.category: gr.update(choices=list(report.categories), value=category or None),
            self.reference: gr.update(
                choices=[*choices, (EVERY_PAIR, EVERY_PAIR)], value=reference
            ),
            self.curves: figures.curves(report),
            self.ran: study_tables.facts_list(report)
            + study_tables.tasks_table(report)
            + study_tables.ran_table(report),
            self.code: _code(report, which),
            **self._category(report, category, reference, ""),
        }

    def _choose(self, values: Values, report: Progress) -> Updates:
        category, reference, task = (values[c] for c in (self.category, self.reference, self.task))
        return self._category(self._shown(values), category, reference, task)

    def _choose_task(self, values: Values, report: Progress) -> Updates:
        return self._task(self._shown(values), values[self.reference], values[self.task])

    def _category(self, report: Report, category: str, reference: str, task: str) -> Updates:
        if category not in report.categories:
            return dict.fromkeys(self._of_category)
        found = over_datasets(report, category)
        tasks = [(one.title, one.id) for one in report.tasks if one.category == category]
        task = task if task in [id_ for _, id_ in tasks] else tasks[0][1] if tasks else ""
        return {
            self.verdicts: study_tables.verdict_lines(found),
            self.scores: figures.scores(report, category),
            self.gains: figures.gains(report, found, category, reference, "datasets"),
            self.matrix: figures.matrix(report, found, category),
            self.pairs: study_tables.difference_table(figures.chosen(found, reference)),
            self.table: study_tables.score_table(report, category),
            self.task: gr.update(choices=tasks, value=task or None),
            **self._task(report, reference, task),
        }

    def _task(self, report: Report, reference: str, task: str) -> Updates:
        found = within_task(report, task)
        return {
            self.task_gains: figures.gains(report, found, task, reference, "items"),
            self.task_matrix: figures.matrix(report, found, task),
        }

    def _take(self, values: Values, report: Progress, event: gr.EventData) -> dict[str, Any]:
        name = event._data.get("name") if isinstance(event._data, dict) else None
        if name not in FILES:
            raise EmbedLabError(f"There is no such file; take one of {', '.join(FILES)}.")
        # The time makes the same file a change again.
        return {"name": name, "text": FILES[name](self._shown(values)), "at": time.time()}

    def _shown(self, values: Values) -> Report:
        report = values[self.own] if values[self.which] == OWN else self._shipped.report
        if report is None:
            raise EmbedLabError("This report was opened too long ago; open its file again.")
        shown: Report = report
        return shown


class _Shipped:
    """The report that comes with EmbedLab: read when it is first asked for, and once."""

    def __init__(self, path: Path | None) -> None:
        self._path, self._lock = path, threading.Lock()
        self._report: Report | None = None

    @property
    def report(self) -> Report | None:
        """None where there is none."""
        with self._lock:
            if self._report is None:
                path = self._path or ASSETS / "study" / "report.json"
                self._report = read_report(path) if path.is_file() else None
            return self._report


# Parts


def _heading(words: str) -> None:
    gr.HTML(f"<h3 class='section-head'>{words}</h3>", apply_default_css=False)


def _files_block() -> gr.HTML:
    buttons = "".join(
        f'<button type="button" class="take" data-file="{name}">{name}</button>' for name in FILES
    )
    return gr.HTML(
        None,
        html_template=f'<p class="study-files muted">Take it away: {buttons}</p>',
        js_on_load=script("download.js", "study_files.js"),
        apply_default_css=False,
        elem_id="study-files",
    )


def _head(report: Report) -> str:
    return (
        f'<h3 class="section-head">{html.escape(clean(report.name))}: a study of embedding '
        f'designs</h3><p class="muted">{html.escape(clean(study_tables.headline(report)))}</p>'
    )


def _code(report: Report, which: str) -> str:
    made = clean(str(report.facts.get("command") or "")) or "embedlab study STUDY.yaml --out DIR"
    whose = "What is shown here" if which == SHIPPED else "The report that you opened"
    return (
        "# The experiment in minutes or half an hour on two CPU cores, or the paper's on a GPU:\n"
        "embedlab study minutes --out my-study\n"
        "embedlab study workshop --out my-study\n"
        "embedlab study paper --out my-study --backbone Qwen/Qwen2-0.5B\n\n"
        f"# {whose} was made by:\n{made}\n"
    )
