"""Hostile files: whatever is uploaded, the answer is a result or one clear sentence.

Every example of hypothesis is a case; each has a deadline, after which it counts as a hang. The
seeds are fixed, so that a run is the same everywhere. ``EMBEDLAB_FUZZ=20`` runs twenty times as
many cases, other ones each time.
"""

from __future__ import annotations

import gzip
import io
import json
import math
import os
import pickle
import re
import shutil
import stat
import zipfile
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from support.fuzzing import (
    CASES,
    ODD_NUMBERS,
    ODD_SCALARS,
    ODD_TEXT,
    ODD_VALUES,
    case,
    clear,
    fuzz,
)
from support.models import tiny_model, tiny_tokenizer
from support.pairs import pair_set, recipe
from support.shapes import PARQUET_SHAPES, TEXT_SHAPES, write

from embedlab import Design, EmbedLabError, embed
from embedlab.child_process import Bounds
from embedlab.data.corpus import Corpus
from embedlab.data.keep import KeepNeeded
from embedlab.data.pair_table import read_pairs
from embedlab.data.pairs import PairSet
from embedlab.data.readers import read_table, read_upload
from embedlab.data.tables import Table, own_texts, table_to_corpus
from embedlab.export.archive import open_archive, package, unpack
from embedlab.export.model_card import model_card
from embedlab.lab.config import BackboneEntry, Config, Limits
from embedlab.lab.import_run import import_adapter
from embedlab.lab.lab import Lab
from embedlab.models.run_folder import load_run, read_run_info
from embedlab.training.checkpoints import CHECKPOINT, resume, save_checkpoint, save_run
from embedlab.training.training import Training
from embedlab.ui.tabs.finetune.html import before_after

#: Cases this file has at least.
LEAST = 3_200
MOST_ROWS, MOST_BYTES = 1_000, 2_000_000


# Odd values, shared with the endpoints' fuzzer


def mutations() -> st.SearchStrategy[list[tuple[str, float, bytes]]]:
    """Up to twelve changes: what, where (as a share of the length), and which bytes."""
    change = st.tuples(
        st.sampled_from(["flip", "set", "insert", "delete", "repeat", "truncate"]),
        st.floats(0, 1, exclude_max=True),
        st.binary(min_size=1, max_size=8)
        | st.sampled_from([b"\0", b"\xff", b"\xff\xff\xff\x7f", b"\n", b'"', b"PAR1", b"PK\3\4"]),
    )
    return st.lists(change, max_size=12)


def mutated(content: bytes, changes: list[tuple[str, float, bytes]]) -> bytes:
    """The content with the changes made one after the other."""
    data = bytearray(content)
    for what, where, given_bytes in changes:
        at = int(where * len(data))
        if what == "flip" and data:
            data[at] ^= 1 << given_bytes[0] % 8
        elif what == "set":
            data[at : at + len(given_bytes)] = given_bytes
        elif what == "insert":
            data[at:at] = given_bytes
        elif what == "delete":
            del data[at : at + given_bytes[0]]
        elif what == "repeat":
            data[at:at] = data[at : at + 200] * (1 + given_bytes[0] % 5)
        elif what == "truncate":
            del data[max(at, len(data) // 2) :]
    return bytes(data)


# Tables


class Trap:
    """Unpickling this fails the test."""

    def __reduce__(self) -> Any:
        return (pytest.fail, ("the file was unpickled",))


def parquet(table: pa.Table, **options: Any) -> bytes:
    sink = io.BytesIO()
    pq.write_table(table, sink, **options)
    return sink.getvalue()


def zipped(members: dict[str, bytes]) -> bytes:
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return sink.getvalue()


#: What files in the shapes of :mod:`support.shapes` hold here.
SHAPED = [(f'text {i % 7}, with; "words" — 🙂', "ab"[i % 2]) for i in range(12)]


def sound_files() -> list[tuple[str, bytes]]:
    """Well-formed files by their ending."""
    rows = [(f"text {i % 7}, with; words", "ab"[i % 2], i) for i in range(40)]
    lines = [f'"{t}",{label},{n}' for t, label, n in rows]
    objects = [{"text": t, "label": label, "n": n} for t, label, n in rows]
    table = pa.table(
        {
            "text": [t for t, *_ in rows],
            "label": pa.array([label for _, label, _ in rows]).dictionary_encode(),
            "n": [n for *_, n in rows],
            "vector": [[1.0, 2.0]] * 40,
            "when": pa.array(range(40), pa.timestamp("ms")),
            "raw": pa.array([b"\xff"] * 40),
        }
    )
    csv = "\n".join(["text,label,n", *lines]).encode()
    return [
        (".txt", "one\r\ntwo — 🙂\n\nthree".encode()),
        (".csv", csv),
        (".csv", csv.decode().encode("utf-16")),
        (".csv", "text,label\ncafé,x\nthé,y\n".encode("cp1252")),
        (".tsv", csv.replace(b",", b"\t")),
        (".jsonl", "\n".join(map(json.dumps, objects)).encode()),
        (".json", json.dumps(objects).encode()),
        (".json", json.dumps({"text": [r[0] for r in rows], "n": [r[2] for r in rows]}).encode()),
        (".parquet", parquet(table)),
        (".parquet", parquet(table, compression="zstd", row_group_size=7)),
        (".parquet", parquet(table, use_dictionary=False, data_page_version="2.0")),
        (
            ".parquet",
            parquet(
                table.select(["text", "n"]),
                compression="gzip",
                use_dictionary=False,
                column_encoding={"text": "DELTA_BYTE_ARRAY", "n": "DELTA_BINARY_PACKED"},
            ),
        ),
        *(write(shape, SHAPED)[0] for shape in (*TEXT_SHAPES, *PARQUET_SHAPES)),
        (".csv", gzip.compress(csv, mtime=0)),
        (".csv", zipped({"a.csv": csv})),
        (".csv", pickle.dumps(Trap())),
        (".txt", pickle.dumps([Trap()], protocol=0)),
    ]


SOUND = sound_files()
ENDINGS = st.sampled_from([".txt", ".csv", ".tsv", ".jsonl", ".json", ".parquet", ".CSV", ".bin"])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    yield tmp_path_factory.mktemp("hostile")
    READER.close()


class Reader:
    """:func:`read_table` in one process for many files: starting one for each takes too long.

    As there, a file that ends the process costs a sentence.
    """

    def __init__(self) -> None:
        self.pool: ProcessPoolExecutor | None = None

    def __call__(self, path: Path) -> Table:
        self.pool = self.pool or ProcessPoolExecutor(1, get_context("spawn"))
        reading = self.pool.submit(read_table, path, max_bytes=MOST_BYTES, max_texts=MOST_ROWS)
        try:
            return reading.result()
        except BrokenProcessPool as error:
            self.close()
            raise EmbedLabError("The file ended the process that read it.") from error

    def close(self) -> None:
        """End the process."""
        if self.pool:
            self.pool.shutdown()
        self.pool = None


READER = Reader()


def in_child(path: Path, bounds: Bounds | None = None) -> Table:
    """The table of an upload."""
    return read_upload(path, max_bytes=MOST_BYTES, max_texts=MOST_ROWS, bounds=bounds)


def accounted_pairs(table: Table) -> PairSet:
    """The pairs of a table, of which every row is used or left out with a reason."""
    try:
        reading = read_pairs(table)
    except KeepNeeded as question:
        clear(str(question))
        reading = read_pairs(table, keep=question.proposal or "all")
    left_out = {row for row, reason in reading.left_out if reason}
    assert not reading.used & left_out
    assert reading.used | left_out == {*table.row_numbers, *(row for row, _ in table.left_out)}
    assert {pair.row for pair in reading.pairs} <= reading.used
    return reading.pair_set()


def read(
    folder: Path, ending: str, content: bytes, reader: Callable[[Path], Table] = READER
) -> None:
    """Read a file as an upload is read, and use what came of it as the interface does."""
    path = folder / f"upload{ending}"
    path.write_bytes(content)
    table = reader(path)
    lengths = {len(cells) for cells in table.columns.values()}
    assert table.total > 0
    assert all(0 < length <= min(MOST_ROWS, table.total) for length in lengths)
    assert len(lengths) <= 1  # rows of empty objects have no column
    assert all(isinstance(cell, str) for cells in table.columns.values() for cell in cells)
    first = next(iter(table.columns), "text")
    for use in (
        lambda: table_to_corpus(table),
        lambda: table_to_corpus(table, first, ""),
        lambda: accounted_pairs(table),
    ):
        try:
            made = use()
        except EmbedLabError as error:
            clear(str(error))
        else:
            texts = made.texts if isinstance(made, Corpus) else made.anchors
            assert texts
            for text in texts:
                assert text.strip() and "\0" not in text
                text.encode()


@fuzz(1100)
@given(st.sampled_from(SOUND), mutations())
def test_damaged_files(folder: Path, sound: tuple[str, bytes], changes: Any) -> None:
    with case("damaged"):
        read(folder, sound[0], mutated(sound[1], changes))


@fuzz(150)
@given(st.sampled_from(SOUND), ENDINGS)
def test_files_of_another_kind_than_they_say(
    folder: Path, sound: tuple[str, bytes], ending: str
) -> None:
    with case("another kind"):
        read(folder, ending, sound[1])


@fuzz(250)
@given(ENDINGS, st.binary(max_size=200) | ODD_TEXT.map(lambda t: t.encode("utf-8", "replace")))
def test_any_bytes(folder: Path, ending: str, content: bytes) -> None:
    with case("bytes"):
        read(folder, ending, content)


@fuzz(450)
@given(
    st.sampled_from([".json", ".jsonl"]),
    st.lists(
        st.dictionaries(st.sampled_from(["text", "label", "a\ud800", ""]), ODD_VALUES, max_size=4)
        | ODD_VALUES,
        max_size=6,
    ),
)
def test_any_json(folder: Path, ending: str, values: list[Any]) -> None:
    lines = map(json.dumps, values)
    content = f"[{','.join(lines)}]" if ending == ".json" else "\n".join(lines)
    with case("json"):
        read(folder, ending, content.encode())


CELLS = st.text(st.sampled_from("abc ,;\t|\"'\r\n\x1f1.é"), max_size=8)


@fuzz(350)
@given(st.lists(st.lists(CELLS, max_size=5), max_size=8), st.sampled_from(",;\t|"), st.booleans())
def test_any_csv(folder: Path, rows: list[list[str]], delimiter: str, quoted: bool) -> None:
    form = (lambda cell: '"' + cell + '"') if quoted else str
    content = "\n".join(delimiter.join(map(form, row)) for row in rows)
    with case("csv"):
        read(folder, ".csv", content.encode())


def _columns() -> st.SearchStrategy[Any]:
    """Arrow arrays of two values, of every kind that parquet takes."""
    whole = st.integers(-(2**62), 2**62)
    small = st.integers(-(2**31), 2**31 - 1)
    kinds = [
        (pa.string(), st.text(st.characters(codec="utf-8"), max_size=6)),
        (pa.large_string(), st.text(st.characters(codec="utf-8"), max_size=6)),
        (pa.string_view(), st.text(st.characters(codec="utf-8"), max_size=20)),
        (pa.binary(), st.binary(max_size=6)),
        (pa.int64(), whole),
        (pa.uint8(), st.integers(0, 255)),
        (pa.float64(), st.floats()),
        (pa.float16(), st.sampled_from([np.float16(1), np.float16("nan")])),
        (pa.bool_(), st.booleans()),
        (pa.date32(), small),
        (pa.timestamp("us"), whole),
        (pa.timestamp("ns", tz="UTC"), whole),
        (pa.timestamp("ms", tz="Nowhere/Atall"), small),
        (pa.time64("us"), st.integers(0, 10**12)),
        (pa.duration("ms"), whole),
        (pa.decimal128(20, 3), st.decimals(-1000, 1000, places=2)),
        (pa.list_(pa.string()), st.lists(st.just("a"), max_size=3)),
        (pa.struct([("b", pa.string())]), st.just({"b": "c"})),
        (pa.map_(pa.string(), pa.int8()), st.just([("a", 1)])),
        (pa.dictionary(pa.int8(), pa.string()), st.sampled_from(["a", "b"])),
        (pa.null(), st.none()),
    ]
    return st.sampled_from(kinds).flatmap(
        lambda kind: st.lists(st.none() | kind[1], min_size=2, max_size=2).map(
            lambda values: pa.array(values, kind[0])
        )
    )


@fuzz(350)
@given(
    st.lists(_columns(), min_size=1, max_size=4),
    st.lists(st.sampled_from(["text", "label", "a.b", "a", "", "\0", "é"]), min_size=4, max_size=4),
    st.sampled_from(["none", "snappy", "zstd", "gzip", "brotli", "lz4"]),
)
def test_any_parquet(folder: Path, columns: list[Any], names: list[str], compression: str) -> None:
    try:
        content = parquet(
            pa.Table.from_arrays(columns, names=names[: len(columns)]), compression=compression
        )
    except (pa.ArrowException, ValueError):
        return  # not a file that anybody could write
    with case("parquet"):
        read(folder, ".parquet", content)


def lying(table: pa.Table) -> bytes:
    """A parquet file whose footer says ten bytes where the pages unpack to far more."""
    content = parquet(table, compression="zstd", use_dictionary=False, write_statistics=False)
    size = pq.read_metadata(io.BytesIO(content)).row_group(0).column(0).total_uncompressed_size
    number, left = b"", 2 * size
    while left > 127:
        number, left = number + bytes([left & 127 | 128]), left >> 7
    number += bytes([left])
    little = bytes([20 | 128]) + b"\x80" * (len(number) - 2) + b"\0"
    assert content.count(number) == 2
    return content.replace(number, little)


def repeated(text: str, rows: int) -> pa.Table:
    """A column whose dictionary is one long text."""
    indices = pa.array(np.zeros(rows, dtype=np.int32))
    return pa.table({"text": pa.DictionaryArray.from_arrays(indices, [text])})


def _bombs() -> dict[str, tuple[str, Callable[[], bytes]]]:
    differences = {"use_dictionary": False, "column_encoding": {"text": "DELTA_BYTE_ARRAY"}}
    return {
        "one huge text": (
            ".parquet",
            lambda: parquet(pa.table({"text": ["a" * 10**7 * 3]}), compression="zstd"),
        ),
        "one dictionary, many rows": (".parquet", lambda: parquet(repeated("a" * 10**6, 10**5))),
        "a footer that lies": (".parquet", lambda: lying(pa.table({"text": ["a" * 10**7 * 3]}))),
        "differences": (
            ".parquet",
            lambda: parquet(pa.table({"text": ["a" * 10**6] * 200}), **differences),
        ),
        "many columns": (".csv", lambda: ",".join(f"c{i}" for i in range(10**5)).encode()),
        "many columns of parquet": (
            ".parquet",
            lambda: parquet(pa.table({f"c{i}": ["a"] for i in range(3000)})),
        ),
        "one line": (".csv", lambda: b"a" * 10**7),
        "one line of commas": (".csv", lambda: b"," * 1_900_000),
        "an open quote": (".csv", lambda: b'text,label\n"' + b"a,b\n" * 400_000),
        "blank lines": (".txt", lambda: b"\n" * 1_900_000),
        "empty objects": (".json", lambda: b"[" + b"{}," * 600_000 + b"{}]"),
        "nesting": (".json", lambda: b"[" * 10**6),
        "nested objects": (".jsonl", lambda: b'{"a":' * 10**5 + b"1" + b"}" * 10**5),
        "a long number": (".jsonl", lambda: b'{"text": ' + b"9" * 10**6 + b"}"),
        "gzip": (".csv", lambda: gzip.compress(b"a,b\n" * 10**6, mtime=0)),
    }


@fuzz(25)
@given(st.sampled_from(SOUND), mutations())
def test_damaged_files_in_a_child_process(
    folder: Path, sound: tuple[str, bytes], changes: Any
) -> None:
    with case("child process"):
        read(folder, sound[0], mutated(sound[1], changes), in_child)


@pytest.mark.parametrize("name", _bombs())
def test_a_bomb_takes_little_memory(folder: Path, name: str) -> None:
    """No more than the process that reads it may have, and none here."""
    ending, make = _bombs()[name]
    content = make()
    # Python, numpy and pyarrow alone reserve 400 MB, most of which they never use.
    bounds = Bounds(memory=800 * 10**6, seconds=15)
    before = pa.total_allocated_bytes()
    with case("bombs"):
        read(folder, ending, content, lambda path: in_child(path, bounds))
    assert pa.total_allocated_bytes() == before


@fuzz(100)
@given(ODD_TEXT)
def test_pasted_texts(pasted: str) -> None:
    with case("pasted"):
        for text in own_texts(pasted, max_texts=100).texts:
            text.encode()


# Archives and run folders


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder to stand in, with a tiny backbone in it that is called ``tiny``."""
    place = tmp_path_factory.mktemp("home")
    tiny_model("llama").save_pretrained(place / "tiny")
    tiny_tokenizer().save_pretrained(place / "tiny")
    before = Path.cwd()
    os.chdir(place)
    yield place
    os.chdir(before)


@pytest.fixture(scope="module")
def lab(home: Path) -> Iterator[Lab]:
    limits = Limits(state_disk_mb=0, max_runs=4)
    lab = Lab(Config(backbones=(BackboneEntry(id="tiny", max_length=64),), limits=limits))
    with pytest.MonkeyPatch.context() as patch:
        # Starting a process for each archive takes too long here.
        patch.setattr(
            "embedlab.export.archive.in_child_process",
            lambda f, path, *, bounds=None, **kw: f(path, **kw),
        )
        yield lab
    lab.runs.close()


@pytest.fixture(scope="module")
def trained(lab: Lab, home: Path) -> dict[str, Path]:
    """Folders of short trainings, by design."""
    folders = {}
    for name in ("causal/mean@2", "M5"):
        training = Training(
            lab.backbone(), Design.parse(name), pair_set(), recipe(steps=2), name="tiny + mine"
        )
        list(training.run())
        folders[name] = home / f"run-{len(folders)}"
        save_run(training, folders[name], "tiny")
    return folders


MEMBERS = ("run.json", "adapter/adapter_config.json", "adapter/adapter_model.safetensors")
NAMES = st.sampled_from(
    [
        *(*MEMBERS, "head.safetensors", "history.jsonl", "README.md", "adapter/", "adapter"),
        *("../up.json", "/absolute", "adapter/../../up", "C:\\x", "a\0b", "head.pkl", "x.py", ""),
        *("run.json/", "./run.json", "adapter//adapter_config.json", "con", "\u202e", "n" * 60_000),
    ]
)
KINDS = st.sampled_from([0, stat.S_IFREG, stat.S_IFLNK, stat.S_IFDIR, stat.S_IFIFO, stat.S_IFCHR])


@fuzz(250)
@given(
    st.sampled_from(["causal/mean@2", "M5"]),
    st.lists(st.tuples(NAMES, KINDS, st.binary(max_size=30), st.sampled_from([0, 8, 12, 14]))),
    st.booleans(),
)
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_any_members(
    folder: Path, trained: dict[str, Path], name: str, more: list[Any], whole: bool
) -> None:
    """Links, devices, paths that lead out, doubles, other names: all beside a sound adapter."""
    path = folder / "any.zip"
    if whole:
        package(trained[name], path)
    with zipfile.ZipFile(path, "a" if whole else "w") as archive:
        for member, kind, content, compression in more:
            info = zipfile.ZipInfo(member or "x")
            info.filename, info.external_attr = member, (kind | 0o777) << 16
            info.compress_type = compression
            archive.writestr(info, content)
    _opened(folder, path, "members")


@fuzz(350)
@given(st.sampled_from(["causal/mean@2", "M5"]), mutations())
def test_damaged_archives(folder: Path, trained: dict[str, Path], name: str, changes: Any) -> None:
    path = folder / "damaged.zip"
    package(trained[name], path)
    path.write_bytes(mutated(path.read_bytes(), changes))
    _opened(folder, path, "archives")


def _opened(folder: Path, path: Path, name: str) -> None:
    """Unpack beside a file that stays alone, and see that only known, regular files got in."""
    place = folder / "open"
    place.mkdir()
    try:
        with case(name):
            (place / "in").mkdir()
            unpack(path, str(place / "in"))
        assert {p.name for p in place.iterdir()} <= {"in"}
        for found in (place / "in").rglob("*"):
            assert not found.is_symlink()
            assert found.is_dir() or found.relative_to(place / "in").as_posix() in {
                *(*MEMBERS, "head.safetensors", "history.jsonl", "README.md")
            }
    finally:
        shutil.rmtree(place)


def test_an_archive_of_a_million_members(folder: Path) -> None:
    entry = b"PK\1\2" + bytes(24) + b"\1\0" + bytes(16) + b"x"
    count = 300_000
    content = entry * count
    path = folder / "many.zip"
    end = b"PK\5\6" + bytes(4) + b"\xff\xff\xff\xff" + len(content).to_bytes(4, "little")
    path.write_bytes(content + end + bytes(6))
    with pytest.raises(EmbedLabError, match="which no adapter has"):
        open_archive(path, folder / "never")


def test_an_archive_that_unpacks_to_gigabytes(folder: Path, trained: dict[str, Path]) -> None:
    members = {
        p.relative_to(trained["M5"]).as_posix(): p.read_bytes()
        for p in trained["M5"].rglob("*")
        if p.is_file()
    }
    path = folder / "bomb.zip"
    path.write_bytes(zipped(members | {"README.md": b"0" * 10**7}))
    with pytest.raises(EmbedLabError, match="too large"):
        open_archive(path, folder / "never")
    content = bytearray(path.read_bytes())
    # A directory that lies about the size does not help: no more than it says is unpacked.
    for at in [m.start() for m in re.finditer(re.escape((10**7).to_bytes(4, "little")), content)]:
        content[at : at + 4] = (1000).to_bytes(4, "little")
    path.write_bytes(content)
    with pytest.raises(EmbedLabError, match="no sound zip archive"):
        open_archive(path, folder / "never")


ODD_FACTS = ODD_VALUES | st.sampled_from(
    [10**9, 10**12, -5, 3, "tiny", "M5", "M2", "causal/eos", "bidirectional/mean@3", "float32"]
)
#: Where a stranger may write what they like.
FACT_PATHS = st.sampled_from(
    [
        *(["name"], ["design"], ["backbone"], ["backbone", "id"], ["backbone", "dtype"]),
        *(["backbone", "max_length"], ["prompts"], ["prompts", "query"], ["prompts", "document"]),
        *(["head"], ["head", "latents"], ["head", "heads"], ["head", "head_dim"], ["head", "x"]),
        *(["mode"], ["recipe"], ["recipe", "lr"], ["data"], ["data", "title"], ["seed"], ["steps"]),
        *(["data", "in_domain"], ["seconds"], ["versions"], ["versions", "torch"], ["more"]),
        *(["before_after"], ["format"]),
    ]
)
CONFIG_PATHS = st.sampled_from([["r"], ["lora_alpha"], ["lora_dropout"], ["target_modules"]])
TARGETS = st.sampled_from(
    [
        r"(.*\.)?layers\.(0|99999999999)\..*\.(q_proj)",
        r"(.*\.)?layers\.(0|1)\..*\.(q_proj|k_proj|v_proj|o_proj|gate_proj|up_proj|down_proj)",
        "(a+)+$",
        ["q_proj"],
        ["embed_tokens"],
        [],
    ]
)


def replaced(values: Any, path: list[str], value: Any) -> Any:
    """A copy of nested mappings with one value set, as far as the path leads."""
    if not path:
        return value
    if not isinstance(values, dict):
        return values
    return values | {path[0]: replaced(values.get(path[0]), path[1:], value)}


def _forged(
    folder: Path, source: Path, facts: list[tuple[list[str], Any]], config: list[Any]
) -> Path:
    """A run's folder with other facts and another configuration of its adapter."""
    forged = folder / "forged"
    shutil.rmtree(forged, ignore_errors=True)
    shutil.copytree(source, forged)
    for file, changes in (("run.json", facts), ("adapter/adapter_config.json", config)):
        values = json.loads((forged / file).read_text())
        for path, value in changes:
            values = replaced(values, path, value)
        (forged / file).write_text(json.dumps(values))
    return forged


def _use(lab: Lab, archive: Path, home: Path) -> None:
    """Bring an archive back, and use the model as the interface and its export do."""
    run = import_adapter(lab, archive)
    design = run.request.design
    vectors = embed(["w1 w2", "w3"], design, lab.backbone(run.id))
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    model_card(run.model.run_info, "adapter", own_code=False)
    before_after(run.changes, (), "scores")


@fuzz(130)
@given(
    st.sampled_from(["causal/mean@2", "M5"]),
    st.lists(st.tuples(FACT_PATHS, ODD_FACTS), max_size=3),
    st.lists(st.tuples(CONFIG_PATHS, ODD_FACTS | TARGETS), max_size=2),
)
def test_forged_facts(
    folder: Path, home: Path, lab: Lab, trained: dict[str, Path], name: str, facts: Any, config: Any
) -> None:
    archive = folder / "forged.zip"
    package(_forged(folder, trained[name], facts, config), archive)
    with case("forged"):
        _use(lab, archive, home)


SCORES = st.lists(st.none() | ODD_NUMBERS, min_size=2, max_size=4)
ROWS = st.fixed_dictionaries(
    {"task": ODD_SCALARS, "measure": st.just("nDCG@10"), "n": ODD_NUMBERS | st.just(5)}
    | {"before": SCORES, "after": SCORES, "difference": SCORES, "separable": ODD_SCALARS}
)


@fuzz(60)
@given(st.lists(ROWS | ODD_VALUES, max_size=2))
def test_forged_scores(
    folder: Path, home: Path, lab: Lab, trained: dict[str, Path], rows: Any
) -> None:
    archive = folder / "scores.zip"
    source = trained["causal/mean@2"]
    package(_forged(folder, source, [(["before_after"], rows)], []), archive)
    with case("scores"):
        _use(lab, archive, home)


@fuzz(60)
@given(
    st.sampled_from(["causal/mean@2", "M5"]),
    st.sampled_from(["adapter/adapter_model.safetensors", "head.safetensors"]),
    st.sampled_from([math.nan, math.inf, 1e38, 0.0]),
    st.sampled_from(["all", "one", "shape", "dtype", "name", "missing"]),
)
def test_forged_weights(
    folder: Path,
    home: Path,
    lab: Lab,
    trained: dict[str, Path],
    name: str,
    file: str,
    value: float,
    how: str,
) -> None:
    forged = _forged(folder, trained[name], [], [])
    path = forged / file
    if not path.exists():
        return
    weights = load_file(path)
    first = sorted(weights)[0]
    if how == "all":
        weights = {key: torch.full_like(tensor, value) for key, tensor in weights.items()}
    elif how == "one":
        weights[first].view(-1)[0] = value
    elif how == "shape":
        weights[first] = torch.ones(3)
    elif how == "dtype":
        weights = {key: tensor.to(torch.int8) for key, tensor in weights.items()}
    elif how == "name":
        weights["other"] = weights.pop(first)
    save_file(weights, path)
    if how == "missing":
        path.unlink()
    archive = folder / "weights.zip"
    package(forged, archive)
    with case("weights"):
        _use(lab, archive, home)


@fuzz(120)
@given(
    st.sampled_from(["causal/mean@2", "M5"]),
    st.sampled_from([*MEMBERS, "head.safetensors"]),
    mutations(),
)
def test_damaged_run_folders(
    folder: Path, lab: Lab, trained: dict[str, Path], name: str, file: str, changes: Any
) -> None:
    """A folder on this machine whose disk was not kind to it."""
    forged = _forged(folder, trained[name], [], [])
    if not (forged / file).exists():
        return
    (forged / file).write_bytes(mutated((forged / file).read_bytes(), changes))
    with case("run folders"):
        read_run_info(forged)
        load_run(forged, lab.backbone())


@fuzz(80)
@given(mutations())
def test_damaged_checkpoints(folder: Path, lab: Lab, changes: Any) -> None:
    training = Training(lab.backbone(), Design.parse("M2"), pair_set(), recipe(mode="head"))
    place = folder / "checkpoint"
    save_checkpoint(training, place)
    path = place / CHECKPOINT
    path.write_bytes(mutated(path.read_bytes(), changes))
    with case("checkpoints"):
        resume(training, place)


def test_the_number_of_cases(record_property: Any) -> None:
    record_property("cases", sum(CASES.values()))
    print(f"\n{sum(CASES.values()):,} cases: {dict(CASES)}")
    if len(CASES) < 15:
        pytest.skip("only some of the fuzzers ran")
    assert sum(CASES.values()) >= LEAST
