"""The folder of a run; a file gets its name only when it is complete::

    manifest.json     what the run is
    steps/            the fitted steps of the designs that have some
    sources/          a record for each source: begun, read to its end, or failed
    vectors/          the parts, SOURCE-PART.parquet, both numbers from 0

What is done is what lies there: a source is finished once its record says how many parts it has and
all of them are there. So any engine goes on with what another began, and a part that two workers
write is the same file twice.
"""

from __future__ import annotations

import os
import re
import uuid
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ValidationError

from embedlab.errors import EmbedLabError
from embedlab.files import disk_errors
from embedlab.stream.inputs import Source
from embedlab.stream.order import Manifest

if TYPE_CHECKING:
    import pyarrow as pa

_FOLDERS = ("steps", "sources", "vectors")
_PART = re.compile(r"(\d+)-(\d+)\.parquet")


class SourceRecord(BaseModel, extra="forbid", frozen=True):
    """What became of one source.

    Attributes:
        parts, texts: how many it has; known once it was read to its end.
        left_out: reasons for which rows were left out, and how many.
        rows_left_out: the first of their numbers, from 1.
        mended: texts with bytes that were no text, read as �.
        error: why it could not be read, or not to its end.
    """

    name: str
    fingerprint: str
    state: Literal["begun", "read", "failed"]
    parts: int = 0
    texts: int = 0
    left_out: dict[str, int] = {}
    rows_left_out: tuple[int, ...] = ()
    mended: int = 0
    error: str = ""


class RunFolder:
    """The folder with one run's vectors; it need not exist yet."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.vectors = path / "vectors"
        self._manifest = path / "manifest.json"

    @contextmanager
    def claimed(self) -> Iterator[None]:
        """Hold the folder for this process, and clear away what a killed one left half written.

        Raises:
            EmbedLabError: another process works on it, or it holds other things.
        """
        from filelock import FileLock, Timeout

        name = self.path.name
        if self.path.exists() and not self.path.is_dir():
            raise EmbedLabError(f"{name!r} is a file; --out is a folder here.")
        if self.path.is_dir() and not self._manifest.exists():
            # A run that was stopped before it began has left its empty folders.
            own = (".lock", *_FOLDERS)
            others = [each for each in self.path.iterdir() if each.name not in own]
            if others:
                raise EmbedLabError(f"{name!r} holds other things than a run; choose a new folder.")
        with disk_errors(name):
            for each in _FOLDERS:
                (self.path / each).mkdir(parents=True, exist_ok=True)
        try:
            with FileLock(self.path / ".lock", timeout=0):
                for partial in self.path.rglob(".*.partial"):
                    partial.unlink(missing_ok=True)
                yield
        except Timeout as error:
            raise EmbedLabError(
                f"Another process is writing into {name!r}; wait for it, or choose another folder."
            ) from error

    def manifest(self) -> Manifest | None:
        """What the run is; None where none began here.

        Raises:
            EmbedLabError: it is damaged, or of another version.
        """
        try:
            return Manifest.model_validate_json(self._manifest.read_bytes())
        except FileNotFoundError:
            return None
        except ValidationError as error:
            raise EmbedLabError(
                f"The manifest.json of {self.path.name!r} is damaged or of another version of "
                "EmbedLab; choose another folder."
            ) from error

    def begin(self, manifest: Manifest) -> None:
        """Write down what the run is."""
        self._write(self._manifest, manifest.model_dump_json(indent=2))

    def steps_file(self, design: int) -> Path:
        """Where the fitted steps of design number ``design`` are."""
        return self.path / "steps" / f"{design:02d}.safetensors"

    # Sources

    def record(self, source: int) -> SourceRecord | None:
        """What became of source number ``source``; None where it was not begun."""
        try:
            return SourceRecord.model_validate_json(self._record(source).read_bytes())
        except (FileNotFoundError, ValidationError):
            return None

    def write_record(self, source: int, record: SourceRecord) -> None:
        """Write down what became of a source."""
        self._write(self._record(source), record.model_dump_json())

    def parts(self) -> dict[int, set[int]]:
        """The numbers of the parts that are there, by source."""
        found = defaultdict(set)
        for path in self.vectors.iterdir():
            if match := _PART.fullmatch(path.name):
                found[int(match[1])].add(int(match[2]))
        return found

    def part_files(self) -> list[Path]:
        """The parts in their order."""
        return sorted(path for path in self.vectors.iterdir() if _PART.fullmatch(path.name))

    def todo(self, number: int, source: Source, there: set[int]) -> bool:
        """Whether a source is not finished; makes it ready to be begun or to go on.

        Args:
            number: of the source.
            source: as it is now.
            there: the numbers of its parts, changed in place.

        Raises:
            EmbedLabError: its content is not what its parts were made of.
        """
        record = self.record(number)
        changed = record is not None and record.fingerprint != source.fingerprint
        if changed and there and record is not None and record.state != "failed":
            raise EmbedLabError(
                f"{source.name[-80:]!r} has changed since its first texts were embedded into "
                f"{self.path.name!r}; put it back, or choose another folder."
            )
        if record is not None and not changed and record.state == "read":
            return there != set(range(record.parts))
        if changed or record is None:
            for part in there:
                self.part(number, part).unlink()
            there.clear()
        begun = SourceRecord(name=source.name, fingerprint=source.fingerprint, state="begun")
        self.write_record(number, begun)
        return True

    # Parts

    def part(self, source: int, part: int) -> Path:
        """Where a part is."""
        return self.vectors / f"{source:05d}-{part:05d}.parquet"

    def write_part(self, source: int, part: int, table: pa.Table) -> None:
        """Write a part, whole or not at all.

        Raises:
            EmbedLabError: the disk is full.
        """
        import pyarrow.parquet as pq

        plain = [name for name in ("file", "id", "text", "problem") if name in table.column_names]
        # Numbers of vectors neither repeat nor compress.
        compression = dict.fromkeys(table.column_names, "NONE") | dict.fromkeys(plain, "ZSTD")
        with self._whole(self.part(source, part), durable=True) as partial:
            pq.write_table(table, partial, compression=compression, use_dictionary=["file"])

    def _record(self, source: int) -> Path:
        return self.path / "sources" / f"{source:05d}.json"

    def _write(self, path: Path, text: str) -> None:
        with self._whole(path) as partial:
            partial.write_text(text + "\n", encoding="utf-8")

    @contextmanager
    def _whole(self, path: Path, *, durable: bool = False) -> Iterator[Path]:
        """A path to write to, renamed to ``path`` once the block succeeds.

        Its name is hidden and its own: readers of the folder skip it, and two workers that write
        the same part do not meet. What is ``durable`` is on the disk before it has its name; of
        records that a power cut emptied, the sources are read again.
        """
        partial = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.partial")
        with disk_errors(path.name, "give the same command again with room for the rest"):
            try:
                yield partial
                if durable:
                    with partial.open("rb") as file:
                        os.fsync(file.fileno())
                partial.replace(path)
            finally:
                partial.unlink(missing_ok=True)


def facts_of(paths: Sequence[Path]) -> dict[str, int]:
    """What the parts' metadata says, summed: ``texts``, ``truncated`` and ``problems``."""
    import pyarrow.parquet as pq

    total: dict[str, Any] = {"texts": 0, "truncated": 0, "problems": 0}
    for path in paths:
        metadata = pq.read_metadata(path)
        total["texts"] += metadata.num_rows
        for name in ("truncated", "problems"):
            total[name] += int(metadata.metadata[f"embedlab.{name}".encode()])
    return total
