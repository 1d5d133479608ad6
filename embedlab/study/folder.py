"""A study's folder: every finished step is on disk before the next begins::

    study.json    the study, and what it was run with
    cells/        one file for every cell that finished or failed
    work/         the training under way, at its last checkpoint

A file gets its name only when it is complete.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeVar

from pydantic import BaseModel, ValidationError

from embedlab.analysis.item_comparisons import ItemKind
from embedlab.errors import EmbedLabError
from embedlab.files import disk_errors, write_text
from embedlab.study.definition import Cell, Study, StudyValues
from embedlab.study.report import RunFacts, TaskFacts

FORMAT = 1

M = TypeVar("M", bound=BaseModel)


class ItemScores(BaseModel, extra="forbid", frozen=True):
    """The items (n,) of one task under one seed, as analysis/item_comparisons.py takes them."""

    kind: ItemKind
    values: list[float]
    gold: list[float] | None


class TaskResult(BaseModel, extra="forbid", frozen=True):
    """The score of one task, NaN where it is undefined, and its items if mteb writes them down.

    ``also`` are other measures of the same task, by name.
    """

    id: str
    score: float
    items: ItemScores | None
    also: dict[str, float] = {}


class StepRecord(NamedTuple):
    """One step of a training, as a cell's file holds it."""

    number: int
    phase: str
    loss: float | None
    lr: float
    held_out: float | None


class CellResult(Cell, RunFacts, frozen=True):
    """A cell as it is written down: its results, or the ``error`` for which there are none.

    ``study`` is the digest of the study it belongs to; ``seconds`` are of the whole cell. What
    belongs to a training is empty for a cell without one.
    """

    study: str
    status: Literal["done", "failed"]
    error: str = ""
    seconds: float | None = None
    tasks: tuple[TaskResult, ...] = ()
    recipe: dict[str, Any] | None = None
    history: tuple[StepRecord, ...] = ()
    warning: str | None = None
    training_seconds: float | None = None


class StudyRecord(RunFacts, frozen=True):
    """The content of ``study.json``; ``tasks`` and the run's facts are there once it began."""

    format: int
    digest: str
    name: str
    study: StudyValues[str, dict[str, Any]]
    cells: tuple[Cell, ...]
    tasks: tuple[TaskFacts, ...] = ()


class StudyFolder:
    """The folder with one study's results; it need not exist yet."""

    def __init__(self, study: Study, path: Path) -> None:
        self.study, self.path = study, path
        self._record = path / "study.json"

    def claim(self) -> None:
        """Make the folder this study's, unless it is another's.

        Raises:
            EmbedLabError: it holds another study, or files that do not belong to a study.
        """
        name, record = self.path.name, _read(self._record, StudyRecord)
        if record is None:
            if self.path.exists() and (not self.path.is_dir() or any(self.path.iterdir())):
                raise EmbedLabError(
                    f"{name!r} holds other things than a study; choose a new folder."
                )
            _write(self._record, self._identity)
        elif record.digest != self.study.digest:
            raise EmbedLabError(
                f"{name!r} holds the results of another study ({record.name[:60]!r}, or this one "
                "before it was changed); choose a new folder."
            )

    def begin(self, tasks: Sequence[TaskFacts], facts: RunFacts) -> None:
        """Write down what the study is run with.

        Raises:
            EmbedLabError: the training pairs or a corpus changed since the study began.
        """
        record = _read(self._record, StudyRecord)
        began = f"when the study in {self.path.name!r} began; choose a new folder."
        if record is not None and record.tasks and _hashes(record.tasks) != _hashes(tasks):
            raise EmbedLabError(f"The tasks are measured on other texts than {began}")
        before = record.data if record is not None else None
        if before is not None and before.get("sha256") != (facts.data or {}).get("sha256"):
            raise EmbedLabError(f"{before.get('title', '')[:60]!r} holds other pairs than {began}")
        values = {"tasks": tuple(tasks), **facts.model_dump(exclude_unset=True)}
        _write(self._record, self._identity.model_copy(update=values))

    @property
    def precision(self) -> str:
        """The precision of the backbone that the study began with; empty before it began."""
        record = _read(self._record, StudyRecord)
        return ((record and record.backbone) or {}).get("precision", "")

    def is_done(self, cell: Cell) -> bool:
        """Whether a cell is finished; one that failed is run again."""
        result = _read(self._file(cell), CellResult)
        return result is not None and result.status == "done"

    def save(self, result: CellResult) -> None:
        """Write a cell's result down.

        Raises:
            EmbedLabError: the disk is full or the folder cannot be written.
        """
        _write(self._file(result), result)

    def results(self) -> list[CellResult]:
        """The results on disk, in the study's order; cells that were not run are left out."""
        results = (_read(self._file(cell), CellResult) for cell in self.study.cells)
        return [result for result in results if result is not None]

    def work(self, cell: Cell) -> Path:
        """The folder for the checkpoint of a cell's training."""
        return self.path / "work" / cell.name

    def _file(self, cell: Cell) -> Path:
        return self.path / "cells" / f"{cell.name}.json"

    @property
    def _identity(self) -> StudyRecord:
        values = {"format": FORMAT, "digest": self.study.digest, "name": self.study.name}
        values |= {"study": self.study.asdict, "cells": self.study.cells}
        return StudyRecord.model_validate(values)


def read_results(folder: Path) -> tuple[StudyRecord, list[CellResult]]:
    """A study's record and every result of this study in its folder.

    Raises:
        OSError: a file cannot be read.
        ValueError: a file is damaged or was not written by a study.
    """
    record = StudyRecord.model_validate_json((folder / "study.json").read_bytes())
    results = []
    for path in sorted((folder / "cells").glob("*.json")):
        content = json.loads(path.read_text(encoding="utf-8"))
        # Results of another study may have been copied here; they need not even be of our format.
        if isinstance(content, dict) and content.get("study") == record.digest:
            results.append(CellResult.model_validate(content))
    return record, results


def _hashes(tasks: Sequence[TaskFacts]) -> dict[str, str]:
    return {task.id: task.sha256 for task in tasks}


def _read(path: Path, model: type[M]) -> M | None:
    """The content of a file; None if it is missing, or damaged by a crash of the disk."""
    try:
        return model.model_validate_json(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError, ValidationError):
        return None


def _write(path: Path, content: BaseModel) -> None:
    with disk_errors(path.name):
        path.parent.mkdir(parents=True, exist_ok=True)
        # Not model_dump_json: an undefined score is written as NaN, which pydantic makes null.
        values = content.model_dump(exclude_unset=True)
        write_text(path, json.dumps(values, ensure_ascii=False) + "\n")
