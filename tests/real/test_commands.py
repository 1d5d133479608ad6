"""Commands that load the real backbone."""

from __future__ import annotations

import os
import re
import signal
import time

import numpy as np
import pyarrow.parquet as pq
import pytest
from support.command_line import run, start
from support.judged_folders import beir_folder

from embedlab import Design, embed
from embedlab.analysis.metrics import retrieval_scores
from embedlab.data.file_sets import read_files


def test_embed_writes_the_vectors_of_every_text(smollm2, table_file, tmp_path):
    out = tmp_path / "vectors.parquet"
    process = start(
        *("embed", table_file, "--design", "causal/mean", "--out", out, "--dtype", "float32")
    )
    stdout, stderr = process.communicate(timeout=300)
    assert process.returncode == 0 and str(out) in stdout
    taken, truncated = stderr.splitlines()  # neither bars nor logs
    assert "column 'text', the first one “the bank, of the river”" in taken
    assert truncated == "0 of 2 texts were truncated."
    table = pq.read_table(out)
    assert table.column_names == ["row", "text", "label", "vector"]
    assert table["label"].to_pylist() == ["river", "money"]
    assert str(table.schema.field("vector").type) == "fixed_size_list<element: float>[576]"
    assert table.schema.metadata[b"embedlab.design"] == b"causal/mean"
    texts = table["text"].to_pylist()
    np.testing.assert_allclose(
        np.array(table["vector"].to_pylist()),
        embed(texts, Design.parse("causal/mean"), smollm2),
        atol=1e-4,
    )
    assert sorted(path.name for path in tmp_path.iterdir()) == ["own.csv", "vectors.parquet"]


def test_search_ranks_under_two_designs():
    arguments = ("--design", "causal/mean", "--design", "M3", "-k", "3", "--sample", "20")
    code, out, _ = run("search", "senses", "a loan from the bank", *arguments)
    assert code == 0 and "20 of 160 texts" in out
    blocks = out.strip().split("\n\n")
    assert blocks[1].startswith("A  causal/mean\n")
    assert blocks[2].startswith("B  causal/multi_layer_trainable · untrained (random)\n")
    for block in blocks[1:]:
        rows = [
            re.match(r" *(\d+) +(-?\d+\.\d) +([+-]\d+|=|new) ", r) for r in block.split("\n")[1:4]
        ]
        assert [int(row[1]) for row in rows] == [1, 2, 3]
        scores = [float(row[2]) for row in rows]
        assert scores == sorted(scores, reverse=True) and 1 < scores[0] <= 100


@pytest.mark.skipif(os.name == "nt", reason="signals")
def test_control_c_ends_with_130_and_no_traceback(tmp_path):
    texts = tmp_path / "many.txt"
    texts.write_text("\n".join(f"text {i} " * 60 for i in range(2000)), encoding="utf-8")
    out = tmp_path / "v.npy"
    process = start("embed", texts, "--design", "M1", "--out", out)
    time.sleep(8)
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in stderr and not out.exists()


def test_own_queries_are_scored_and_embedded(smollm2, tmp_path):
    folder = beir_folder(tmp_path / "mine")
    code, out, _ = run("search", folder, "--design", "causal/mean", "--design", "M1")
    header, *rows = out.split("\n")[1:4]
    assert code == 0 and header.split() == ["design", "queries", "nDCG@10", "MRR@10", "recall@10"]
    corpus = read_files([folder])
    for row, design in zip(rows, ("causal/mean", "causal/eos"), strict=True):
        chosen = Design.parse(design)
        texts = embed(corpus.texts, chosen, smollm2)
        ranked = np.argsort(-(embed(corpus.queries, chosen, smollm2, query=True) @ texts.T))
        scores = retrieval_scores(ranked[:, :10], corpus.relevant)
        values = [scores.ndcg_10, scores.mrr_10, scores.recall_10]
        assert row.split() == [design, "3", *(f"{100 * value:.1f}" for value in values)]
    vectors = tmp_path / "queries.parquet"
    code, *_ = run("embed", folder, "--design", "causal/mean", "--query", "--out", vectors)
    assert code == 0 and pq.read_table(vectors)["id"].to_pylist() == list(corpus.query_ids)
