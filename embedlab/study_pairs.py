"""The pairs of designs that a report compares: chosen, turned round and told, for any drawing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from embedlab.design import Design
from embedlab.study_report import Report, TaskDifference
from embedlab.study_stats import DatasetComparison

#: Two designs over datasets or within a task: what is drawn of either is the same.
Difference = DatasetComparison | TaskDifference


def over_datasets(report: Report, category: str) -> list[DatasetComparison]:
    """Every pair of designs over the datasets of a category."""
    return [found.over for found in report.over_datasets if found.category == category]


def within_task(report: Report, task: str) -> list[TaskDifference]:
    """Every pair of designs on one task."""
    return [found for found in report.within_tasks if found.task == task]


def designs_in(found: Sequence[Difference]) -> list[str]:
    """The designs between which differences were tested, in the study's order."""
    return list(dict.fromkeys(label for one in found for label in (one.a, one.b)))


def against(found: Sequence[Difference], reference: str) -> list[Difference]:
    """The pairs that ``reference`` is in, turned so that it is what the other gains on."""
    return [
        one if one.a == reference else _turned(one) for one in found if reference in (one.a, one.b)
    ]


def why_no_p(found: Sequence[Difference]) -> str | None:
    """A sentence where no pair has a p-value; None where there is one."""
    if any(one.corrected is not None for one in found):
        return None
    if not found:
        return "Nothing is compared here: fewer than two designs have scores of single items."
    told = next((one.why for one in found if isinstance(one, DatasetComparison) and one.why), None)
    return told or "No p-value: a score is undefined, or there are fewer than two items."


def short_name(label: str) -> str:
    """``M5``; a design the paper has no name for, as it is."""
    return Design.parse(label).alias or label


def p_text(p: float | None) -> str:
    """``0.012``, ``<0.001``, or a dash where nothing was tested."""
    if p is None:
        return "–"
    return "<0.001" if p < 0.001 else f"{p:.3f}"


def _turned(one: Difference) -> Difference:
    changes: dict[str, Any] = {
        "a": one.b,
        "b": one.a,
        "difference": _minus(one.difference),
        "low": _minus(one.high),
        "high": _minus(one.low),
    }
    if isinstance(one, DatasetComparison):
        changes["effect"] = _minus(one.effect)
    return replace(one, **changes)


def _minus(value: float | None) -> float | None:
    return None if value is None else -value
