"""A study's report as files: a page that needs nothing else, tables to compute with, and itself."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

from embedlab.files import disk_errors, write_text
from embedlab.render import study_figures, study_tables
from embedlab.study.report import (
    Difference,
    Report,
    TaskFacts,
    designs_in,
    over_datasets,
    why_no_p,
    within_task,
)
from embedlab.text import clean, escape, spreadsheet_cell

_FIGURE = {"responsive": True, "displaylogo": False, "displayModeBar": False}

_SCORES = (
    *("model", "kind", "category", "task", "measure", "score", "low", "high", "seed_sd", "n"),
    "seeds",
)
_DIFFERENCES = (
    *("scope", "category", "task", "a", "b", "n", "difference", "low", "high", "p", "corrected"),
    *("effect", "detectable_difference", "verdict", "why"),
)

# System fonts and colours of the interface; nothing is fetched. The figures are transparent and
# their texts take the page's colour.
_STYLE = """
:root { color-scheme: light dark; --text: #191d22; --quiet: #656e78; --line: #ccd2d8; --page: #fff;
  --soft: #f1f3f5; --accent: #006349; }
@media (prefers-color-scheme: dark) { :root { --text: #f1f3f5; --quiet: #9aa3ad; --line: #363d45;
  --page: #111418; --soft: #191d22; --accent: #74c6ab; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 1200px; padding: 16px; background: var(--page);
  color: var(--text); font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto,
  "Helvetica Neue", Arial, sans-serif; overflow-wrap: anywhere; }
h1 { margin: 0; font-size: 1.6rem; line-height: 1.2; }
h2 { margin: 36px 0 8px; padding-top: 8px; border-top: 3px solid var(--accent); font-size: 20px; }
h3 { margin: 20px 0 6px; font-size: 1rem; }
p { margin: 6px 0; }
.muted, small, .note { color: var(--quiet); font-size: 0.85em; }
small { display: block; font-weight: 400; white-space: nowrap; }
.note { border-left: 3px solid var(--line); padding: 2px 8px; }
.wide { overflow-x: auto; margin: 8px 0; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { padding: 4px 10px; border-bottom: 1px solid var(--line); text-align: right;
  vertical-align: top; overflow-wrap: normal; }
thead th { font-size: 0.85em; color: var(--quiet); vertical-align: bottom; }
thead th:first-child, .words th, th[scope="row"] { text-align: left; }
th[scope="row"] { font-weight: 500; min-width: 8em; }
.words td { text-align: left; overflow-wrap: break-word; }
.words td:last-child { min-width: 16em; max-width: 40em; }
.words small { white-space: normal; overflow-wrap: anywhere; }
.chip { padding: 0 7px; border: 1px solid var(--line); border-radius: 999px; white-space: nowrap; }
.agrees { border-color: #009e73; border-width: 2px; }
.disagrees { border-color: #d55e00; border-width: 2px; }
.facts { display: grid; grid-template-columns: max-content 1fr; gap: 2px 14px; }
.facts dt { color: var(--quiet); }
.facts dd { margin: 0; }
summary { cursor: pointer; font-weight: 600; margin: 8px 0; }
.figures { display: grid; grid-template-columns: repeat(2, minmax(0, 1fr)); gap: 8px 16px; }
.figures > div { min-width: 0; }
.js-plotly-plot text { font-variant-numeric: tabular-nums; }
.js-plotly-plot .cartesianlayer text, .js-plotly-plot .infolayer text
  { fill: var(--text) !important; }
.js-plotly-plot .infolayer .gtitle-subtitle { fill: var(--quiet) !important; }
@media (max-width: 800px) { .figures { grid-template-columns: minmax(0, 1fr); } }
@media (max-width: 600px) {
  .facts { grid-template-columns: 1fr; }
  .facts dd { margin-bottom: 6px; }
  .words thead { display: none; }
  .words tr, .words th, .words td { display: block; border: 0; padding: 1px 0; }
  .words td:not([data-head=""])::before { content: attr(data-head) ": "; color: var(--quiet); }
  .words tr { padding: 6px 0; border-bottom: 1px solid var(--line); }
}
@media print { :root { --text: #000; --quiet: #444; --line: #bbb; --page: #fff; --accent: #006349; }
  @page { size: A4 landscape; margin: 12mm; }
  body { max-width: none; padding: 0; font-size: 9pt; } .wide { overflow: visible; }
  th, td { padding: 2px 4px; font-size: 7.5pt; } tr, .figures > div { break-inside: avoid; } }
"""
#: What is folded on the screen is open on paper.
_SCRIPT = (
    "addEventListener('beforeprint', () => "
    "document.querySelectorAll('details').forEach((one) => { one.open = true; }));"
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
            write_text(folder / name, made(report))
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

    name = escape(clean(report.name))
    sections = [_paper(report), _scores(report)]
    sections += [_category(report, category) for category in report.categories]
    sections += [_training(report), _run(report)]
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{name}: a study of embedding designs</title><style>{_STYLE}</style>"
        f"<script>{get_plotlyjs()}</script><script>{_SCRIPT}</script></head><body><header>"
        f"<h1>{name}: a study of embedding designs</h1>"
        f'<p class="muted">{escape(clean(study_tables.headline(report)))}</p>'
        f"{study_tables.notes(report)}</header>{''.join(sections)}</body></html>\n"
    )


#: A study's files by name, each with what makes its text.
FILES: dict[str, Callable[[Report], str]] = {
    "report.json": Report.to_json,
    "scores.csv": scores_csv,
    "differences.csv": differences_csv,
    "report.html": page,
}


def _paper(report: Report) -> str:
    return f"<h2>Beside the paper's conclusions</h2>{study_tables.claims_table(report)}"


def _scores(report: Report) -> str:
    figure = f'<div class="figures">{_columns(report)}</div>' if report.models else ""
    return f"<h2>Scores</h2>{figure}{study_tables.summary_table(report)}"


def _columns(report: Report) -> str:
    return "".join(
        _figure(study_figures.score_plot(report, [category]), f"scores-{number}")
        for number, category in enumerate(report.categories)
    )


def _category(report: Report, category: str) -> str:
    found = over_datasets(report, category)
    tasks = [task for task in report.tasks if task.category == category]
    parts = [f"<h2>{escape(category)}</h2>", study_tables.verdict_lines(found)]
    figures = [_gains(found, category, "datasets")]
    if why_no_p(found) is None:
        table = study_tables.p_table(found)
        figures.append(f"<div><h3>Corrected p-values, over datasets</h3>{table}</div>")
    else:  # what can be told is told within the tasks
        figures += [_gains(within_task(report, t.id), t.id, "items") for t in tasks]
    parts.append(f'<div class="figures">{"".join(figures)}</div>')
    if found:
        parts.append(_folded("Every pair of designs", study_tables.difference_table(found)))
    parts.append(_folded("Scores on every task", study_tables.score_table(report, category)))
    parts.append(_folded("Corrected p-values within each task", _within(report, tasks)))
    return f"<section>{''.join(parts)}</section>"


def _gains(found: Sequence[Difference], title: str, unit: str) -> str:
    if not found:
        return ""
    reference = designs_in(found)[0]
    figure = study_figures.difference_plot(found, title, reference=reference, unit=unit)
    return _figure(figure, f"gains-{unit}-{sha256(title.encode()).hexdigest()[:8]}")


def _within(report: Report, tasks: Sequence[TaskFacts]) -> str:
    return "".join(
        f"<h3>{escape(task.title)}</h3>" + study_tables.p_table(within_task(report, task.id))
        for task in tasks
    )


def _training(report: Report) -> str:
    if not report.curves:
        return "<h2>Training</h2><p>Nothing was trained.</p>"
    return f"<h2>Training</h2>{_figure(study_figures.training_curves(report), 'training')}"


def _run(report: Report) -> str:
    return (
        f"<h2>What was run</h2>{study_tables.facts_list(report)}"
        + _folded("Tasks and what they were measured on", study_tables.tasks_table(report))
        + _folded("Every cell", study_tables.ran_table(report))
    )


def _folded(title: str, html: str) -> str:
    return f"<details><summary>{escape(title)}</summary>{html}</details>"


def _figure(figure: Any, name: str) -> str:
    """A figure whose script stands in the page's head; the id makes equal reports equal files."""
    return str(figure.to_html(_FIGURE, include_plotlyjs=False, full_html=False, div_id=name))


def _csv(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(header)
    writer.writerows([_cell(value) for value in row] for row in rows)
    return table.getvalue()


def _cell(value: Any) -> Any:
    return spreadsheet_cell(value) if isinstance(value, str) else value
