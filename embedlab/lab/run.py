"""One training in a running app: what was asked for, where it stands, and what came out."""

from __future__ import annotations

import re
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

from embedlab.analysis.evaluation import Change
from embedlab.data.pairs import PairSet
from embedlab.errors import EmbedLabError
from embedlab.models.backbone import Backbone
from embedlab.models.design import Design
from embedlab.models.run_folder import RunInfo
from embedlab.training import history
from embedlab.training.recipe import Recipe
from embedlab.training.training import Training

PREFIX = "run:"
#: Where a run stands; the last three are over, whether something was learned or not.
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
    """What to train. ``score`` asks for the before/after table, which takes about a minute."""

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


@dataclass(eq=False)
class LiveRun:
    """One training: what was asked for, where it stands, and what came out."""

    id: str
    request: Request
    folder: Path
    state: str = WAITING
    message: str = ""
    progress: tuple[int, int, str] = (0, 0, "")
    history: tuple[history.Step, ...] = ()
    total: int = 0
    held: int = 0
    backbone: Backbone | None = None
    run_info: RunInfo | None = None
    changes: tuple[Change, ...] = ()
    version: int = 0
    touched: float = field(default_factory=time.monotonic)
    stop: threading.Event = field(default_factory=threading.Event)
    training: Training | None = None

    @property
    def over(self) -> bool:
        """Whether nothing more happens by itself."""
        return self.state in OVER

    @property
    def saved(self) -> Path:
        """The folder of the model as it was saved last."""
        return self.folder / f"version-{self.version}"

    @property
    def can_go_on(self) -> bool:
        """Whether something is left to train or to save, and the loss still is a number."""
        training = self.training
        if not self.over or training is None or training.failed:
            return False
        saved = self.run_info.steps if self.run_info else 0
        return training.done < training.total or saved != training.done

    @property
    def seconds_left(self) -> float | None:
        """Of the training itself; None while nobody can know."""
        return history.seconds_left(self.history, self.total)
