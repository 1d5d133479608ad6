"""A run: the order is checked against the folder, steps are fitted, an engine does what is left."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from embedlab import __version__
from embedlab.errors import EmbedLabError
from embedlab.memory import share_freed_memory
from embedlab.models.loading import load_backbone, precision
from embedlab.models.state_cache import StateCache
from embedlab.models.steps import FittedSteps
from embedlab.progress import Progress, no_progress
from embedlab.stream.duplicates import Duplicates, duplicate_ids
from embedlab.stream.embedder import Embedder
from embedlab.stream.folder import RunFolder, SourceRecord, facts_of
from embedlab.stream.inputs import Source
from embedlab.stream.order import Manifest, Order
from embedlab.stream.pace import Pace
from embedlab.stream.task import Task, blocks
from embedlab.stream.texts import sample

Say = Callable[[str], None]


class Engine(Protocol):
    """What computes: this process, or a cluster."""

    def precision(self, dtype: str, device: str) -> str:
        """What a ``dtype`` means where it computes: ``float32`` or ``bfloat16``."""

    def session(self) -> AbstractContextManager[object]:
        """Around all that follows."""

    def prepare(self, task: Task, given: Sequence[FittedSteps], progress: Progress) -> Manifest:
        """Load the backbone, check the designs, fit their steps; what the run then is."""

    def run(self, task: Task, pace: Pace) -> None:
        """Embed what is left to do."""


@dataclass(frozen=True, kw_only=True)
class Result:
    """What lies in a folder at a run's end."""

    manifest: Manifest
    texts: int
    parts: int
    truncated: int
    problems: int
    rate: float
    embedded_now: int
    records: tuple[SourceRecord, ...]
    duplicates: Duplicates

    @property
    def failed(self) -> list[SourceRecord]:
        """The sources that could not be read, or not to their end."""
        return [record for record in self.records if record.state == "failed"]

    @property
    def complete(self) -> bool:
        """Whether every text of the input has its vectors."""
        return not self.failed and not self.problems


def run(
    order: Order,
    sources: Sequence[Source],
    out: Path,
    engine: Engine,
    *,
    device: str = "auto",
    given: Sequence[FittedSteps] = (),
    progress: Progress = no_progress,
    say: Say | None = None,
) -> Result:
    """Embed what is not in the folder yet, and say what is there then.

    Args:
        order: what the run is; its sources are the names of ``sources``.
        sources: the files and splits, in the order of their names in ``order``.
        out: the folder; made where it is not there.
        engine: computes.
        device: as for :func:`embedlab.load_backbone`.
        given: steps that were fitted before, for the designs that they belong to.
        progress: may raise Cancelled; parts that are there stay.
        say: called with a line now and then; None where progress is drawn.

    Raises:
        EmbedLabError: the folder holds another run, an input has changed, a design does not fit
            the backbone, a worker failed, or the disk is full.
    """
    share_freed_memory()
    folder = RunFolder(out)
    with folder.claimed():
        before = folder.manifest()
        if before is not None:
            order.check_same(before.order, out.name)
        there = folder.parts()
        todo = {
            i: frozenset(there[i])
            for i, source in enumerate(sources)
            if folder.todo(i, source, there[i])
        }
        task = Task(
            order=order,
            sources=tuple(sources),
            out=out.resolve(),
            device=device,
            todo=todo,
        )
        finished = [i for i in range(len(sources)) if i not in todo]
        pace = Pace(sources, finished, progress, say)
        if before is None or todo:
            with engine.session():
                manifest = engine.prepare(task, given, progress)
                if before is not None:
                    _check_weights(before, manifest, out.name)
                folder.begin(manifest)
                pace = Pace(sources, finished, progress, say)
                engine.run(task, pace)
        return _result(folder, len(sources), pace)


def _check_weights(before: Manifest, now: Manifest, folder: str) -> None:
    if (before.weights, before.widths) != (now.weights, now.widths):
        raise EmbedLabError(
            f"The weights of {now.backbone_name!r} are others than when the run in {folder!r} "
            "began; choose another folder."
        )


def _result(folder: RunFolder, sources: int, pace: Pace) -> Result:
    manifest = folder.manifest()
    assert manifest is not None
    parts = folder.part_files()
    facts = facts_of(parts)
    records = (folder.record(i) for i in range(sources))
    return Result(
        manifest=manifest,
        parts=len(parts),
        rate=pace.rate,
        embedded_now=pace.texts,
        records=tuple(record for record in records if record is not None),
        duplicates=duplicate_ids(parts, facts["texts"]),
        **facts,
    )


# What every engine calls


def opened_embedder(task: Task, progress: Progress = no_progress) -> Embedder:
    """The backbone of a run with its designs, before their steps are there."""
    order = task.order
    backbone = load_backbone(
        order.backbone,
        task.device,
        order.dtype,
        base=order.base or None,
        # Every text is embedded once, so a cache would only take memory.
        cache=StateCache(0),
        progress=progress,
    )
    return Embedder(order, backbone)


def prepared(
    task: Task, embedder: Embedder, given: Sequence[FittedSteps], progress: Progress = no_progress
) -> Manifest:
    """What the run is, once its steps are fitted or read from the folder.

    Raises:
        EmbedLabError: a step cannot be fitted.
    """
    folder, designs = task.folder, embedder.designs
    fitted = [i for i, design in enumerate(designs) if design.fitted]
    before = folder.manifest()
    if before is not None and before.weights:
        embedder.load_steps({i: folder.steps_file(i) for i in fitted})
        fitted_on = before.fitted_on
    else:
        fitted_on = _fit(task, embedder, given, progress)
        for i in fitted:
            embedder.steps[i].save(folder.steps_file(i))
    backbone = embedder.backbone
    widths = [
        steps(embedder.any_row(design)).shape[1]
        for steps, design in zip(embedder.steps, designs, strict=True)
    ]
    return Manifest(
        version=__version__,
        order=task.order,
        weights=embedder.weights,
        backbone_name=backbone.name,
        columns=tuple(map(str, designs)),
        widths=tuple(widths),
        fitted_on=fitted_on,
    )


def _fit(task: Task, embedder: Embedder, given: Sequence[FittedSteps], progress: Progress) -> str:
    by_design = {steps.design: steps for steps in given}
    needed = [str(d) for d in embedder.designs if d.fitted and str(d) not in by_design]
    unknown = set(by_design) - {str(design) for design in embedder.designs}
    if unknown:
        raise EmbedLabError(
            f"Steps were given for {sorted(unknown)[0]}, which is none of the designs; leave that "
            "file out, or add the design."
        )
    if not needed:
        embedder.fit((), "", by_design)
        return "; ".join(dict.fromkeys(steps.source for steps in given if steps.source))
    if task.order.query:
        raise EmbedLabError(
            f"The steps of {needed[0]} are never fitted on queries; fit them on documents with "
            "`embedlab fit` and give the file with --steps."
        )
    texts, source = sample(task.sources, task.order.columns, task.order.fit_texts)
    embedder.fit(texts, source, by_design)
    return "; ".join([source, *dict.fromkeys(steps.source for steps in given if steps.source)])


class LocalEngine:
    """Computes in this process, on its device; a part is written while the next is computed."""

    def __init__(self) -> None:
        self._embedder: Embedder | None = None

    def precision(self, dtype: str, device: str) -> str:
        """As :class:`Engine` says."""
        return precision(dtype, device)

    def session(self) -> AbstractContextManager[object]:
        """As :class:`Engine` says."""
        return nullcontext()

    def prepare(self, task: Task, given: Sequence[FittedSteps], progress: Progress) -> Manifest:
        """As :class:`Engine` says."""
        self._embedder = opened_embedder(task, progress)
        return prepared(task, self._embedder, given, progress)

    def run(self, task: Task, pace: Pace) -> None:
        """As :class:`Engine` says."""
        assert self._embedder is not None
        folder, embedder = task.folder, self._embedder
        writing: Future[None] | None = None
        with ThreadPoolExecutor(1, thread_name_prefix="writer") as writer:
            for number in task.todo:

                def at(share: float, number: int = number) -> None:
                    pace.at(number, share)

                for block in blocks(task, number, at):
                    table = embedder.table(
                        task.sources[number].name, block, lambda done, *_: pace.under_way(done)
                    )
                    if writing is not None:
                        writing.result()  # one part at most waits for the disk
                    writing = writer.submit(folder.write_part, number, block.number, table)
                    pace.embedded(len(block.texts))
            if writing is not None:
                writing.result()
