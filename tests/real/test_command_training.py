"""`embedlab train` and `embedlab export` on the real backbone."""

from __future__ import annotations

import json
import signal
import zipfile

import numpy as np
import pytest
from support.command_line import run, start

from embedlab import Design, embed, load_backbone
from embedlab.training.checkpoints import CHECKPOINT

SMALL = ("--steps", 3, "--batch", 4, "--held-out", 8, "--max-pairs", 40, "--no-score")


@pytest.fixture(scope="module")
def trained(tmp_path_factory, pairs_file):
    """A head trained on a file, by the command."""
    out = tmp_path_factory.mktemp("runs") / "my-run"
    arguments = ("--design", "M3", "--data", pairs_file, "--mode", "head", "--out", out)
    code, printed, errors = run("train", *arguments, *SMALL)
    return out, code, printed, errors


def test_train_prints_its_steps_and_writes_a_run(trained, pairs_file):
    out, code, printed, errors = trained
    assert code == 0, errors
    assert "step     1 of 3" in printed
    assert "held-out MRR" in printed
    assert "30 pairs" in errors
    saved = json.loads((out / "run.json").read_text(encoding="utf-8"))
    assert saved["design"] == "causal/multi_layer_trainable"
    assert saved["data"]["pairs"] == 30
    assert saved["steps"] == 3
    assert str(out.parent) not in (out / "run.json").read_text(encoding="utf-8")
    assert not (out / CHECKPOINT).exists()


def test_a_run_loads_like_a_backbone(trained, smollm2):
    out = trained[0]
    design = Design.parse("M3")
    loaded = load_backbone(out, dtype="float32")
    assert loaded.head(design).trained
    texts = ["a bank of the river", "money in the bank"]
    difference = embed(texts, design, loaded) - embed(texts, design, smollm2)
    assert np.abs(difference).max() > 1e-3


@pytest.mark.slow
def test_export_writes_an_archive_that_was_checked(trained, tmp_path):
    code, printed, errors = run("export", trained[0], "--format", "adapter", "--out", tmp_path)
    assert code == 0, errors
    assert "differ by" in printed
    (archive,) = tmp_path.glob("*.zip")
    assert {"run.json", "head.safetensors", "README.md"} <= set(zipfile.ZipFile(archive).namelist())


@pytest.mark.slow
def test_a_stopped_training_goes_on_with_the_same_command(tmp_path, pairs_file):
    out = tmp_path / "run"
    arguments = ("train", "--design", "M2", "--data", pairs_file, "--mode", "head", "--out", out)
    arguments += ("--steps", 2000, "--batch", 4, "--held-out", 0, "--no-score")
    arguments += ("--dtype", "float32")
    process = start(*arguments)
    while "step     1 of" not in (line := process.stdout.readline()):
        assert line or process.poll() is None, process.stderr.read()
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "goes on from there" in errors
    assert (out / CHECKPOINT).is_file()
    assert not (out / "run.json").exists()
    again = start(*arguments)
    seen = ""
    while "going on after step" not in seen:
        line = again.stderr.readline()
        assert line or again.poll() is None, seen
        seen += line
    again.kill()
    again.communicate()


def test_pushing_without_a_token_names_its_variable(trained, monkeypatch):
    monkeypatch.delenv("HF_TOKEN", raising=False)
    code, _, errors = run("export", trained[0], "--push", "me/model")
    assert code == 2
    assert "HF_TOKEN" in errors
