"""Fixtures of every tier, and the marker that each folder gives its tests."""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import gc
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
os.environ["HF_HUB_OFFLINE"] = "1"
# What "auto" means depends on the processor and its load, and references are in float32.
os.environ["EMBEDLAB_DTYPE"] = "float32"
if "PYTEST_XDIST_WORKER" in os.environ:
    # One core a worker: two that multiply with two threads each cost more than twice the time.
    os.environ["OMP_NUM_THREADS"] = "1"
# For the workers and other processes that are started: a share of memory for each thread keeps what
# the others could use.
os.environ.setdefault("MALLOC_ARENA_MAX", "2")

import pytest
from support.distribution import scheduler
from support.lent_space import space  # noqa: F401 - a fixture
from support.on_pretended_gpu import OnPretendedGpu
from support.serving import browser, served  # noqa: F401 - fixtures

if TYPE_CHECKING:
    from embedlab import Backbone

# torch and transformers are imported where they are needed: the process that only hands tests to
# the workers needs neither.
TESTS = Path(__file__).parent


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--pretended-gpu", action="store_true", help="run where there seems to be one")


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("--pretended-gpu"):
        config.pluginmanager.register(OnPretendedGpu())


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The folder sets the marker: ``-m browser`` is everything under ``tests/browser``."""
    for item in items:
        item.add_marker(item.path.relative_to(TESTS).parts[0])


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Whole files go to a worker, and all files that share an application to one."""
    return scheduler(config, log) if config.getoption("dist") == "loadfile" else None


def pytest_collection_finish() -> None:
    """What is there now stays, so that looking for garbage need not look at it again and again."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="module", autouse=True)
def _tidy(request: pytest.FixtureRequest) -> Iterator[None]:
    """Gives the memory of the real backbone's states and copies back to the system."""
    yield
    if request.path.parent.name in ("real", "browser"):
        gc.collect()
        with contextlib.suppress(AttributeError):  # glibc alone has it
            ctypes.CDLL(None).malloc_trim(0)


@pytest.fixture(autouse=True)
def _machine(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator:
    """Tests of several workers share the machine; one marked ``alone`` waits to have it whole."""
    # The folder that all workers share. The gate keeps new tests back while one waits to be alone.
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent
    alone = request.node.get_closest_marker("alone") is not None
    with (folder / "gate.lock").open("w") as gate, (folder / "machine.lock").open("w") as machine:
        fcntl.flock(gate, fcntl.LOCK_EX)
        fcntl.flock(machine, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
        fcntl.flock(gate, fcntl.LOCK_UN)
        yield


@pytest.fixture
def tiny() -> Backbone:
    from support.models import tiny_backbone

    return tiny_backbone()


@pytest.fixture(scope="session")
def smollm2() -> Backbone:
    """The real backbone in float32; without its weights the run fails and says so."""
    from embedlab import load_backbone

    return load_backbone("smollm2-135m", dtype="float32", device="cpu")


@pytest.fixture(scope="session")
def tiny_folder(smollm2, tmp_path_factory):
    """A tiny random llama that reads SmolLM2's tokens."""
    from support.models import tiny_model

    folder = tmp_path_factory.mktemp("tiny") / "backbone"
    tiny_model("llama", vocabulary=len(smollm2.tokenizer)).save_pretrained(folder)
    smollm2.tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture
def table_file(tmp_path: Path) -> Path:
    """Two texts with labels."""
    path = tmp_path / "own.csv"
    path.write_text(
        'label,text\nriver,"the bank, of the river"\nmoney,a loan from the bank\n', encoding="utf-8"
    )
    return path


@pytest.fixture(scope="session")
def pairs_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Thirty pairs of a question and its answer, and a row without a question."""
    path = tmp_path_factory.mktemp("pairs") / "pairs.csv"
    rows = [f"how to cook dish {i},put pot {i} on the fire" for i in range(30)]
    path.write_text("\n".join(["question,answer", *rows, ",nothing asked"]), encoding="utf-8")
    return path
