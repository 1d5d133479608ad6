"""How well stated certainty agrees with what came true."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Level:
    """The predictions of one stated certainty: how many, and how many were right."""

    certainty: float
    n: int
    right: int


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """What n predictions say about the one who made them.

    ``certainty`` is the mean of what was stated and ``right`` the number of hits. ``brier`` is the
    mean of (certainty − hit)², hit being 1 or 0 (Brier 1950, of the chosen answer): 0 is perfect,
    0.25 what saying 50 % each time gives, 1 the worst. ``levels`` has the stated certainties, the
    lowest first.
    """

    n: int
    right: int
    certainty: float
    brier: float
    levels: tuple[Level, ...]

    @property
    def hits(self) -> float:
        """The share of predictions that were right."""
        return self.right / self.n

    @property
    def too_sure(self) -> float:
        """By how much the stated certainty is above the share of hits; negative where below."""
        return self.certainty - self.hits


def calibration(predictions: Sequence[tuple[float, bool]]) -> Calibration:
    """The calibration of predictions, each a certainty from 0 to 1 and whether it came true.

    Raises:
        ValueError: there are none.
    """
    if not predictions:
        raise ValueError("calibration needs at least one prediction")
    n = len(predictions)
    of = {
        certainty: [hit for sure, hit in predictions if sure == certainty]
        for certainty in sorted({sure for sure, _ in predictions})
    }
    return Calibration(
        n=n,
        right=sum(hit for _, hit in predictions),
        certainty=sum(sure for sure, _ in predictions) / n,
        brier=sum((sure - hit) ** 2 for sure, hit in predictions) / n,
        levels=tuple(
            Level(certainty=sure, n=len(hits), right=sum(hits)) for sure, hits in of.items()
        ),
    )
