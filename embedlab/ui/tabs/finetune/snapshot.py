"""What the Fine-tune tab shows of a browser's trainings, at one moment."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from embedlab.lab.run import LiveRun, Request
from embedlab.models.run_folder import TaskChange
from embedlab.training.history import Step

if TYPE_CHECKING:
    from embedlab.models.backbone import Backbone


@dataclass(frozen=True, kw_only=True)
class RunSnapshot:
    """A run at one moment: fields of :class:`LiveRun`, and how many trainings come before it."""

    id: str
    request: Request
    state: str
    message: str
    progress: tuple[int, int, str]
    history: tuple[Step, ...]
    total: int
    held: int
    backbone: Backbone | None
    version: int
    changes: tuple[TaskChange, ...]
    over: bool
    can_go_on: bool
    seconds_left: float | None
    queue_position: int


def take_snapshot(run: LiveRun, queue_position: int) -> RunSnapshot:
    """A run as it is now."""
    names = {field.name for field in fields(RunSnapshot)} - {"queue_position"}
    return RunSnapshot(
        **{name: getattr(run, name) for name in names}, queue_position=queue_position
    )


@dataclass(frozen=True, kw_only=True)
class Screen:
    """What one session shows: the runs of its browser, and the chosen one."""

    runs: tuple[RunSnapshot, ...] = ()
    chosen: RunSnapshot | None = None

    @property
    def results(self) -> tuple[Any, ...]:
        """Differs from an earlier screen's when there is a new model, or new scores of one."""
        chosen_id = self.chosen.id if self.chosen else ""
        return chosen_id, *((run.id, run.version, bool(run.changes), run.over) for run in self.runs)
