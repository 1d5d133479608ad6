"""Running a study: every cell is trained, measured and written down before the next begins.

A study that was killed is continued by the same command, with the same results as if it had not
been: every cell starts from the seed alone.
"""

from __future__ import annotations

import json
import platform
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any, cast

import torch

from embedlab import assets
from embedlab.analysis.tasks import CATEGORY_MEASURES
from embedlab.data.corpora import load_corpus
from embedlab.data.pairs import PairSet, describe, without_overlap
from embedlab.data.training_sets import find_pairs
from embedlab.errors import Cancelled, EmbedLabError
from embedlab.models.backbone import Backbone
from embedlab.models.design import Design
from embedlab.models.embedding import embed
from embedlab.models.loading import load_backbone
from embedlab.models.run_folder import load_run, read_run_info
from embedlab.models.state_cache import StateCache
from embedlab.models.steps import fit_steps
from embedlab.progress import Progress, no_progress
from embedlab.study.definition import Cell, Study
from embedlab.study.folder import CellResult, StepRecord, StudyFolder, TaskResult
from embedlab.study.given_models import folder_of
from embedlab.study.instructions import BUILT_IN, instructed, of_mteb
from embedlab.study.mteb_tasks import Encode, as_mteb, evaluate, hub_task
from embedlab.study.pooled_texts import PooledTexts
from embedlab.study.report import DataFacts, RunFacts, TaskFacts
from embedlab.training import checkpoints
from embedlab.training.history import Step
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
#: Bytes of hidden states in memory: those of the untrained backbone serve many cells.
CACHE_BYTES = 6 * 10**9

#: Gives the encoder of a task of a category with an instruction, or "" for none, whose documents
#: its steps are fitted on.
EncoderFor = Callable[[Sequence[str] | None, str, str], Encode]
#: Called with a line for the user.
Say = Callable[[str], None]


@dataclass(frozen=True)
class Setup:
    """What the cells of one study share."""

    study: Study
    folder: StudyFolder
    backbone: Backbone
    pairs: PairSet | None
    facts: RunFacts
    progress: Progress
    #: Of the untrained backbone.
    pooled: PooledTexts
    tasks: tuple[TaskFacts, ...]


def run(
    study: Study,
    folder: Path,
    *,
    command: str = "",
    device: str = "auto",
    dtype: str = "auto",
    say: Say = lambda line: None,
    progress: Progress = no_progress,
) -> list[CellResult]:
    """Run the cells of a study that are not done yet.

    A cell that fails, for lack of memory for instance, is written down as failed, and the others go
    on; running the study again tries it again.

    Args:
        study: what to run.
        folder: for the results; those of the same study in it are kept.
        command: the command line that runs it, for the record.
        device, dtype: as for :func:`embedlab.load_backbone`; a study that goes on keeps the
            precision that ``auto`` chose when it began.
        say: called with a line for the user before and after every cell.

    Returns:
        Every cell's result, in the study's order.

    Raises:
        EmbedLabError: the folder holds another study, a task or the training data cannot be
            fetched, or the disk is full.
        Cancelled: ``progress`` raised it; finished cells stay.
    """
    results = StudyFolder(study, folder)
    results.claim()
    setup = set_up(
        study, results, command=command, device=device, dtype=dtype, say=say, progress=progress
    )
    # Refuses other texts or pairs than before: the cells on disk would not be comparable.
    results.begin(setup.tasks, setup.facts)
    fill_cache(setup)
    for number, cell in enumerate(study.cells, start=1):
        if results.is_done(cell):
            continue
        say(f"cell {number} of {len(study.cells)}: {cell}")
        result = run_cell(setup, cell)
        results.save(result)
        if result.status == "failed":
            say(f"failed; the other cells go on: {result.error}")
    return results.results()


def set_up(
    study: Study,
    results: StudyFolder,
    *,
    command: str = "",
    device: str = "auto",
    dtype: str = "auto",
    cache_bytes: int = CACHE_BYTES,
    say: Say = lambda line: None,
    progress: Progress = no_progress,
) -> Setup:
    """What the cells of a study share, in the process that runs them: see :func:`run`.

    ``cache_bytes`` is the memory for hidden states of the untrained backbone.
    """
    tasks = tuple(_task_facts(study, progress))
    pairs = _training_pairs(study, progress)
    if pairs is not None:
        say(f"training data: {pairs.title}, {describe(pairs)}")
        if not pairs.removed:
            say("no training pair stands in an evaluation corpus")
    if dtype == "auto":  # takes what is faster now: cells of two precisions are not comparable
        dtype = results.precision or dtype
    backbone = load_backbone(
        study.backbone, device, dtype, cache=StateCache(cache_bytes), progress=progress
    )
    facts = _run_facts(study, backbone, pairs, command)
    pooled = PooledTexts(backbone, progress)
    return Setup(study, results, backbone, pairs, facts, progress, pooled, tasks)


def _task_facts(study: Study, progress: Progress) -> Iterator[TaskFacts]:
    """Every task, fetched before hours are spent: what it is measured on, and a hash of that."""
    for task in study.tasks:
        corpus = task.corpus(progress)
        measured_on = (corpus.source, len(corpus.texts), corpus.fingerprint)
        yield TaskFacts(task.id, task.category, task.measure, task.title, *measured_on)
    for name in study.mteb:
        meta = hub_task(name).metadata
        category, source = str(meta.type), str(meta.dataset["path"])
        revision, measure = str(meta.dataset["revision"]), CATEGORY_MEASURES[category]
        yield TaskFacts(name, category, measure, f"{name} of MTEB", source, 0, revision)


def _training_pairs(study: Study, progress: Progress) -> PairSet | None:
    if study.recipe is None:
        return None
    pairs = find_pairs(study.data, keep=study.keep, progress=progress)
    corpora = dict.fromkeys(task.corpus_id for task in study.tasks)
    return without_overlap(pairs, [load_corpus(corpus_id, progress) for corpus_id in corpora])


def _run_facts(study: Study, backbone: Backbone, pairs: PairSet | None, command: str) -> RunFacts:
    if backbone.device.type == "cuda":
        hardware = str(torch.cuda.get_device_name(backbone.device))
    else:
        n = torch.get_num_threads()
        hardware = f"{n} thread{'s' * (n != 1)} of a {platform.machine()} CPU"
    return RunFacts(
        backbone={
            "id": study.backbone,
            "name": backbone.name,
            "source": backbone.source,
            "note": backbone.note,
            "precision": str(backbone.dtype).removeprefix("torch."),
            "device": backbone.device.type,
        },
        versions={"python": platform.python_version()} | {p: version(p) for p in PACKAGES},
        hardware=hardware,
        data=_data_of_models(study) if pairs is None else cast(DataFacts, pairs.facts),
        command=command,
    )


def _data_of_models(study: Study) -> DataFacts | None:
    """What the models were trained on, where that was the same for all; else None."""
    data = [read_run_info(folder_of(model.model)).data for model in study.models]
    if not data or len({each.sha256 for each in data}) > 1:
        return None
    return cast(DataFacts, data[0].model_dump(mode="json", exclude_none=True))


# One cell


def fill_cache(setup: Setup) -> None:
    """The states that heads are trained on, of all cells in one order.

    Only texts that are not cached yet are batched, and another batch rounds differently: without
    this, a study that is continued would train on states that differ in their last digits.
    """
    study, recipe = setup.study, setup.study.recipe
    if recipe is None or recipe.mode != "head" or setup.pairs is None:
        return
    for cell in study.cells:
        if cell.kind == "trained" and cell.seed is not None:
            seeded = replace(recipe, seed=cell.seed)
            design = Design.parse(cell.label)
            Training(setup.backbone, design, setup.pairs, seeded, progress=setup.progress)


def run_cell(setup: Setup, cell: Cell) -> CellResult:
    """A cell's results, or the reason why there are none."""
    start, values = time.perf_counter(), dict(cell) | dict(setup.facts)
    values |= {"study": setup.study.digest, "status": "failed"}
    try:
        values |= _measured(setup, cell)
        values |= {"status": "done", "seconds": round(time.perf_counter() - start, 1)}
    except Cancelled:
        raise
    except EmbedLabError as error:
        values["error"] = str(error)
    except (MemoryError, torch.OutOfMemoryError):
        torch.cuda.empty_cache()
        values["error"] = "The memory did not suffice; use a smaller batch or shorter texts."
    except Exception as error:
        # A fault of one design must not cost the hours of the others.
        values["error"] = " ".join(f"{type(error).__name__}: {error}".split())[:200]
    return CellResult.model_validate(values)


def _measured(setup: Setup, cell: Cell) -> dict[str, Any]:
    """The part of a :class:`CellResult` that is measured."""
    if cell.kind == "yardstick":
        yardstick = _yardstick(cell.label, setup)
        return {"tasks": _task_results(setup, lambda *_: yardstick)}
    design = Design.parse(cell.label)
    if cell.kind == "untrained":
        return {"tasks": _task_results(setup, _encoder(setup, setup.pooled, design))}
    if model := setup.study.model(cell.label, cell.seed):
        return _measured_as_given(setup, design, folder_of(model))
    training = _trained(setup, cell, design)
    pooled = PooledTexts(training.result(), setup.progress)
    tasks = _task_results(setup, _encoder(setup, pooled, design))
    shutil.rmtree(setup.folder.work(cell), ignore_errors=True)
    steps = training.history
    return {
        "recipe": asdict(training.recipe),
        "history": [StepRecord(s.number, s.phase, s.loss, s.lr, s.held_out) for s in steps],
        "warning": training.failed,
        "training_seconds": round(sum(s.seconds for s in steps), 1),
        "tasks": tasks,
    }


def _measured_as_given(setup: Setup, design: Design, folder: Path) -> dict[str, Any]:
    """The same of a model that was trained before, with what its folder says of its training."""
    info = read_run_info(folder)
    pooled = PooledTexts(load_run(folder, setup.backbone), setup.progress)
    return {
        "recipe": info.recipe,
        "history": _history(folder / "history.jsonl"),
        "warning": info.failed,
        "training_seconds": info.seconds,
        "tasks": _task_results(setup, _encoder(setup, pooled, design)),
    }


def _history(path: Path) -> list[StepRecord]:
    """The steps of a run; none where its folder has lost them or they are damaged."""
    try:
        steps = [Step(**json.loads(line)) for line in path.read_text("utf-8").splitlines()]
    except (OSError, ValueError, TypeError):
        return []
    return [StepRecord(s.number, s.phase, s.loss, s.lr, s.held_out) for s in steps]


def _trained(setup: Setup, cell: Cell, design: Design) -> Training:
    """Trained to the end, from its checkpoint where there is one."""
    assert setup.study.recipe is not None and setup.pairs is not None and cell.seed is not None
    recipe = replace(setup.study.recipe, seed=cell.seed)
    work = setup.folder.work(cell)
    fresh = partial(Training, setup.backbone, design, setup.pairs, recipe, progress=setup.progress)
    training = fresh()
    try:
        checkpoints.resume(training, work)
    except EmbedLabError:  # a checkpoint of other data, or damaged: a cell can always start over
        (work / checkpoints.CHECKPOINT).unlink(missing_ok=True)
        training = fresh()
    stopped = False

    def progress(done: int, total: int, what: str) -> None:
        nonlocal stopped
        try:
            setup.progress(done, total, what)
        except Cancelled:
            stopped = True
            raise

    for step in training.run(progress):
        # A training keeps a step that was stopped while it was scored. A cell has to end as if it
        # had never been stopped: it repeats that step from the last checkpoint.
        if stopped:
            break
        if step.number and step.number % recipe.evaluate_every == 0:
            checkpoints.save_checkpoint(training, work)
    if stopped:
        raise Cancelled
    return training


def _encoder(setup: Setup, pooled: PooledTexts, design: Design) -> EncoderFor:
    """Steps are fitted on a task's documents, of MTEB's own tasks on each set that is encoded."""
    backbone = pooled.backbone

    def encoder_for(documents: Sequence[str] | None, category: str, instruction: str) -> Encode:
        asked = instructed(design, category, instruction) if instruction else design
        if documents is None:  # any number of texts, of which nothing can be kept
            return partial(_embedded, setup, backbone, asked)
        # All documents at once and first, whichever cell of a grid this is: other batches round
        # differently, and a study that goes on would differ in its last digits.
        steps = fit_steps(str(asked), asked.steps, pooled(documents, asked), backbone)

        def encode(texts: Any, query: bool) -> Any:
            return steps(pooled(texts, asked, query=query))

        return encode

    return encoder_for


def _embedded(setup: Setup, backbone: Backbone, design: Design, texts: Any, query: bool) -> Any:
    return embed(texts, design, backbone, query=query, progress=setup.progress)


def _yardstick(name: str, setup: Setup) -> Encode:
    """An encoder that sentence-transformers runs."""
    from sentence_transformers import SentenceTransformer

    folder = assets.fetch(name, setup.progress)
    model = SentenceTransformer(
        str(folder), device=setup.backbone.device.type, local_files_only=True
    )

    def encode(texts: Any, query: bool) -> Any:
        setup.progress(0, len(texts), name)
        return model.encode(list(texts), normalize_embeddings=True, show_progress_bar=False)

    return encode


def _task_results(setup: Setup, encoder_for: EncoderFor) -> list[TaskResult]:
    results, put = [], setup.study.instructions
    for task in setup.study.tasks:
        instruction = BUILT_IN[task.category] if put else ""
        encode = encoder_for(task.corpus(setup.progress).texts, task.category, instruction)
        results.append(evaluate(as_mteb(task, setup.progress), encode, task.id))
    for name in setup.study.mteb:
        hub = hub_task(name)
        category, instruction = str(hub.metadata.type), of_mteb(hub) if put else ""
        results.append(evaluate(hub, encoder_for(None, category, instruction), name))
    return results
