"""Zip archives: packing an export, and unpacking an upload."""

from __future__ import annotations

import json
import shutil
import stat
import zipfile
from collections.abc import Sequence
from pathlib import Path

from embedlab.child_process import Bounds, in_child_process
from embedlab.errors import EmbedLabError
from embedlab.export.model_card import public_name
from embedlab.files import atomic_file, atomic_folder, disk_errors
from embedlab.models.run_folder import read_run_info

_MEGABYTE = 10**6
#: The files that an adapter's archive may hold, and the most bytes of each.
_MEMBERS = {
    "run.json": _MEGABYTE,
    "adapter/adapter_config.json": _MEGABYTE,
    "adapter/adapter_model.safetensors": 2000 * _MEGABYTE,
    "head.safetensors": 2000 * _MEGABYTE,
    "steps.safetensors": 500 * _MEGABYTE,
    "history.jsonl": 100 * _MEGABYTE,
    "README.md": _MEGABYTE,
}
_MOST_BYTES = 2000 * _MEGABYTE


def package(folder: Path, target_zip: Path) -> Path:
    """Pack the regular files of a folder; the archive gets its name once it is complete.

    Raises:
        EmbedLabError: the disk is full.
    """
    with (
        disk_errors(target_zip.name),
        atomic_file(target_zip) as partial,
        # Weights do not compress, so nothing is: it would take minutes.
        zipfile.ZipFile(partial, "w", strict_timestamps=False) as archive,
    ):
        for path in sorted(folder.rglob("*")):
            if path.is_file() and not path.is_symlink():
                archive.write(path, path.relative_to(folder).as_posix())
    return target_zip


def open_archive(archive: Path, into: Path, bounds: Bounds | None = None) -> Path:
    """Unpack an uploaded archive of an adapter; only the files of an adapter are accepted.

    Args:
        archive: a zip file as :func:`package` makes it from an adapter's folder.
        into: the folder to make; it must not exist.
        bounds: what the process that reads it may use.

    Raises:
        EmbedLabError: it is no such archive, or holds anything else: another name, a path out of
            the folder, a link, more than 2 GB.
    """
    with disk_errors(into.name), atomic_folder(into) as folder:
        in_child_process(unpack, archive, bounds=bounds, into=str(folder))
    return into


def unpack(archive: Path, into: str) -> None:
    """The part of :func:`open_archive` that reads the archive, into an empty folder."""
    folder = Path(into)
    try:
        with disk_errors(folder.stem), zipfile.ZipFile(archive) as opened:
            members = [info for info in opened.infolist() if info.filename != "adapter/"]
            _check_members(members)
            for info in members:
                target = folder / info.filename
                target.parent.mkdir(exist_ok=True)
                with opened.open(info) as source, target.open("wb") as sink:
                    shutil.copyfileobj(source, sink)
        _check_contents(folder)
    except (EmbedLabError, MemoryError):
        raise
    except Exception as error:  # whatever zipfile and zlib raise for damaged bytes
        why = error if isinstance(error, _Refusal) else "it is no sound zip archive"
        raise EmbedLabError(
            f"The archive {archive.name[:60]!r} was refused: {why}. Choose an adapter archive as "
            "EmbedLab exports it."
        ) from error


class _Refusal(Exception):
    """The reason why an archive is refused."""


def _check_members(members: Sequence[zipfile.ZipInfo]) -> None:
    names = [info.filename for info in members]
    for info in members:
        kind = stat.S_IFMT(info.external_attr >> 16)
        if info.filename not in _MEMBERS:
            raise _Refusal(f"it holds {info.filename[:60]!r}, which no adapter has")
        if kind not in (0, stat.S_IFREG):
            raise _Refusal(f"{info.filename!r} in it is a link or no regular file")
        if info.flag_bits & 1:
            raise _Refusal("it is encrypted")
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise _Refusal("it is compressed in an unusual way")
        if info.file_size > _MEMBERS[info.filename]:
            raise _Refusal(f"{info.filename!r} in it is too large")
    if len(set(names)) < len(names):
        raise _Refusal("it holds a name twice")
    if sum(info.file_size for info in members) > _MOST_BYTES:
        raise _Refusal("it takes more than 2 GB unpacked")
    adapter = {name for name in names if name.startswith("adapter/")}
    if "run.json" not in names or len(adapter) == 1 or not adapter | ({*names} - {"run.json"}):
        raise _Refusal("it lacks run.json, or a part of the adapter")


def _check_contents(folder: Path) -> None:
    from safetensors import SafetensorError, safe_open

    try:
        for path in folder.rglob("*.json"):
            if not isinstance(json.loads(path.read_text(encoding="utf-8")), dict):
                raise ValueError("no facts")
        for path in folder.rglob("*.safetensors"):
            with safe_open(path, framework="np"):
                pass
        path = folder / "run.json"
        backbone_id = read_run_info(folder).backbone.id
    except (ValueError, RecursionError, SafetensorError) as error:
        raise _Refusal(f"{path.name!r} in it is damaged") from error
    if public_name(backbone_id) != backbone_id:
        raise _Refusal("its backbone is a folder on another machine")
