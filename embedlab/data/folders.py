"""The files of a folder, of a zip archive, or given together, by their names."""

from __future__ import annotations

import shutil
import stat
import zipfile
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from embedlab.errors import EmbedLabError

_MOST_FILES = 1_000
#: How many times the limit on an upload the files of an archive may have unpacked.
_MOST_EXPANSION = 5


def files_of(paths: Sequence[Path], scratch: Path, max_bytes: int) -> dict[str, Path]:
    """The files by their names, those of an archive unpacked into an empty folder.

    Raises:
        EmbedLabError: there are none or too many, they are too large, or the archive is unsound.
    """
    first = paths[0]
    if len(paths) == 1 and first.suffix.lower() == ".zip":
        _unpack(first, scratch, max_bytes)
        return _in_folder(scratch)
    if first.is_dir():
        files = _in_folder(first)
    else:
        # MTEB has files of one name in several folders.
        names = [path.name for path in paths]
        files = {
            path.name if names.count(path.name) == 1 else f"{i}/{path.name}": path
            for i, path in enumerate(paths, start=1)
        }
    size = sum(path.stat().st_size for path in files.values())
    if size > max_bytes:
        raise EmbedLabError(
            f"{name_of(paths)} has {size / 1e6:,.1f} MB; the limit is {max_bytes / 1e6:,.1f} MB, "
            "so leave some of it out."
        )
    return files


def _in_folder(folder: Path) -> dict[str, Path]:
    """The files in a folder by their relative names, without hidden ones."""
    files = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        hidden = any(part.startswith((".", "__")) for part in name.split("/"))
        if path.is_file() and not hidden:
            files[name] = path
        if len(files) > _MOST_FILES:
            raise EmbedLabError(
                f"{folder.name[-60:]!r} holds more than {_MOST_FILES:,} files; choose the folder "
                "of one data set."
            )
    if not files:
        raise EmbedLabError("There is no file in it; choose a folder or an archive with texts.")
    return files


def _unpack(archive: Path, into: Path, max_bytes: int) -> None:
    """The regular files of a zip archive, never outside of the folder ``into``."""
    try:
        with zipfile.ZipFile(archive) as opened:
            members = [info for info in opened.infolist() if not info.is_dir()]
            _check_members(archive, members, _MOST_EXPANSION * max_bytes)
            for info in members:
                target = into / info.filename
                target.parent.mkdir(parents=True, exist_ok=True)
                with opened.open(info) as source, target.open("wb") as sink:
                    shutil.copyfileobj(source, sink)
    except (EmbedLabError, MemoryError):
        raise
    except Exception as error:  # whatever zipfile and zlib raise for damaged bytes
        raise EmbedLabError(
            f"{archive.name[-60:]!r} cannot be read as a zip archive; pack it again, or choose its "
            "files one by one."
        ) from error


def _check_members(archive: Path, members: Sequence[zipfile.ZipInfo], most_bytes: int) -> None:
    for info in members:
        path = PurePosixPath(info.filename)
        kind = stat.S_IFMT(info.external_attr >> 16)
        if path.is_absolute() or ".." in path.parts or ":" in info.filename:
            problem = f"{info.filename[:60]!r} leads out of it"
        elif "\\" in info.filename or kind not in (0, stat.S_IFREG):
            problem = f"{info.filename[:60]!r} is a link or no regular file"
        elif info.flag_bits & 1:
            problem = "it is encrypted"
        else:
            continue
        raise EmbedLabError(f"{archive.name[-60:]!r} was refused: {problem}; pack it again.")
    names = {info.filename for info in members}
    size = sum(info.file_size for info in members)
    if len(names) < len(members) or len(members) > _MOST_FILES or size > most_bytes:
        raise EmbedLabError(
            f"{archive.name[-60:]!r} was refused: it holds {len(members):,} files, "
            f"{len(members) - len(names):,} of them twice, of {size / 1e6:,.1f} MB unpacked; the "
            f"limits are {_MOST_FILES:,} different files and {most_bytes / 1e6:,.1f} MB."
        )


def name_of(paths: Sequence[Path]) -> str:
    """How messages call files that belong together."""
    return repr(paths[0].name[-60:]) if len(paths) == 1 else f"{len(paths)} files"
