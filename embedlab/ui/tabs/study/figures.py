"""The figures of a study with the data behind them, for the Study tab."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from embedlab.render import study_figures, study_tables
from embedlab.study.report import Difference, Report, against, designs_in, short_name, why_no_p
from embedlab.ui.shared.figure import figure_value

_GAINS = ("a", "b", "n", "difference", "low", "high", "p", "p corrected", "verdict")


def chosen(found: Sequence[Difference], reference: str) -> Sequence[Difference]:
    """The pairs to draw; all of them where the reference is in none."""
    return against(found, reference) or found


def _caption(report: Report, what: str) -> str:
    return f"{what} · study {report.name} · {study_tables.headline(report)}"


def gains(
    report: Report, found: Sequence[Difference], title: str, reference: str, unit: str
) -> dict[str, Any] | None:
    """The gains as a figure with its data; None where there are none.

    Args:
        report: where they stand.
        found: the pairs of designs.
        title: what they were measured on.
        reference: the design to hold the others against; every pair is drawn if it is in none.
        unit: what they are paired over.
    """
    if not found:
        return None
    reference = reference if reference in designs_in(found) else ""
    figure = study_figures.difference_plot(found, title, reference=reference, unit=unit)
    rows = [
        (one.a, one.b, one.n, *map(_float, _numbers(one)), one.verdict)
        for one in chosen(found, reference)
    ]
    caption = _caption(report, f"{title}: differences b − a, as fractions, paired over {unit}")
    return figure_value(figure, _GAINS, rows, name="differences", caption=caption)


def _numbers(one: Difference) -> tuple[float | None, ...]:
    return one.difference, one.low, one.high, one.p, one.corrected


def _float(value: float | None) -> float:
    return float("nan") if value is None else value


def matrix(report: Report, found: Sequence[Difference], title: str) -> dict[str, Any] | None:
    """The corrected p-values as a figure with its data; None where there are none."""
    if why_no_p(found) is not None:
        return None
    figure = study_figures.p_matrix(found, f"{title}: corrected p", report.alpha)
    rows = [(short_name(one.b), short_name(one.a), _float(one.corrected)) for one in found]
    caption = _caption(report, f"{title}: p-values after Holm's correction")
    return figure_value(figure, ("row", "column", "p"), rows, name="p-values", caption=caption)


def scores(report: Report, category: str) -> dict[str, Any] | None:
    """The mean scores on a category; None before anything is measured."""
    if not report.models:
        return None
    index = report.categories.index(category)
    rows = [
        (row.title, row.kind, _float(row.means[index]), _float(row.seed_sds[index]))
        for row in report.summary
    ]
    return figure_value(
        study_figures.score_plot(report, [category]),
        ("model", "kind", "mean score", "SD of seeds"),
        rows,
        name="scores",
        caption=_caption(report, f"{category}: mean score over its tasks, as a fraction"),
    )


def curves(report: Report) -> dict[str, Any] | None:
    """The training curves; None where nothing was trained."""
    if not report.curves:
        return None
    rows = [
        (curve.label, curve.seed, step, _float(loss))
        for curve in report.curves
        for step, loss, _ in curve.points
    ]
    return figure_value(
        study_figures.training_curves(report),
        ("design", "seed", "step", "loss"),
        rows,
        name="training",
        caption=_caption(report, "Training loss"),
    )
