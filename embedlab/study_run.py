"""Running a study: every cell is trained, measured and written down before the next begins.

A study's folder::

    study.json    what the study is, and what it found to begin with
    cells/        a file for every finished cell, and for every one that failed
    work/         the training under way, at its last checkpoint

A file has its name only once it is whole. So a study that was killed goes on with the same command,
and what it finds is what it would have found undisturbed: every cell starts from the seed alone.
"""

from __future__ import annotations

import json
import platform
import shutil
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch

from embedlab import assets, runs
from embedlab.backbone import Backbone
from embedlab.corpora import load_corpus
from embedlab.design import Design
from embedlab.embedding import embed
from embedlab.errors import Cancelled, EmbedLabError
from embedlab.files import disk_trouble, write_whole
from embedlab.loading import load_backbone
from embedlab.mteb_tasks import Encode, Scored, as_mteb, evaluate, hub_task
from embedlab.pairs import PairSet, describe, without_overlap
from embedlab.progress import Progress, silent
from embedlab.states import StateCache
from embedlab.study import Cell, Study
from embedlab.tasks import MEASURES
from embedlab.training import Training
from embedlab.training_data import find_pairs

FORMAT = 1
PACKAGES = (
    "embedlab",
    "torch",
    "transformers",
    "peft",
    "mteb",
    "sentence-transformers",
    "scikit-learn",
)
#: Hidden states kept in memory, in bytes: those of the untrained backbone serve many cells.
ROOM = 6 * 10**9
#: Digits of an item's score that are written down.
DIGITS = 7

#: Called with a line for people.
Say = Callable[[str], None]


@dataclass
class _Bench:
    """What the cells of one study share."""

    study: Study
    folder: Path
    backbone: Backbone
    pairs: PairSet | None
    facts: dict[str, Any]
    progress: Progress
    place: tuple[str, str]


def run(
    study: Study,
    folder: Path,
    *,
    command: str = "",
    device: str = "auto",
    dtype: str = "auto",
    say: Say = lambda line: None,
    progress: Progress = silent,
) -> list[dict[str, Any]]:
    """Run what is not yet done of a study.

    A cell that fails, for lack of memory for instance, is written down as failed, and the others go
    on; running the study again tries it again.

    Args:
        study: what to run.
        folder: where its results are; those of the same study are kept.
        command: what was typed to run it, for the record.
        device: as for :func:`embedlab.load_backbone`.
        dtype: as for :func:`embedlab.load_backbone`.
        say: called with a line for people before and after every cell.
        progress: called within a cell; may raise ``Cancelled`` to stop.

    Returns:
        Every cell as it is written down, in the study's order.

    Raises:
        EmbedLabError: the folder holds another study, a task or the training data cannot be had, or
            the disk is full.
        Cancelled: ``progress`` asked for it; what is finished stays.
    """
    _claim(study, folder)
    tasks = _known_tasks(study, progress)
    pairs = _training_pairs(study, progress)
    if pairs is not None:
        say(f"training data: {pairs.title}, {describe(pairs)}")
        if not pairs.removed:
            say("no training pair stands in an evaluation corpus")
    backbone = load_backbone(
        study.backbone, device, dtype, cache=StateCache(ROOM), progress=progress
    )
    facts = {
        "backbone": {
            "id": study.backbone,
            "name": backbone.name,
            "source": backbone.source,
            "note": backbone.note,
            "precision": str(backbone.dtype).removeprefix("torch."),
            "device": backbone.device.type,
        },
        "versions": {"python": platform.python_version()} | {p: version(p) for p in PACKAGES},
        "hardware": _hardware(backbone),
        "data": None if pairs is None else _data_facts(pairs),
        "command": command,
    }
    _check_unchanged(folder, facts, tasks)
    bench = _Bench(study, folder, backbone, pairs, facts, progress, (device, dtype))
    _write(folder / "study.json", _identity(study) | facts | {"tasks": tasks})
    _fill_cache(bench)
    for number, cell in enumerate(study.cells, start=1):
        if (known := _read(_path(folder, cell))) is not None and known["status"] == "done":
            continue
        say(f"cell {number} of {len(study.cells)}: {cell}")
        found = _attempt(bench, cell)
        _write(_path(folder, cell), found)
        if found["status"] == "failed":
            say(f"failed, and the others go on: {found['error']}")
    return read_cells(study, folder)


def read_cells(study: Study, folder: Path) -> list[dict[str, Any]]:
    """What is written down of a study's cells, in the study's order; those not run are left out."""
    found = (_read(_path(folder, cell)) for cell in study.cells)
    return [cell for cell in found if cell is not None]


def _claim(study: Study, folder: Path) -> None:
    """Make the folder this study's, unless it is another's.

    Raises:
        EmbedLabError: it holds another study, or things that are no study.
    """
    known = _read(folder / "study.json")
    if known is None:
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise EmbedLabError(
                f"{folder.name!r} holds other things than a study; choose a new folder."
            )
        _write(folder / "study.json", _identity(study))
    elif known.get("digest") != study.digest:
        raise EmbedLabError(
            f"{folder.name!r} holds the results of another study ({str(known.get('name'))[:60]!r}, "
            f"or this one before it was changed); choose a new folder."
        )


def _check_unchanged(folder: Path, facts: dict[str, Any], tasks: list[dict[str, Any]]) -> None:
    """What the cells there were trained and measured on must be what there is now.

    Raises:
        EmbedLabError: a file of pairs or a corpus is another than when the study began.
    """
    known = _read(folder / "study.json") or {}
    before = {task["id"]: task["sha256"] for task in known.get("tasks", [])}
    if "tasks" in known and before != {task["id"]: task["sha256"] for task in tasks}:
        raise EmbedLabError(
            f"The tasks are measured on other texts than when the study in {folder.name!r} began; "
            "choose a new folder."
        )
    data, now = known.get("data"), facts["data"]
    if data is not None and data["sha256"] != (now or {}).get("sha256"):
        raise EmbedLabError(
            f"{data['title'][:60]!r} holds other pairs than when the study in {folder.name!r} "
            "began; choose a new folder."
        )


def _identity(study: Study) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "digest": study.digest,
        "name": study.name,
        "study": study.asdict,
        "cells": [asdict(cell) for cell in study.cells],
    }


def _known_tasks(study: Study, progress: Progress) -> list[dict[str, Any]]:
    """Every task, tried before hours are spent: what it is measured on, and a hash of that."""
    tasks = []
    for task in study.tasks:
        corpus = task.corpus(progress)
        tasks.append(
            {
                "id": task.id,
                "category": task.category,
                "measure": task.measure,
                "title": task.title,
                "source": corpus.source,
                "texts": len(corpus.texts),
                "sha256": corpus.fingerprint,
            }
        )
    for name in study.mteb:
        meta = hub_task(name).metadata
        tasks.append(
            {
                "id": name,
                "category": str(meta.type),
                "measure": MEASURES[str(meta.type)],
                "title": f"{name} of MTEB",
                "source": str(meta.dataset["path"]),
                "texts": 0,
                "sha256": str(meta.dataset["revision"]),
            }
        )
    return tasks


def _training_pairs(study: Study, progress: Progress) -> PairSet | None:
    if study.recipe is None:
        return None
    pairs = find_pairs(study.data, progress=progress)
    corpora = dict.fromkeys(task.corpus_id for task in study.tasks)
    return without_overlap(pairs, [load_corpus(corpus_id, progress) for corpus_id in corpora])


def _data_facts(pairs: PairSet) -> dict[str, Any]:
    return {
        "id": pairs.id,
        "title": pairs.title,
        "source": pairs.source,
        "pairs": len(pairs),
        "removed": pairs.removed,
        "in_domain": list(pairs.in_domain),
        "sha256": pairs.digest,
    }


def _hardware(backbone: Backbone) -> str:
    if backbone.device.type == "cuda":
        return str(torch.cuda.get_device_name(backbone.device))
    n = torch.get_num_threads()
    return f"{n} thread{'s' * (n != 1)} of a {platform.machine()} CPU"


# One cell


def _fill_cache(bench: _Bench) -> None:
    """The states that heads are trained on, of all cells in one order.

    Texts are batched with those that are missing, and another batch rounds otherwise: a study that
    goes on would train on states that differ in their last digits.
    """
    study, recipe = bench.study, bench.study.recipe
    if recipe is None or recipe.mode != "head" or bench.pairs is None:
        return
    for cell in study.cells:
        if cell.kind == "trained" and cell.seed is not None:
            how = replace(recipe, seed=cell.seed)
            design = Design.parse(cell.label)
            Training(bench.backbone, design, bench.pairs, how, progress=bench.progress)


def _attempt(bench: _Bench, cell: Cell) -> dict[str, Any]:
    """A cell's results, or why there are none."""
    start = time.perf_counter()
    known = {
        "label": cell.label,
        "kind": cell.kind,
        "seed": cell.seed,
        "study": bench.study.digest,
        **bench.facts,
    }
    try:
        found = _measured(bench, cell)
    except (Cancelled, KeyboardInterrupt):
        raise
    except EmbedLabError as error:
        return known | {"status": "failed", "error": str(error)}
    except (MemoryError, torch.OutOfMemoryError):
        torch.cuda.empty_cache()
        error_text = "The memory did not suffice; use a smaller batch or shorter texts."
        return known | {"status": "failed", "error": error_text}
    except Exception as error:
        told = " ".join(f"{type(error).__name__}: {error}".split())[:200]
        return known | {"status": "failed", "error": told}
    seconds = round(time.perf_counter() - start, 1)
    return known | found | {"status": "done", "seconds": seconds}


def _measured(bench: _Bench, cell: Cell) -> dict[str, Any]:
    if cell.kind == "yardstick":
        return {"tasks": _scores(bench, _yardstick(cell.label, bench))}
    design = Design.parse(cell.label)
    if cell.kind == "untrained":
        return {"tasks": _scores(bench, _encoder(bench, bench.backbone, design))}
    training = _trained(bench, cell, design)
    tasks = _scores(bench, _encoder(bench, training.result(), design))
    shutil.rmtree(bench.folder / "work" / cell.name, ignore_errors=True)
    history = [[s.number, s.phase, s.loss, s.lr, s.held_out] for s in training.history]
    return {
        "recipe": training.recipe.asdict(),
        "history": history,
        "warning": training.failed,
        "training_seconds": round(sum(s.seconds for s in training.history), 1),
        "tasks": tasks,
    }


def _trained(bench: _Bench, cell: Cell, design: Design) -> Training:
    """Trained to the end, going on from a checkpoint where there is one."""
    assert bench.study.recipe is not None and bench.pairs is not None and cell.seed is not None
    recipe = replace(bench.study.recipe, seed=cell.seed)
    work = bench.folder / "work" / cell.name
    training = Training(bench.backbone, design, bench.pairs, recipe, progress=bench.progress)
    try:
        runs.resume(training, work)
    except EmbedLabError:  # of other data or damaged: a cell can always start over
        runs.drop_checkpoint(work)
        training = Training(bench.backbone, design, bench.pairs, recipe, progress=bench.progress)
    for step in training.run(bench.progress):
        if step.number and step.number % recipe.evaluate_every == 0:
            runs.save_checkpoint(training, work)
    if training.done < training.total and not training.failed:
        raise Cancelled
    return training


def _encoder(bench: _Bench, backbone: Backbone, design: Design) -> Encode:
    def encode(texts: Any, query: bool) -> Any:
        return embed(texts, design, backbone, query=query, progress=bench.progress)

    return encode


def _yardstick(name: str, bench: _Bench) -> Encode:
    """An encoder that sentence-transformers runs."""
    from sentence_transformers import SentenceTransformer

    folder = assets.fetch(name, bench.progress)
    model = SentenceTransformer(
        str(folder), device=bench.backbone.device.type, local_files_only=True
    )

    def encode(texts: Any, query: bool) -> Any:
        bench.progress(0, len(texts), name)
        return model.encode(list(texts), normalize_embeddings=True, show_progress_bar=False)

    return encode


def _scores(bench: _Bench, encode: Encode) -> list[dict[str, Any]]:
    makers = [(task.id, partial(as_mteb, task, bench.progress)) for task in bench.study.tasks]
    makers += [(name, partial(hub_task, name)) for name in bench.study.mteb]
    return [{"id": name, **_plain(evaluate(make(), encode))} for name, make in makers]


def _plain(scored: Scored) -> dict[str, Any]:
    items = scored.items
    if items is None:
        return {"score": scored.score, "items": None}
    return {
        "score": scored.score,
        "items": {
            "kind": items.kind,
            "values": np.round(items.values[0], DIGITS).tolist(),
            "gold": None if items.gold is None else items.gold.tolist(),
        },
    }


# Files


def _path(folder: Path, cell: Cell) -> Path:
    return folder / "cells" / f"{cell.name}.json"


def _read(path: Path) -> dict[str, Any] | None:
    """What a file holds; None where there is none, or one that a crash of the disk left damaged."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def _write(path: Path, content: dict[str, Any]) -> None:
    with disk_trouble(path.name):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, json.dumps(content, ensure_ascii=False) + "\n")
