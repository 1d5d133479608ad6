"""Folders and archives with queries and judgements on the command line."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pytest
from support.command_line import run
from support.judged_folders import DOCUMENTS, GRADES, beir_folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return beir_folder(tmp_path / "mine")


def test_read_shows_a_collection(folder, tmp_path):
    archive = tmp_path / "mine.zip"
    with zipfile.ZipFile(archive, "w") as opened:
        for path in folder.rglob("*.*"):
            opened.write(path, path.relative_to(folder.parent))
    for source in (folder, archive):
        code, out, _ = run("read", source, "--json")
        found = json.loads(out)
        assert code == 0 and [text["id"] for text in found["texts"]] == list(DOCUMENTS)
        relevant = {
            query["id"]: {found["texts"][r["text"]]["id"]: r["grade"] for r in query["relevant"]}
            for query in found["queries"]
        }
        positive = {
            q: {d: grade for d, grade in docs.items() if grade} for q, docs in GRADES.items()
        }
        assert relevant == positive
        assert found["left_out"] == [
            {"row": 5, "reason": found["left_out"][0]["reason"]},
        ]
        assert "a query without a judgement" in found["left_out"][0]["reason"]
    code, out, _ = run("read", folder)
    assert code == 0 and "queries: 4, with 6 relevant texts" in out
    assert "1 of 4 judged queries have no relevant document" in out


def test_read_shows_queries_in_a_table(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("query,positive\nwho is it?,nobody here\nwhy is it?,because of that\n")
    code, out, _ = run("read", path)
    assert code == 0 and "read as: queries with their relevant texts" in out
    code, out, _ = run("read", path, "--text-column", "query", "--json")
    assert [text["text"] for text in json.loads(out)["texts"]] == ["who is it?", "why is it?"]


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (
            ("search", "MINE", "--design", "M1", "--split", "all"),
            "no judgements of the split 'all'",
        ),
        (("embed", "MINE", "--design", "M1", "--out", "v.npy", "--text-column", "x"), "column out"),
        (("search", "stsb", "--design", "M1"), "has no queries with known answers"),
    ],
)
def test_what_a_user_can_solve_is_one_sentence(folder, arguments, hint):
    code, out, err = run(*(folder if part == "MINE" else part for part in arguments))
    assert (code, out) == (2, "")
    assert err.startswith("error: ") and err.count("\n") == 1 and hint in err
