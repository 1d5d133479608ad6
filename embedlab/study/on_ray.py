"""A study on a Ray cluster: every cell is a task of its own, with the same results and report."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from embedlab.cluster import check_gpus, connected, ray_errors, shares
from embedlab.errors import Cancelled, EmbedLabError
from embedlab.progress import Progress, no_progress
from embedlab.study.definition import Cell, Study
from embedlab.study.folder import CellResult, StudyFolder
from embedlab.study.report import RunFacts, TaskFacts

if TYPE_CHECKING:
    from embedlab.study.run import Say, Setup

#: Seconds between two looks at the tasks, and two calls of ``progress``.
_LOOK_SECONDS = 0.5
#: How often a cell whose machine is lost begins again, from its last checkpoint where it is seen.
_RETRIES = 3
#: Of the process that runs cells: what the last one needed serves the next.
_SETUPS: dict[tuple[Any, ...], Setup] = {}


def run_on_ray(
    study: Study,
    folder: Path,
    *,
    address: str = "",
    workers: int = 0,
    gpus_per_worker: float = 0.0,
    command: str = "",
    device: str = "auto",
    dtype: str = "auto",
    say: Say = lambda line: None,
    progress: Progress = no_progress,
) -> list[CellResult]:
    """Run the cells of a study that are not done yet on a cluster; as :func:`.run.run`.

    This process alone writes results. Where the workers see the study's folder too, a training
    goes on from its checkpoint after its machine was lost; else it begins again.

    Args:
        address, workers, gpus_per_worker: as for the embedding of many texts.

    Raises:
        EmbedLabError: also where Ray is not installed, or the address does not answer.
    """
    results = StudyFolder(study, folder)
    with connected(address) as ray:
        check_gpus(gpus_per_worker)
        results.claim()
        cpus, most = shares(workers, gpus_per_worker)
        needs = {"num_cpus": cpus, "num_gpus": gpus_per_worker, "max_retries": _RETRIES}
        machines = sum(node["Alive"] for node in ray.nodes())
        where = {
            "folder": str(folder.resolve()),
            "command": command,
            "device": device,
            "dtype": (results.precision or dtype) if dtype == "auto" else dtype,
            "share": min(1.0, machines / most),
        }
        say("a worker reads the tasks and loads the backbone")
        with ray_errors("the study"):
            tasks, facts = ray.get(ray.remote(**needs)(_facts).remote(study, where))
        results.begin(tasks, facts)
        where["dtype"] = (facts.backbone or {})["precision"]
        todo = [cell for cell in study.cells if not results.is_done(cell)]
        remote = ray.remote(**needs)(_cell)
        waiting = [remote.remote(study, where, cell) for cell in todo[:most]]
        cells = dict(zip(waiting, todo, strict=False))
        ahead = iter(todo[most:])
        while cells:
            progress(len(todo) - len(cells), len(todo), f"{len(cells):,} cells on {most} workers")
            ended, _ = ray.wait(list(cells), timeout=_LOOK_SECONDS)
            for task in ended:
                cell = cells.pop(task)
                result = _result(ray, task, study, cell, facts)
                results.save(result)
                say(f"{cell}: {result.status} {result.error}".rstrip())
                # One follows one, so that no more cells are lost than there are workers.
                if (following := next(ahead, None)) is not None:
                    cells[remote.remote(study, where, following)] = following
    return results.results()


def _result(ray: Any, task: Any, study: Study, cell: Cell, facts: RunFacts) -> CellResult:
    """What a cell's task returned, or that it failed for good."""
    try:
        with ray_errors("the study"):
            return CellResult.model_validate(ray.get(task))
    except Cancelled:
        raise
    except EmbedLabError as error:
        values = dict(cell) | dict(facts)
        values |= {"study": study.digest, "status": "failed", "error": str(error)}
        return CellResult.model_validate(values)


# What runs on the cluster


def _setup(study: Study, where: dict[str, Any]) -> Setup:
    from embedlab.study.run import CACHE_BYTES, fill_cache, set_up

    key = (study.digest, *where.values())
    if key not in _SETUPS:
        _SETUPS.clear()
        _SETUPS[key] = set_up(
            study,
            StudyFolder(study, Path(where["folder"])),
            command=where["command"],
            device=where["device"],
            dtype=where["dtype"],
            # A machine that runs several cells has this memory once.
            cache_bytes=int(CACHE_BYTES * where["share"]),
        )
        fill_cache(_SETUPS[key])
    return _SETUPS[key]


def _facts(study: Study, where: dict[str, Any]) -> tuple[tuple[TaskFacts, ...], RunFacts]:
    setup = _setup(study, where)
    return setup.tasks, setup.facts


def _cell(study: Study, where: dict[str, Any], cell: Cell) -> dict[str, Any]:
    from embedlab.study.run import run_cell

    return run_cell(_setup(study, where), cell).model_dump(exclude_unset=True)
