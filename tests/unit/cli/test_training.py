"""``embedlab train`` and ``embedlab export`` on the real backbone."""

from __future__ import annotations

import pytest
from support.command_line import run


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--design", "causal/eos", "--data", "nowhere.csv"), "stsb-train"),
        (("--design", "causal/eos", "--data", "stsb-train", "--mode", "head"), "no trainable head"),
        (("--design", "causal/eos", "--data", "stsb-train", "--steps", "0"), "steps is 0"),
        (("--design", "sideways/eos", "--data", "stsb-train"), "causal"),
        (("--design", "M3", "--data", "PAIRS", "--anchor", "nothing"), "'nothing'"),
    ],
)
def test_what_cannot_be_trained_is_refused_in_one_line(tmp_path, pairs_file, arguments, message):
    given = [str(pairs_file) if part == "PAIRS" else part for part in arguments]
    code, _, errors = run("train", *given, "--out", tmp_path / "run")
    assert code == 2
    assert message in errors
    assert errors.strip().count("\n") == 0
    assert not (tmp_path / "run").exists()


def test_export_of_no_run_is_refused(tmp_path):
    code, _, errors = run("export", tmp_path)
    assert code == 2
    assert "holds no run" in errors
