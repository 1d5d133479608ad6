"""The Ray engine: the cluster reads the sources, and a pool of actors embeds and writes the parts.

What a read gives is whole blocks, the same ones as in one process, so a part does not depend on who
computes it: in float32 every number is the same. A part that was computed twice, because its worker
was lost, is the same file. Ray Data's own checkpoints are not needed: the run's folder is one, and
either engine goes on with what the other began.

torch is imported in functions: the processes that read do not need it.
"""

from __future__ import annotations

import logging
import os
import pickle
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from embedlab.cluster import check_gpus, connected, ray_errors, ray_module, shares
from embedlab.errors import EmbedLabError
from embedlab.progress import Progress
from embedlab.stream.order import Manifest
from embedlab.stream.pace import Pace
from embedlab.stream.task import Task, blocks
from embedlab.stream.texts import Block

if TYPE_CHECKING:
    from embedlab.models.steps import FittedSteps

_WHAT = "the embedding"


class RayEngine:
    """Computes on a Ray cluster.

    Args:
        address: as :func:`embedlab.cluster.connected` takes it.
        workers: at most so many actors; 0 for as many as fit.
        gpus_per_worker: GPUs, or a part of one, for each; 0 for workers on CPUs.
    """

    def __init__(
        self, *, address: str = "", workers: int = 0, gpus_per_worker: float = 0.0
    ) -> None:
        ray_module()
        self.address, self.workers, self.gpus = address, workers, gpus_per_worker

    def precision(self, dtype: str, device: str) -> str:
        """As :class:`~embedlab.stream.run.Engine` says: every worker has to take the same."""
        from embedlab.models.loading import DTYPE_VARIABLE, DTYPES

        if dtype == "auto":
            dtype = os.environ.get(DTYPE_VARIABLE, "bfloat16" if self.gpus else "float32")
        if dtype not in DTYPES:
            raise EmbedLabError(f"{dtype!r} is not offered; use auto, {' or '.join(DTYPES)}.")
        return dtype

    def session(self) -> AbstractContextManager[object]:
        """As :class:`~embedlab.stream.run.Engine` says."""
        return connected(self.address)

    def prepare(self, task: Task, given: Sequence[FittedSteps], progress: Progress) -> Manifest:
        """As :class:`~embedlab.stream.run.Engine` says, on a worker."""
        import ray

        check_gpus(self.gpus)
        progress(0, 0, "the first worker loads the backbone")
        remote = ray.remote(num_cpus=1, num_gpus=self.gpus, max_retries=2)(_prepare)
        with ray_errors(_WHAT):
            manifest: Manifest = ray.get(remote.remote(task, given))
        return manifest

    def run(self, task: Task, pace: Pace) -> None:
        """As :class:`~embedlab.stream.run.Engine` says."""
        import ray

        cpus, workers = shares(self.workers, self.gpus)
        shared = ray.put(task)
        with _quiet_data(), ray_errors(_WHAT):
            parts = ray.data.read_datasource(
                _sources(shared, task),
                override_num_blocks=max(1, len(task.todo)),
                # Reading waits for the disk, and no worker has to wait for a core to do it.
                num_cpus=0,
                concurrency=min(workers, len(task.todo)),
            ).map_batches(
                _Worker,
                batch_size=1,
                compute=ray.data.ActorPoolStrategy(
                    min_size=1, max_size=workers, initial_size=workers
                ),
                num_cpus=cpus,
                num_gpus=self.gpus,
                fn_constructor_args=(task,),
            )
            for part in parts.iter_rows():
                pace.at(int(part["source"]), float(part["done"]))
                pace.embedded(int(part["texts"]))
        self._check_seen(task)

    @staticmethod
    def _check_seen(task: Task) -> None:
        """Refuse a folder that the workers wrote to and this machine does not see."""
        there = task.folder.parts()
        for number in task.todo:
            record = task.folder.record(number)
            missing = record is None or record.state == "begun"
            if missing or (
                record.state == "read" and set(range(record.parts)) - there[number]  # type: ignore[union-attr]
            ):
                raise EmbedLabError(
                    f"Parts of {task.sources[number].name[-60:]!r} are not in {task.out.name!r} "
                    "though they were computed: all machines have to see one folder, so put --out "
                    "on shared storage."
                )


@contextmanager
def _quiet_data() -> Iterator[None]:
    """Ray Data as a part of something with a progress of its own, one block for each row."""
    import ray

    context = ray.data.DataContext.get_current()
    names = ("enable_progress_bars", "target_max_block_size", "target_min_block_size")
    before = {name: getattr(context, name) for name in names if hasattr(context, name)}
    logger = logging.getLogger("ray.data")
    level = logger.level
    context.enable_progress_bars = False
    # A part is a row, and a worker takes one row at a time: a block of many would be one worker's.
    context.target_max_block_size = context.target_min_block_size = 1
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)
        for name, value in before.items():
            setattr(context, name, value)


# What runs on the cluster


def _prepare(task: Task, given: Sequence[FittedSteps]) -> Manifest:
    from embedlab.stream.run import opened_embedder, prepared

    if not task.folder.vectors.is_dir():
        raise EmbedLabError(
            f"A worker does not see the folder {str(task.out)!r}; put --out on storage that all "
            "machines share."
        )
    return prepared(task, opened_embedder(task), given)


def _sources(shared: Any, task: Task) -> Any:
    """A datasource with a read task for each source that is not finished."""
    from ray.data import Datasource, ReadTask
    from ray.data.block import BlockMetadata

    class Sources(Datasource):
        def estimate_inmemory_data_size(self) -> int | None:
            return sum(task.sources[number].size for number in task.todo)

        def get_read_tasks(self, parallelism: int, *_: Any, **__: Any) -> list[Any]:
            unknown = BlockMetadata(
                num_rows=None, size_bytes=None, input_files=None, exec_stats=None
            )
            return [ReadTask(partial(_read, shared, number), unknown) for number in task.todo]

    return Sources()


def _read(shared: Any, number: int) -> Iterator[Any]:
    """The blocks of a source that are not there yet, each a table of one row."""
    import pyarrow as pa
    import ray

    share = 0.0

    def at(now: float) -> None:
        nonlocal share
        share = now

    for block in blocks(ray.get(shared), number, at):
        columns = {
            "source": [number],
            "done": [share],
            "block": [pickle.dumps(tuple(block))],
        }
        yield pa.table(columns)


class _Worker:
    """An actor with a backbone: takes blocks, writes parts."""

    def __init__(self, task: Task) -> None:
        from embedlab.stream.run import opened_embedder, prepared

        self.task, self.embedder = task, opened_embedder(task)
        prepared(task, self.embedder, ())

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        source = int(batch["source"][0])
        block = Block(*pickle.loads(batch["block"][0]))  # noqa: S301 - of :func:`_read`
        table = self.embedder.table(self.task.sources[source].name, block)
        self.task.folder.write_part(source, block.number, table)
        return {"source": batch["source"], "done": batch["done"], "texts": [len(block.texts)]}
