"""``embedlab train`` and ``embedlab export`` on the real backbone."""

from __future__ import annotations

import json

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


PAIRS = """premise,hypothesis,label
It rains hard.,It is wet.,0
It rains hard.,It is dry.,2
She runs home.,She moves.,0
She runs home.,She is glad.,1
"""


@pytest.fixture
def labelled(tmp_path):
    path = tmp_path / "inference.csv"
    path.write_text(PAIRS, encoding="utf-8")
    return path


def test_a_plan_shows_columns_counts_and_pairs_and_stops(tmp_path, labelled):
    out = tmp_path / "run"
    arguments = ("train", "--design", "M3", "--mode", "head", "--data", labelled, "--out", out)
    code, printed, errors = run(*arguments, "--plan")
    assert code == 2 and not printed
    assert "Proposed: label=0" in errors and 'Answer with --keep "label=0".' in errors
    code, printed, errors = run(*arguments, "--plan", "--keep", "label=entailment")
    assert code == 0, errors
    for words in (
        "causal/multi_layer_trainable on smollm2-135m, the head alone",
        "anchor: 'premise'; positive: 'hypothesis'; rows kept: label=entailment",
        "inference.csv: 2 pairs with 0 to 1 hard negatives each",
        "1 row was left out: label is '1' (row 4).",
        "anchor    It rains hard.",
        "negative  It is dry.",
        "40 steps of 2 pairs; each of the 2 pairs is seen 40 times.",
    ):
        assert words in printed, words
    assert not out.exists()
    code, _, errors = run("train", "--design", "M3", "--data", labelled, "--keep", "all")
    assert code == 2 and "Give the run's folder with --out" in errors


def test_read_shows_the_pairs_of_a_file(labelled):
    code, _, errors = run("read", labelled, "--pairs")
    assert code == 2 and "Proposed: label=0" in errors
    code, printed, _ = run("read", labelled, "--pairs", "--keep", "label=0", "--json")
    found = json.loads(printed)
    assert code == 0
    assert found["pairs"] == [
        {
            "row": 1,
            "anchor": "It rains hard.",
            "positive": "It is wet.",
            "negatives": ["It is dry."],
        },
        {"row": 3, "anchor": "She runs home.", "positive": "She moves.", "negatives": []},
    ]
    assert found["left_out"] == [{"row": 4, "reason": "label is '1'"}]
    assert found["columns"] == ["premise", "hypothesis", "label"]
    code, printed, _ = run("read", labelled, "--pairs", "--keep", "label=0")
    assert "inference.csv: 2 pairs with 0 to 1 hard negatives each" in printed
    assert "1 row was left out: label is '1' (row 4)." in printed
