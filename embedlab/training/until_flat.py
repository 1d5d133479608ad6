"""A training that ends once its held-out score is flat.

The rate stays at its height until the score gains next to nothing, and then falls to 0 within a
stretch of steps (warm-up, stable, decay: MiniCPM, arXiv 2404.06395). A schedule over a number of
steps that is fixed before would flatten every curve by itself, and show nothing.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from embedlab.training.history import Step
from embedlab.training.training import Training


@dataclass(frozen=True, kw_only=True)
class Plateau:
    """When a held-out curve is flat, and how long the rate falls from there.

    Args:
        window: the mean of so many scores is compared with the mean of as many before them.
        gain: a gain below this is none; scores are fractions.
        least: contrastive steps before which nothing counts as flat.
        fall: steps in which the rate falls to 0.
    """

    window: int = 3
    gain: float = 0.01
    least: int = 150
    fall: int = 50
    __pydantic_config__ = {"extra": "forbid"}  # noqa: RUF012 - a file holds these

    def flat_at(self, history: Sequence[Step], mntp_steps: int = 0) -> int | None:
        """The contrastive step at which the curve was flat first, or None.

        A function of the history alone: a training that goes on decides as it did before.
        """
        scored = [
            (step.number - mntp_steps, step.held_out)
            for step in history
            if step.held_out is not None and step.number >= mntp_steps
        ]
        scores = [score for _, score in scored]
        for end in range(2 * self.window, len(scores) + 1):
            number = scored[end - 1][0]
            last, before = scores[end - self.window : end], scores[: end - self.window]
            gained = statistics.mean(last) - statistics.mean(before[-self.window :])
            if number >= self.least and gained < self.gain:
                return number
        return None


class UntilFlat(Training):
    """As :class:`Training`, with a recipe whose ``steps`` are the most that are made.

    Args:
        args, options: of :class:`Training`.
        plateau: says when the curve is flat.
    """

    def __init__(self, *args: Any, plateau: Plateau, **options: Any) -> None:
        self.plateau = plateau
        super().__init__(*args, **options)

    @property
    def fall_from(self) -> int:
        """The contrastive step from which the rate falls, as far as the history tells."""
        latest = max(0, self.recipe.steps - self.plateau.fall)
        flat = self.plateau.flat_at(self.history, self.recipe.mntp_steps)
        return latest if flat is None else min(flat, latest)

    @property
    def total(self) -> int:
        """Steps of both phases: the most there can be until the curve is flat."""
        contrastive = min(self.fall_from + self.plateau.fall, self.recipe.steps)
        return self.recipe.mntp_steps + contrastive

    def rate(self, step: int) -> float:
        """The share of the learning rate that contrastive update ``step`` (from 0) uses."""
        fallen = max(0, step - self.fall_from) / self.plateau.fall
        return self.recipe.rate(step) * (1 - min(1.0, fallen))
