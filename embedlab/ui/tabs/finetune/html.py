"""Results of the Fine-tune tab as HTML."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from embedlab import gpu
from embedlab.analysis.bootstrap import verdict
from embedlab.analysis.tasks import MEASURE_NAMES, QUICK_TASKS
from embedlab.data.pairs import PairSet, describe
from embedlab.data.training_sets import TRAINING_SETS
from embedlab.lab.config import Limits
from embedlab.lab.run import PREPARING, SCORING, TRAINING, WAITING
from embedlab.models.run_folder import TaskChange
from embedlab.render.html import Macros, joined, note
from embedlab.training.forecast import Plan, duration, sentences
from embedlab.ui.tabs.finetune.snapshot import RunSnapshot

#: Pairs that the form shows.
EXAMPLES = 3
#: The states whose names say too little.
STATES = {PREPARING: "getting ready", SCORING: "scoring before and after"}
MACROS = Macros("training.html")


def forecast(plan: Plan, limits: Limits) -> Markup:
    """What a training will do, how long it takes, and how long it may take."""
    time = duration(plan.seconds)
    if gpu.LENT:
        costs = (
            f"It asks for {plan.seconds:.0f} s of your GPU time, in one call. Stopped, it keeps "
            f"what it had learned at the last multiple of {plan.recipe.evaluate_every} steps."
        )
    else:
        costs = (
            f"{time[:1].upper()}{time[1:]} on two CPU cores; one training runs at a time, and "
            f"others wait their turn. It may take up to {limits.max_train_minutes} minutes here."
        )
    return note([*(f"{line}." for line in sentences(plan)), costs])


def described(pairs: PairSet) -> Markup:
    """What pairs are, which columns they come from, what was left out, and the first of them."""
    parts = [describe(pairs), pairs.taken, pairs.licence, *pairs.notes]
    if pairs.id in TRAINING_SETS:
        parts.insert(0, TRAINING_SETS[pairs.id].offers)
    lines = [f"{part[:1].upper()}{part[1:].rstrip('.')}." for part in parts if part]
    shown = min(EXAMPLES, len(pairs))
    negatives = pairs.negatives or ((),) * shown
    rows = zip(pairs.anchors[:shown], pairs.positives[:shown], negatives[:shown], strict=True)
    return joined([note(lines), MACROS.example_pairs(list(rows))])


def status(run: RunSnapshot, limits: Limits) -> Markup:
    """The state of a training, and what its owner may do meanwhile."""
    done = run.history[-1].number if run.history else 0
    parts = [_where(run, done)]
    left = run.seconds_left
    if run.state == TRAINING and left is not None:
        parts.append(f"{duration(left)} left")
    lines = [*([run.message] if run.message else []), _lifetime(run, limits)]
    position = " · ".join(filter(None, parts))
    return MACROS.status(run, STATES.get(run.state, run.state), position, lines, done)


def _where(run: RunSnapshot, done: int) -> str:
    if run.state == WAITING:
        before = run.queue_position
        return f"{before} training{'s' * (before != 1)} before it" if before else "next"
    if run.state in (PREPARING, SCORING):
        at, total, what = run.progress
        return f"{what} {at:,} of {total:,}" if total else what
    return f"step {done:,} of {run.total:,}" if run.total else "imported from an archive"


def _lifetime(run: RunSnapshot, limits: Limits) -> str:
    lifetime = f"{limits.keep_runs_minutes} minutes after its last use"
    if not run.over:
        return (
            "You may close this page: the training goes on, and this browser finds it again. "
            f"What it learned is kept for {lifetime}."
        )
    if run.backbone is None:
        return "Nothing was learned, so there is no model."
    return f"The model is kept for {lifetime}, and then deleted; export it below to keep it."


def before_after(
    changes: Sequence[TaskChange], in_domain: Sequence[str], measured_on: str
) -> Markup:
    """The four tasks before and after, with the difference's interval and its verdict."""
    titles = [task.title for task in QUICK_TASKS if task.corpus_id in in_domain]
    return MACROS.before_after(changes, titles, MEASURE_NAMES, verdict, measured_on)
