"""Training in several processes: two on the CPU learn what one learns from the doubled batch."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
import torch
from safetensors.torch import load_file
from support.command_line import ROOT
from support.command_line import run as run_here
from support.models import model_folder, tiny_model, tiny_tokenizer
from support.pairs import pair_set

from embedlab.errors import EmbedLabError
from embedlab.training.processes import ALONE, Processes, started

LAUNCH = (
    *(sys.executable, "-m", "accelerate.commands.accelerate_cli", "launch", "--multi_gpu"),
    *("--num_processes", "2", "--num_machines", "1", "--mixed_precision", "no"),
    *("--dynamo_backend", "no", "--main_process_port", "0", "-m", "embedlab"),
)


@pytest.fixture(scope="module")
def inputs(tmp_path_factory) -> tuple[str, ...]:
    """The options of a training of a tiny model on its own pairs."""
    folder = tmp_path_factory.mktemp("inputs")
    model = model_folder(folder / "tiny", tiny_model("llama", tied=True), tiny_tokenizer())
    pairs = pair_set(40, negatives=True)
    rows = zip(pairs.anchors, pairs.positives, pairs.negatives, strict=True)
    lines = [json.dumps({"anchor": a, "positive": p, "negative": n}) for a, p, (n,) in rows]
    (folder / "pairs.jsonl").write_text("\n".join(lines))
    columns = ("--anchor", "anchor", "--positive", "positive", "--negative", "negative")
    data = ("--backbone", str(model), "--data", str(folder / "pairs.jsonl"), *columns)
    return (*data, "--no-score", "--device", "cpu", "--dtype", "float32", "--held-out", "6")


def launched(*arguments: str) -> subprocess.Popen[str]:
    """``embedlab`` in two processes on the CPU."""
    return subprocess.Popen(
        [*LAUNCH, *arguments],
        cwd=ROOT,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=os.environ | {"PYTHONUNBUFFERED": "1", "OMP_NUM_THREADS": "1"},
    )


def curve(run: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (run / "history.jsonl").read_text().splitlines()]


def test_texts_are_shared_out_once_each_and_evenly():
    lengths = [5, 1, 9, 9, 2, 7, 4]
    shares = Processes(count=3).shares(lengths)
    assert sorted(i for share in shares for i in share) == list(range(7))
    tokens = [sum(lengths[i] for i in share) for share in shares]
    assert max(tokens) - min(tokens) <= max(lengths)
    assert ALONE.shares(lengths) == [list(range(7))]
    assert Processes(count=3).shares([4]) == [[0], [], []]


def test_micro_batches_of_different_processes_have_different_numbers():
    numbers = {Processes(rank=r, count=3).number(part) for r in range(3) for part in range(4)}
    assert len(numbers) == 12
    assert [ALONE.number(part) for part in range(3)] == [0, 1, 2]


def test_without_accelerate_several_processes_are_refused_with_the_command(monkeypatch):
    assert started() is ALONE
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setitem(sys.modules, "accelerate", None)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(EmbedLabError, match='pip install "accelerate'):
        started()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("design", "options"),
    [
        ("M5", ()),
        ("bidirectional/mean", ("--mntp-steps", "2")),
        ("M3", ("--mode", "head")),
    ],
)
def test_two_processes_learn_what_one_learns_from_the_doubled_batch(
    tmp_path, inputs, design, options
):
    shared = ("train", "--design", design, *inputs, "--steps", "5", *options)
    code, _, errors = run_here(*shared, "--batch", "8", "--out", tmp_path / "one")
    assert code == 0, errors
    process = launched(*shared, "--batch", "4", "--out", str(tmp_path / "two"))
    printed, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors
    assert printed.count("step     1 of") == 1  # the main process alone prints
    one, two = (curve(tmp_path / name) for name in ("one", "two"))
    assert len(one) == len(two) == 6 + 2 * ("--mntp-steps" in options)
    for name in ("loss", "held_out", "tokens", "lr"):
        first, second = ([step[name] for step in steps] for steps in (one, two))
        assert first == [None if v is None else pytest.approx(v, abs=1e-4) for v in second]
    info = [json.loads((tmp_path / name / "run.json").read_text()) for name in ("one", "two")]
    assert info[0]["recipe"] == info[1]["recipe"]
    for path in (tmp_path / "one").rglob("*.safetensors"):
        other = load_file(tmp_path / "two" / path.relative_to(tmp_path / "one"))
        for name, tensor in load_file(path).items():
            torch.testing.assert_close(other[name], tensor, atol=1e-4, rtol=1e-4)


@pytest.mark.slow
def test_when_a_process_dies_the_others_say_so_and_the_training_can_go_on(tmp_path, inputs):
    out = tmp_path / "run"
    shared = ("train", "--design", "M1", *inputs, "--batch", "4", "--out", str(out))
    process = launched(*shared, "--steps", "100000")
    while "step     1 of" not in (line := process.stdout.readline()):
        assert line or process.poll() is None, process.stderr.read()
    workers = psutil.Process(process.pid).children()
    second = next(p for p in workers if p.environ()["RANK"] == "1")
    second.send_signal(signal.SIGKILL)
    _, errors = process.communicate(timeout=120)
    assert process.returncode != 0
    assert "stopped after step" in errors and "goes on from there" in errors, errors
    ours = [line for line in errors.splitlines() if line.startswith("error:")]
    assert len(ours) <= 1 and all("One of the 2 processes" in line for line in ours)
    assert (out / "checkpoint.safetensors").is_file() and not (out / "run.json").exists()
    again = launched(*shared, "--steps", "100000")
    seen = ""
    while "going on after step" not in seen:
        line = again.stderr.readline()
        assert line or again.poll() is None, seen
        seen += line
    again.send_signal(signal.SIGINT)
    again.communicate(timeout=120)


@pytest.mark.slow
def test_processes_that_mean_different_trainings_are_refused(tmp_path, inputs):
    """Another seed in the second process: its data would be in another order."""
    shared = ("train", "--design", "M1", *inputs, "--batch", "4", "--steps", "3")
    code = (
        "import os, sys; from embedlab.__main__ import main; "
        "sys.argv += ['--seed', os.environ['RANK']]; main()"
    )
    script = tmp_path / "differs.py"
    script.write_text(code)
    command = [*LAUNCH[:-2], str(script), *shared, "--out", str(tmp_path / "run")]
    process = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert process.returncode != 0
    assert "their recipe differs" in process.stderr
    assert not (tmp_path / "run").exists()
