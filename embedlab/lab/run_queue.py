"""Trainings under way in a running app: one at a time, the others wait their turn.

Where a GPU is lent by the call, each asks for one itself, and the platform has the queue.

A run belongs to the browser that has its id, which cannot be guessed. It goes on when the page that
started it is closed, so that a reload or a sleeping laptop costs nothing; with the id, which the
browser stores, the page shows the run again until it is removed.
"""

from __future__ import annotations

import atexit
import logging
import os
import secrets
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

from embedlab import gpu
from embedlab.analysis import evaluation
from embedlab.errors import Cancelled, EmbedLabError
from embedlab.lab.config import Limits
from embedlab.lab.run import (
    DONE,
    FAILED,
    PREFIX,
    PREPARING,
    SCORING,
    STOPPED,
    TRAINING,
    WAITING,
    LiveRun,
    Request,
    SavedModel,
)
from embedlab.models import run_folder
from embedlab.progress import Progress
from embedlab.training import history

if TYPE_CHECKING:
    from embedlab.models.backbone import Backbone
    from embedlab.models.run_folder import TaskChange
    from embedlab.training.history import Step
    from embedlab.training.training import Training

log = logging.getLogger("embedlab")

#: The folders' names begin with this and the number of their process.
FOLDER_PREFIX = "embedlab-runs-"


class RunQueue:
    """The queue of trainings, and the finished runs.

    Args:
        load: gives an untrained backbone by its id.
        limits: how many may wait, how long one may take, how many are stored and for how long.
    """

    def __init__(self, load: Callable[[str, Progress], Backbone], limits: Limits) -> None:
        self._load, self.limits = load, limits
        #: By id; those that are not over in the order of their turns, the one under way first.
        self._runs: dict[str, LiveRun] = {}
        self._changed = threading.Condition()
        self._worker: threading.Thread | None = None
        self._root: Path | None = None

    def submit(self, request: Request) -> LiveRun:
        """Queue a training.

        Raises:
            EmbedLabError: too many are waiting, or it is beyond this deployment's limits.
        """
        recipe, limits = request.recipe, self.limits
        if recipe.steps + recipe.mntp_steps > limits.max_train_steps:
            raise EmbedLabError(
                f"{recipe.steps + recipe.mntp_steps:,} steps were requested; this deployment "
                f"trains up to {limits.max_train_steps:,} (limits.max_train_steps in "
                "spaces_config.yaml)."
            )
        recipe.check(request.design)
        with self._changed:
            self._remove_old()
            run = self._new(request, total=recipe.steps + recipe.mntp_steps)
            self._enqueue(run)
        return run

    def adopt(self, request: Request, folder: Path, backbone: Backbone) -> LiveRun:
        """Add a model that was trained elsewhere, as a run that is done.

        ``folder``, which the trained ``backbone`` was loaded from, becomes the run's.
        """
        run_info = run_folder.read_run_info(folder)
        with self._changed:
            self._remove_old()
            run = self._new(request, state=DONE)
            run.folder.mkdir()
            run.add_model(Path(shutil.move(folder, run.next_folder)), backbone, run_info)
            self._runs[run.id] = run
        return run

    def get(self, run_id: str) -> LiveRun:
        """A run by its id.

        Raises:
            EmbedLabError: it was removed, or there never was one.
        """
        with self._changed:
            run = self._runs.get(run_id)
            if run is None:
                raise EmbedLabError(
                    "This trained model is not here any more; models are kept for "
                    f"{self.limits.keep_runs_minutes} minutes after their last use. Train it again."
                )
            run.last_used = time.monotonic()
            return run

    def model(self, run_id: str) -> SavedModel:
        """What a run has learned.

        Raises:
            EmbedLabError: nothing yet, or the run is gone.
        """
        run = self.get(run_id)
        if run.model is None:
            raise EmbedLabError(f"{run.request.name} has learned nothing yet; wait for its end.")
        return run.model

    @property
    def states(self) -> list[str]:
        """The state of every run."""
        with self._changed:
            return [run.state for run in self._runs.values()]

    def queue_position(self, run: LiveRun) -> int:
        """How many trainings come before this one."""
        with self._changed:
            turns = [each for each in self._runs.values() if not each.over]
            return turns.index(run) if run in turns else 0

    def stop(self, run_id: str) -> None:
        """End a run now, with what it has learned so far."""
        run = self.get(run_id)
        run.stop.set()
        with self._changed:
            if run.state == WAITING:
                run.state, run.message = STOPPED, "Stopped before it began."

    def go_on(self, run_id: str) -> LiveRun:
        """Queue a run that was stopped before its end once more; it goes on where it was.

        Raises:
            EmbedLabError: it is at its end, or under way.
        """
        run = self.get(run_id)
        with self._changed:
            if not run.can_go_on:
                raise EmbedLabError(f"{run.request.name} is at its end; start a new training.")
            self._enqueue(run)
        return run

    def close(self) -> None:
        """Stop everything and remove the files."""
        with self._changed:
            for run in self._runs.values():
                run.stop.set()
            self._runs.clear()
            if self._root is not None:
                shutil.rmtree(self._root, ignore_errors=True)

    def _new(self, request: Request, **fields: Any) -> LiveRun:
        secret = secrets.token_urlsafe(16)
        return LiveRun(PREFIX + secret, request, self._folder() / secret, **fields)

    # The worker

    def _waiting(self) -> list[LiveRun]:
        return [run for run in self._runs.values() if run.state == WAITING]

    def _enqueue(self, run: LiveRun) -> None:
        under_way = [each for each in self._runs.values() if not each.over and each is not run]
        waiting = len(under_way if gpu.LENT else self._waiting())
        if waiting >= self.limits.max_waiting_runs:
            raise EmbedLabError(
                f"{waiting} trainings are waiting already; try again in some minutes."
            )
        run.stop.clear()
        run.state, run.message = PREPARING if gpu.LENT else WAITING, ""
        self._runs.pop(run.id, None)
        self._runs[run.id] = run  # behind the others
        if gpu.LENT:
            work = partial(run.context.run, self._work_on, run)
            threading.Thread(target=work, daemon=True).start()
        elif self._worker is None:
            self._worker = threading.Thread(target=self._work, daemon=True)
            self._worker.start()
        self._changed.notify_all()

    def _work(self) -> None:
        while True:
            with self._changed:
                run = self._changed.wait_for(self._waiting)[0]
                run.state = PREPARING
            self._work_on(run)

    def _work_on(self, run: LiveRun) -> None:
        try:
            self._train(run)
        except Cancelled:
            run.state, run.message = STOPPED, "Stopped."
        except EmbedLabError as error:
            run.state, run.message = FAILED, str(error)
        except Exception:
            run.state = FAILED
            run.message = "The training failed inside EmbedLab; see the server's log."
            log.exception("a training failed")

    def _train(self, run: LiveRun) -> None:
        from embedlab.training.training import Training

        deadline = time.monotonic() + 60 * self.limits.max_train_minutes

        def report(done: int, total: int, what: str) -> None:
            run.progress = (done, total, what)
            if run.stop.is_set():
                raise Cancelled

        request = run.request
        base = self._load(request.backbone_id, report)
        if run.training is None:
            name = f"{base.name} + {request.name}"
            run.training = Training(
                base, request.design, request.pairs, request.recipe, name=name, progress=report
            )
        training = run.training
        run.held = len(training.held_out_pairs)
        run.state = TRAINING
        late = ""
        changes: tuple[TaskChange, ...] = ()
        try:
            for item in self._items(training, request.score, report):
                if isinstance(item, tuple):
                    changes = item
                    continue
                run.history = tuple(training.history)
                run.message = history.warning(run.history)
                if time.monotonic() > deadline and 0 < item.number < run.total:
                    minutes = self.limits.max_train_minutes
                    late = f"Stopped after {minutes} minutes, the longest here."
                    break
        except (Cancelled, EmbedLabError) as error:
            # On a lent GPU: stopped, or the visitor's time is over. What was learned is kept.
            if not training.learned:
                raise
            late = f"{error} Kept is what step {training.steps_done} had learned.".strip()
            run.history = tuple(training.history)
        self._publish(run, training, base)
        messages = [training.failed, late, history.warning(run.history)]
        if run.model is not None and request.score and run.id in self._runs:
            messages.append(self._score(run, run.model, base, report, changes))
        run.message = " ".join(filter(None, messages))
        ended = training.steps_done == training.total
        run.state = DONE if ended else FAILED if training.failed else STOPPED
        if not run.can_go_on or gpu.LENT:
            run.training = None  # it holds the optimiser and the states of a frozen backbone

    def _items(
        self, training: Training, score: bool, report: Progress
    ) -> Iterator[Step | tuple[TaskChange, ...]]:
        """The training's steps, and from a lent GPU the scores."""
        if not gpu.LENT:
            return training.run(report)
        from embedlab.lab.lent_training import steps_and_scores

        return steps_and_scores(training, score, report)

    def _publish(self, run: LiveRun, training: Training, base: Backbone) -> None:
        """Load a separate copy of the weights: the training may go on and change its own."""
        from embedlab.training import checkpoints

        if training.learned == 0:
            return
        folder = run.next_folder
        shutil.rmtree(folder, ignore_errors=True)  # what a full disk left
        run_info = checkpoints.save_run(training, folder, run.request.backbone_id)
        run.add_model(folder, run_folder.load_run(folder, base), run_info)

    def _score(
        self,
        run: LiveRun,
        model: SavedModel,
        base: Backbone,
        report: Progress,
        changes: tuple[TaskChange, ...],
    ) -> str:
        """Score before and after, unless it was; returns why there are no scores, or nothing.

        A training that was stopped is scored too; a second stop ends the scoring. On a lent GPU
        that would be another call: there it has scores if it came to its end.
        """
        if gpu.LENT and not changes:
            return "Not scored before and after: it did not come to its end."
        run.stop.clear()
        run.state = SCORING
        try:
            design = run.request.design
            changes = changes or evaluation.before_and_after(base, model.backbone, design, report)
            run_info = run_folder.add_scores(model.folder, changes)
        except Cancelled:
            return "Not scored before and after: stopped."
        except EmbedLabError as error:
            return f"Not scored before and after: {error}"
        run.model = replace(model, run_info=run_info)
        return ""

    # Files, and old runs

    def _folder(self) -> Path:
        if self._root is None:
            _sweep()
            self._root = Path(tempfile.mkdtemp(prefix=f"{FOLDER_PREFIX}{os.getpid()}-"))
            atexit.register(self.close)
        return self._root

    def _remove_old(self) -> None:
        """Remove the runs that were not used lately, and the oldest ones beyond the limit."""
        limits, now = self.limits, time.monotonic()
        finished = [run for run in self._runs.values() if run.over]
        finished.sort(key=lambda run: run.last_used)
        surplus = len(self._runs) + 1 - limits.max_runs
        for i, run in enumerate(finished):
            if i < surplus or now - run.last_used > 60 * limits.keep_runs_minutes:
                del self._runs[run.id]
                shutil.rmtree(run.folder, ignore_errors=True)


def _sweep() -> None:
    """Remove the folders of processes that were killed and could not do it themselves."""
    for folder in Path(tempfile.gettempdir()).glob(f"{FOLDER_PREFIX}*-*"):
        owner = folder.name.removeprefix(FOLDER_PREFIX).partition("-")[0]
        if owner.isdigit() and not psutil.pid_exists(int(owner)):
            shutil.rmtree(folder, ignore_errors=True)
