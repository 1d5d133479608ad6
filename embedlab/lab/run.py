"""One training in a running app: the request, its state, and its result."""

from __future__ import annotations

import re
import threading
import time
from contextvars import Context, copy_context
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from embedlab.data.pairs import PairSet
from embedlab.errors import EmbedLabError
from embedlab.models.design import Design
from embedlab.training.history import Step, seconds_left
from embedlab.training.recipe import Recipe

if TYPE_CHECKING:
    from embedlab.models.backbone import Backbone
    from embedlab.models.run_folder import RunInfo, TaskChange
    from embedlab.training.training import Training

PREFIX = "run:"
#: The states of a run; in the last three it is over, whether it learned something or not.
WAITING, PREPARING, TRAINING, SCORING, DONE, STOPPED, FAILED = (
    "waiting",
    "preparing",
    "training",
    "scoring",
    "done",
    "stopped",
    "failed",
)
OVER = (DONE, STOPPED, FAILED)
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._-]{0,39}")


@dataclass(frozen=True, kw_only=True, eq=False)
class Request:
    """What to train; with ``score``, also the scores before and after, about a minute more."""

    backbone_id: str
    design: Design
    pairs: PairSet
    recipe: Recipe
    name: str = "my-run"
    score: bool = True

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise EmbedLabError(
                f"{self.name[:60]!r} cannot be a run's name; use up to 40 letters, digits, spaces, "
                "dots, dashes and underscores."
            )


@dataclass(frozen=True, kw_only=True, eq=False)
class SavedModel:
    """What a run has learned, as it was saved; ``version`` counts a run's models from 1.

    Frozen and replaced as a whole, so that a page never sees the weights of one version with the
    scores or the files of another.
    """

    version: int
    folder: Path
    backbone: Backbone
    run_info: RunInfo


@dataclass(eq=False)
class LiveRun:
    """One training: the request, its state, and its result.

    The worker writes, and pages read without a lock: every field is replaced as a whole.

    Args:
        id: also the key of the trained backbone; it is secret, and gives access to the run.
        folder: of the run's files, a subfolder a version.
        message: a warning, or why the run ended.
        progress: of the work under way: done, total, what.
        total: steps of both phases; 0 for a run that was imported.
        held: held-out pairs.
        model: None while nothing is learned.
        stop: set to end the training or the scoring.
        training: can go on; None once it is at its end.
        context: of the request that started it, whose visitor pays for a lent GPU.
    """

    id: str
    request: Request
    folder: Path
    state: str = WAITING
    message: str = ""
    progress: tuple[int, int, str] = (0, 0, "")
    history: tuple[Step, ...] = ()
    total: int = 0
    held: int = 0
    model: SavedModel | None = None
    last_used: float = field(default_factory=time.monotonic)
    stop: threading.Event = field(default_factory=threading.Event)
    training: Training | None = None
    context: Context = field(default_factory=copy_context)

    @property
    def over(self) -> bool:
        """Whether the worker is done with it."""
        return self.state in OVER

    @property
    def backbone(self) -> Backbone | None:
        """The trained backbone."""
        return self.model.backbone if self.model else None

    @property
    def version(self) -> int:
        """Of the model; 0 where there is none."""
        return self.model.version if self.model else 0

    @property
    def next_folder(self) -> Path:
        """Of the model after this one."""
        return self.folder / f"version-{self.version + 1}"

    def add_model(self, folder: Path, backbone: Backbone, run_info: RunInfo) -> None:
        """The run has learned this."""
        self.model = SavedModel(
            version=self.version + 1, folder=folder, backbone=backbone, run_info=run_info
        )

    @property
    def changes(self) -> tuple[TaskChange, ...]:
        """The model's scores before and after, where it was scored."""
        return self.model.run_info.before_after if self.model else ()

    @property
    def can_go_on(self) -> bool:
        """Whether something is left to train or to save, and the loss still is a number."""
        training = self.training
        if not self.over or training is None or training.failed:
            return False
        saved_steps = self.model.run_info.steps if self.model else 0
        return training.steps_done < training.total or saved_steps != training.steps_done

    @property
    def seconds_left(self) -> float | None:
        """Of the training itself; None before the first step."""
        return seconds_left(self.history, self.total)
