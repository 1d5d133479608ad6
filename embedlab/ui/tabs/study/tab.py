"""The Study tab: the results that come with EmbedLab, or an uploaded report."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import gradio as gr

from embedlab.analysis.tasks import category_name
from embedlab.errors import EmbedLabError
from embedlab.lab.config import Limits
from embedlab.progress import Progress
from embedlab.render import study_sections
from embedlab.render.html import Macros
from embedlab.render.study_page import FILES
from embedlab.render.study_sections import EVERY_PAIR, Section, factor_pairs
from embedlab.study.report import (
    Report,
    design_title,
    designs_in,
    over_datasets,
    read_report,
    read_uploaded,
)
from embedlab.study.shipped import shipped_reports
from embedlab.text import one_line
from embedlab.ui.shared import html
from embedlab.ui.shared.controls import ChangingDropdown, ChangingRadio, code_block
from embedlab.ui.shared.figure import figure_block, figure_value
from embedlab.ui.shared.parse import event_data
from embedlab.ui.shared.session import STATE_SECONDS, Sessions, Updates, Values
from embedlab.ui.shared.theme import script
from embedlab.ui.shared.view import PRIVATE

#: Stands for the visitor's own report, where else the title of a shipped one stands.
UPLOADED = "uploaded"
OPEN = "Open another study's report.json"
EMPTY = (
    "The results of a study appear here: scores, differences with intervals and what is separable. "
    "Run `embedlab study minutes --out my-study` and open its report.json above."
)
_NO_FIGURES: Mapping[str, str] = {}
_STUDY = Macros("study.html")


class SectionPanel:
    """A section of the report: title and sentences, figures two by two, folded tables.

    Args:
        name: of the section, for the elements' ids.
        draw: gives the section for a report and what :meth:`show` gets besides.
        figures: the section's figures that are shown, each with the sentence in place of one that
            a report does not have.
        sortable: whether its open table can be sorted and filtered.
    """

    def __init__(
        self,
        name: str,
        draw: Callable[..., Section],
        figures: Mapping[str, str] = _NO_FIGURES,
        *,
        sortable: bool = False,
    ) -> None:
        self._draw, names = draw, list(figures)
        scripts = {"js_on_load": script("sortable")} if sortable else {}
        self.text = html.block(f"study-{name}", **scripts)
        self.figures: dict[str, gr.HTML] = {}
        for first in range(0, len(names), 2):
            with gr.Row():
                for figure in names[first : first + 2]:
                    self.figures[figure] = figure_block(f"study-{name}-{figure}", figures[figure])
        self.tables = html.block(f"study-{name}-tables")
        self.components = [self.text, *self.figures.values(), self.tables]

    def show(self, report: Report, *choices: str) -> dict[gr.HTML, Any]:
        """The updates that show a report's section."""
        section = self._draw(report, *choices)
        update: dict[gr.HTML, Any] = {
            self.text: _STUDY.opening(section),
            self.tables: _STUDY.folded(section.tables),
        }
        for name, component in self.figures.items():
            one = section.figures.get(name)
            update[component] = one and figure_value(
                one.figure,
                one.header,
                one.rows,
                name=one.name,
                caption=one.caption,
                look=one.look,
            )
        return update

    def clear(self) -> dict[gr.HTML, Any]:
        """The updates that show nothing."""
        return dict.fromkeys(self.components)


class StudyTab:
    """The tab of a study's report, with the choice of category, reference design and task.

    It is independent of the other tabs: it needs neither the sidebar nor a backbone. The reports
    that come with EmbedLab, ``shipped`` by their titles, are read when they are first opened; the
    tab opens on the first.
    """

    id = "study"
    title = "Study"

    def __init__(
        self,
        tab: gr.Tab,
        limits: Limits,
        sessions: Sessions,
        shipped: Mapping[str, Path] | None = None,
    ) -> None:
        self.limits, self.sessions = limits, sessions
        self._paths = dict(shipped_reports() if shipped is None else shipped)
        self._read: dict[str, Report] = {}
        self.which = gr.State("")
        self.uploaded = gr.State(None, time_to_live=STATE_SECONDS)
        with gr.Column(elem_id="study"):
            with gr.Row(equal_height=False):
                with gr.Column(scale=3, min_width=300):
                    self.head = SectionPanel("head", study_sections.head)
                with gr.Column(scale=2, min_width=300):
                    titles = list(self._paths)
                    self.shipped = gr.Dropdown(
                        titles,
                        value=titles[0] if titles else None,
                        label="Shipped results",
                        visible=len(titles) > 1,
                        elem_id="study-shipped",
                    )
                    with gr.Accordion(OPEN, open=False):
                        self.file = gr.File(
                            label=f"report.json, up to {limits.max_upload_mb} MB",
                            elem_id="study-upload",
                        )
            self.empty = html.block("study-empty", html.empty(EMPTY))
            with gr.Column(visible=False) as self.body:
                self._build_sections()
        self._wire(tab)

    def _build_sections(self) -> None:
        self.changed = SectionPanel("changed", study_sections.changed)
        with gr.Column(visible=False) as self.many:
            self._build_grid()
        with gr.Column() as self.few:
            self.paper = SectionPanel("paper", study_sections.paper)
            self.scores = SectionPanel("scores", study_sections.scores)
        with gr.Row():
            self.category = ChangingRadio([], label="Category", elem_id="study-category", scale=3)
            self.reference = ChangingDropdown(
                [], label="Against", elem_id="study-reference", scale=2, min_width=200
            )
        self.of_category = SectionPanel(
            "in-category",
            study_sections.category,
            {
                "gains": "The figure appears here.",
                "matrix": "Without p-values there is no matrix.",
                "scores": "The figure appears here.",
            },
        )
        self.task = ChangingDropdown([], label="Within one task", elem_id="study-task")
        self.of_task = SectionPanel(
            "in-task",
            study_sections.task,
            {
                "gains": "This report has no scores of the task's items.",
                "matrix": "There are no p-values here.",
            },
        )
        curves = {"curves": "There are no training curves."}
        self.training = SectionPanel("training", study_sections.training, curves)
        self.run = SectionPanel("run", study_sections.run)
        #: The sections without choices.
        self.fixed = [self.head, self.changed, self.effects, self.designs, self.paper, self.scores]
        self.fixed += [self.training, self.run]
        self.code = code_block("study-code", "shell")
        self.files = html.frame("study-files", "study_files", list(FILES))

    def _build_grid(self) -> None:
        """What a report on many designs shows instead of every pair."""
        nothing = "No two designs differ in one choice alone."
        self.effects = SectionPanel("effects", study_sections.effects, {"effects": nothing})
        self.two = ChangingRadio([], label="Mean scores by two choices", elem_id="study-two")
        self.by_two = SectionPanel("by-two", study_sections.by_two, {"matrix": nothing})
        self.designs = SectionPanel("designs", study_sections.designs, sortable=True)

    def _wire(self, tab: gr.Tab) -> None:
        of_category = [*self.of_category.components, self.task, *self.of_task.components]
        page = [
            *(self.which, self.uploaded, self.shipped, self.empty, self.body, self.code),
            *(self.many, self.few),
            *(self.category, self.reference, *of_category, self.two, *self.by_two.components),
            *(component for panel in self.fixed for component in panel.components),
        ]
        shown = {self.which, self.uploaded}
        handler = self.sessions.handler
        quiet: dict[str, Any] = {"show_progress": "hidden", **PRIVATE}
        tab.select(handler(self._first, "study"), {self.which}, page, **quiet)
        self.file.change(
            handler(self._open, "study"), {self.file}, page, trigger_mode="always_last", **quiet
        )
        self.shipped.input(
            handler(self._choose_shipped, "study"),
            {self.shipped},
            page,
            trigger_mode="always_last",
            **quiet,
        )
        self.two.input(
            handler(self._choose_two, "study"),
            {*shown, self.two},
            self.by_two.components,
            trigger_mode="always_last",
            **quiet,
        )
        gr.on(
            [self.category.input, self.reference.input, self.task.input],
            handler(self._choose, "study"),
            {*shown, self.category, self.reference, self.task},
            of_category,
            trigger_mode="always_last",
            **quiet,
        )
        download = self.sessions.event_handler(self._download, "study file")
        self.files.download(download, shown, self.files, **quiet)

    # What is shown

    def _first(self, values: Values, report: Progress) -> Updates:
        """The first shipped results, unless something is shown already."""
        return {self.which: gr.skip()} if values[self.which] else self._page(self._titles[0])

    def _choose_shipped(self, values: Values, report: Progress) -> Updates:
        """Other results that come with EmbedLab."""
        return self._page(str(values[self.shipped]))

    def _open(self, values: Values, report: Progress) -> Updates:
        """The uploaded report, or the first shipped one when the upload is cleared."""
        path = values[self.file]
        if not path:
            return self._page(self._titles[0])
        max_bytes = self.limits.max_upload_mb * 10**6
        return self._page(UPLOADED, read_uploaded(Path(path), max_bytes, self.limits.reading))

    def _page(self, which: str, uploaded: Report | None = None) -> Updates:
        report = uploaded or self._shipped(which)
        if report is None:
            return {
                self.which: "",
                self.uploaded: None,
                **self.head.clear(),
                self.empty: html.empty(EMPTY),
                self.body: gr.update(visible=False),
            }
        pairs = list(factor_pairs(report))
        category = report.categories[0] if report.categories else ""
        differences = over_datasets(report, category)
        reference = designs_in(differences)[0] if differences else EVERY_PAIR
        labels = dict.fromkeys(model.label for model in report.models if model.compared)
        choices = [*((design_title(label), label) for label in labels), (EVERY_PAIR, EVERY_PAIR)]
        return {
            self.which: which,
            self.uploaded: uploaded,
            self.shipped: gr.update(value=which if which in self._paths else None),
            self.empty: "",
            self.body: gr.update(visible=True),
            self.many: gr.update(visible=report.grid is not None),
            self.few: gr.update(visible=report.grid is None),
            self.two: gr.update(choices=pairs, value=pairs[0] if pairs else None),
            **self.by_two.show(report, pairs[0] if pairs else ""),
            self.code: _code(report, which),
            self.category: gr.update(
                choices=[(category_name(name), name) for name in report.categories],
                value=category or None,
            ),
            self.reference: gr.update(choices=choices, value=reference),
            **self._category(report, category, reference, ""),
            **{c: update for panel in self.fixed for c, update in panel.show(report).items()},
        }

    def _choose(self, values: Values, report: Progress) -> Updates:
        category, reference, task = (values[c] for c in (self.category, self.reference, self.task))
        return self._category(self._report(values), category, reference, task)

    def _choose_two(self, values: Values, report: Progress) -> Updates:
        return self.by_two.show(self._report(values), str(values[self.two] or ""))

    def _category(self, report: Report, category: str, reference: str, task: str) -> Updates:
        """A category and one of its tasks: the one chosen before if it belongs to it."""
        if category not in report.categories:
            return {**self.of_category.clear(), self.task: None, **self.of_task.clear()}
        tasks = [(one.title, one.id) for one in report.tasks if one.category == category]
        ids = [id_ for _, id_ in tasks]
        task = task if task in ids else ids[0] if ids else ""
        return {
            **self.of_category.show(report, category, reference),
            self.task: gr.update(choices=tasks, value=task or None),
            **self.of_task.show(report, task, reference),
        }

    def _download(self, values: Values, report: Progress, event: gr.EventData) -> dict[str, Any]:
        name = event_data(event).get("name")
        if name not in FILES:
            raise EmbedLabError(f"There is no such file; choose one of {', '.join(FILES)}.")
        # With the time, the same file once more is a change, too.
        return {"name": name, "text": FILES[name](self._report(values)), "at": time.time()}

    def _report(self, values: Values) -> Report:
        """The report on the screen."""
        which = values[self.which]
        report: Report | None = values[self.uploaded] if which == UPLOADED else self._shipped(which)
        if report is None:
            raise EmbedLabError("This report was opened too long ago; open its file again.")
        return report

    @property
    def _titles(self) -> list[str]:
        """Of the shipped reports; an empty one where there is none."""
        return list(self._paths) or [""]

    def _shipped(self, title: str) -> Report | None:
        """A report that comes with EmbedLab, read once; None where there is no such."""
        if title not in self._read and title in self._paths:
            self._read[title] = read_report(self._paths[title])
        return self._read.get(title)


def _code(report: Report, which: str) -> str:
    made = one_line(report.facts.command or "") or "embedlab study STUDY.yaml --out DIR"
    subject = "The report that you opened" if which == UPLOADED else "The report shown here"
    return (
        "# The experiment in minutes or half an hour on two CPU cores, or the paper's on a GPU:\n"
        "embedlab study minutes --out my-study\n"
        "embedlab study workshop --out my-study\n"
        "embedlab study paper --out my-study --backbone Qwen/Qwen2-0.5B\n\n"
        "# 270 designs that need no training:\n"
        "embedlab study training-free --out my-study\n\n"
        f"# {subject} was made by:\n{made}\n"
    )
