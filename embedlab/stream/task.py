"""What is left of a run, and the blocks of a source; without torch, which readers do not need."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from embedlab.data.rows import Unreadable
from embedlab.stream.folder import RunFolder, SourceRecord
from embedlab.stream.inputs import Source
from embedlab.stream.order import Order
from embedlab.stream.texts import Block, Walk


@dataclass(frozen=True, kw_only=True)
class Task:
    """What a worker needs; it can be sent to another process.

    ``todo`` are the numbers of the sources that are not finished, each with those of its parts that
    are there.
    """

    order: Order
    sources: tuple[Source, ...]
    out: Path
    device: str
    todo: Mapping[int, frozenset[int]]

    @property
    def folder(self) -> RunFolder:
        """Where the vectors go."""
        return RunFolder(self.out)


def blocks(task: Task, number: int, at: Callable[[float], None]) -> Iterator[Block]:
    """The blocks of a source that are not there yet; its record is written at its end.

    Args:
        number: of the source.
        at: called with the share of it that has been read.
    """
    source, folder = task.sources[number], task.folder
    walk = Walk(source=source, columns=task.order.columns, size=task.order.part_texts)
    record = SourceRecord(name=source.name, fingerprint=source.fingerprint, state="read")
    try:
        for block in walk.without(task.todo[number]):
            at(walk.done())
            yield block
        if not walk.texts:
            raise Unreadable("has no rows of text")
    except Unreadable as error:
        record = record.model_copy(update={"state": "failed", "error": str(error)})
    counted = {
        "parts": walk.blocks,
        "texts": walk.texts,
        "left_out": dict(walk.left_out),
        "rows_left_out": tuple(walk.rows_left_out),
        "mended": walk.mended,
    }
    folder.write_record(number, record.model_copy(update=counted))
    at(1.0)
