"""Functions that a child process may be asked to run, and the worst they can do."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

from embedlab import EmbedLabError


def environment(path: Path, *, secret: str) -> dict[str, object]:
    """What the process sees: the file's content, whether it has a secret, what is loaded."""
    heavy = {"torch", "gradio", "transformers"} & set(sys.modules)
    return {"text": path.read_text(), "secret": secret in os.environ, "heavy": sorted(heavy)}


def refuse(path: Path) -> None:
    """An error of our own."""
    raise EmbedLabError(f"{path.name} is refused; choose another.")


def crash(path: Path) -> None:
    """As a parser that writes where it may not."""
    path.with_name("pid").write_text(str(os.getpid()))
    os.kill(os.getpid(), signal.SIGSEGV)


def hoard(path: Path) -> int:
    """More memory than anybody has."""
    return len(bytearray(10**11))


def spin(path: Path) -> None:
    """Computes without end."""
    while path:
        pass


def sleep(path: Path) -> None:
    """Waits without end."""
    path.with_name("pid").write_text(str(os.getpid()))
    time.sleep(1000)
