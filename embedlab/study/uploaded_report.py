"""A study's report that somebody brings along: read, and checked before anything is drawn of it."""

from __future__ import annotations

from collections.abc import Container
from pathlib import Path

from embedlab.errors import EmbedLabError
from embedlab.study.report import Report, design_title, designs_in, read_report
from embedlab.text import shorten

#: More models × tasks than a page can show.
MOST_SCORES = 20_000
MOST_DESIGNS = 60


def opened(path: Path, max_bytes: int) -> Report:
    """The report in a file.

    Raises:
        EmbedLabError: it is too large, holds no report, or one that contradicts itself.
    """
    size = path.stat().st_size
    if size > max_bytes:
        raise EmbedLabError(
            f"{shorten(path.name, 60)!r} has {size / 10**6:,.0f} MB; up to "
            f"{max_bytes / 10**6:,.0f} MB can be opened here."
        )
    report = read_report(path)
    try:
        _check(report)
    except (LookupError, ValueError) as error:
        reason = (
            str(error) if isinstance(error, EmbedLabError) else "its parts contradict each other"
        )
        raise EmbedLabError(
            f"{shorten(path.name, 60)!r} is no report that `embedlab study` wrote: "
            f"{reason.rstrip('.')}."
        ) from error
    return report


def _check(report: Report) -> None:
    """What drawing relies on.

    Raises:
        LookupError: something is named that is not there.
        ValueError: a number that is none, lengths that differ, or too much of everything.
    """
    report.to_json()  # refuses what is not finite
    tasks = {task.id for task in report.tasks}
    categories = set(report.categories)
    if not 0 < report.alpha < 1 or len(report.models) * len(tasks) > MOST_SCORES:
        raise ValueError("alpha, or the size")
    if len({model.label for model in report.models}) > MOST_DESIGNS:
        raise ValueError("too many designs")
    for task in report.tasks:
        _known(task.category, categories)
    for score in report.scores:
        _known(score.task, tasks)
        _known(score.model, range(len(report.models)))
    for row in report.summary:
        if not len(row.means) == len(row.seed_sds) == len(categories) == len(report.categories):
            raise ValueError("categories")
    if len(report.summary) != len(report.models):
        raise ValueError("models")
    for found in report.over_datasets:
        _known(found.category, categories)
    for one in report.within_tasks:
        _known(one.task, tasks)
    _name_designs(report)


def _name_designs(report: Report) -> None:
    """Every design is named by EmbedLab's words for it."""
    labels = {model.label for model in report.models if model.kind != "yardstick"}
    labels |= {*designs_in([found.over for found in report.over_datasets])}
    labels |= {*designs_in(report.within_tasks)}
    for label in {*labels, *(curve.label for curve in report.curves)}:
        design_title(label)


def _known(value: object, values: Container[object]) -> None:
    if value not in values:
        raise LookupError(value)
