"""Uploads are read in a child process with bounds on its memory and time.

A parser that crashes on a hostile file, or takes gigabytes for it, ends the child and not the
server. Nothing is pickled: arguments and results are plain values, sent as JSON.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from math import ceil
from pathlib import Path
from typing import Any

from embedlab.errors import EmbedLabError

#: What the child may know of this process's environment: nothing secret.
_ENVIRONMENT = ("PATH", "SYSTEMROOT", "LD_LIBRARY_PATH", "TZDIR", "TMPDIR", "TEMP", "TMP")
_SETTINGS = {
    # Arrow's own allocators reserve more address space than they use.
    "ARROW_DEFAULT_MEMORY_POOL": "system",
    # So does every thread.
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
}


@dataclass(frozen=True, kw_only=True)
class Bounds:
    """What the child may use: bytes of address space, and seconds.

    An archive's weights are mapped to be checked, up to 2 GB of them.
    """

    memory: int = 3_000_000_000
    seconds: float = 60


def in_child_process(
    function: Callable[..., Any], path: Path, *, bounds: Bounds | None = None, **arguments: Any
) -> Any:
    """``function(path, **arguments)`` in a bounded child process.

    Args:
        function: of a module of EmbedLab that is quick to import.
        path: the upload; its name is in messages.
        bounds: what it may use, by default 3 GB and a minute.
        arguments: plain values.

    Returns:
        The result as JSON gives it back: lists for tuples, a dict of its fields for a dataclass.

    Raises:
        EmbedLabError: what the function raised, or one sentence if the child crashed or took more
            memory or time than it may.
    """
    bounds = bounds or Bounds()
    call = [
        *(bounds.memory, bounds.seconds),
        *(function.__module__, function.__name__, str(path), arguments),
    ]
    environment = {name: os.environ[name] for name in _ENVIRONMENT if name in os.environ}
    environment["PYTHONPATH"] = os.pathsep.join(str(Path(entry).resolve()) for entry in sys.path)
    with suppress(subprocess.TimeoutExpired):
        child = subprocess.run(
            [sys.executable, "-P", "-m", "embedlab.child_process", json.dumps(call)],
            env=environment | _SETTINGS,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            timeout=bounds.seconds,
        )
        if child.returncode == 0:
            answer = json.loads(child.stdout)
            if "error" in answer:
                raise EmbedLabError(answer["error"])
            return answer["result"]
    raise EmbedLabError(
        f"{path.name[-60:]!r} cannot be read: it is damaged, or reading it takes more than "
        f"{bounds.memory / 1e9:g} GB of memory or {bounds.seconds:g} s. Choose a smaller file, or "
        "save it again."
    )


def _limit_this_process(memory: int, seconds: float) -> None:
    try:
        import resource
    except ImportError:  # Windows: the sizes of files alone are checked
        return
    # A limit that is lower already, or that a system does not know, stays as it is.
    for kind, most in (
        (resource.RLIMIT_AS, memory),
        (resource.RLIMIT_CPU, ceil(seconds)),
        (resource.RLIMIT_CORE, 0),
    ):
        with suppress(ValueError, OSError):
            resource.setrlimit(kind, (most, most))


def _main() -> None:
    memory, seconds, module, name, path, arguments = json.loads(sys.argv[1])
    _limit_this_process(memory, seconds)
    try:
        answer = {"result": getattr(import_module(module), name)(Path(path), **arguments)}
    except EmbedLabError as error:
        answer = {"error": str(error)}
    json.dump(answer, sys.stdout, default=vars)


if __name__ == "__main__":
    _main()
