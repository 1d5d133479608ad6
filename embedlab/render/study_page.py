"""The files of a study's report: JSON, two CSV tables, and one self-contained HTML page."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from markupsafe import Markup

from embedlab.files import disk_errors, write_text
from embedlab.render.csv_table import csv_table
from embedlab.render.html import Macros
from embedlab.render.study_sections import Section, sections
from embedlab.resources import STATIC
from embedlab.study.comparisons import Difference
from embedlab.study.report import Report

_LISTS = Macros("lists.html")
_FIGURE = {"responsive": True, "displaylogo": False, "displayModeBar": False}

_SCORES = (
    *("model", "kind", "category", "task", "measure", "score", "low", "high", "seed_sd", "n"),
    "seeds",
)
_DIFFERENCES = (
    *("scope", "category", "task", "a", "b", "n", "difference", "low", "high", "p", "corrected"),
    *("effect", "detectable_difference", "verdict", "why"),
)


def write_report(report: Report, folder: Path) -> tuple[Path, ...]:
    """Write everything in :data:`FILES`, each whole or not at all, and return the paths.

    Raises:
        EmbedLabError: the disk is full.
    """
    paths = []
    for name, made in FILES.items():
        with disk_errors(name):
            folder.mkdir(parents=True, exist_ok=True)
            write_text(folder / name, made(report))
        paths.append(folder / name)
    return tuple(paths)


def scores_csv(report: Report) -> str:
    """A row for every model on every task and measure; scores are fractions, as in the report."""
    tasks = {task.id: task for task in report.tasks}
    rows: list[tuple[Any, ...]] = []
    for score in report.scores:
        model, task = report.models[score.model], tasks[score.task]
        rows.append(
            (
                *(model.label, model.kind, task.category, task.id, task.measure),
                *(score.score, score.low, score.high, score.seed_sd, score.n),
                " ".join(map(str, model.seeds)),
            )
        )
        rows += [
            (*rows[-1][:4], name, value, None, None, None, *rows[-1][-2:])
            for name, value in score.also.items()
        ]
    return csv_table(_SCORES, rows)


def differences_csv(report: Report) -> str:
    """A row for every pair of designs, over the datasets of a category and within a task.

    Of a grid also every pair over all sources, and the effects, whose a and b are choices.
    """
    category_of = {task.id: task.category for task in report.tasks}
    differences: list[tuple[str, str | None, str | None, Difference]] = [
        *(("over datasets", one.category, None, one.over) for one in report.over_datasets),
        *(("within task", category_of[one.task], one.task, one) for one in report.within_tasks),
    ]
    if report.grid is not None:
        gains = [gain.over for design in report.grid.designs for gain in design.gains]
        differences += [("over all sources", None, None, one) for one in gains]
        differences += [(f"effect of {e.factor}", None, None, e.over) for e in report.grid.effects]
    # What is not defined within a task stays empty.
    rows = [
        (*scope, *(getattr(one, name, None) for name in _DIFFERENCES[3:]))
        for *scope, one in differences
    ]
    return csv_table(_DIFFERENCES, rows)


def page(report: Report) -> str:
    """The report as one HTML file: no request leaves the machine, plotly's script is in it."""
    from plotly.offline import get_plotlyjs

    # Numbers as ids, so that equal reports make equal files.
    ids = iter(range(10**6))

    def drawn(section: Section) -> list[Markup]:
        options: dict[str, Any] = {"include_plotlyjs": False, "full_html": False}
        return [
            _LISTS.look_for(one.look)
            + Markup(one.figure.to_html(_FIGURE, div_id=f"figure-{next(ids)}", **options))
            for one in section.figures.values()
        ]

    head, *others = sections(report)
    body = [(section, drawn(section)) for section in others]
    scripts = (Markup(get_plotlyjs()), Markup((STATIC / "sortable.js").read_text("utf-8")))
    return str(Macros("report.html").page(head, body, *scripts)) + "\n"


#: A study's files by name, each with the function that makes its text.
FILES: dict[str, Callable[[Report], str]] = {
    "report.json": Report.to_json,
    "scores.csv": scores_csv,
    "differences.csv": differences_csv,
    "report.html": page,
}
