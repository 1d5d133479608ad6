"""Training a set of designs: each is trained, stored small, measured and described.

The folder of a set::

    set.json        what it is made by
    ID/             a finished design: its run, its card and its manifest
    without-mntp/   the same for the trainings that a design is only compared with
    work/           the training under way: its last checkpoint, then its weights in full precision

A folder gets its name only when it is complete, so that after a kill at any moment the same call
goes on.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path

from filelock import FileLock, Timeout
from safetensors.torch import load_file

from embedlab.analysis.evaluation import TaskScore, compare, evaluate_on
from embedlab.analysis.tasks import Task
from embedlab.data.corpus import Corpus
from embedlab.data.mixture import Mixture, mix
from embedlab.errors import Cancelled, EmbedLabError
from embedlab.export.design_card import design_card
from embedlab.files import atomic_folder, disk_errors, save_tensors, write_json, write_text
from embedlab.models.backbone import Backbone
from embedlab.models.design import Design
from embedlab.models.loading import load_backbone
from embedlab.models.quantised import quantised
from embedlab.models.run_folder import (
    RUN_FILE,
    RunInfo,
    StoredInfo,
    load_run,
    read_run_info,
    write_run_info,
)
from embedlab.models.state_cache import StateCache
from embedlab.models.trained_designs import (
    CARD,
    MANIFEST,
    MOST_ALL,
    verify,
    whole_folders,
    write_manifest,
)
from embedlab.progress import Progress, no_progress
from embedlab.study.design_set import DesignSet, Job
from embedlab.training import checkpoints
from embedlab.training.until_flat import UntilFlat

#: Points of the first task that storing the weights small may cost.
MOST_LOSS = 0.3
#: Bytes of hidden states in memory: those of the untrained backbone serve all designs.
CACHE_BYTES = 2 * 10**9
WITHOUT_MNTP, WORK, SET_FILE = "without-mntp", "work", "set.json"

#: Called with a line for the user.
Say = Callable[[str], None]


def train_designs(
    design_set: DesignSet,
    folder: Path,
    *,
    say: Say = lambda line: None,
    progress: Progress = no_progress,
) -> list[Path]:
    """Train what is not finished yet; returns the folders of the finished designs.

    Raises:
        EmbedLabError: the folder is of another set or in use, or the disk is full.
    """
    with disk_errors(folder.name):
        folder.mkdir(parents=True, exist_ok=True)
    with _alone(folder):
        _claim(folder, design_set)
        making = _Making(design_set, folder, say, progress)
        for number, job in enumerate(design_set.jobs, start=1):
            if (making.target(job) / MANIFEST).is_file():
                continue
            say(f"training {number} of {len(design_set.jobs)}: {job}")
            making.make(job)
        for job in design_set.jobs:
            if not job.shipped:
                making.compare(job)
    return check_designs(folder)


def check_designs(folder: Path) -> list[Path]:
    """The folders of a set's finished designs, each compared with its manifest.

    Raises:
        EmbedLabError: one is damaged, or they are too large together.
    """
    finished = whole_folders(folder)
    for each in finished:
        verify(each)
    files = (path for each in finished for path in each.rglob("*") if path.is_file())
    size = sum(path.stat().st_size for path in files)
    if size > MOST_ALL:
        raise EmbedLabError(
            f"The designs in {folder.name!r} have {size / 1e6:.1f} MB together, more than "
            f"{MOST_ALL // 10**6}; lower lora_rank."
        )
    return finished


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    lock = FileLock(folder / ".lock")
    try:
        with lock.acquire(timeout=0):
            yield
    except Timeout as error:
        raise EmbedLabError(
            f"Another process trains designs into {folder.name!r}; wait for it, or stop it."
        ) from error


def _claim(folder: Path, design_set: DesignSet) -> None:
    path, identity = folder / SET_FILE, design_set.identity
    try:
        before = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        write_json(path, identity)
        return
    except (OSError, ValueError):
        before = None
    if before != identity:
        raise EmbedLabError(
            f"{folder.name!r} holds designs of another recipe, or {SET_FILE} in it is damaged; "
            "choose another folder."
        )


@dataclass
class _Making:
    """What the trainings of one set share."""

    design_set: DesignSet
    folder: Path
    say: Say
    progress: Progress

    def target(self, job: Job) -> Path:
        """The folder of a finished training."""
        return (self.folder if job.shipped else self.folder / WITHOUT_MNTP) / job.id

    def make(self, job: Job) -> None:
        """Train, store, measure and describe one design."""
        work = self.folder / WORK / (job.id if job.shipped else f"{job.id}-{WITHOUT_MNTP}")
        if not (work / RUN_FILE).is_file():
            self._train(job, work)
        target = self.target(job)
        with disk_errors(target.name), atomic_folder(target, replace=True) as partial:
            store_small(work, partial)
            self._measure(job, work, partial)
            self._describe(partial)
        shutil.rmtree(work, ignore_errors=True)

    def compare(self, job: Job) -> None:
        """Add the scores of a training without MNTP to the design that had it.

        Each file is replaced as a whole; the next call repairs what was stopped in between.
        """
        shipped, scores = self.folder / job.id, read_run_info(self.target(job)).before_after
        run_info = read_run_info(shipped)
        with disk_errors(shipped.name):
            write_run_info(shipped, run_info.model_copy(update={"without_mntp": scores}))
            self._describe(shipped)

    def _train(self, job: Job, work: Path) -> None:
        training = UntilFlat(
            self._backbone(self.design_set.max_length),
            job.design,
            self.mixture.pairs,
            job.recipe,
            name=job.id,
            progress=self.progress,
            plateau=self.design_set.plateau,
        )
        if checkpoints.resume(training, work):
            self.say(f"going on after step {training.steps_done}")
        for step in training.run(self.progress):
            if step.held_out is None:
                continue
            speed = f", {step.tokens_per_second:,.0f} tokens/s" if step.number else ""
            self.say(
                f"step {step.number:>4} of {training.total} at most: held-out MRR "
                f"{100 * step.held_out:.1f}{speed}"
            )
            # A checkpoint with every score: the curve decides when the training ends.
            checkpoints.save_checkpoint(training, work)
        if training.failed:
            raise EmbedLabError(f"{job}: {training.failed}")
        if training.steps_done < training.total:
            raise Cancelled
        checkpoints.save_run(training, work, self.design_set.backbone)
        (work / checkpoints.CHECKPOINT).unlink(missing_ok=True)

    def _measure(self, job: Job, work: Path, stored: Path) -> None:
        """Write the scores of what was stored, and what storing it cost, into its ``run.json``."""
        run_info, base = self._described(job, read_run_info(work)), self._untrained
        write_run_info(stored, run_info)
        before = self._scores(base, job.design, self.samples)
        after = self._scores(load_run(stored, base), job.design, self.samples)
        (in_full,) = self._scores(load_run(work, base), job.design, self.samples[:1])
        loss = round(100 * (in_full.score - after[0].score), 2)
        if loss > MOST_LOSS:
            self.say(f"{job}: storing it small costs {loss} points, more than {MOST_LOSS}")
        kept = StoredInfo(
            adapter="bfloat16",
            head="int8, a scale a row" if job.design.trainable else "",
            task=self.samples[0][0].title,
            loss=loss,
        )
        changes = compare(before, after)
        update = {"before_after": changes, "stored": kept}
        write_run_info(stored, run_info.model_copy(update=update))
        for change in changes:
            self.say(f"{change.task}: {_points(change.before)} -> {_points(change.after)}")

    def _described(self, job: Job, run_info: RunInfo) -> RunInfo:
        """A run's information without this machine's paths, and with the rule that ended it."""
        rule = {f"plateau_{name}": value for name, value in asdict(self.design_set.plateau).items()}
        backbone = run_info.backbone.model_copy(update={"max_length": self._untrained.max_length})
        recipe = run_info.recipe | rule | {"max_length": self.design_set.max_length}
        return run_info.model_copy(update={"name": job.id, "backbone": backbone, "recipe": recipe})

    def _describe(self, folder: Path) -> None:
        """Write the card and the manifest, which ends the work on a folder."""
        write_text(folder / CARD, design_card(read_run_info(folder)))
        write_manifest(folder)

    # What is measured, on what

    @cached_property
    def mixture(self) -> Mixture:
        """The pairs that all designs are trained on, and the unseen ones."""
        made = self.design_set
        return mix(made.mixture, unseen=made.unseen, progress=self.progress)

    @cached_property
    def samples(self) -> list[tuple[Task, Corpus]]:
        """The tasks that are scored before and after, the one that storing is judged by first."""
        tasks: list[tuple[Task, Corpus]] = []
        if n := self.design_set.sts_pairs:
            task = Task("stsb", "STS", f"STS-B test, first {n} pairs", "stsb", size=n)
            tasks.append((task, task.corpus(self.progress)))
        for name, corpus in self.mixture.unseen.items():
            title = f"{corpus.title}: {len(corpus.queries)} unseen pairs"
            tasks.append((Task(name, "Retrieval", title, corpus.id), corpus))
        if not tasks:
            raise EmbedLabError("There is nothing to measure; ask for 'unseen' or 'sts_pairs'.")
        return tasks

    def _scores(
        self, backbone: Backbone, design: Design, samples: list[tuple[Task, Corpus]]
    ) -> tuple[TaskScore, ...]:
        return evaluate_on(samples, backbone, design, persist=False, progress=self.progress)

    @cached_property
    def _untrained(self) -> Backbone:
        """As it is loaded for use, with texts of full length."""
        return self._backbone(None)

    def _backbone(self, max_length: int | None) -> Backbone:
        return load_backbone(
            self.design_set.backbone,
            dtype=self.design_set.precision,
            max_length=max_length,
            cache=StateCache(CACHE_BYTES),
            progress=self.progress,
        )


def store_small(run: Path, into: Path) -> None:
    """Copy a finished run with its adapter in bfloat16 and its head as int8.

    Args:
        run: the folder of a run in full precision.
        into: an empty folder.
    """
    import torch

    shutil.copyfile(run / RUN_FILE, into / RUN_FILE)
    shutil.copyfile(run / "history.jsonl", into / "history.jsonl")
    if (run / "adapter").is_dir():
        (into / "adapter").mkdir()
        name = "adapter_model.safetensors"
        shutil.copyfile(run / "adapter/adapter_config.json", into / "adapter/adapter_config.json")
        weights = load_file(run / "adapter" / name)
        small = {key: tensor.to(torch.bfloat16) for key, tensor in weights.items()}
        save_tensors(into / "adapter" / name, small)
    if (run / "head.safetensors").is_file():
        small = quantised(load_file(run / "head.safetensors"))
        save_tensors(into / "head.safetensors", small)
    if (run / "steps.safetensors").is_file():
        shutil.copyfile(run / "steps.safetensors", into / "steps.safetensors")


def _points(interval: tuple[float | None, float | None, float | None]) -> str:
    score, low, high = ("-" if end is None else f"{100 * end:.1f}" for end in interval)
    return f"{score} ({low} to {high})"
