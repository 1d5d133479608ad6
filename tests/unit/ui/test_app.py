"""The page comes before torch does."""

from __future__ import annotations

import subprocess
import sys

SCRIPT = """
import sys
from embedlab.lab.config import Config
from embedlab.lab.lab import Lab
from embedlab.ui.app import build_app

build_app(Lab(Config()))
slow = {"torch", "transformers", "peft", "faiss", "sklearn", "scipy", "umap", "datasets", "mteb"}
print(sorted(slow & set(sys.modules)))
"""


def test_the_page_needs_none_of_the_slow_libraries():
    """They take seconds to import; the background thread that warms up does it."""
    built = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True)
    assert built.stdout.strip() == "[]", built.stderr
