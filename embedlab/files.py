"""Files and folders that are complete or absent, and plain words for a disk that takes no more."""

from __future__ import annotations

import errno
import json
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from embedlab.errors import EmbedLabError

if TYPE_CHECKING:
    from torch import Tensor

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_NOT_WRITABLE = (
    *(errno.EACCES, errno.EPERM, errno.EROFS, errno.EIO),
    *(errno.ENOTDIR, errno.EISDIR, errno.EEXIST),
)


@contextmanager
def atomic_file(path: Path) -> Iterator[Path]:
    """A path to write to, renamed to ``path`` once the block succeeds and removed otherwise.

    What stood at ``path`` stays until then. One writer at a time.
    """
    partial = path.with_name(f"{path.name}.partial")
    try:
        yield partial
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


@contextmanager
def atomic_folder(folder: Path, *, replace: bool = False) -> Iterator[Path]:
    """A new folder, renamed to ``folder`` once the block succeeds and removed otherwise.

    With ``replace`` a folder that is there already is replaced; else that is an error.

    Raises:
        EmbedLabError: ``folder`` exists.
        OSError: the disk is full or cannot be written; :func:`disk_errors` explains it.
    """
    if folder.exists() and not replace:
        raise EmbedLabError(f"{folder.name!r} exists already; choose another name or remove it.")
    partial = folder.with_name(f"{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)  # of a process that was killed
    try:
        partial.mkdir(parents=True)
        yield partial
        if replace:
            shutil.rmtree(folder, ignore_errors=True)
        partial.rename(folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def write_text(path: Path, text: str) -> None:
    """Write a text file in UTF-8 as :func:`atomic_file` does."""
    with atomic_file(path) as partial:
        partial.write_text(text, encoding="utf-8")


def write_json(path: Path, content: object) -> None:
    """Write readable JSON as :func:`atomic_file` does."""
    write_text(path, json.dumps(content, indent=2, ensure_ascii=False) + "\n")


def save_tensors(
    path: Path, tensors: Mapping[str, Tensor], metadata: dict[str, str] | None = None
) -> None:
    """Write a safetensors file as :func:`atomic_file` does.

    Raises:
        OSError: the disk did not take it.
    """
    from safetensors.torch import save_file

    ready = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    with atomic_file(path) as partial, safetensors_errors():
        save_file(ready, partial, metadata=metadata)


@contextmanager
def safetensors_errors() -> Iterator[None]:
    """Raise what safetensors reports of the disk, in an exception of its own, as an OSError."""
    from safetensors import SafetensorError

    try:
        yield
    except SafetensorError as error:
        full = f"os error {errno.ENOSPC}" in str(error)
        raise OSError(errno.ENOSPC if full else errno.EIO, str(error)) from error


@contextmanager
def disk_errors(what: str, advice: str = "choose another folder") -> Iterator[None]:
    """Explain in one sentence that the disk took no more, however a library reports it.

    Args:
        what: is being stored.
        advice: how to have it stored in another place.
    """
    try:
        yield
    except Exception as error:
        number = getattr(error, "errno", None)
        in_text = re.search(r"\(os error (\d+)\)", str(error))
        number = int(in_text[1]) if number is None and in_text else number
        if number in _FULL:
            raise EmbedLabError(
                f"{what} could not be stored: the disk is full. Free some space, or {advice}."
            ) from error
        if number in _NOT_WRITABLE:
            raise EmbedLabError(
                f"{what} could not be stored: its folder cannot be written; {advice}."
            ) from error
        raise
