"""Killed at random moments: whatever was finished is whole, and the next start is clean.

``KILLS`` (50) says how many in all: a fifth of them during a conversion of the weights, two fifths
each during trainings and during a study. A last start then has to end as an undisturbed one does.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from safetensors.torch import load_file
from test_study_run import SMALL, findings

from embedlab import assets

KILLS = int(os.environ.get("KILLS", "50"))
TRAIN = ("--design", "M5", "--data", "stsb-train", "--steps", "60", "--batch", "4")
FEW = ("--held-out", "4", "--max-pairs", "60", "--no-score")


def run(arguments: list[str], cache: Path | None = None) -> subprocess.Popen[bytes]:
    environment = os.environ | ({"EMBEDLAB_CACHE": str(cache)} if cache else {})
    command = [sys.executable, "-m", "embedlab", *arguments]
    return subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )


def _written(path: Path) -> int:
    return path.stat().st_mtime_ns


def killed(
    start: Callable[[], subprocess.Popen[bytes]],
    kills: int,
    latest: float,
    seed: int,
    finished: Callable[[], dict[str, int]],
    again: Callable[[], None],
) -> None:
    """Kill what ``start`` starts so many times; where it ended before, ``again`` clears the way.

    ``finished`` names what is finished and when it was written: the starts that follow may add to
    it, and neither lose nor write again what there is.
    """
    generator, before = random.Random(seed), finished()
    while kills:
        process = start()
        try:
            output = process.communicate(timeout=generator.uniform(1, latest))[0].decode()
            assert process.returncode == 0, output
            assert before.items() <= finished().items()
            again()
            before = finished()
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.communicate()
            assert before.items() <= finished().items()
            before = finished()
            kills -= 1


@pytest.mark.slow
def test_a_conversion_is_whole_or_absent(tmp_path, smollm2):
    whole = assets.cache_folder() / "backbones"
    cache = tmp_path / "cache"
    shutil.copytree(
        assets.cache_folder() / "assets" / "smollm2-135m", cache / "assets/smollm2-135m"
    )

    def converted() -> list[Path]:
        found = (cache / "backbones").glob("*")
        return [path for path in found if path.is_dir() and path.suffix != ".partial"]

    def check() -> dict[str, int]:
        for folder in converted():
            (original,) = whole.glob(folder.name)
            ours, theirs = (load_file(f / "model.safetensors") for f in (folder, original))
            assert all((ours[name] == theirs[name]).all() for name in theirs)
        return {path.name: _written(path / "model.safetensors") for path in converted()}

    arguments = ["assets", "smollm2-135m"]
    killed(
        lambda: run(arguments, cache),
        KILLS // 5,
        30,
        1,
        check,
        lambda: shutil.rmtree(cache / "backbones"),
    )
    assert run(arguments, cache).wait() == 0
    assert len(check()) == 1
    assert not list((cache / "backbones").glob("*.partial"))


@pytest.mark.slow
def test_a_training_goes_on_to_the_same_weights(tmp_path, tiny_folder):
    def train(out: Path) -> subprocess.Popen[bytes]:
        return run(["train", "--backbone", str(tiny_folder), "--out", str(out), *TRAIN, *FEW])

    undisturbed, out = tmp_path / "undisturbed", tmp_path / "killed"
    assert train(undisturbed).wait() == 0
    expected = load_file(undisturbed / "head.safetensors")

    def whole() -> bool:
        if not (out / "run.json").exists():
            return False
        found = load_file(out / "head.safetensors")
        assert all((found[name] == expected[name]).all() for name in expected)
        return True

    def begin() -> subprocess.Popen[bytes]:
        if whole():  # killed between its last file and its end
            shutil.rmtree(out)
        return train(out)

    def finished() -> dict[str, int]:
        whole()
        return {}

    killed(begin, 2 * KILLS // 5, 20, 2, finished, lambda: shutil.rmtree(out))
    if not whole():
        process = train(out)
        output = process.communicate()[0].decode()
        assert process.returncode == 0, output
    assert whole()


@pytest.mark.slow
def test_a_study_loses_nothing_finished(tmp_path, tiny_folder):
    path = tmp_path / "small.yaml"
    path.write_text(yaml.safe_dump(SMALL | {"backbone": str(tiny_folder)}), encoding="utf-8")

    def study(out: Path) -> subprocess.Popen[bytes]:
        return run(["study", str(path), "--out", str(out)])

    undisturbed, out = tmp_path / "undisturbed", tmp_path / "killed"
    assert study(undisturbed).wait() == 0

    def cells() -> dict[str, int]:
        return {cell.name: _written(cell) for cell in (out / "cells").glob("*.json")}

    killed(lambda: study(out), 2 * KILLS // 5, 30, 3, cells, lambda: shutil.rmtree(out))
    process = study(out)
    output = process.communicate()[0].decode()
    assert process.returncode == 0, output
    assert findings(out) == findings(undisturbed)
