"""The sections of a study's report: its page writes them, and the Study tab shows them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations
from typing import Any

import numpy as np
import plotly.graph_objects as go
from markupsafe import Markup

from embedlab.analysis.tasks import MEASURE_NAMES, category_name
from embedlab.render import look_study, study_figures
from embedlab.render.html import Macros, joined, muted, note, points
from embedlab.render.study_text import facts_list, headline, verdict_lines
from embedlab.study.comparisons import DatasetComparison, Difference
from embedlab.study.effects import means_by_two
from embedlab.study.report import (
    GridDesign,
    GridGain,
    Report,
    against,
    designs_in,
    over_datasets,
    p_text,
    short_name,
    why_no_p,
    within_task,
)
from embedlab.text import one_line

#: Stands for no design in particular: every pair is drawn.
EVERY_PAIR = "(every pair)"
PAPER = "arXiv 2409.02727"

_STUDY = Macros("study.html")

_GAINS = ("a", "b", "n", "difference", "low", "high", "p", "p corrected", "verdict")


@dataclass(frozen=True, kw_only=True)
class StudyFigure:
    """A plotly figure with its data: scores are fractions there, None where undefined.

    ``name`` is the downloaded files' name without suffix; ``caption`` says what was measured, and
    ``look`` what to look for.
    """

    figure: go.Figure
    header: tuple[str, ...]
    rows: Sequence[tuple[Any, ...]]
    name: str
    caption: str
    look: str


@dataclass(frozen=True, kw_only=True)
class Section:
    """A title, sentences and open tables, figures by name, and folded tables by title."""

    title: str
    text: str = ""
    figures: dict[str, StudyFigure] = field(default_factory=dict)
    tables: Sequence[tuple[str, Markup]] = ()


def sections(report: Report) -> list[Section]:
    """The whole report in its order; each category holds its tasks."""
    if report.grid is not None:
        overview = [effects(report), by_two(report), designs(report)]
    else:
        overview = [paper(report), scores(report)]
    return [
        head(report),
        *([changed(report)] if report.changes else []),
        *overview,
        *(_with_tasks(report, category) for category in report.categories),
        *([training(report)] if report.curves or report.grid is None else []),
        run(report),
    ]


def head(report: Report) -> Section:
    """The study's name, what was measured in one line, and what limits the numbers."""
    text = muted(headline(report)) + note(report.notes)
    return Section(title=f"{one_line(report.name)}: a study of embedding designs", text=text)


def changed(report: Report) -> Section:
    """What it says otherwise than an earlier study; empty where it stands beside none."""
    if not report.changes:
        return Section(title="")
    trained, *sentences = report.changes
    return Section(title="What changed", text=_STUDY.changes(trained, sentences))


def paper(report: Report) -> Section:
    """The paper's conclusions beside this study's."""
    return Section(title="Beside the paper's conclusions", text=_STUDY.claims(report.claims, PAPER))


def scores(report: Report) -> Section:
    """Every model's mean score on every category."""
    counts = Counter(task.category for task in report.tasks)
    return Section(title="Scores", text=_STUDY.summary(report, counts))


def effects(report: Report) -> Section:
    """What each choice of a grid gains, averaged over the others; empty for another study."""
    if (grid := report.grid) is None:
        return Section(title="")
    lines = [
        f"{one.factor} {one.over.b} {points(one.over.difference, sign=True)} on {one.over.a}"
        for one in grid.effects
        if one.over.separable
    ]
    n = len(grid.effects)
    sentence = (
        f"Separable over {grid.sources} sources of texts, in points: {'; '.join(lines)}."
        if lines
        else f"None of the {n} effects is separable over {grid.sources} sources of texts."
    )
    numbers = ("b", "a", "difference", "low", "high", "p", "corrected", "n", "verdict")
    rows = [
        (one.factor, *(getattr(one.over, name) for name in numbers), one.designs)
        for one in grid.effects
    ]
    header = ("factor", "choice", "against", "difference", "low", "high", "p", "p corrected")
    drawn = {}
    if grid.effects:
        drawn["effects"] = StudyFigure(
            figure=study_figures.effect_plot(grid),
            header=(*header, "n", "verdict", "pairs"),
            rows=rows,
            name="effects",
            caption=_caption(report, "What each choice gains, averaged over the others"),
            look=look_study.effects(grid.effects),
        )
    names = tuple(map(category_name, report.categories))
    table = _STUDY.effects(grid, names, p_text)
    return Section(
        title="What each choice does",
        text=note([sentence]),
        figures=drawn,
        tables=(("The effects in numbers", table),),
    )


def by_two(report: Report, pair: str = "") -> Section:
    """Mean scores by two factors of a grid: of each two that have several choices, or of ``pair``.

    ``pair`` is one of the names that :func:`factor_pairs` gives.
    """
    if (grid := report.grid) is None:
        return Section(title="")
    figures = {}
    for name, (rows, columns) in factor_pairs(report).items():
        if pair and name != pair:
            continue
        down, across, means = means_by_two(
            [one.choices for one in grid.designs], [one.mean for one in grid.designs], rows, columns
        )
        figures["matrix" if pair else name] = StudyFigure(
            figure=study_figures.choice_matrix(grid, rows, columns),
            header=(grid.factors[rows], grid.factors[columns], "mean"),
            rows=[
                (level, other, None if np.isnan(mean) else float(mean))
                for level, row in zip(down, means, strict=True)
                for other, mean in zip(across, row, strict=True)
            ],
            name="two-choices",
            caption=_caption(report, f"Mean over sources of texts by {name}"),
            look=look_study.two_choices(down, across, means),
        )
    return Section(title="Two choices together", figures=figures)


def factor_pairs(report: Report) -> dict[str, tuple[int, int]]:
    """Two factors each of which a grid has several choices, by name, as rows and columns."""
    if (grid := report.grid) is None:
        return {}
    several = [
        i for i in range(len(grid.factors)) if len({one.choices[i] for one in grid.designs}) > 1
    ]
    return {f"{grid.factors[a]} × {grid.factors[b]}": (a, b) for a, b in combinations(several, 2)}


def designs(report: Report) -> Section:
    """Every design of a grid, in a table that can be sorted and filtered."""
    if (grid := report.grid) is None:
        return Section(title="")
    counts = Counter(task.category for task in report.tasks)
    table = _STUDY.designs(grid, report.categories, counts, len(report.tasks), _gain_on, short_name)
    why = dict.fromkeys(g.over.why for one in grid.designs for g in one.gains if g.over.why)
    return Section(title="Every design, the best first", text=note(why) + table)


def _gain_on(design: GridDesign, reference: str) -> GridGain | None:
    return next((gain for gain in design.gains if gain.over.a == reference), None)


def category(report: Report, name: str, reference: str | None = None) -> Section:
    """The scores on a category, and the differences over its datasets.

    The other designs are compared with ``reference``; :data:`EVERY_PAIR`, or one that is in no
    pair, stands for all pairs. By default the figure compares with the first design, and the
    table holds every pair.
    """
    differences = over_datasets(report, name)
    title = category_name(name)
    figures = _comparisons(report, differences, title, reference, "independent datasets")
    if report.models:
        figures["scores"] = _score_figure(report, name)
    tasks = [task for task in report.tasks if task.category == name]
    by_model = {(score.model, score.task): score for score in report.scores}
    return Section(
        title=title,
        text=verdict_lines(differences),
        figures=figures,
        tables=(
            *_difference_tables(differences, reference),
            ("Scores on every task", _STUDY.scores(report, tasks, by_model, MEASURE_NAMES)),
        ),
    )


def task(report: Report, task_id: str, reference: str | None = None) -> Section:
    """The differences within one task, over its items; ``reference`` as for :func:`category`."""
    differences = within_task(report, task_id)
    return Section(
        title=next((one.title for one in report.tasks if one.id == task_id), task_id),
        figures=_comparisons(report, differences, task_id, reference, "items"),
        tables=_difference_tables(differences, reference),
    )


def training(report: Report) -> Section:
    """The loss of every training."""
    if not report.curves:
        return Section(title="Training", text=note(["Nothing was trained."]))
    rows = [
        (curve.label, curve.seed, step, loss)
        for curve in report.curves
        for step, loss, _ in curve.points
    ]
    curves = StudyFigure(
        figure=study_figures.training_curves(report),
        header=("design", "seed", "step", "loss"),
        rows=rows,
        name="training",
        caption=_caption(report, "Training loss"),
        look=look_study.losses(report.curves),
    )
    return Section(title="Training", figures={"curves": curves})


def run(report: Report) -> Section:
    """The settings, tasks and cells of the study."""
    return Section(
        title="What was run",
        text=facts_list(report),
        tables=(
            ("Tasks and their data", _STUDY.tasks(report.tasks, MEASURE_NAMES)),
            ("Every cell", _STUDY.cells(report.ran)),
        ),
    )


# Parts


def _with_tasks(report: Report, name: str) -> Section:
    """A category with all its tasks: as figures where only the tasks can be tested."""
    section = category(report, name)
    if report.grid is not None:
        where = "Every pair within every task stands in differences.csv and in the Study tab."
        return replace(section, text=section.text + note([where]))
    tasks = [task(report, one.id) for one in report.tasks if one.category == name]
    figures = dict(section.figures)
    if "matrix" not in figures:
        figures |= {
            f"{number}-{key}": figure
            for number, one in enumerate(tasks)
            for key, figure in one.figures.items()
        }
    tables = joined(_STUDY.within(one.title, one.tables) for one in tasks)
    return replace(section, figures=figures, tables=(*section.tables, ("Within each task", tables)))


def _comparisons(
    report: Report,
    differences: Sequence[Difference],
    title: str,
    reference: str | None,
    unit: str,
) -> dict[str, StudyFigure]:
    """The gains, and the corrected p-values where there are some."""
    if not differences:
        return {}
    designs = designs_in(differences)
    reference = designs[0] if reference is None else reference
    reference = reference if reference in designs else ""
    rows = [
        (one.a, one.b, one.n, one.difference, one.low, one.high, one.p, one.corrected, one.verdict)
        for one in _chosen(differences, reference)
    ]
    gains = StudyFigure(
        figure=study_figures.difference_plot(differences, title, reference=reference, unit=unit),
        header=_GAINS,
        rows=rows,
        name="differences",
        caption=_caption(report, f"{title}: differences b − a, as fractions, paired over {unit}"),
        look=look_study.gains(_chosen(differences, reference)),
    )
    if why_no_p(differences) is not None or len(designs) > study_figures.MOST_ROWS:
        return {"gains": gains}
    matrix = StudyFigure(
        figure=study_figures.p_matrix(differences, f"{title}: corrected p", report.alpha),
        header=("row", "column", "p"),
        rows=[(short_name(one.b), short_name(one.a), one.corrected) for one in differences],
        name="p-values",
        caption=_caption(report, f"{title}: p-values after Holm's correction"),
        look=look_study.p_values(differences, report.alpha),
    )
    return {"gains": gains, "matrix": matrix}


def _difference_tables(
    differences: Sequence[Difference], reference: str | None
) -> tuple[tuple[str, Markup], ...]:
    labels = designs_in(differences)
    if (why := why_no_p(differences)) is not None:
        p_values: tuple[tuple[str, Markup], ...] = (("Corrected p-values", note([why])),)
    elif len(labels) > study_figures.MOST_ROWS:
        p_values = ()
    else:
        pairs = {(one.a, one.b): one for one in differences}
        matrix = _STUDY.p_values(labels, pairs, short_name, p_text)
        p_values = (("Corrected p-values", matrix),)
    if not differences:
        return p_values
    chosen = _chosen(differences, reference or EVERY_PAIR)
    over = any(isinstance(one, DatasetComparison) for one in differences)
    numbers = _STUDY.differences(chosen, over, short_name, p_text)
    return (("Differences in numbers", numbers), *p_values)


def _chosen(differences: Sequence[Difference], reference: str) -> Sequence[Difference]:
    """The pairs that the reference is in; all of them where it is in none."""
    return against(differences, reference) or differences


def _score_figure(report: Report, name: str) -> StudyFigure:
    index = report.categories.index(name)
    return StudyFigure(
        figure=study_figures.score_plot(report, name),
        header=("model", "kind", "mean score", "SD of seeds"),
        rows=[
            (row.title, row.kind, row.means[index], row.seed_sds[index]) for row in report.summary
        ],
        name="scores",
        caption=_caption(
            report, f"{category_name(name)}: mean score over its tasks, as a fraction"
        ),
        look=look_study.scores(report.summary, index),
    )


def _caption(report: Report, what: str) -> str:
    return f"{what} · study {report.name} · {headline(report)}"
