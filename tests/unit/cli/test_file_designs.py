"""Vectors from files on the command line, without any model: searched, scored, written."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support.command_line import run
from support.judged_folders import DOCUMENTS, GRADES, QUERIES, beir_folder

RNG = np.random.default_rng(2)
ROWS, ASKED = RNG.normal(size=(12, 5)), RNG.normal(size=(4, 5))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return beir_folder(tmp_path / "mine")


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    np.save(tmp_path / "minilm.npy", ROWS)
    # Query q4 has no judgement and is no query of the corpus.
    words = [QUERIES[f"q{i}"] for i in range(4)]
    pq.write_table(pa.table({"query": words, "v": ASKED.tolist()}), tmp_path / "asked.parquet")
    return tmp_path / "minilm.npy", tmp_path / "asked.parquet"


def test_scores_are_those_of_a_loop_over_the_files(folder, files) -> None:
    vectors, asked = files
    code, out, err = run("search", folder, "--design", f"file: {vectors}", "--query-vectors", asked)
    unit = [rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in (ROWS, ASKED)]
    ndcg = []
    for i, query in enumerate(list(QUERIES)[:3]):
        grades = GRADES[query]
        order = np.argsort(-(unit[0] @ unit[1][i]))[:10]
        gains = [grades.get(f"d{d}", 0) / math.log2(r + 2) for r, d in enumerate(order)]
        best = sorted(grades.values(), reverse=True)
        ndcg.append(sum(gains) / sum(g / math.log2(r + 2) for r, g in enumerate(best)))
    assert code == 0, err
    line = next(line for line in out.splitlines() if "file: minilm" in line)
    assert line.split()[-3] == f"{100 * np.mean(ndcg):.1f}"
    assert "in the order of the texts" in err and "matched by the words in column 'query'" in err


def test_a_query_with_a_vector_is_ranked(folder, files) -> None:
    vectors, asked = files
    code, out, err = run(
        *("search", folder, QUERIES["q2"], "--design", f"file: {vectors}", "-k", "3"),
        *("--query-vectors", asked),
    )
    best = int(np.argmax(ROWS @ ASKED[2] / np.linalg.norm(ROWS, axis=1)))
    assert code == 0, err
    assert DOCUMENTS[f"d{best}"] in out.splitlines()[3]


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (
            ("search", "MINE", "w1", "--design", "file: V"),
            "has no vector of the query 'w1', and no model",
        ),
        (("search", "MINE", "w1", "--design", "file: V", "--query-vectors", "A"), "the query 'w1'"),
        (("search", "MINE", "--design", "file: V"), "has no vector of 4 of 4 queries"),
        (("search", "MINE", "--design", "file: gone.npy"), "'gone.npy' cannot be opened"),
        (("search", "MINE", "--design", "file:"), "names no vectors"),
        (("search", "senses", "w1", "--design", "file: V"), "has 12 vectors for 160 texts"),
        (("search", "MINE", "--design", "file: A#odd"), "no column 'odd' that holds vectors"),
        (("search", "MINE", "w1", "--design", "M1", "--query-vectors", "A"), "for 0 designs"),
        (("atlas", "MINE", "--design", "file: V", "--out", "map.csv"), "Atlas reads parquet"),
    ],
)
def test_what_a_user_can_solve_is_one_sentence(folder, files, arguments, hint) -> None:
    vectors, asked = files
    places = {"MINE": str(folder), "A": str(asked)}
    written = [
        places.get(part, part.replace(": V", f": {vectors}").replace(": A", f": {asked}"))
        for part in arguments
    ]
    code, out, err = run(*written)
    assert (code, out) == (2, "")
    said = [line for line in err.splitlines() if line.startswith("error: ")]
    assert len(said) == 1 and hint in said[0] and "Traceback" not in err


def test_atlas_writes_what_it_says(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    texts = ["one text", "another", "a third one", "the last"]  # too few for UMAP to be compiled
    Path("texts.txt").write_text("\n".join(texts))
    np.save("v.npy", ROWS[:4])
    code, out, err = run("atlas", "texts.txt", "--design", "file: v.npy", "--out", "map.parquet")
    assert code == 0, err
    command = out.splitlines()[-1]
    assert command.startswith("embedding-atlas map.parquet --text text --x x_a --y y_a")
    table = pq.read_table("map.parquet")
    assert table.column("text").to_pylist() == texts
    named = [word for word in command.split()[2:] if not word.startswith("--")]
    assert set(named) <= set(table.schema.names)


def test_many_texts_are_searched_by_an_index_that_is_kept_and_said(tmp_path, monkeypatch) -> None:
    from embedlab.analysis import index

    monkeypatch.setattr(index, "EXACT_UP_TO", 100)
    monkeypatch.chdir(tmp_path)
    rows = np.repeat(np.eye(8), 50, axis=0) + 0.05 * RNG.normal(size=(400, 8))
    Path("texts.txt").write_text("\n".join(f"text {i}" for i in range(400)))
    np.save("v.npy", rows)
    pq.write_table(pa.table({"query": ["find it"], "v": [rows[7].tolist()]}), "asked.parquet")
    command = ("search", "texts.txt", "find it", "--design", "file: v.npy", "-k", "5")
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    expected = [f"text {i}" for i in np.argsort(-(unit @ unit[7]), kind="stable")[:5]]
    for _ in range(2):  # made, then opened again
        code, out, err = run(*command, "--query-vectors", "asked.parquet", "--index", "kept")
        assert code == 0, err
        assert "approximate search among 400 vectors (IVF: " in out
        assert "recall@10 against exact search" in out and "of the texts" in out
        assert [line.split("  ")[-1] for line in out.splitlines()[-5:]] == expected
        assert len([*Path("kept").glob("*.faiss")]) == 1
