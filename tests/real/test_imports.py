"""transformers is imported by several threads at a time, as a server's do."""

from __future__ import annotations

import re
import subprocess
import sys

from support.serving import ROOT

FROM_FIVE_SIDES = """
import importlib, threading

together, failed = threading.Barrier(5), []

def load(name):
    together.wait()
    try:
        importlib.import_module(f"embedlab.{name}")
    except Exception as error:
        failed.append(f"{name}: {error!r}")

names = "models.backbone", "models.loading", "models.conversion", "models.adapter"
threads = [threading.Thread(target=load, args=[n]) for n in (*names, "training.training")]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(failed)
"""


def test_five_threads_import_it_from_five_sides():
    done = subprocess.run(
        [sys.executable, "-c", FROM_FIVE_SIDES], cwd=ROOT, capture_output=True, text=True
    )
    assert done.stdout == "[]\n", done.stderr


def test_one_module_alone_imports_it_at_its_top():
    at_the_top = re.compile(r"^(from|import) transformers\b", re.MULTILINE)
    modules = [p for p in (ROOT / "embedlab").rglob("*.py") if at_the_top.search(p.read_text())]
    assert [path.name for path in modules] == ["libraries.py"]
