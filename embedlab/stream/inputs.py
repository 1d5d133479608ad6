"""What an INPUT names: a file, the files of a folder or a glob, the splits of a Hub data set."""

from __future__ import annotations

import glob
import hashlib
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from embedlab.errors import EmbedLabError

#: The endings of files that are read as a stream.
KINDS = (".parquet", ".jsonl", ".ndjson", ".csv", ".tsv", ".txt")
#: Bytes at either end of a file that tell it from another.
_ENDS = 65_536
_HUB_NAME = re.compile(r"\w[\w.-]*/\w[\w.-]*")


@dataclass(frozen=True, kw_only=True)
class Source:
    """One file, or one split of a Hub data set.

    ``name`` is what rows and messages call it, and stays the same when the command is repeated in
    the same place. ``place`` is the absolute path of a file, or ``owner/name`` of a data set.
    ``fingerprint`` tells its content from another one's: of a file by its size and its two ends,
    of a data set by its revision. ``size`` is in bytes; 0 where it is unknown.
    """

    name: str
    place: str
    kind: str
    split: str = ""
    fingerprint: str = ""
    size: int = 0

    @property
    def path(self) -> Path:
        """Of a file."""
        return Path(self.place)


def sources_of(inputs: Sequence[str], out: Path, split: str = "") -> tuple[list[Source], list[str]]:
    """The sources that inputs name, in a fixed order, and sentences on files that were left out.

    Args:
        inputs: files, folders, globs, or names of Hub data sets.
        out: the folder for the vectors, which is never an input itself.
        split: the one split of Hub data sets that is read; by default all.

    Raises:
        EmbedLabError: an input names nothing, or nothing that can be read as a stream.
    """
    sources: list[Source] = []
    notes: list[str] = []
    for text in inputs:
        path = Path(text)
        if path.is_dir():
            files, others = _files_below(path, out)
            if not files:
                raise EmbedLabError(
                    f"The folder {text[-80:]!r} has no file that can be read as a stream "
                    f"({', '.join(KINDS)})."
                )
            notes += _left_out(text, others)
        elif path.exists():
            files = [path]
        elif matches := sorted(map(Path, glob.glob(text, recursive=True))):  # noqa: PTH207 - may be absolute
            files = [match for match in matches if match.is_file()]
        elif _HUB_NAME.fullmatch(text):
            sources += _hub_sources(text, split)
            continue
        else:
            raise EmbedLabError(
                f"{text[-80:]!r} is no file, folder or glob that matches one, and no name of a Hub "
                "data set (owner/name); check the path."
            )
        sources += map(_file, files)
    repeated = len(sources) - len({(each.place, each.split) for each in sources})
    if repeated:
        raise EmbedLabError(
            f"{repeated:,} of the {len(sources):,} inputs are named twice; name each file once."
        )
    return sources, notes


def _files_below(folder: Path, out: Path) -> tuple[list[Path], list[Path]]:
    """The files in a folder that can be streamed, and those of other kinds; none that is hidden."""
    files: list[Path] = []
    others: list[Path] = []
    for path in sorted(folder.rglob("*")):
        parts = path.relative_to(folder).parts
        hidden = any(part.startswith((".", "__")) for part in parts)
        if hidden or not path.is_file() or out.resolve() in path.resolve().parents:
            continue
        (files if path.suffix.lower() in KINDS else others).append(path)
    return files, others


def _left_out(folder: str, others: Sequence[Path]) -> Iterator[str]:
    if others:
        yield (
            f"{len(others):,} file{'s' * (len(others) != 1)} of {folder!r} "
            f"{'are' if len(others) != 1 else 'is'} of another kind and left out, such as "
            f"{others[0].name[-60:]!r}."
        )


def _file(path: Path) -> Source:
    kind = path.suffix.lower()
    if kind not in KINDS:
        raise EmbedLabError(
            f"{path.name[-60:]!r} cannot be read as a stream; use {', '.join(KINDS)}."
        )
    size, fingerprint = _fingerprint(path)
    return Source(
        name=path.as_posix(),
        place=str(path.resolve()),
        kind=kind,
        fingerprint=fingerprint,
        size=size,
    )


def _fingerprint(path: Path) -> tuple[int, str]:
    """Size and a hash of the two ends; an empty hash where the file cannot be opened."""
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            ends = file.read(_ENDS)
            file.seek(max(0, size - _ENDS))
            ends += file.read(_ENDS)
    except OSError:  # named when its turn comes
        return 0, ""
    return size, hashlib.sha256(f"{size}\n".encode() + ends).hexdigest()[:16]


def _hub_sources(name: str, split: str) -> Iterable[Source]:
    from embedlab.data.hub_dataset import streamed_splits

    revision, splits = streamed_splits(name)
    if split and split not in splits:
        raise EmbedLabError(
            f"The data set {name!r} has no split {split[:40]!r}; it has {', '.join(splits)}."
        )
    for each in [split] if split else splits:
        yield Source(
            name=f"{name}:{each}", place=name, kind="hub", split=each, fingerprint=revision
        )
