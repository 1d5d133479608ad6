"""A training where the GPU is lent by the call: all of it in one call, its weights back as arrays.

The worker builds LoRA and head from the recipe's seed, and sends every step, and every few steps
the weights. So a visitor who stops, or whose quota ends, keeps what was sent last. The training in
this process holds what came back; it makes no pass.
"""

from __future__ import annotations

import math
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from embedlab import gpu
from embedlab.analysis import evaluation
from embedlab.analysis.tasks import QUICK_TASKS
from embedlab.data.pairs import PairSet
from embedlab.models.adapter import AdapterValues
from embedlab.models.design import Design
from embedlab.models.run_folder import TaskChange
from embedlab.models.scheduler.lent import Place, here
from embedlab.models.scheduler.packing import Packed, pack, unpack
from embedlab.progress import Progress
from embedlab.training.forecast import lent_seconds
from embedlab.training.history import Step
from embedlab.training.recipe import Recipe

if TYPE_CHECKING:
    from embedlab.training.training import Training


@dataclass(frozen=True)
class Learned:
    """What a training has learned after some steps, as values."""

    steps_done: int
    failed: str
    adapter: AdapterValues | None
    head: tuple[tuple[str, ...], Packed] | None

    @classmethod
    def of(cls, training: Training) -> Learned:
        """The weights as they are now."""
        head = None
        if training.head is not None:
            weights = training.head.state_dict()
            head = tuple(weights), pack(list(weights.values()))
        adapter = None if training.adapter is None else AdapterValues.of(training.adapter)
        return cls(training.steps_done, training.failed, adapter, head)

    def copy_into(self, training: Training) -> None:
        """Give another training of the same recipe these weights."""
        if self.adapter is not None:
            self.adapter.copy_into(training.adapter)
        if self.head is not None and training.head is not None:
            names, weights = self.head
            training.head.load_state_dict(dict(zip(names, unpack(weights), strict=True)))
        training.steps_done, training.failed = self.steps_done, self.failed


@dataclass(frozen=True)
class _Sent:
    """One message of the worker: a step, what was learned by now, or the scores at the end."""

    step: Step | None = None
    learned: Learned | None = None
    scoring: bool = False
    changes: tuple[TaskChange, ...] = ()


@dataclass(frozen=True, kw_only=True)
class _Order:
    """What the worker needs to know of a training."""

    place: Place
    design: Design
    pairs: PairSet
    recipe: Recipe
    name: str
    score: bool


def steps_and_scores(
    training: Training, score: bool, report: Progress
) -> Iterator[Step | tuple[TaskChange, ...]]:
    """Train in one call, and score before and after in the same.

    Yields the steps, which are then in ``training`` too, and at the end the scores where they were
    asked for. The weights in ``training`` are the last that came.

    Args:
        report: called for every message; may raise to stop.

    Raises:
        LentGpuError: no GPU was lent, or it was taken back before the end.
    """
    if score:
        for task in QUICK_TASKS:  # what has to be fetched is fetched before the GPU's time runs
            task.corpus(report)
    order = _Order(
        place=Place.of(training.untrained),
        design=training.design,
        pairs=training.pairs,
        recipe=training.recipe,
        name=training.name,
        score=score,
    )
    report(0, training.total, "waiting for a GPU")
    sent = _train(order)
    try:
        for message in sent:
            if message.learned is not None:
                message.learned.copy_into(training)
            if message.step is not None:
                training.history.append(message.step)
                yield message.step
            if message.changes:
                yield message.changes
            done = training.history[-1].number if training.history else 0
            report(done, training.total, "scoring" if message.scoring else "training")
    finally:
        sent.close()
        # What is kept is what the weights have: steps behind the last that were sent are lost.
        kept = training.steps_done
        training.history[:] = [step for step in training.history if step.number <= kept]


def _seconds(order: _Order) -> int:
    return math.ceil(lent_seconds(order.recipe, order.pairs, score=order.score))


@gpu.stream_on_gpu(_seconds)
def _train(order: _Order) -> Generator[_Sent, None, None]:
    """In the worker: the whole training."""
    from embedlab.training.training import Training

    base = here(order.place)
    training = Training(base, order.design, order.pairs, order.recipe, name=order.name)
    for step in training.run():
        due = step.number % order.recipe.evaluate_every == 0 or step.number == training.total
        yield _Sent(step, Learned.of(training) if step.number and due else None)
    if training.failed:
        yield _Sent(learned=Learned.of(training))
    if order.score and training.learned:
        yield _Sent(scoring=True)
        changes = evaluation.before_and_after(base, training.result(), order.design)
        yield _Sent(changes=changes)
