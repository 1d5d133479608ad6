"""Corpora with queries and judgements in several files: BEIR's and MTEB's layouts, and others."""

from __future__ import annotations

import json
import random
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from ir_measures import RR, R, iter_calc, nDCG

from embedlab.analysis import metrics, retrieval
from embedlab.data.corpus import Corpus, grades_of
from embedlab.data.file_sets import read_files, read_uploads
from embedlab.errors import EmbedLabError

DOCUMENTS = [
    {"_id": f"d{i}", "title": what, "text": text, "metadata": {"url": f"http://x/{i}"}}
    for i, (what, text) in enumerate(
        [
            ("The shop", "It opens at ten."),
            ("The door", "It is red."),
            ("The mouth", ""),
            ("", "A book."),
        ]
    )
]
TEXTS = ("The shop It opens at ten.", "The door It is red.", "The mouth", "A book.")
QUERIES = [{"_id": f"q{i}", "text": f"question {i}?", "metadata": {}} for i in range(4)]
QRELS = [("q0", "d0", 1), ("q1", "d1", 1), ("q1", "d3", 1), ("q3", "d2", 1)]
ANSWERS = {"q0": {"d0": 1}, "q1": {"d1": 1, "d3": 1}, "q3": {"d2": 1}}

Rows = list[dict[str, Any]]


def jsonl(rows: Rows) -> str:
    return "\n".join(map(json.dumps, rows))


def lines(rows: list[Any], separator: str = "\t", header: str = "") -> str:
    written = [separator.join(map(str, row)) for row in rows]
    return "\n".join([header.replace("\t", separator)] * bool(header) + written)


HEADER = "query-id\tcorpus-id\tscore"
BEIR = {
    "corpus.jsonl": jsonl(DOCUMENTS),
    "queries.jsonl": jsonl(QUERIES),
    "qrels/test.tsv": lines(QRELS, header=HEADER),
}


def parquet(path: Path, rows: Rows) -> None:
    pq.write_table(pa.Table.from_pylist(rows), path)


@pytest.fixture
def make(tmp_path: Path) -> Callable[..., Path]:
    """Writes a folder of files: texts, bytes, or rows for parquet."""

    def make(files: dict[str, str | Rows], folder: str = "set") -> Path:
        for name, content in files.items():
            path = tmp_path / folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if isinstance(content, str):
                path.write_text(content, encoding="utf-8")
            else:
                parquet(path, content)
        return tmp_path / folder

    return make


def zipped(folder: Path, inside: str = "") -> Path:
    path = folder.with_suffix(".zip")
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(folder.rglob("*")):
            if file.is_file():
                archive.write(file, inside + file.relative_to(folder).as_posix())
    return path


def answers(corpus: Corpus) -> dict[str, dict[str, float]]:
    """The grades by the ids of query and document."""
    return {
        query: {corpus.ids[i]: grade for i, grade in grades_of(relevant).items()}
        for query, relevant in zip(corpus.query_ids, corpus.relevant, strict=True)
    }


def check(corpus: Corpus | Any) -> None:
    """It is the collection above."""
    assert isinstance(corpus, Corpus)
    assert (corpus.texts, corpus.ids) == (TEXTS, ("d0", "d1", "d2", "d3"))
    assert corpus.queries == ("question 0?", "question 1?", "question 3?")
    assert answers(corpus) == ANSWERS
    assert any("query without a judgement (row 3), such as 'q2'" in note for note in corpus.notes)
    assert (3, "in ", "a query without a judgement") in [
        (row, reason[:3], reason.partition(", ")[2]) for row, reason in corpus.left_out
    ]


def test_a_folder_a_zip_and_single_files_are_the_same(make):
    folder = make(BEIR)
    (folder / ".DS_Store").write_bytes(b"\0")
    check(read_files([folder]))
    check(read_files([zipped(folder)]))
    check(read_files([zipped(folder, "my-set/")]))
    (folder / ".DS_Store").unlink()
    files = [path for path in folder.rglob("*") if path.is_file()]
    random.Random(1).shuffle(files)
    check(read_files(files))


def test_files_of_one_name(make):
    folder = make(
        {
            name.replace("corpus-00000-of-00002", "test").replace(
                "queries-00000-of-00001", "test"
            ): rows
            for name, rows in MTEB.items()
            if "00001-of-00002" not in name
        }
    )
    parquet(folder / "corpus" / "test.parquet", DOCUMENTS)
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    assert [path.name for path in files].count("test.parquet") == 2
    check(read_files(files))


def test_ids_may_be_numbers(make):
    corpus = read_files(
        [
            make(
                {
                    "corpus/0.parquet": [{"_id": i, "text": f"text {i}"} for i in range(3)],
                    "queries/0.parquet": [{"_id": 7, "text": "a query"}],
                    "qrels/0.parquet": [{"query-id": 7, "corpus-id": 2, "score": 1}],
                }
            )
        ]
    )
    assert answers(corpus) == {"7": {"2": 1}}


def test_links_are_followed(make, tmp_path):
    """As in the cache of the Hugging Face Hub."""
    folder = make(BEIR)
    (tmp_path / "links").mkdir()
    for name in BEIR:
        (tmp_path / "links" / Path(name).name).symlink_to(folder / name)
    check(read_files([tmp_path / "links"]))


def test_uploads_are_read_in_a_child_process(make, tmp_path):
    folder = make({**BEIR, "qrels/test.tsv": lines([("q0", "d0", 2), ("q1", "d3", 1)])})
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    corpus = read_uploads(files, max_bytes=10**6, max_texts=100)
    assert answers(corpus) == {"q0": {"d0": 2}, "q1": {"d3": 1}}
    here = read_files(files)
    for name in ("texts", "ids", "rows", "queries", "query_ids", "relevant", "left_out", "notes"):
        assert getattr(corpus, name) == getattr(here, name), name
    table = tmp_path / "own.csv"
    table.write_text("text,label\nhello there,x\nhow are you,y\n")
    read = read_uploads([table], max_bytes=10**6, max_texts=100)
    assert read.columns["text"] == ["hello there", "how are you"]


MTEB = {
    "corpus/corpus-00000-of-00002.parquet": DOCUMENTS[:2],
    "corpus/corpus-00001-of-00002.parquet": DOCUMENTS[2:],
    "queries/queries-00000-of-00001.parquet": [{k: q[k] for k in ("_id", "text")} for q in QUERIES],
    "data/test-00000-of-00001.parquet": [
        dict(zip(("query-id", "corpus-id", "score"), row, strict=True)) for row in QRELS
    ],
}
LAYOUTS: dict[str, dict[str, str | Rows]] = {
    "mteb parquet": MTEB,
    "mteb default": {
        "corpus.jsonl": jsonl([{"id": d["_id"], **d} for d in DOCUMENTS]),
        "queries.jsonl": jsonl(QUERIES),
        "default.jsonl": jsonl(MTEB["data/test-00000-of-00001.parquet"]),
        "README.md": "# About",
    },
    "numbers in names": {
        "corpus1.jsonl": jsonl(DOCUMENTS[:2]),
        "corpus2.jsonl": jsonl(DOCUMENTS[2:]),
        "queries_v2.jsonl": jsonl(QUERIES),
        "qrels-2024.tsv": lines(QRELS, header=HEADER),
        "notes.txt": "",
    },
    "one folder each": {
        "corpus/test-00000.jsonl": jsonl(DOCUMENTS),
        "queries/test-00000.jsonl": jsonl(QUERIES),
        "default/test-00000.jsonl": jsonl(MTEB["data/test-00000-of-00001.parquet"]),
        "top_ranked/test.jsonl": jsonl([{"query-id": "q0", "corpus-ids": ["d0", "d1"]}]),
    },
    "names with a prefix": {
        "mine_corpus.jsonl": jsonl(DOCUMENTS),
        "mine_queries.jsonl": jsonl(QUERIES),
        "mine_qrels.tsv": lines(QRELS, header=HEADER),
    },
    "pandas' columns": {
        "corpus.json": json.dumps(
            {key: {str(i): row[key] for i, row in enumerate(DOCUMENTS)} for key in DOCUMENTS[0]}
        ),
        "queries.json": json.dumps(QUERIES),
        "qrels.json": json.dumps(ANSWERS),
    },
    "other names": {
        "documents.json": json.dumps([{"docid": d.pop("_id"), **d} for d in map(dict, DOCUMENTS)]),
        "topics.csv": lines([(q["_id"], q["text"]) for q in QUERIES], ",", "qid\tquery"),
        "judgements.csv": lines(QRELS, ",", "qid\tdocid\trelevance"),
    },
    "without names": {
        "a.jsonl": jsonl(QUERIES),
        "b.jsonl": jsonl(DOCUMENTS),
        "c.tsv": lines(QRELS, header=HEADER),
    },
    "judgements without a name or header": {
        "corpus.jsonl": jsonl(DOCUMENTS),
        "queries.jsonl": jsonl(QUERIES),
        "test.tsv": lines(QRELS),
    },
    "without headers": {
        "collection.tsv": lines(list(zip(("d0", "d1", "d2", "d3"), TEXTS, strict=True))),
        "queries.tsv": lines([(q["_id"], q["text"]) for q in QUERIES]),
        "qrels.tsv": lines(QRELS),
    },
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_layouts(make, layout):
    check(read_files([make(LAYOUTS[layout])]))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("qrels.tsv", lines(QRELS)),
        ("qrels.tsv", lines([row[:2] for row in QRELS], header="query-id\tcorpus-id")),
        ("qrels.tsv", lines([(d, s, q) for q, d, s in QRELS], header="corpus-id\tscore\tquery-id")),
        ("qrels.txt", lines([(q, 0, d, s) for q, d, s in QRELS], " ")),
        ("qrels.trec", lines([(q, "Q0", d, s) for q, d, s in QRELS], "  ")),
        ("qrels", lines([(q, 0, d, s) for q, d, s in QRELS])),
        ("qrels.csv", lines(QRELS, ";", HEADER)),
        ("qrels.csv", lines([(f'"{q}"', f'"{d}"', s) for q, d, s in QRELS], ",", HEADER)),
        ("qrels.json", json.dumps(ANSWERS)),
        ("qrels.json", json.dumps({q: list(docs) for q, docs in ANSWERS.items()})),
        (
            "qrels.json",
            json.dumps([dict(zip(("query-id", "corpus-id"), r, strict=False)) for r in QRELS]),
        ),
        ("relevant_docs.jsonl", jsonl([{"qid": q, "did": d, "rel": s} for q, d, s in QRELS])),
        ("qrels.tsv", "\ufeff" + lines(QRELS, header=HEADER).replace("\n", "\r\n") + "\r\n\r\n"),
    ],
)
def test_judgements_in_any_usual_form(make, name, content):
    files = {k: v for k, v in BEIR.items() if "qrels" not in k}
    check(read_files([make({**files, name: content})]))


def test_splits(make):
    folder = make(
        {
            **BEIR,
            "qrels/train.tsv": lines([("q2", "d0", 1)], header=HEADER),
            "qrels/dev.tsv": lines([("q0", "d1", 1)], header=HEADER),
        }
    )
    corpus = read_files([folder])
    assert answers(corpus) == ANSWERS
    assert any("'qrels/test.tsv'; not used: 'qrels/dev.tsv'" in note for note in corpus.notes)
    assert answers(read_files([folder], split="train")) == {"q2": {"d0": 1}}
    assert answers(read_files([folder], split="validation")) == {"q0": {"d1": 1}}
    with pytest.raises(EmbedLabError, match=r"no judgements of the split 'all'.*dev, test, train"):
        read_files([folder], split="all")


def test_what_does_not_fit_is_counted_and_listed(make):
    documents = [
        *DOCUMENTS,
        {"_id": "d1", "title": "The door", "text": "It is red."},
        {"_id": "d3", "title": "", "text": "Another text."},
        {"_id": "d8", "title": "", "text": " "},
        {"_id": "", "title": "", "text": "without an id"},
    ]
    queries = [*QUERIES, {"_id": "q0", "text": "another question"}, {"_id": "q5", "text": ""}]
    rows = [
        *QRELS,
        ("q9", "d0", 1),
        ("q0", "d9", 1),
        ("q0", "d8", 1),
        ("q0", "d0", 1),
        ("q0", "d0", 2),
        ("q0", "d1", "much"),
        ("q0", "", 1),
    ]
    folder = make(
        {
            "corpus.jsonl": jsonl(documents),
            "queries.jsonl": jsonl(queries),
            "qrels.tsv": lines(rows, header=HEADER),
        }
    )
    corpus = read_files([folder])
    check(corpus)
    assert set(corpus.left_out) == {
        (5, "in corpus.jsonl, an id of an earlier row with the same text"),
        (6, "in corpus.jsonl, an id of an earlier row with another text"),
        (7, "in corpus.jsonl, no text"),
        (8, "in corpus.jsonl, no id"),
        (3, "in queries.jsonl, a query without a judgement"),
        (5, "in queries.jsonl, an id of an earlier row with another text"),
        (6, "in queries.jsonl, no text"),
        (5, "in qrels.tsv, a query that is not there"),
        (6, "in qrels.tsv, a document that is not there"),
        (7, "in qrels.tsv, a document that is not there"),
        (8, "in qrels.tsv, an earlier row gives the document the same score"),
        (9, "in qrels.tsv, an earlier row gives the document another score"),
        (10, "in qrels.tsv, no id or no score"),
        (11, "in qrels.tsv, no id or no score"),
    }
    unknown = "in qrels.tsv, a document that is not there (rows 6 and 7), such as 'd9'"
    assert f"2 rows were left out: {unknown}." in corpus.notes


def test_grades_of_nothing_relevant(make):
    rows = [("q0", "d0", 3), ("q0", "d1", 0), ("q1", "d2", 1), ("q2", "d0", 0), ("q3", "d1", -2)]
    corpus = read_files([make({**BEIR, "qrels/test.tsv": lines(rows)})])
    assert answers(corpus) == {"q0": {"d0": 3}, "q1": {"d2": 1}, "q2": {}, "q3": {}}
    assert any("graded (1, 3)" in note for note in corpus.notes)
    assert any("2 of 4 judged queries have no relevant document" in n for n in corpus.notes)


@pytest.mark.parametrize("content", [HEADER, "", HEADER + "\n"])
def test_no_judgements(make, content):
    corpus = read_files([make({**BEIR, "qrels/test.tsv": content})])
    assert corpus.queries == tuple(q["text"] for q in QUERIES) and not any(corpus.relevant)
    assert "'qrels/test.tsv' holds no judgement: nothing can be scored." in corpus.notes
    without = {name: text for name, text in BEIR.items() if "qrels" not in name}
    corpus = read_files([make(without, "without")])
    assert len(corpus.queries) == 4
    assert "There are no judgements, so nothing can be scored." in corpus.notes


def test_relevant_documents_are_kept_first(make):
    many = [*({"_id": f"x{i}", "text": f"filler {i}"} for i in range(50)), *DOCUMENTS]
    folder = make({**BEIR, "corpus.jsonl": jsonl(many)})
    corpus = read_files([folder], max_texts=10)
    assert corpus.ids == (*(f"x{i}" for i in range(6)), "d0", "d1", "d2", "d3")
    assert answers(corpus) == ANSWERS and corpus.total == 54
    assert "Only 10 of 54 texts were read, relevant ones first." in corpus.notes


def test_instructions_follow_the_query_as_in_mteb(make):
    inside = {**BEIR, "queries.jsonl": jsonl([{**q, "instruction": "Find it."} for q in QUERIES])}
    apart = {**BEIR, "instruction/test.jsonl": jsonl([{"query-id": "q1", "instruction": "Be it."}])}
    assert read_files([make(inside, "in")]).queries[0] == "question 0? Find it."
    assert read_files([make(apart, "apart")]).queries[:2] == ("question 0?", "question 1? Be it.")


@pytest.mark.parametrize("judged", [ANSWERS, {q: list(docs) for q, docs in ANSWERS.items()}])
def test_one_object_as_evaluators_take_it(make, judged):
    whole = {
        "queries": {q["_id"]: q["text"] for q in QUERIES},
        "corpus": {d["_id"]: {"title": d["title"], "text": d["text"]} for d in DOCUMENTS},
        "relevant_docs": judged,
        "mode": "text",
    }
    path = make({"mine.json": json.dumps(whole)}) / "mine.json"
    check(read_files([path]))
    path.write_text(json.dumps(whole | {"corpus": dict(zip("abcd", TEXTS, strict=True))}))
    with pytest.raises(EmbedLabError, match="Check that these files belong together"):
        read_files([path])


def test_one_file_in_an_archive_is_a_table(make):
    read = read_files([zipped(make({"mine.csv": "text,label\nhello there,x\nbye now,y\n"}))])
    assert read.columns["text"] == ["hello there", "bye now"]


REFUSED = {
    "nothing relates": ({**BEIR, "qrels/test.tsv": lines([("a", "b", 1)])}, "'a', for one, is not"),
    "no queries": ({k: v for k, v in BEIR.items() if "quer" not in k}, "to hold the queries"),
    "no documents": ({k: v for k, v in BEIR.items() if "corpus" not in k}, "hold the documents"),
    "a ranked list": (
        {**BEIR, "qrels/test.tsv": lines([("q0", "Q0", "d0", 1, 0.5, "bm25")])},
        "rows of 6 columns, as ranked lists have",
    ),
    "several sets": (
        {f"{name}/{k}": v for name in ("android", "english") for k, v in BEIR.items()},
        "several data sets in it, with 'android/corpus.jsonl', 'english/corpus.jsonl'",
    ),
    "no ids": (
        {**BEIR, "corpus.jsonl": jsonl([{"text": "x", "url": "y", "n": 1}])},
        "no column of ids",
    ),
    "no text": (
        {**BEIR, "corpus.jsonl": jsonl([{"_id": "d0", "text": ""}])},
        "no document with text",
    ),
    "two tables": ({"a.csv": "text\nx y", "b.csv": "text\nz"}, "known to hold the documents"),
    "no table": ({"a.png": "x", "b.pdf": "y"}, "holds no table"),
    "nothing": ({".hidden": "x"}, "no file in it"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_makes_no_corpus_is_refused_in_a_sentence(make, case):
    files, message = REFUSED[case]
    with pytest.raises(EmbedLabError, match=message):
        read_files([make(files)])


def test_archives_that_are_refused(make, tmp_path):
    path = tmp_path / "bad.zip"
    for name, message in (("../out.jsonl", "leads out"), ("/etc/x.jsonl", "leads out")):
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr(name, "x")
        with pytest.raises(EmbedLabError, match=message):
            read_files([path])
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("corpus.jsonl", "x" * 10_000_000)
    with pytest.raises(EmbedLabError, match=r"10\.0 MB unpacked"):
        read_files([path], max_bytes=10**6)
    path.write_bytes(path.read_bytes()[:300])
    with pytest.raises(EmbedLabError, match="cannot be read as a zip archive"):
        read_files([path])
    link = zipfile.ZipInfo("corpus.jsonl")
    link.external_attr = 0o120777 << 16
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(link, "/etc/passwd")
    with pytest.raises(EmbedLabError, match="a link or no regular file"):
        read_files([path])
    with pytest.raises(EmbedLabError, match=r"the limit is 0\.0 MB"):
        read_files([make(BEIR)], max_bytes=100)


def test_scores_equal_those_of_trec_eval_on_the_files(make):
    rng = np.random.default_rng(3)
    documents = [{"_id": f"d{i}", "title": f"T{i}", "text": f"text {i}"} for i in range(60)]
    queries = [{"_id": f"q{i}", "text": f"query {i}"} for i in range(15)]
    rows = [
        (f"q{q}", f"d{d}", int(rng.integers(0, 4)))
        for q in range(12)
        for d in rng.permutation(60)[: 2 + q]
    ]
    folder = make(
        {
            "corpus.jsonl": jsonl(documents),
            "queries.jsonl": jsonl(queries),
            "qrels/test.tsv": lines(rows, header=HEADER),
        }
    )
    corpus = read_files([zipped(folder)])
    vectors, of_queries = (
        each / np.linalg.norm(each, axis=1, keepdims=True)
        for each in (
            rng.normal(size=(len(corpus.texts), 8)),
            rng.normal(size=(len(corpus.queries), 8)),
        )
    )
    ranked, _ = retrieval.search(vectors, of_queries, 10)
    ours = metrics.retrieval_scores(ranked, corpus.relevant)

    qrels: dict[str, dict[str, int]] = {}
    for query, document, grade in rows:
        qrels.setdefault(query, {})[document] = grade
    qrels = {query: docs for query, docs in qrels.items() if max(docs.values()) > 0}
    cosines = of_queries @ vectors.T
    run = {
        query: dict(zip(corpus.ids, map(float, cosines[q]), strict=True))
        for q, query in enumerate(corpus.query_ids)
    }
    for name, measure in {"ndcg_10": nDCG @ 10, "mrr_10": RR @ 10, "recall_10": R @ 10}.items():
        theirs = [one.value for one in iter_calc([measure], qrels, run)]
        assert len(theirs) == ours.n_queries
        assert getattr(ours, name) == pytest.approx(np.mean(theirs), abs=1e-6)
