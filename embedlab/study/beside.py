"""What changed between two studies of the same designs on the same tasks, in sentences."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from embedlab.analysis.tasks import category_name
from embedlab.errors import EmbedLabError
from embedlab.study.comparisons import Difference
from embedlab.study.effects import mean_over_sources
from embedlab.study.report import Report, TaskFacts, over_datasets, short_name, steps_text


def changes(report: Report, before: Report) -> tuple[str, ...]:
    """What a report says otherwise than an earlier one; scores are in points, ×100.

    Compared are the designs of both as each study compares them (trained, where it trains them),
    on the tasks that both measured on the same texts.

    Raises:
        EmbedLabError: they have fewer than two designs or no such task in common.
    """
    measured = {(task.id, task.sha256) for task in before.tasks}
    tasks = [task for task in report.tasks if (task.id, task.sha256) in measured]
    earlier = {model.label for model in before.models if model.compared}
    labels = [m.label for m in report.models if m.compared and m.label in earlier]
    if not tasks or len(labels) < 2:
        raise EmbedLabError(
            f"{report.name!r} and {before.name!r} measured fewer than two designs, or no task, "
            "alike; set a study beside one with the same designs, tasks, 'sizes' and 'words'."
        )
    lines = [f"Beside {before.name!r}: {_trainings(before)} there, {_trainings(report)} here."]
    for category in report.categories:
        if common := [task for task in tasks if task.category == category]:
            lines.append(_scores(category, report, before, common, labels))
            lines += _verdicts(category, report, before, common, labels)
    claims = {(claim.category, claim.b): claim.found for claim in before.claims}
    for claim in report.claims:
        then = claims.get((claim.category, claim.b), claim.found)
        if then != claim.found:
            lines.append(
                f"Beside the paper's conclusion on {claim.b}, {category_name(claim.category)}: "
                f"{then!r} then, {claim.found!r} now."
            )
    return tuple(lines)


def _trainings(report: Report) -> str:
    """``40 steps, 3 seeds``."""
    steps = [curve.points[-1][0] for curve in report.curves if curve.points]
    if not steps:
        return "nothing trained"
    seeds = len({curve.seed for curve in report.curves})
    return f"{steps_text(steps)} steps, {seeds} seed{'s' * (seeds != 1)}"


def _scores(
    category: str,
    report: Report,
    before: Report,
    tasks: list[TaskFacts],
    labels: list[str],
) -> str:
    """Every design's mean over sources in both studies, and which design was and is ahead."""
    then = {label: _mean(before, label, tasks) for label in labels}
    now = {label: _mean(report, label, tasks) for label in labels}
    parts = [
        f"{short_name(label)} {100 * then[label]:.1f} → {100 * now[label]:.1f}" for label in labels
    ]
    first, last = (short_name(max(labels, key=lambda label: means[label])) for means in (then, now))
    ahead = f"{last} is ahead, as it was" if first == last else f"{first} was ahead, now {last} is"
    return f"{category_name(category)}: {', '.join(parts)}; {ahead}."


def _mean(report: Report, label: str, tasks: list[TaskFacts]) -> float:
    """A compared design's mean over the sources of some tasks; NaN without a score."""
    number = next(i for i, m in enumerate(report.models) if m.compared and m.label == label)
    scores = {score.task: score.score for score in report.scores if score.model == number}
    row = np.array([scores.get(task.id) for task in tasks], np.float64)
    mean = mean_over_sources(row, [task.cluster for task in tasks])
    return np.nan if mean is None else mean


def _verdicts(
    category: str,
    report: Report,
    before: Report,
    tasks: list[TaskFacts],
    labels: list[str],
) -> Iterator[str]:
    """How many pairs are separable in both, over the sources if they are enough, or within tasks.

    Over sources both have to have the same tasks; within a task they have.
    """
    name = category_name(category)
    both = [_of(labels, over_datasets(one, category)) for one in (before, report)]
    same = all(
        {task.id for task in one.tasks if task.category == category} == {task.id for task in tasks}
        for one in (before, report)
    )
    if same and any(one.corrected is not None for pairs in both for one in pairs):
        yield _counted(f"{name}, over sources", *both)
        then = {(one.a, one.b): _said(one) for one in both[0]}
        for one in both[1]:
            if then.get((one.a, one.b), _said(one)) != _said(one):
                yield f"{name}: {then[one.a, one.b]} then, now {_said(one)}."
        return
    ids = {task.id for task in tasks}
    within = [
        _of(labels, [d for d in one.within_tasks if d.task in ids]) for one in (before, report)
    ]
    yield _counted(f"{name}, within tasks", *within)


def _of(labels: list[str], pairs: Sequence[Difference]) -> list[Difference]:
    return [one for one in pairs if {one.a, one.b} <= set(labels)]


def _counted(where: str, then: Sequence[Difference], now: Sequence[Difference]) -> str:
    counts = [sum(one.separable for one in pairs) for pairs in (then, now)]
    return (
        f"{where}: {counts[0]} of {len(then)} pairs of designs were separable, "
        f"{counts[1]} of {len(now)} are."
    )


def _said(one: Difference) -> str:
    """``M5 not separable from M1``, ``M1 above M5``."""
    a, b = short_name(one.a), short_name(one.b)
    if not one.separable:
        return f"{b} not separable from {a}"
    return f"{b} above {a}" if (one.difference or 0) > 0 else f"{a} above {b}"
