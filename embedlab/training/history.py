"""The steps of a training so far, the time left, and a warning where it overfits."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

#: A held-out score this far below its best has fallen, and is not just noise of a small sample.
SCORE_DROP = 0.03
#: Steps over which losses are averaged before they are compared.
SMOOTHED_STEPS = 5


@dataclass(frozen=True)
class Step:
    """One update. ``number`` counts from 1 through both phases, 0 is the state before any.

    ``phase`` is ``mntp`` or ``contrastive``; ``held_out`` the mean reciprocal rank of the held-out
    pairs, where it was measured; ``seconds`` the time of this step alone.
    """

    number: int
    phase: str
    loss: float | None
    lr: float
    tokens: int
    seconds: float
    held_out: float | None = None

    @property
    def tokens_per_second(self) -> float:
        """Tokens trained on in a second, padding not counted."""
        return self.tokens / self.seconds if self.seconds else 0.0


def seconds_left(history: Sequence[Step], total: int) -> float | None:
    """How long the remaining steps will take, as long as the last ones; None before the first."""
    done = [step for step in history if step.number]
    if not done:
        return None
    return statistics.mean(step.seconds for step in done[-10:]) * (total - done[-1].number)


def warning(history: Sequence[Step]) -> str:
    """A sentence when the held-out score falls while the loss falls, else nothing."""
    scores = [s.held_out for s in history if s.held_out is not None]
    losses = [s.loss for s in history if s.loss is not None and s.phase == "contrastive"]
    if len(scores) < 3 or len(losses) < 2 * SMOOTHED_STEPS:
        return ""
    falling = statistics.mean(losses[-SMOOTHED_STEPS:]) < statistics.mean(losses[:SMOOTHED_STEPS])
    if not falling or max(scores) - scores[-1] < SCORE_DROP:
        return ""
    return (
        f"The held-out score fell from {100 * max(scores):.1f} to {100 * scores[-1]:.1f} while the "
        "loss fell: the model learns these pairs and not the task. Stop earlier, lower the "
        "learning rate, or use more pairs."
    )
