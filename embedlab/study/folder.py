"""A study's folder: what is finished, written down so that nothing of it is lost::

    study.json    what the study is, and what it was run with
    cells/        a file for every finished cell, and for every one that failed
    work/         the training under way, at its last checkpoint

A file has its name only once it is whole.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from embedlab.errors import EmbedLabError
from embedlab.files import disk_errors, write_text
from embedlab.study.definition import Cell, Study

FORMAT = 1


class StudyFolder:
    """Where one study's results are.

    Args:
        study: whose.
        path: the folder; it need not exist yet.
    """

    def __init__(self, study: Study, path: Path) -> None:
        self.study, self.path = study, path
        self._about = path / "study.json"

    def claim(self) -> None:
        """Make the folder this study's, unless it is another's.

        Raises:
            EmbedLabError: it holds another study, or things that are no study.
        """
        name, known = self.path.name, _read(self._about)
        if known is None:
            if self.path.exists() and (not self.path.is_dir() or any(self.path.iterdir())):
                raise EmbedLabError(
                    f"{name!r} holds other things than a study; choose a new folder."
                )
            _write(self._about, self._identity)
        elif known.get("digest") != self.study.digest:
            raise EmbedLabError(
                f"{name!r} holds the results of another study ({str(known.get('name'))[:60]!r}, "
                f"or this one before it was changed); choose a new folder."
            )

    def begin(self, facts: dict[str, Any]) -> None:
        """Write down what the study is run with.

        Args:
            facts: ``tasks`` and ``data`` among them, each with the ``sha256`` of what it reads.

        Raises:
            EmbedLabError: a file of pairs or a corpus is another than when the study began.
        """
        known = _read(self._about) or {}
        began = f"when the study in {self.path.name!r} began; choose a new folder."
        if "tasks" in known and _hashes(known["tasks"]) != _hashes(facts["tasks"]):
            raise EmbedLabError(f"The tasks are measured on other texts than {began}")
        data, now = known.get("data"), facts["data"]
        if data is not None and data["sha256"] != (now or {}).get("sha256"):
            raise EmbedLabError(f"{data['title'][:60]!r} holds other pairs than {began}")
        _write(self._about, self._identity | facts)

    def is_done(self, cell: Cell) -> bool:
        """Whether a cell need not be run again; one that failed is."""
        return (_read(self._of(cell)) or {}).get("status") == "done"

    def keep(self, cell: Cell, found: dict[str, Any]) -> None:
        """Write down what became of a cell.

        Raises:
            EmbedLabError: the disk is full or the folder cannot be written.
        """
        _write(self._of(cell), found)

    def cells(self) -> list[dict[str, Any]]:
        """What is written down, in the study's order; cells not run are left out."""
        found = (_read(self._of(cell)) for cell in self.study.cells)
        return [cell for cell in found if cell is not None]

    def work(self, cell: Cell) -> Path:
        """Where a cell's training keeps its checkpoint."""
        return self.path / "work" / cell.name

    def _of(self, cell: Cell) -> Path:
        return self.path / "cells" / f"{cell.name}.json"

    @property
    def _identity(self) -> dict[str, Any]:
        return {
            "format": FORMAT,
            "digest": self.study.digest,
            "name": self.study.name,
            "study": self.study.asdict,
            "cells": [asdict(cell) for cell in self.study.cells],
        }


def _hashes(tasks: list[dict[str, Any]]) -> dict[str, str]:
    return {task["id"]: task["sha256"] for task in tasks}


def _read(path: Path) -> dict[str, Any] | None:
    """What a file holds; None where there is none, or one that a crash of the disk left damaged."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def _write(path: Path, content: dict[str, Any]) -> None:
    with disk_errors(path.name):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_text(path, json.dumps(content, ensure_ascii=False) + "\n")
