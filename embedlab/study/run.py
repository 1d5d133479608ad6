"""Running a study: every cell is trained, measured and written down before the next begins.

A study that was killed goes on with the same command, and what it finds is what it would have found
undisturbed: every cell starts from the seed alone.
"""

from __future__ import annotations

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

from embedlab import assets
from embedlab.analysis.tasks import MEASURES
from embedlab.data.corpora import load_corpus
from embedlab.data.pairs import PairSet, describe, without_overlap
from embedlab.data.training_sets import find_pairs
from embedlab.errors import Cancelled, EmbedLabError
from embedlab.models.backbone import Backbone
from embedlab.models.design import Design
from embedlab.models.embedding import embed
from embedlab.models.loading import load_backbone
from embedlab.models.state_cache import StateCache
from embedlab.progress import Progress, no_progress
from embedlab.study.definition import Cell, Study
from embedlab.study.folder import StudyFolder
from embedlab.study.mteb_tasks import Encode, Scored, as_mteb, evaluate, hub_task
from embedlab.training import checkpoints
from embedlab.training.training import Training

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
    folder: StudyFolder
    backbone: Backbone
    pairs: PairSet | None
    facts: dict[str, Any]
    progress: Progress


def run(
    study: Study,
    folder: Path,
    *,
    command: str = "",
    device: str = "auto",
    dtype: str = "auto",
    say: Say = lambda line: None,
    progress: Progress = no_progress,
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
    kept = StudyFolder(study, folder)
    kept.claim()
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
        "data": None if pairs is None else pairs.facts,
        "command": command,
    }
    kept.begin(facts | {"tasks": tasks})
    bench = _Bench(study, kept, backbone, pairs, facts, progress)
    _fill_cache(bench)
    for number, cell in enumerate(study.cells, start=1):
        if kept.is_done(cell):
            continue
        say(f"cell {number} of {len(study.cells)}: {cell}")
        found = _attempt(bench, cell)
        kept.keep(cell, found)
        if found["status"] == "failed":
            say(f"failed, and the others go on: {found['error']}")
    return kept.cells()


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
    shutil.rmtree(bench.folder.work(cell), ignore_errors=True)
    history = [[s.number, s.phase, s.loss, s.lr, s.held_out] for s in training.history]
    return {
        "recipe": asdict(training.recipe),
        "history": history,
        "warning": training.failed,
        "training_seconds": round(sum(s.seconds for s in training.history), 1),
        "tasks": tasks,
    }


def _trained(bench: _Bench, cell: Cell, design: Design) -> Training:
    """Trained to the end, going on from a checkpoint where there is one."""
    assert bench.study.recipe is not None and bench.pairs is not None and cell.seed is not None
    recipe = replace(bench.study.recipe, seed=cell.seed)
    work = bench.folder.work(cell)
    training = Training(bench.backbone, design, bench.pairs, recipe, progress=bench.progress)
    try:
        checkpoints.resume(training, work)
    except EmbedLabError:  # of other data or damaged: a cell can always start over
        checkpoints.drop_checkpoint(work)
        training = Training(bench.backbone, design, bench.pairs, recipe, progress=bench.progress)
    for step in training.run(bench.progress):
        if step.number and step.number % recipe.evaluate_every == 0:
            checkpoints.save_checkpoint(training, work)
    if training.steps_done < training.total and not training.failed:
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
