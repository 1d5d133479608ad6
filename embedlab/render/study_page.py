"""A study's report as files: a page that needs nothing else, tables to compute with, and itself."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from markupsafe import Markup

from embedlab.files import disk_errors, write_whole
from embedlab.render.html import Macros
from embedlab.render.study_sections import Section, sections
from embedlab.study.report import Report
from embedlab.text import clean

#: What a spreadsheet would run as a formula begins like this.
_FORMULA = ("=", "+", "-", "@")
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
    """Write everything in :data:`FILES`; each is whole or absent.

    Args:
        report: what the study found.
        folder: where to; made if it is not there.

    Returns:
        The files' paths.

    Raises:
        EmbedLabError: the disk is full.
    """
    paths = []
    for name, made in FILES.items():
        with disk_errors(name):
            folder.mkdir(parents=True, exist_ok=True)
            write_whole(folder / name, made(report))
        paths.append(folder / name)
    return tuple(paths)


def scores_csv(report: Report) -> str:
    """A row for every model on every task; scores are fractions, as in the report."""
    tasks = {task.id: task for task in report.tasks}
    rows = []
    for score in report.scores:
        model, task = report.models[score.model], tasks[score.task]
        rows.append(
            (
                *(model.label, model.kind, task.category, task.id, task.measure),
                *(score.score, score.low, score.high, score.seed_sd, score.n),
                " ".join(map(str, model.seeds)),
            )
        )
    return _csv(_SCORES, rows)


def differences_csv(report: Report) -> str:
    """A row for every pair of designs, over the datasets of a category and within a task."""
    rows: list[tuple[Any, ...]] = []
    for found in report.over_datasets:
        over = found.over
        rows.append(
            (
                *("over datasets", found.category, None, over.a, over.b, over.n, over.difference),
                *(over.low, over.high, over.p, over.corrected, over.effect),
                *(over.detectable_difference, over.verdict, over.why),
            )
        )
    category_of = {task.id: task.category for task in report.tasks}
    for one in report.within_tasks:
        rows.append(
            (
                *("within task", category_of[one.task], one.task, one.a, one.b, one.n),
                *(one.difference, one.low, one.high, one.p, one.corrected),
                *(None, None, one.verdict, None),
            )
        )
    return _csv(_DIFFERENCES, rows)


def page(report: Report) -> str:
    """The report as one HTML file: no request leaves the machine, plotly's script is in it."""
    from plotly.offline import get_plotlyjs

    # Numbers as ids, so that equal reports make equal files.
    ids = iter(range(10**6))

    def drawn(section: Section) -> list[Markup]:
        options: dict[str, Any] = {"include_plotlyjs": False, "full_html": False}
        return [
            Markup(one.figure.to_html(_FIGURE, div_id=f"figure-{next(ids)}", **options))
            for one in section.figures.values()
        ]

    head, *others = sections(report)
    body = [(section, drawn(section)) for section in others]
    return str(Macros("report.html").page(head, body, Markup(get_plotlyjs()))) + "\n"


#: A study's files by name, each with the function that makes its text.
FILES: dict[str, Callable[[Report], str]] = {
    "report.json": Report.to_json,
    "scores.csv": scores_csv,
    "differences.csv": differences_csv,
    "report.html": page,
}


def _csv(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(header)
    writer.writerows([_cell(value) for value in row] for row in rows)
    return table.getvalue()


def _cell(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    text = clean(value)
    return f"'{text}" if text.startswith(_FORMULA) else text
