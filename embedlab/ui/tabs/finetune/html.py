"""The Fine-tune tab's words and tables as HTML, escaped like everything in ``render``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from embedlab.analysis.bootstrap import verdict
from embedlab.analysis.tasks import MEASURE_NAMES, QUICK_TASKS
from embedlab.data.corpus import Corpus
from embedlab.lab.config import Limits
from embedlab.lab.run import DONE, FAILED, PREPARING, SCORING, STOPPED, TRAINING, WAITING, LiveRun
from embedlab.lab.views import Movement
from embedlab.text import escape, shorten
from embedlab.training.recipe import Recipe
from embedlab.ui.shared.html import table

STATES = {
    WAITING: "waiting",
    PREPARING: "getting ready",
    TRAINING: "training",
    SCORING: "scoring before and after",
    DONE: "done",
    STOPPED: "stopped",
    FAILED: "failed",
}
_CORPUS_OF = {task.title: task.corpus_id for task in QUICK_TASKS}


def duration(seconds: float) -> str:
    """``about 20 s``, ``about 3 min``, ``about 2 h``."""
    if seconds < 50:
        return f"about {max(5, 5 * round(seconds / 5))} s"
    if seconds < 5400:
        return f"about {max(1, round(seconds / 60))} min"
    return f"about {seconds / 3600:.0f} h"


def forecast(recipe: Recipe, pairs: int, time: str, limits: Limits) -> str:
    """What will happen, how long, and what of it is kept."""
    epochs = recipe.steps * recipe.batch / pairs
    mntp = f"{recipe.mntp_steps:,} MNTP steps, then " if recipe.mntp_steps else ""
    times = f"; every pair is seen {epochs:.0f} times" if epochs > 2 else ""
    return (
        f'<p class="note num">{mntp}{recipe.steps:,} steps of {min(recipe.batch, pairs):,} pairs'
        f"{times}. {time[:1].upper()}{time[1:]} on two CPU cores; one training runs at a time, "
        "and others wait their turn. It may take up to "
        f"{limits.max_train_minutes} minutes here.</p>"
    )


def status(run: LiveRun, place: int, limits: Limits) -> str:
    """Where a training stands, and what its owner may do meanwhile."""
    done = run.history[-1].number if run.history else 0
    parts = [_where(run, place, done)]
    left = run.seconds_left
    if run.state == TRAINING and left is not None:
        parts.append(f"{duration(left)} left")
    filled = f'<progress max="{max(1, run.total)}" value="{done}">{done}</progress>'
    about = f"{run.request.design} on {run.request.backbone_id} · {run.request.pairs.title}"
    lines = [run.message] if run.message else []
    lines.append(_kept(run, limits))
    notes = "".join(f'<p class="note">{escape(line)}</p>' for line in lines)
    return (
        f'<div class="train-status" data-state="{run.state}" data-steps="{done}">'
        f'<p class="train-line"><strong>{escape(run.request.name)}</strong> '
        f'<span class="chip">{STATES[run.state]}</span> '
        f'<span class="num">{escape(" · ".join(filter(None, parts)))}</span></p>'
        f'{filled}<p class="muted">{escape(about)}</p>{notes}</div>'
    )


def _where(run: LiveRun, place: int, done: int) -> str:
    if run.state == WAITING:
        if not place:
            return "next"
        return f"{place} {'training' if place == 1 else 'trainings'} before it"
    if run.state in (PREPARING, SCORING):
        at, total, what = run.progress
        return f"{what} {at:,} of {total:,}" if total else what
    return f"step {done:,} of {run.total:,}" if run.total else "brought back from an archive"


def _kept(run: LiveRun, limits: Limits) -> str:
    kept = f"{limits.keep_runs_minutes} minutes after its last use"
    if not run.over:
        return (
            "You may close this page: the training goes on, and this browser finds it again. "
            f"What it learned is kept for {kept}."
        )
    if run.backbone is None:
        return "Nothing was learned, so there is no model."
    return f"The model is kept for {kept}, and then deleted; take it away below to keep it."


def before_after(rows: Sequence[Mapping[str, Any]], in_domain: Sequence[str], about: str) -> str:
    """The four tasks before and after, with the difference's interval and what it says."""
    body = ""
    for row in rows:
        same = _CORPUS_OF.get(str(row["task"])) in in_domain
        mark = ' <span class="chip">in-domain</span>' if same else ""
        measure = MEASURE_NAMES.get(str(row["measure"]), str(row["measure"]))
        body += (
            f"<tr><td>{escape(str(row['task']))}{mark} <br><span class='muted'>"
            f"{escape(measure)}, n = {int(row['n']):,}</span></td>"
            f"<td>{_interval(row['before'])}</td><td>{_interval(row['after'])}</td>"
            f"<td>{_interval(row['difference'], sign=True)} <br><span class='muted'>"
            f"{verdict(bool(row['separable']))}</span></td></tr>"
        )
    caption = (
        "×100, with 95 % bootstrap intervals over the items; a difference is separable where its "
        "interval leaves out 0. Four tasks are four chances to be lucky; nothing is corrected for "
        "their number."
    )
    return table(body, caption, ("Task", "Before", "After", "After − before"), about)


def _interval(values: Sequence[float | None], *, sign: bool = False) -> str:
    score, low, high = values
    if score is None:
        return "–"
    form = "{:+.1f}" if sign else "{:.1f}"
    shown = form.format(100 * score)
    if low is None or high is None:
        return shown
    ends = f"[{form.format(100 * low)} … {form.format(100 * high)}]"
    return f"{shown} <br><span class='muted'>{ends}</span>"


def changed_queries(corpus: Corpus, found: Movement) -> str:
    """The queries whose ranking changed most, with what stood and what stands first."""
    if not corpus.queries:
        return '<p class="muted">This corpus brings no queries whose ranking could change.</p>'
    if not found.changed:
        return '<p class="muted">No query ranks its first ten texts differently.</p>'
    rows = "".join(
        f'<li><span class="rank">{rank}</span><span class="text" dir="auto"><strong>'
        f"{escape(shorten(corpus.queries[change.query], 200))}</strong>"
        f"<br>before: {_text(corpus, before, change.query)}"
        f"<br>after: {_text(corpus, after, change.query)}</span>"
        f'<span class="score">{_ndcg(change.ndcg_before)} → {_ndcg(change.ndcg_after)}</span></li>'
        for rank, (change, (before, after)) in enumerate(
            zip(found.changed, found.first, strict=True), start=1
        )
    )
    return (
        '<p class="muted">Queries whose first ten changed most: what stood first before and after, '
        f"and nDCG@10 ×100. {len(corpus.queries):,} queries in all.</p>"
        f'<ol class="ranked-list scrolling">{rows}</ol>'
    )


def _text(corpus: Corpus, index: int, query: int) -> str:
    relevant = index in corpus.relevant[query] if corpus.relevant else False
    mark = ' <span class="relevant-mark">✓ relevant</span>' if relevant else ""
    return f"{escape(shorten(corpus.texts[index], 160))}{mark}"


def _ndcg(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.1f}"
