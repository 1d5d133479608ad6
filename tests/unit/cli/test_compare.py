"""``embedlab compare``: what it prints and writes, and what it refuses before any weights load."""

from __future__ import annotations

import csv
import json

import pytest
from support.command_line import run
from support.messages import MESSAGES, TOPICS
from support.models import model_folder, tiny_model

DESIGNS = ("--design", "causal/eos,causal/mean", "--design", "bidirectional/mean")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return model_folder(tmp_path_factory.mktemp("model") / "tiny", tiny_model("llama"))


@pytest.fixture
def labelled(tmp_path):
    path = tmp_path / "mine.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        rows = zip(MESSAGES[:20], TOPICS[:20], strict=True)
        csv.writer(file).writerows([("text", "topic"), *rows])
    return path


@pytest.mark.parametrize("name", ["table.csv", "table.json"])
def test_a_file_gives_an_answer_a_table_and_a_file(folder, labelled, name):
    out = labelled.with_name(name)
    code, stdout, stderr = run("compare", labelled, *DESIGNS, "--backbone", folder, "--out", out)
    assert code == 0, stderr
    assert stdout.startswith("For these 20 texts take ")
    assert "3 rows from 2 passes" in stdout and "kNN accuracy ×100" in stdout
    for design in ("causal/eos", "causal/mean", "bidirectional/mean"):
        assert f" {design} " in stdout
    text = out.read_text(encoding="utf-8")
    if name.endswith("json"):
        found = json.loads(text)
        assert found["best"] and len(found["rows"]) == 3 and found["passes"] == 2
    else:
        rows = list(csv.DictReader(text.splitlines()))
        assert [row["rank"] for row in rows] == ["1", "2", "3"]
        assert all(float(row["knn_accuracy low"]) <= float(row["knn_accuracy"]) for row in rows)


def test_json_is_the_whole_output_and_the_measure_can_be_chosen(folder, labelled):
    arguments = (*DESIGNS, "--backbone", folder, "--json", "--by", "v_measure")
    code, stdout, _ = run("compare", labelled, *arguments)
    assert code == 0 and json.loads(stdout)["measure"] == "v_measure"
    code, _, err = run("compare", labelled, *DESIGNS, "--backbone", folder, "--by", "ndcg_10")
    assert code == 2 and "ndcg_10" in err and "knn_accuracy" in err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["senses", "--design", "M9"], "'M9' is not a design"),
        (["senses", "--by", "f1"], "f1"),
        (["senses", "--kind", "best"], "best"),
        (["senses", "--out", "table.xlsx"], "neither .csv nor .json"),
        (["nowhere.csv"], "neither a file nor a built-in corpus"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(arguments, message):
    code, out, err = run("compare", *arguments)
    assert code == 2 and not out
    assert message in err and len(err.strip().splitlines()) == 1
