"""Files that are whole or absent, and what a full disk is called."""

from __future__ import annotations

import errno
import json
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

from embedlab.errors import EmbedLabError

if TYPE_CHECKING:
    from torch import Tensor

_TAKES_NO_MORE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_NOT_WRITABLE = (
    *(errno.EACCES, errno.EPERM, errno.EROFS, errno.EIO),
    *(errno.ENOTDIR, errno.EISDIR, errno.EEXIST),
)


def write_json(path: Path, content: object) -> None:
    """Readable JSON."""
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def write_whole(path: Path, text: str) -> None:
    """Write a file that has its name only once it is complete."""
    temporary = path.with_name(f"{path.name}.part")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(path)


def save_tensors(
    path: Path, tensors: Mapping[str, Tensor], about: dict[str, str] | None = None
) -> None:
    """Write a safetensors file that has its name only once it is complete.

    Raises:
        OSError: the disk did not take it.
    """
    from safetensors.torch import save_file

    whole = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    temporary = path.with_name(f"{path.name}.part")
    try:
        with safetensors_trouble():
            save_file(whole, temporary, metadata=about)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def safetensors_trouble() -> Iterator[None]:
    """Say as an OSError what safetensors, in its own way, reports of the disk."""
    from safetensors import SafetensorError

    try:
        yield
    except SafetensorError as error:
        full = f"os error {errno.ENOSPC}" in str(error)
        raise OSError(errno.ENOSPC if full else errno.EIO, str(error)) from error


@contextmanager
def atomic_folder(out: Path) -> Iterator[Path]:
    """A folder that gets its name once it is complete, and leaves nothing behind otherwise."""
    if out.exists():
        raise EmbedLabError(f"{out.name!r} exists already; choose another name or remove it.")
    part = out.with_name(f".{out.name}.{uuid4().hex[:8]}.part")
    with disk_errors(out.name):
        try:
            part.mkdir(parents=True)
            yield part
            part.rename(out)
        finally:
            shutil.rmtree(part, ignore_errors=True)


@contextmanager
def disk_errors(what: str, elsewhere: str = "choose another folder") -> Iterator[None]:
    """Say in one sentence that the disk took no more, whichever way a library said it.

    Args:
        what: is being stored.
        elsewhere: how to have it stored in another place.
    """
    try:
        yield
    except Exception as error:
        number = getattr(error, "errno", None)
        told = re.search(r"\(os error (\d+)\)", str(error))
        number = int(told[1]) if number is None and told else number
        if number in _TAKES_NO_MORE:
            raise EmbedLabError(
                f"{what} could not be stored: the disk is full. Free some space, or {elsewhere}."
            ) from error
        if number in _NOT_WRITABLE:
            raise EmbedLabError(
                f"{what} could not be stored: its folder cannot be written; {elsewhere}."
            ) from error
        raise
