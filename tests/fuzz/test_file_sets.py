"""Hostile collections: queries, documents and judgements that do not fit, or are no such things."""

from __future__ import annotations

import json
import zipfile
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.fuzzing import ODD_TEXT, ODD_VALUES, case, fuzz

from embedlab.data.corpus import Corpus
from embedlab.data.file_sets import read_files
from embedlab.data.layouts import corpus_of
from embedlab.data.readers import read_table

#: Few of them, so that they repeat and judgements hit them; some are blank.
IDS = st.sampled_from(["a", "b", "c", "d e", "1", "", " ", "ü"])
TEXTS = st.sampled_from(["one", "two words", "", " ", "\u202eabc", "a\tb"]) | st.text(max_size=9)
ROWS = st.lists(st.fixed_dictionaries({"_id": IDS, "title": TEXTS, "text": TEXTS}), max_size=9)
SCORES = st.sampled_from(["1", "0", "2", "-1", "0.5", "", "x", "nan", "1e999"])
JUDGEMENTS = st.lists(st.tuples(IDS, IDS, SCORES), max_size=12)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("sets")


def written(folder: Path, documents: Any, queries: Any, judgements: Any, header: bool) -> Path:
    for name, rows in (("corpus", documents), ("queries", queries)):
        (folder / f"{name}.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    lines = ["\t".join(row) for row in judgements]
    head = ["query-id\tcorpus-id\tscore"] * header
    (folder / "qrels.tsv").write_text("\n".join(head + lines), encoding="utf-8", newline="")
    return folder


@fuzz(250)
@given(ROWS, ROWS, JUDGEMENTS)
def test_every_row_is_used_or_reported(
    folder: Path, documents: Any, queries: Any, judgements: Any
) -> None:
    read = None
    with case("collections"):
        read = read_files([written(folder, documents, queries, judgements, header=True)])
    if not isinstance(read, Corpus):
        return
    reported = Counter(reason.split(",")[0] for _, reason in read.left_out)
    assert len(read.texts) + reported["in corpus.jsonl"] == len(documents)
    assert len(read.queries) + reported["in queries.jsonl"] == len(queries)
    positive = sum(map(len, read.relevant))
    assert positive + reported["in qrels.tsv"] <= len(judgements)
    # What else there is says that a document is not relevant.
    zero = sum(score in ("0", "-1") for *_, score in judgements)
    blank = sum(not any(cell.strip() for cell in row) for row in judgements)
    assert positive + reported["in qrels.tsv"] + zero + blank >= len(judgements)


@fuzz(120)
@given(ROWS, ROWS, JUDGEMENTS, st.booleans(), ODD_TEXT, ODD_VALUES, st.binary(max_size=60))
def test_odd_files_in_archives(
    folder: Path,
    documents: Any,
    queries: Any,
    judgements: Any,
    header: bool,
    name: str,
    value: Any,
    data: bytes,
) -> None:
    odd = [*documents, {"_id": "z", "text": value}, value]
    archive = folder.with_suffix(".zip")
    with zipfile.ZipFile(archive, "w") as opened:
        for path in written(folder, odd, queries, judgements, header).iterdir():
            opened.write(path, path.name)
        # A name ends at a NUL, and cannot be empty.
        if name.partition("\0")[0] and len(name) < 1000:
            opened.writestr(name.encode("utf-8", "replace").decode(), data)
    with case("archives of collections"):
        read_files([archive], max_bytes=10**7)
    damaged = archive.read_bytes()
    at = len(damaged) * (len(data) + 1) // 62
    archive.write_bytes(damaged[:at] + data + damaged[at + len(data) :])
    with case("damaged archives"):
        read_files([archive], max_bytes=10**7)


@fuzz(150)
@given(
    st.lists(
        st.dictionaries(
            st.sampled_from(
                [
                    "query",
                    "positive",
                    "neg",
                    "sentences",
                    "labels",
                    "sentence1",
                    "sentence2",
                    "score",
                ]
            ),
            ODD_VALUES | st.lists(ODD_TEXT, max_size=3),
            min_size=2,
        ),
        min_size=1,
        max_size=4,
    )
)
def test_layouts_of_odd_values(folder: Path, rows: Any) -> None:
    path = folder / "rows.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    with case("layouts"):
        corpus_of(read_table(path))
