"""The real application in a process of its own, and the browser that looks at it."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest

if TYPE_CHECKING:
    from gradio_client import Client

ROOT = Path(__file__).resolve().parents[2]
CHROMIUM = Path("/usr/bin/chromium")
#: Seconds the page may take on a noisy machine; the aim is 10.
LONGEST_START = 60
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)


@dataclass(frozen=True)
class Served:
    """A running application: its address, how long the page took, and what it printed."""

    url: str
    start_seconds: float
    log: Path


def client_of(url: str, **options: Any) -> Client:
    """Gradio's client, without certificates, as the address needs none.

    Loading the machine's certificates, which each call does otherwise, takes more of a core than
    the server's answer.
    """
    from gradio_client import Client

    return Client(url, ssl_verify=False, verbose=False, **options)


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """``python app.py`` on a free port, ended when the tests are."""
    with serving(tmp_path_factory.mktemp("app"), ["app.py"]) as found:
        yield found


@contextmanager
def serving(
    folder: Path, command: Sequence[str], cwd: Path = ROOT, python: str | Path = sys.executable
) -> Iterator[Served]:
    """The application that ``python`` starts with these arguments; it prints into ``folder``."""
    port = free_port()
    log = folder / "app.log"
    # The application sees to its own memory, as it does for whoever starts it.
    environment = {
        **{name: value for name, value in os.environ.items() if name != "MALLOC_ARENA_MAX"},
        "PYTHONPATH": f"{ROOT}:{ROOT}/tests",
        "GRADIO_SERVER_PORT": str(port),
        "GRADIO_ANALYTICS_ENABLED": "False",
        "HF_HUB_OFFLINE": "1",
    }
    url = f"http://127.0.0.1:{port}/"
    start = time.perf_counter()
    with log.open("wb") as output:
        process = subprocess.Popen(
            [python, *command],
            cwd=cwd,
            env=environment,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        _wait_for_page(url, process, log, start)
        yield Served(url, time.perf_counter() - start, log)
        assert process.poll() is None, "the application ended"
    finally:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(10)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # it may have workers that go on
        process.wait()


@pytest.fixture(scope="module")
def browser() -> Iterator[object]:
    """Debian's Chromium, headless."""
    if not CHROMIUM.exists():
        pytest.fail(f"{CHROMIUM} is missing; the browser tests need it: apt-get install chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=str(CHROMIUM), args=list(FLAGS))
        yield chromium
        chromium.close()


def free_port() -> int:
    """A port of this machine that nobody uses."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_for_page(url: str, process: subprocess.Popen[bytes], log: Path, start: float) -> None:
    while time.perf_counter() - start < LONGEST_START:
        if process.poll() is not None:
            break
        try:
            if httpx.get(url, timeout=5).status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.1)
    pytest.fail(f"The application did not answer at {url}; it printed:\n{log.read_text()[-3000:]}")
