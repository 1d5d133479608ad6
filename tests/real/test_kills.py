"""Killed at random moments: whatever was finished is whole, and the next start is clean.

``KILLS`` (50) says how many in all: a fifth of them during a conversion of the weights, two fifths
each during trainings and during a study. A last start then has to end as an undisturbed one does.
The studies that come with EmbedLab are timed, and killed once each.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import yaml
from safetensors.torch import load_file
from support.design_sets import small_set
from support.studies import CLUSTERED, findings

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


def to_its_end(arguments: list[str], cache: Path | None = None) -> None:
    process = run(arguments, cache)
    output = process.communicate()[0].decode()
    assert process.returncode == 0, output


def cells(out: Path) -> dict[str, int]:
    """The finished cells of a study, and when each was written."""
    return {cell.name: _written(cell) for cell in (out / "cells").glob("*.json")}


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
def test_a_set_of_designs_ends_as_an_undisturbed_one(tmp_path):
    file, whole, out = small_set(tmp_path), tmp_path / "whole", tmp_path / "designs"
    start = ["designs", "train", "--recipe", str(file), "--out"]
    to_its_end([*start, str(whole)])

    def finished() -> dict[str, int]:
        return {str(path): _written(path) for path in out.glob("*/head.safetensors")}

    def again() -> None:
        shutil.rmtree(out)

    killed(lambda: run([*start, str(out)]), KILLS // 5, 20, 5, finished, again)
    to_its_end([*start, str(out)])
    for path in whole.glob("*/**/*.safetensors"):
        ours, theirs = load_file(out / path.relative_to(whole)), load_file(path)
        assert all(torch.equal(ours[name], theirs[name]) for name in theirs)


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
    to_its_end(arguments, cache)
    assert len(check()) == 1
    assert not list((cache / "backbones").glob("*.partial"))


@pytest.mark.slow
def test_a_training_goes_on_to_the_same_weights(tmp_path, tiny_folder):
    def arguments(out: Path) -> list[str]:
        return ["train", "--backbone", str(tiny_folder), "--out", str(out), *TRAIN, *FEW]

    undisturbed, out = tmp_path / "undisturbed", tmp_path / "killed"
    to_its_end(arguments(undisturbed))
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
        return run(arguments(out))

    def finished() -> dict[str, int]:
        whole()
        return {}

    killed(begin, 2 * KILLS // 5, 20, 2, finished, lambda: shutil.rmtree(out))
    if not whole():
        to_its_end(arguments(out))
    assert whole()


@pytest.mark.slow
def test_a_study_loses_nothing_finished(tmp_path, tiny_folder):
    path = tmp_path / "small.yaml"
    path.write_text(yaml.safe_dump(CLUSTERED | {"backbone": str(tiny_folder)}), encoding="utf-8")
    undisturbed, out = tmp_path / "undisturbed", tmp_path / "killed"
    to_its_end(["study", str(path), "--out", str(undisturbed)])
    again = ["study", str(path), "--out", str(out)]
    killed(
        lambda: run(again), 2 * KILLS // 5, 30, 3, lambda: cells(out), lambda: shutil.rmtree(out)
    )
    to_its_end(again)
    assert findings(out) == findings(undisturbed)


@pytest.mark.slow
@pytest.mark.parametrize(("preset", "minutes"), [("minutes", 5), ("workshop", 40)])
def test_a_preset_ends_in_time_and_killed_in_the_same_report(tmp_path, preset, minutes):
    """The time is that of two idle cores."""
    undisturbed, out = tmp_path / "undisturbed", tmp_path / "killed"
    start = time.monotonic()
    to_its_end(["study", preset, "--out", str(undisturbed)])
    seconds = time.monotonic() - start
    moment = random.Random().uniform(0.1, 0.9) * seconds
    again = ["study", preset, "--out", str(out)]
    process = run(again)
    with pytest.raises(subprocess.TimeoutExpired):
        process.communicate(timeout=moment)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    finished = cells(out)
    # First, so that a failure says when it was killed.
    print(f"{preset}: {seconds:.0f} s; killed after {moment:.0f} s with {len(finished)} cells done")
    to_its_end(again)
    assert finished.items() <= cells(out).items()
    assert findings(out) == findings(undisturbed)
    assert seconds < 60 * minutes
