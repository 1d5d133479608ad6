"""The tables and sentences of a study's report as HTML. Scores and differences are ×100 here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from embedlab.analysis.bootstrap import verdict
from embedlab.analysis.tasks import MEASURE_NAMES
from embedlab.render.html import Cell, Cells, Macros, interval, muted, note, points, table
from embedlab.study.comparisons import DatasetComparison
from embedlab.study.report import (
    Difference,
    Report,
    Score,
    TaskFacts,
    design_title,
    designs_in,
    p_text,
    short_name,
    why_no_p,
)

NOTHING = "No cell of this study is finished, so there is nothing to show yet."
PAPER = "arXiv 2409.02727"


def summary_table(report: Report) -> Markup:
    """Every model's mean over the tasks of a category, and the spread of its seeds."""
    counts = [sum(t.category == category for t in report.tasks) for category in report.categories]
    rows = []
    for summary in report.summary:
        cells: list[str | Cell] = [summary.title]
        for i, (mean, sd) in enumerate(zip(summary.means, summary.seed_sds, strict=True)):
            best = (f"best on {summary.wins[i]} of {counts[i]}",) if summary.wins else ()
            cells.append(Cell(points(mean), small=(*_spread(sd), *best)))
        rows.append(cells)
    header = [
        Cell(category, small=(f"{n} task{'s' * (n != 1)}",))
        for category, n in zip(report.categories, counts, strict=True)
    ]
    caption = (
        "Mean score ×100 over the tasks of a category; ± one standard deviation of the seeds; the "
        "number of tasks on which none of the designs compared scores higher, separable or not."
    )
    return table(["Model", *header], rows, caption) if rows else muted(NOTHING)


def score_table(report: Report, category: str) -> Markup:
    """Every model on every task of a category, with intervals and the spread of seeds."""
    tasks = [task for task in report.tasks if task.category == category]
    scores = {(score.model, score.task): score for score in report.scores}
    rows: list[Cells] = [
        (model.title, *(_score(scores.get((number, task.id))) for task in tasks))
        for number, model in enumerate(report.models)
    ]
    header = [_task_head(task, scores.get((0, task.id))) for task in tasks]
    caption = (
        "Score ×100, below it the 95 % bootstrap interval over the task's items, and ± one "
        "standard deviation of the seeds where there are several."
    )
    return table(["Model", *header], rows, caption) if rows else muted(NOTHING)


def difference_table(differences: Sequence[Difference]) -> Markup:
    """Gains with their intervals, corrected p-values and verdicts."""
    over_datasets = any(isinstance(one, DatasetComparison) for one in differences)
    rows: list[Cells] = []
    for one in differences:
        gain = Cell(points(one.difference, sign=True), small=interval(one.low, one.high, sign=True))
        cells: list[str | Cell] = [f"{short_name(one.b)} − {short_name(one.a)}", gain]
        cells += [p_text(one.p), p_text(one.corrected)]
        if isinstance(one, DatasetComparison):
            cells.append("–" if one.effect is None else f"{one.effect:+.2f}")
            cells.append(points(one.detectable_difference))
        cells += [f"{one.n:,}", Cell(one.verdict, strong=one.separable)]
        rows.append(cells)
    more = ("Effect (rank-biserial)", "Smallest detectable") if over_datasets else ()
    header = ("Pair", "Gain ×100", "p", "p, Holm", *more, "n", "Verdict")
    caption = "Gain in points with its 95 % interval; a p-value counts after Holm's correction."
    return table(header, rows, caption)


def p_table(differences: Sequence[Difference]) -> Markup:
    """The matrix of corrected p-values, or the sentence that says why there is none."""
    if (why := why_no_p(differences)) is not None:
        return note([why])
    labels = designs_in(differences)
    pairs = {(one.a, one.b): one for one in differences}
    rows: list[Cells] = [
        (short_name(b), *(_p_cell(pairs.get((a, b))) for a in labels[:-1])) for b in labels[1:]
    ]
    caption = (
        f"p-values after Holm's correction over {len(differences)} pairs; bold where separable."
    )
    return table(("", *map(short_name, labels[:-1])), rows, caption)


def verdict_lines(differences: Sequence[DatasetComparison]) -> Markup:
    """How many pairs are separable over datasets, what was detectable, and why not more."""
    if not differences:
        return note(["Fewer than two designs are measured, so nothing is compared."])
    n = sum(one.separable for one in differences)
    lines = [
        f"Over datasets {n} of {len(differences)} pairs of designs {'is' if n == 1 else 'are'} "
        f"{verdict(True)}, {len(differences) - n} {verdict(False)}."
    ]
    smallest = [
        one.detectable_difference for one in differences if one.detectable_difference is not None
    ]
    if smallest:
        lines.append(
            "The smallest difference that a test would detect four times in five: "
            f"{points(min(smallest))} to {points(max(smallest))} points, depending on the pair."
        )
    lines += dict.fromkeys(one.why for one in differences if one.why)
    return note(lines)


def claims_table(report: Report) -> Markup:
    """The paper's conclusions in words, and whether this study agrees."""
    rows = [
        (
            f"{claim.category}: {claim.b} against {claim.a}",
            claim.said,
            Cell(claim.found, chip=claim.found if claim.found in _COLOURED else ""),
            claim.why,
        )
        for claim in report.claims
    ]
    if not rows:
        return muted("The paper's designs M1, M4 and M5 are not all measured yet.")
    caption = (
        f"What the paper ({PAPER}) concluded about bidirectional attention with trainable pooling, "
        "in words; its backbone, data and sizes differ from those here."
    )
    return table(("", "The paper", "This study", "Why"), rows, caption, words=True)


def facts_list(report: Report) -> Markup:
    """The settings of the study: everything needed to run it again."""
    return Macros("study.html").facts([(name, value) for name, value in _facts(report) if value])


def tasks_table(report: Report) -> Markup:
    """Every task with its measure, source and hash."""
    rows = [
        (
            Cell(task.title, small=(task.id,)),
            task.category,
            MEASURE_NAMES.get(task.measure, task.measure),
            f"{task.texts:,}" if task.texts else "–",
            Cell(task.source, small=(task.sha256,)),
        )
        for task in report.tasks
    ]
    header = ("Task", "Category", "Measure", "Texts", "Source and hash of the texts")
    return table(header, rows, "The tasks; mteb computed the scores.", words=True)


def cells_table(report: Report) -> Markup:
    """Every cell of the study with its time, and the error of those that failed."""
    rows = [
        (ran.cell, ran.status, "–" if ran.seconds is None else f"{ran.seconds:,.0f} s", ran.error)
        for ran in report.ran
    ]
    if not rows:
        return muted(NOTHING)
    header = ("Cell", "Status", "Time", "Error")
    return table(header, rows, "Every cell of the study.", words=True)


def headline(report: Report) -> str:
    """One line: backbone, designs, seeds, tasks, data, hardware."""
    backbone, data = report.facts.get("backbone") or {}, report.facts.get("data") or {}
    designs = {model.label for model in report.models if model.kind != "yardstick"}
    seeds = {seed for model in report.models for seed in model.seeds}
    parts = [
        backbone.get("name") or "",
        f"{len(designs)} designs",
        f"{len(seeds)} seed{'s' * (len(seeds) != 1)}" if seeds else "untrained",
        f"{len(report.tasks)} tasks in {len(report.categories)} categories",
        f"trained on {data['title']}" if data.get("title") else "",
        report.facts.get("hardware") or "",
    ]
    return " · ".join(part for part in parts if part)


# Parts

#: The answers that a chip shows in a colour.
_COLOURED = ("agrees", "disagrees")


def _spread(sd: float | None) -> tuple[str, ...]:
    return () if sd is None else (f"± {points(sd)}",)


def _score(score: Score | None) -> Cell:
    if score is None:
        return Cell("–")
    return Cell(
        points(score.score), small=(*interval(score.low, score.high), *_spread(score.seed_sd))
    )


def _task_head(task: TaskFacts, score: Score | None) -> Cell:
    measure = MEASURE_NAMES.get(task.measure, task.measure)
    n = f", n = {score.n:,}" if score is not None and score.n else ""
    return Cell(task.id, small=(measure + n,))


def _p_cell(one: Difference | None) -> Cell:
    return Cell("" if one is None else p_text(one.corrected), strong=bool(one and one.separable))


def _facts(report: Report) -> list[tuple[str, str]]:
    facts = report.facts
    backbone, data = facts.get("backbone") or {}, facts.get("data") or {}
    recipe, versions = facts.get("recipe") or {}, facts.get("versions") or {}
    removed = data.get("removed")
    designs = dict.fromkeys(m.label for m in report.models if m.kind != "yardstick")
    return [
        ("Backbone", _joined(backbone, "id", "name", "source", "note", "precision", "device")),
        ("Designs", ", ".join(design_title(label) for label in designs)),
        ("Yardsticks", ", ".join(m.label for m in report.models if m.kind == "yardstick")),
        ("Training data", _joined(data, "id", "title", "source")),
        ("Training pairs", f"{data['pairs']:,}" if "pairs" in data else ""),
        (
            "Overlap check",
            "" if removed is None else f"{removed} pairs left out because they are in a task",
        ),
        ("Hash of the data", data.get("sha256") or ""),
        ("Recipe", ", ".join(f"{k} {v}" for k, v in recipe.items() if k != "seed")),
        ("Seeds", ", ".join(map(str, sorted({s for m in report.models for s in m.seeds})))),
        ("Hardware", facts.get("hardware") or ""),
        ("Versions", ", ".join(f"{k} {v}" for k, v in versions.items())),
        ("Level of the tests", f"α = {report.alpha:g} after Holm's correction"),
        ("Command", facts.get("command") or ""),
        ("Hash of the study", facts.get("digest") or ""),
    ]


def _joined(facts: Mapping[str, Any], *names: str) -> str:
    """The values there are, each once."""
    return " · ".join(dict.fromkeys(str(facts[name]) for name in names if facts.get(name)))
