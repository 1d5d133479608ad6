"""A small BEIR folder with graded judgements, for tests that read one."""

from __future__ import annotations

import json
from pathlib import Path

DOCUMENTS = {f"d{i}": f"w{i} w{i + 1} w{(7 * i) % 90}" for i in range(12)}
QUERIES = {f"q{i}": f"w{2 * i} w{i}" for i in range(5)}
#: q3 has nothing relevant, q4 no judgement.
GRADES = {
    "q0": {"d0": 2, "d1": 1, "d5": 0},
    "q1": {"d2": 1},
    "q2": {"d4": 3, "d7": 1, "d11": 2},
    "q3": {"d3": 0},
}


def beir_folder(folder: Path) -> Path:
    """The folder with corpus.jsonl, queries.jsonl and qrels/test.tsv."""
    (folder / "qrels").mkdir(parents=True)
    for name, rows in (("corpus", DOCUMENTS), ("queries", QUERIES)):
        written = [json.dumps({"_id": key, "text": text}) for key, text in rows.items()]
        (folder / f"{name}.jsonl").write_text("\n".join(written), encoding="utf-8")
    rows = [f"{q}\t{d}\t{grade}" for q, docs in GRADES.items() for d, grade in docs.items()]
    header = "query-id\tcorpus-id\tscore"
    (folder / "qrels" / "test.tsv").write_text("\n".join([header, *rows]), encoding="utf-8")
    return folder
