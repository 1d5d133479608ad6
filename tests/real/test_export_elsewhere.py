"""An exported folder in an environment with sentence-transformers and without this project."""

from __future__ import annotations

import json
import subprocess
import venv
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest
from support.runs import random_head, run_info, trained

from embedlab import Design, embed
from embedlab.export.check import CHECK_TEXTS
from embedlab.export.sentence_transformers import export_sentence_transformers

SAME_VERSIONS = ("sentence-transformers", "transformers", "torch")
SCRIPT = """
import importlib.util, json, sys
import numpy as np
from sentence_transformers import SentenceTransformer

assert importlib.util.find_spec("embedlab") is None
folder, own_code, texts, out = sys.argv[1:]
model = SentenceTransformer(folder, device="cpu", trust_remote_code=own_code == "yes")
np.save(out, model.encode_document(json.loads(texts)))
"""


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of an environment with sentence-transformers and its requirements."""
    folder = tmp_path_factory.mktemp("elsewhere") / "venv"
    venv.create(folder, with_pip=True)
    interpreter = folder / "bin" / "python"
    requirements = [f"{name}=={version(name).partition('+')[0]}" for name in SAME_VERSIONS]
    subprocess.run([interpreter, "-m", "pip", "install", "--quiet", *requirements], check=True)
    return interpreter


@pytest.mark.slow
@pytest.mark.parametrize("name", ["causal/eos", "bidirectional/mean", "M5"])
def test_the_same_vectors_where_this_project_is_not(smollm2, name, python, tmp_path):
    design = Design.parse(name)
    backbone = trained(smollm2, targets=("q_proj", "v_proj"), spread=0.05)
    if design.trainable:
        random_head(backbone, design)
    expected = embed(CHECK_TEXTS, design, backbone)
    folder = export_sentence_transformers(
        backbone, design, run_info(backbone, design), tmp_path / "model"
    )
    out = tmp_path / "vectors.npy"
    own_code = "yes" if design.trainable else "no"
    command = [python, "-I", "-c", SCRIPT, folder, own_code, json.dumps(CHECK_TEXTS), out]
    subprocess.run(command, check=True, cwd=tmp_path, env={"HF_HOME": str(tmp_path / "home")})
    largest = np.abs(np.load(out) - expected).max()
    print(f"\n{name}, in an environment of its own: largest difference {largest:.1e}")
    assert largest <= 1e-4
