"""A wheel works where the clone is not: built, installed in a fresh environment, served.

The environment takes the dependencies from the one of these tests, so that nothing is downloaded
but the build system.
"""

from __future__ import annotations

import subprocess
import sys
import sysconfig
from pathlib import Path

import httpx
import pytest
from support.serving import ROOT, serving

from embedlab import __version__
from embedlab.resources import STATIC

# Everything that a first view needs; it prints where it was loaded from.
PROGRAM = """
import embedlab, embedlab.resources as resources
from embedlab.lab.config import load_config
from embedlab.study.definition import load_study
assert len(embedlab.load_corpus("senses").texts) == 160
assert load_config(resources.DEFAULT_CONFIG).defaults.corpus == "senses"
assert load_study("minutes").designs and (resources.ASSETS / "study" / "report.json").is_file()
print(embedlab.__file__)
"""


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of an environment with the wheel, and without the clone."""
    folder = tmp_path_factory.mktemp("wheel")
    environment = folder / "venv"
    interpreter = environment / ("Scripts" if sys.platform == "win32" else "bin") / "python"
    pip = (sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check")
    subprocess.run([*pip, "wheel", "--no-deps", "-w", folder, ROOT], check=True)
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", environment], check=True)
    (wheel,) = folder.glob("embedlab-*.whl")
    there = [*pip, "--python", interpreter]
    subprocess.run([*there, "install", "--no-deps", "--no-index", wheel], check=True)
    # Last, or pip would see the clone there. Python does not follow that folder's own .pth files,
    # by which an editable install points at the clone.
    where = "import sysconfig; print(sysconfig.get_path('purelib'))"
    packages = Path(run(interpreter, folder, "-c", where).strip())
    (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib"), encoding="utf-8")
    return interpreter


def run(python: Path, cwd: Path, *arguments: str) -> str:
    done = subprocess.run(
        [python, "-I", *arguments], cwd=cwd, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
def test_the_shipped_files_are_read_from_the_wheel(python, tmp_path):
    package = Path(run(python, tmp_path, "-c", PROGRAM).strip())
    assert package.is_relative_to(python.parents[1])
    assert (package.parent / "py.typed").is_file()
    assert run(python, tmp_path, "-m", "embedlab", "--version") == f"embedlab {__version__}\n"
    assert "--out" in run(python, tmp_path, "-m", "embedlab", "study", "--help")


@pytest.mark.slow
def test_serve_shows_the_page_from_an_empty_folder(python, tmp_path):
    empty = tmp_path / "empty"
    empty.mkdir()
    with serving(tmp_path, ["-I", "-m", "embedlab", "serve"], cwd=empty, python=python) as app:
        assert httpx.get(app.url, timeout=30).status_code == 200
        config = httpx.get(f"{app.url}config", timeout=30).json()
        assert config["title"] == "EmbedLab"
        assert (STATIC / "style.css").read_text("utf-8") in config["css"]
        scripts = [part["props"].get("js_on_load") or "" for part in config["components"]]
        assert any((STATIC / "download.js").read_text("utf-8") in script for script in scripts)
        health = httpx.post(f"{app.url}gradio_api/call/health", json={"data": []}, timeout=30)
        assert health.status_code == 200
