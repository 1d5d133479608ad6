"""A study's report as HTML: tables and lines that its page and its tab share, all escaped.

Scores and differences are ×100 here, with one decimal.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from embedlab.analysis.bootstrap import verdict
from embedlab.analysis.tasks import MEASURE_NAMES
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
from embedlab.text import escape

NOTHING = '<p class="muted">No cell of this study is finished, so there is nothing to show yet.</p>'
PAPER = "arXiv 2409.02727"


def points(value: float | None, *, sign: bool = False) -> str:
    """A fraction ×100: ``61.2``, or ``+1.3`` with its sign; a dash for None."""
    if value is None:
        return "–"
    return f"{100 * value:+.1f}" if sign else f"{100 * value:.1f}"


def summary_table(report: Report) -> str:
    """Every model's mean over the tasks of a category, and the spread of its seeds."""
    if not report.models:
        return NOTHING
    counts = [sum(t.category == category for t in report.tasks) for category in report.categories]
    rows = [
        (
            _breaking(summary.title),
            *(
                points(mean)
                + ("" if sd is None else _small(f"± {points(sd)}"))
                + (_small(f"best on {summary.wins[i]} of {counts[i]}") if summary.wins else "")
                for i, (mean, sd) in enumerate(zip(summary.means, summary.seed_sds, strict=True))
            ),
        )
        for summary in report.summary
    ]
    header = [
        f"{escape(category)}{_small(f'{n} task' + 's' * (n != 1))}"
        for category, n in zip(report.categories, counts, strict=True)
    ]
    caption = (
        "Mean score ×100 over the tasks of a category; ± one standard deviation of the seeds; on "
        "how many tasks none of the designs compared scores higher, separable or not."
    )
    return _table(["Model", *header], rows, caption)


def score_table(report: Report, category: str) -> str:
    """Every model on every task of a category, with intervals and the spread of seeds."""
    if not report.models:
        return NOTHING
    tasks = [task for task in report.tasks if task.category == category]
    known = {(score.model, score.task): score for score in report.scores}
    rows = [
        (_breaking(model.title), *(_score(known.get((number, task.id))) for task in tasks))
        for number, model in enumerate(report.models)
    ]
    header = [_task_head(task, known.get((0, task.id))) for task in tasks]
    caption = (
        "Score ×100, below it the 95 % bootstrap interval over the task's items, and ± one "
        "standard deviation of the seeds where there are several."
    )
    return _table(["Model", *header], rows, caption)


def difference_table(found: Sequence[Difference]) -> str:
    """Gains with their intervals, corrected p-values and the words for it."""
    over = any(isinstance(one, DatasetComparison) for one in found)
    rows = []
    for one in found:
        cells = [
            f"{_pair_name(one.b)} − {_pair_name(one.a)}",
            _with_interval(one.difference, one.low, one.high, sign=True),
            p_text(one.p),
            p_text(one.corrected),
        ]
        if isinstance(one, DatasetComparison):
            effect = "–" if one.effect is None else f"{one.effect:+.2f}"
            cells += [effect, points(one.detectable_difference)]
        rows.append((*cells, f"{one.n:,}", _verdict(one.separable)))
    more = ["Effect (rank-biserial)", "Smallest detectable"] if over else []
    header = ["Pair", "Gain ×100", "p", "p, Holm", *more, "n", "Verdict"]
    caption = "Gain in points with its 95 % interval; a p-value counts after Holm's correction."
    return _table(header, rows, caption)


def p_table(found: Sequence[Difference]) -> str:
    """The matrix of corrected p-values, or the sentence why there is none."""
    if (why := why_no_p(found)) is not None:
        return f'<p class="note">{escape(why)}</p>'
    labels = designs_in(found)
    known = {(one.a, one.b): one for one in found}
    rows = [
        (
            _pair_name(b),
            *(_p_cell(known.get((a, b))) for a in labels[:-1]),
        )
        for b in labels[1:]
    ]
    caption = f"p-values after Holm's correction over {len(found)} pairs; bold where separable."
    return _table(["", *map(_pair_name, labels[:-1])], rows, caption)


def verdict_lines(found: Sequence[DatasetComparison]) -> str:
    """How many pairs are separable over datasets, what could have been found, and why not more."""
    if not found:
        return '<p class="note">Fewer than two designs are measured, so nothing is compared.</p>'
    n = sum(one.separable for one in found)
    lines = [
        f"Over datasets {n} of {len(found)} pairs of designs {'is' if n == 1 else 'are'} "
        f"{verdict(True)}, {len(found) - n} {verdict(False)}."
    ]
    smallest = [one.detectable_difference for one in found if one.detectable_difference is not None]
    if smallest:
        lines.append(
            "The smallest difference that would have been found four times in five: "
            f"{points(min(smallest))} to {points(max(smallest))} points, depending on the pair."
        )
    lines += dict.fromkeys(one.why for one in found if one.why)
    return note_lines(lines)


def claims_table(report: Report) -> str:
    """What the paper concluded in words, and whether this study agrees."""
    rows = [
        (
            f"{escape(claim.category)}: {escape(claim.b)} against {escape(claim.a)}",
            escape(claim.said),
            f'<span class="chip {_CLASSES.get(claim.found, "")}">{escape(claim.found)}</span>',
            escape(claim.why),
        )
        for claim in report.claims
    ]
    if not rows:
        return '<p class="muted">The paper\'s designs M1, M4 and M5 are not all measured yet.</p>'
    caption = (
        f"What the paper ({PAPER}) concluded of bidirectional attention with trainable pooling, in "
        "words; other backbone, data and sizes than here."
    )
    return _table(["", "The paper", "This study", "Why"], rows, caption, "words")


def notes(report: Report) -> str:
    """What limits these numbers."""
    return note_lines(report.notes)


def facts_list(report: Report) -> str:
    """What was run with what: everything needed to do it again."""
    rows = [(name, value) for name, value in _facts(report) if value]
    body = "".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in rows)
    return f'<dl class="facts">{body}</dl>'


def tasks_table(report: Report) -> str:
    """Every task with its measure, source and hash."""
    rows = [
        (
            f"{escape(task.title)}{_small(task.id)}",
            escape(task.category),
            escape(MEASURE_NAMES.get(task.measure, task.measure)),
            f"{task.texts:,}" if task.texts else "–",
            f"{escape(task.source)}{_small(task.sha256)}",
        )
        for task in report.tasks
    ]
    header = ["Task", "Category", "Measure", "Texts", "Source and hash of what was measured on"]
    return _table(header, rows, "What was measured; mteb computed the scores.", "words")


def ran_table(report: Report) -> str:
    """Every cell that was run, how long it took, and what became of those that failed."""
    rows = [
        (
            escape(ran.cell),
            escape(ran.status),
            "–" if ran.seconds is None else f"{ran.seconds:,.0f} s",
            escape(ran.error),
        )
        for ran in report.ran
    ]
    if not rows:
        return NOTHING
    return _table(["Cell", "Status", "Time", "Why not"], rows, "Everything that was run.", "words")


def headline(report: Report) -> str:
    """One line: backbone, designs, seeds, tasks, data, hardware."""
    backbone, data = _part(report, "backbone"), _part(report, "data")
    designs = {model.label for model in report.models if model.kind != "yardstick"}
    seeds = {seed for model in report.models for seed in model.seeds}
    parts = [
        str(backbone.get("name") or ""),
        f"{len(designs)} designs",
        f"{len(seeds)} seed{'s' * (len(seeds) != 1)}" if seeds else "untrained",
        f"{len(report.tasks)} tasks in {len(report.categories)} categories",
        f"trained on {data['title']}" if data.get("title") else "",
        str(report.facts.get("hardware") or ""),
    ]
    return " · ".join(part for part in parts if part)


def note_lines(sentences: Iterable[str]) -> str:
    """Short lines on what limits the numbers."""
    return "".join(f'<p class="note">{escape(sentence)}</p>' for sentence in sentences)


# Parts

_CLASSES = {"agrees": "agrees", "disagrees": "disagrees"}


def _table(
    header: Sequence[str], rows: Sequence[Sequence[str]], caption: str, kind: str = ""
) -> str:
    """Cells of HTML; the first of a row is its head. ``kind`` is a class of the table's own."""
    head = "".join(f'<th scope="col">{cell}</th>' for cell in header)
    body = "".join(
        f'<tr><th scope="row">{first}</th>'
        # On a phone a table of words is a list, and each cell says what it is.
        + "".join(
            f'<td data-head="{h if kind else ""}">{c}</td>'
            for h, c in zip(header[1:], rest, strict=True)
        )
        + "</tr>"
        for first, *rest in rows
    )
    return (
        f'<div class="wide"><table class="score-table study-table {kind}"><thead><tr>{head}</tr>'
        f'</thead><tbody>{body}</tbody></table></div><p class="muted">{escape(caption)}</p>'
    )


def _pair_name(label: str) -> str:
    return _breaking(short_name(label))


def _breaking(title: str) -> str:
    """A name that may break inside."""
    return escape(title).replace("/", "/<wbr>").replace("_", "_<wbr>")


def _small(text: str) -> str:
    return f"<small>{escape(text)}</small>"


def _score(score: Score | None) -> str:
    if score is None:
        return "–"
    spread = "" if score.seed_sd is None else _small(f"± {points(score.seed_sd)}")
    return _with_interval(score.score, score.low, score.high) + spread


def _with_interval(
    value: float | None, low: float | None, high: float | None, *, sign: bool = False
) -> str:
    if low is None or high is None:
        return points(value, sign=sign)
    ends = f"{points(low, sign=sign)} … {points(high, sign=sign)}"
    return points(value, sign=sign) + _small(ends)


def _task_head(task: TaskFacts, score: Score | None) -> str:
    measure = MEASURE_NAMES.get(task.measure, task.measure)
    n = f", n = {score.n:,}" if score is not None and score.n else ""
    return f"{escape(task.id)}{_small(measure + n)}"


def _verdict(separable: bool) -> str:
    words = verdict(separable)
    return f"<strong>{words}</strong>" if separable else words


def _p_cell(one: Difference | None) -> str:
    if one is None:
        return ""
    return f"<strong>{p_text(one.corrected)}</strong>" if one.separable else p_text(one.corrected)


def _part(report: Report, name: str) -> Mapping[str, Any]:
    """A mapping among the facts; empty where there is none."""
    found = report.facts.get(name)
    return found if isinstance(found, Mapping) else {}


def _facts(report: Report) -> list[tuple[str, str]]:
    backbone, data, recipe = (_part(report, name) for name in ("backbone", "data", "recipe"))
    removed = data.get("removed")
    designs = dict.fromkeys(m.label for m in report.models if m.kind != "yardstick")
    return [
        ("Backbone", _joined(backbone, "id", "name", "source", "note", "precision", "device")),
        ("Designs", ", ".join(design_title(label) for label in designs)),
        ("Yardsticks", ", ".join(m.label for m in report.models if m.kind == "yardstick")),
        ("Training data", _joined(data, "id", "title", "source")),
        ("Training pairs", f"{data['pairs']:,}" if isinstance(data.get("pairs"), int) else ""),
        (
            "Overlap check",
            "" if removed is None else f"{removed} pairs left out, standing in a task",
        ),
        ("Hash of the data", str(data.get("sha256") or "")),
        ("Recipe", ", ".join(f"{k} {v}" for k, v in recipe.items() if k != "seed")),
        ("Seeds", ", ".join(map(str, sorted({s for m in report.models for s in m.seeds})))),
        ("Hardware", str(report.facts.get("hardware") or "")),
        ("Versions", ", ".join(f"{k} {v}" for k, v in _part(report, "versions").items())),
        ("Level of the tests", f"α = {report.alpha:g} after Holm's correction"),
        ("Command", str(report.facts.get("command") or "")),
        ("Hash of the study", str(report.facts.get("digest") or "")),
    ]


def _joined(facts: Mapping[str, Any], *names: str) -> str:
    """The values there are, each once."""
    return " · ".join(dict.fromkeys(str(facts[name]) for name in names if facts.get(name)))
