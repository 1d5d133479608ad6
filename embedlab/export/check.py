"""Does an exported model give the vectors it should? Checked in a fresh process."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from embedlab.errors import EmbedLabError
from embedlab.export import fresh_process
from embedlab.files import write_json
from embedlab.progress import Progress, no_progress

if TYPE_CHECKING:
    from embedlab.models.embedding import Vectors

#: Largest difference of a coordinate of unit vectors, both computed in float32.
TOLERANCE = 1e-4
#: The same where llama.cpp computes: it multiplies in other precisions on some processors.
GGUF_TOLERANCE = 5e-3
#: Short, long, longer than the usual longest length, and far from plain English.
CHECK_TEXTS = (
    "A bank.",
    "Zürich, 東京, مرحبا, 😀 and 1 000 € – all in one line.",
    "  Spaces at both ends,\ttabs and\nlines:\n\n def f(x): return x ** 2  ",
    "She sat on the bank of the river and counted the boats that went by. " * 6,
    " ".join(f"Sentence {i} of a text that is longer than what is read." for i in range(120)),
)


@dataclass(frozen=True)
class Check:
    """An export against the model it was made from: n texts, the largest coordinate difference.

    An n of 0 says that it was not compared; ``notes`` are sentences for whoever gets it.
    """

    largest_difference: float
    tolerance: float
    n: int
    notes: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether the export may be handed out."""
        return self.largest_difference <= self.tolerance


def verify(
    out: Path,
    expected: Vectors,
    texts: Sequence[str],
    progress: Progress = no_progress,
    timeout: float = 300,
    *,
    rounding: float = 0.0,
) -> Check:
    """Load an export of any kind in a fresh process and compare what it gives.

    A sentence-transformers folder is loaded where importing this project fails, so that the check
    also proves that it is not needed.

    Args:
        out: the exported folder.
        expected: (n, d), the trained model's vectors of ``texts`` under the document prompt, from
            passes in float32.
        texts: n strings.
        progress: called about twice a second.
        timeout: seconds after which the process is ended.
        rounding: by how much more a coordinate may differ: an error of the seventh digit may put it
            on the next of the levels of ``+int8``.

    Raises:
        EmbedLabError: the export could not be loaded, or not in time.
    """
    merged, gguf = (out / "modules.json").is_file(), any(out.glob("*.gguf"))
    if merged and importlib.util.find_spec("sentence_transformers") is None:
        raise EmbedLabError(
            "Checking the export needs sentence-transformers; install it with "
            "pip install sentence-transformers."
        )
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        write_json(work / "texts.json", list(texts))
        kind = "sentence-transformers" if merged else "gguf" if gguf else "adapter"
        _run_fresh(kind, out.resolve(), work, progress, timeout)
        vectors = np.load(work / "vectors.npy", allow_pickle=False)
    comparable = vectors.shape == expected.shape and np.isfinite(vectors).all()
    difference = float(np.abs(vectors - expected).max()) if comparable else float("inf")
    return Check(difference, GGUF_TOLERANCE if gguf else max(TOLERANCE, rounding), len(texts))


def _import_paths() -> list[Path]:
    """Where this process imports from, less the copies of models' own code.

    transformers appends their cache to ``sys.path`` once a model with code of its own was loaded.
    Handed on, it would hide the cache of the fresh process, and the export's code with it.
    """
    paths = [Path(path).resolve() for path in sys.path if path]
    return [path for path in paths if not (path / "transformers_modules").is_dir()]


def _run_fresh(kind: str, folder: Path, work: Path, progress: Progress, timeout: float) -> None:
    # No secrets; and the check runs on the CPU, also where the GPU is lent by the call.
    hidden = {"HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "SPACES_ZERO_GPU"}
    environment = {key: value for key, value in os.environ.items() if key not in hidden}
    environment |= {"HF_HUB_OFFLINE": "1", "HF_MODULES_CACHE": str(work / "modules")}
    paths = json.dumps([str(path) for path in _import_paths()])
    command = [sys.executable, "-I", fresh_process.__file__, kind, str(folder), str(work), paths]
    log = work / "log.txt"
    null = subprocess.DEVNULL
    with (
        log.open("wb") as errors,
        subprocess.Popen(
            command, cwd=work, env=environment, stdin=null, stdout=null, stderr=errors
        ) as process,
    ):
        try:
            end = time.monotonic() + timeout
            while process.poll() is None:
                progress(0, 0, "loading the export in a fresh process")
                if time.monotonic() > end:
                    raise EmbedLabError(
                        f"The export did not answer within {timeout:g} s in a fresh process, so "
                        "there is no download; try again when the machine is less busy."
                    )
                with suppress(subprocess.TimeoutExpired):
                    process.wait(0.5)
        finally:
            process.kill()
    if process.returncode:
        lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        reason = lines[-1] if lines else "no reason given"
        last = re.sub(r"\S*[/\\]\S*", "…", reason)[:200]  # without the paths of this machine
        raise EmbedLabError(
            f"The export could not be loaded in a fresh process ({last}), so there is no download; "
            "try the other kind of export."
        )
