"""Files of vectors: what is read, what is refused in one sentence, and which row is whose."""

from __future__ import annotations

import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from embedlab.data.corpus import Corpus
from embedlab.data.prepared import NoQueryVectors
from embedlab.data.vector_file import prepared, read_vector_file, upload_vector_file
from embedlab.errors import EmbedLabError

CORPUS = Corpus(
    id="own",
    title="Mine",
    texts=("a shop", "a door", "ten o'clock", "a door"),
    ids=("d1", "d2", "d3", "d4"),
    queries=("when?", "where?"),
    query_ids=("q1", "q2"),
    relevant=(frozenset({2}), frozenset({0})),
)
ROWS = np.random.default_rng(0).normal(size=(4, 3))


def npy(folder: Path, array: object, name: str = "model.npy") -> Path:
    path = folder / name
    np.save(path, np.asarray(array), allow_pickle=True)
    return path


def parquet(folder: Path, columns: dict[str, object], name: str = "model.parquet") -> Path:
    path = folder / name
    pq.write_table(pa.table(columns), path)
    return path


def unit(rows: object) -> np.ndarray:
    array = np.asarray(rows, np.float64)
    return array / np.linalg.norm(array, axis=1, keepdims=True)


@pytest.mark.parametrize("kind", ["float16", "float32", "float64", "int8", "uint8", "int64"])
def test_numbers_of_any_type_become_unit_rows_of_float32(tmp_path: Path, kind: str) -> None:
    rows = (10 * np.abs(ROWS) + 1).astype(kind)
    lists = parquet(tmp_path, {"v": pa.array(rows.tolist(), pa.list_(pa.from_numpy_dtype(kind)))})
    for path in (npy(tmp_path, rows), lists):
        given = prepared(read_vector_file(path), CORPUS)
        assert given.vectors.dtype == np.float32 and given.name == "model"
        np.testing.assert_allclose(given.vectors, unit(rows), atol=1e-6)
        assert any(kind in note for note in given.notes) == (kind != "float32")


def test_fixed_and_chunked_lists_are_the_same(tmp_path: Path) -> None:
    rows = ROWS.astype(np.float32)
    flat = pa.array(rows.reshape(-1))
    fixed = pa.FixedSizeListArray.from_arrays(flat, 3)
    halves = pa.chunked_array([fixed[:1], fixed[1:]])
    for column in (fixed, halves, pa.array(rows.tolist(), pa.large_list(pa.float32()))):
        read = read_vector_file(parquet(tmp_path, {"vector": column}))
        np.testing.assert_array_equal(read.rows, rows)


class Shell:
    def __reduce__(self):
        return (Path.touch, (Path("/tmp/embedlab-pickle-ran"),))


BAD = {
    "another length": (lambda d: npy(d, ROWS[:3]), "has 3 vectors for 4 texts"),
    "one dimension": (lambda d: npy(d, ROWS[0]), "an array of 1 dimension, (3,); give two"),
    "three dimensions": (lambda d: npy(d, ROWS[None]), "an array of 3 dimensions"),
    "no dimension": (lambda d: npy(d, 3.0), "an array of 0 dimensions"),
    "no rows": (lambda d: npy(d, ROWS[:0]), "holds no numbers: its array is 0 × 3"),
    "NaN": (lambda d: npy(d, np.where(ROWS[2, 1] == ROWS, np.nan, ROWS)), "Row 3 of 'model.npy'"),
    "infinite": (lambda d: npy(d, np.where(ROWS[1, 1] == ROWS, np.inf, ROWS)), "Row 2 of"),
    "beyond float32": (lambda d: npy(d, ROWS * 1e300), "infinite in float32 (4 such rows)"),
    "zeros": (lambda d: npy(d, ROWS * [[1], [0], [1], [0]]), "Row 2 of 'model.npy' is all zeros"),
    "ragged npy": (lambda d: npy(d, np.array([[1], [1, 2]], object)), "holds pickled objects"),
    "ragged lists": (
        lambda d: parquet(d, {"v": [[1.0, 2.0], [1.0], [2.0, 1.0], [0.0, 1.0]]}),
        "has vectors of different lengths, such as 1 and 2 (row 2)",
    ),
    "a missing list": (
        lambda d: parquet(d, {"v": [[1.0], None, [2.0], [1.0]]}),
        "has no vector in row 2",
    ),
    "words": (lambda d: npy(d, [["a"], ["b"], ["c"], ["d"]]), "holds <U1, not numbers"),
    "truths": (lambda d: npy(d, ROWS > 0), "holds bool, not numbers"),
    "complex": (lambda d: npy(d, ROWS * 1j), "holds complex128, not numbers"),
    "no vectors": (
        lambda d: parquet(d, {"text": ["a"], "x": [1.0]}),
        "has no column of vectors (lists of numbers); its columns are 'text', 'x'",
    ),
}


@pytest.mark.parametrize("what", BAD)
def test_what_cannot_be_used_is_said_in_one_sentence(tmp_path: Path, what: str) -> None:
    make, words = BAD[what]
    with pytest.raises(EmbedLabError) as error:
        prepared(read_vector_file(make(tmp_path)), CORPUS)
    assert words in str(error.value) and "Traceback" not in str(error.value)


def test_nothing_is_unpickled_or_trusted(tmp_path: Path) -> None:
    ran = Path("/tmp/embedlab-pickle-ran")
    ran.unlink(missing_ok=True)
    files = {
        "shell.npy": b"",
        "raw.npy": pickle.dumps(Shell()),
        "zip.npy": b"PK\x03\x04rest",
        "cut.npy": npy(tmp_path, ROWS, "whole.npy").read_bytes()[:-9],
        "huge.npy": _header((10**12, 768)),
        "wrong.parquet": b"PAR1 and nothing",
        "empty.npy": b"",
        "vectors.csv": b"1,2",
    }
    with pytest.raises(EmbedLabError, match="pickled objects"):
        read_vector_file(npy(tmp_path, np.array([Shell()], object), "object.npy"))
    for name, data in files.items():
        path = tmp_path / name
        path.write_bytes(data)
        with pytest.raises(EmbedLabError) as error:
            read_vector_file(path)
        assert str(error.value).startswith(f"{name!r} ") and str(error.value).endswith(".")
    assert not ran.exists()


def _header(shape: tuple[int, int]) -> bytes:
    text = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}"
    head = text.ljust(117).encode() + b"\n"
    return b"\x93NUMPY\x01\x00" + len(head).to_bytes(2, "little") + head


def test_the_limit_is_on_what_they_take_in_memory(tmp_path: Path) -> None:
    path = npy(tmp_path, np.ones((1000, 100), np.int8))
    read_vector_file(path, max_bytes=400_000)
    with pytest.raises(EmbedLabError, match=r"1,000 × 100 numbers, 0 MB as float32.*max_prepared"):
        read_vector_file(path, max_bytes=399_999)


def test_rows_are_matched_by_text_else_by_id_else_by_order(tmp_path: Path) -> None:
    lists = ROWS[[2, 1, 0]].tolist()
    by_text = {"text": ["ten o'clock", "a door ", "a shop"], "v": lists}
    given = prepared(read_vector_file(parquet(tmp_path, by_text)), CORPUS)
    np.testing.assert_allclose(given.vectors, unit(ROWS[[0, 1, 2, 1]]), atol=1e-6)
    assert "matched by the text in column 'text'" in given.notes[0]

    by_id = {"id": ["d4", "d3", "d2", "d1"], "v": ROWS[::-1].tolist()}
    given = prepared(read_vector_file(parquet(tmp_path, by_id)), CORPUS)
    np.testing.assert_allclose(given.vectors, unit(ROWS), atol=1e-6)

    same = {"text": list(CORPUS.texts), "v": ROWS.tolist()}  # equal texts keep their own vectors
    given = prepared(read_vector_file(parquet(tmp_path, same)), CORPUS)
    np.testing.assert_allclose(given.vectors, unit(ROWS), atol=1e-6)

    with pytest.raises(EmbedLabError, match="has 3 vectors for 4 texts and no column with all"):
        prepared(read_vector_file(parquet(tmp_path, {"text": list("abc"), "v": lists})), CORPUS)


def test_rows_of_the_source_without_a_text_are_skipped(tmp_path: Path) -> None:
    corpus = replace(CORPUS, rows=(1, 3, 4, 6), left_out=((2, "no text"), (5, "no text")))
    rows = np.random.default_rng(1).normal(size=(6, 3))
    rows[1] = np.nan  # of the row without a text
    given = prepared(read_vector_file(npy(tmp_path, rows)), corpus)
    np.testing.assert_allclose(given.vectors, unit(rows[[0, 2, 3, 5]]), atol=1e-6)
    assert "2 rows without a text" in given.notes[0]


def test_one_of_several_columns_can_be_chosen(tmp_path: Path) -> None:
    path = parquet(tmp_path, {"small": ROWS.tolist(), "large": (ROWS + 1).tolist()})
    assert read_vector_file(path).column == "small"
    read = read_vector_file(path, column="large")
    np.testing.assert_allclose(read.rows, ROWS + 1, atol=1e-6)
    assert "others with vectors are 'small'" in prepared(read, CORPUS).notes[1]
    with pytest.raises(EmbedLabError, match="'odd' that holds vectors; those that do are 'small'"):
        read_vector_file(path, column="odd")


def test_queries_have_vectors_of_their_own(tmp_path: Path) -> None:
    texts = read_vector_file(npy(tmp_path, ROWS))
    asked = ROWS[:2] + 1
    given = prepared(texts, CORPUS, queries=read_vector_file(npy(tmp_path, asked, "q.npy")))
    np.testing.assert_allclose(given.of_queries(["where?", " when?"]), unit(asked[::-1]), atol=1e-6)
    with pytest.raises(NoQueryVectors, match=r"no vector of the query 'why\?'"):
        given.of_queries(["why?"])
    with pytest.raises(NoQueryVectors, match="2 of 2 queries"):
        prepared(texts, CORPUS).of_queries(CORPUS.queries)

    more = {"query": ["why?", "where?", "when?"], "v": ROWS[:3].tolist()}
    given = prepared(texts, CORPUS, queries=read_vector_file(parquet(tmp_path, more)))
    np.testing.assert_allclose(given.of_queries(["why?", "when?"]), unit(ROWS[[0, 2]]), atol=1e-6)
    with pytest.raises(EmbedLabError, match="3 vectors for 2 queries"):
        prepared(texts, CORPUS, queries=read_vector_file(npy(tmp_path, ROWS[:3], "q.npy")))
    with pytest.raises(EmbedLabError, match="the same model"):
        prepared(texts, CORPUS, queries=read_vector_file(npy(tmp_path, ROWS[:2, :2], "q.npy")))
    bare = replace(CORPUS, queries=(), query_ids=(), relevant=())
    with pytest.raises(EmbedLabError, match="no queries to which"):
        prepared(texts, bare, queries=read_vector_file(npy(tmp_path, asked, "q.npy")))


def test_an_upload_is_read_the_same_in_a_child_process(tmp_path: Path) -> None:
    path = parquet(tmp_path, {"text": list(CORPUS.texts), "v": ROWS.tolist()})
    here, there = read_vector_file(path), upload_vector_file(path)
    np.testing.assert_array_equal(here.rows, there.rows)
    assert {**vars(here), "rows": 0} == {**vars(there), "rows": 0}
    with pytest.raises(EmbedLabError, match="pickled objects"):
        upload_vector_file(npy(tmp_path, np.array([[1], [1, 2]], object)))


def test_a_sample_keeps_the_vectors_of_its_texts(tmp_path: Path) -> None:
    given = prepared(read_vector_file(npy(tmp_path, ROWS)), CORPUS)
    corpus = replace(CORPUS, prepared={"model": given})
    part = corpus.sample(3, seed=1)
    for text, row, vector in zip(
        part.texts, part.rows, part.prepared["model"].vectors, strict=True
    ):
        assert text == CORPUS.texts[row - 1]
        np.testing.assert_array_equal(vector, given.vectors[row - 1])
    assert part.prepared["model"].version != given.version
    with pytest.raises(EmbedLabError, match="'file: model' has 4 vectors for 3 texts"):
        replace(part, prepared={"model": given})
