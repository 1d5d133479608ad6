"""A run of the local engine: its rows, and what stopping and bad input do to it."""

from __future__ import annotations

import resource
from pathlib import Path

import numpy as np
import pyarrow.dataset
import pyarrow.parquet as pq
import pytest
from support.command_line import run as command
from support.models import words

from embedlab import Design, EmbedLabError, embed
from embedlab.models.backbone import Backbone

DESIGNS = (
    "M1,causal/mean@1,bidirectional/mean,M5,causal/value_mean@1..2,"
    "causal/last?template=prompteol+centre"
)
NAMES = [
    *("causal/eos", "causal/mean@1", "bidirectional/mean", "bidirectional/multi_layer_trainable"),
    *("causal/value_mean@1..2", "causal/last+centre?template=prompteol"),
]


def file_of(path: Path, texts) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("id,text\n" + "".join(f"{path.stem}-{i},{t}\n" for i, t in enumerate(texts)))
    return path


@pytest.fixture
def inputs(tmp_path):
    """Three files of 25, 10 and 7 texts, the second with a blank one more."""
    folder = tmp_path / "in"
    file_of(folder / "a.csv", words(*range(1, 26)))
    file_of(folder / "b.csv", [*words(*[3] * 5, seed=1), "", *words(*[4] * 5, seed=2)])
    file_of(folder / "c.csv", words(*range(2, 9), seed=3))
    return folder


@pytest.fixture
def embedded(streamed_folder, tmp_path):
    """One command over these inputs: its exit code, stdout and stderr."""

    def call(*inputs, out=tmp_path / "out", designs=DESIGNS, **options):
        given = {"dtype": "float32", "device": "cpu", "part-texts": 10, "text-column": "text"} | {
            name.replace("_", "-"): value for name, value in options.items()
        }
        flags = [text for name, value in given.items() for text in (f"--{name}", str(value))]
        return command(
            *("embed", *inputs, "--designs", designs, "--out", out),
            *("--backbone", streamed_folder, *flags),
        )

    return call


def rows(out):
    return (
        pyarrow.dataset.dataset(out / "vectors")
        .to_table()
        .sort_by([("file", "ascending"), ("row", "ascending")])
    )


def vectors(table, name):
    column = table[name].combine_chunks()
    return column.values.to_numpy().reshape(len(column), -1)


def test_every_design_of_a_text_stands_in_one_row(embedded, inputs, streamed_backbone, tmp_path):
    code, out, err = embedded(inputs)
    assert code == 0, err
    assert (code, out) == (0, f"{tmp_path / 'out'}: 42 rows in 5 parts, 6 designs, tiny\n")
    assert "1 row was left out: no text." in err
    assert "Steps were fitted on 42 texts drawn from 3 of 3 inputs (seed 0)." in err
    table = rows(tmp_path / "out")
    assert table.column_names == ["file", "row", "id", "truncated", "problem", *NAMES]
    assert table["id"].to_pylist()[25:27] == ["b-0", "b-1"]
    assert table["row"].to_pylist()[25:35] == [1, 2, 3, 4, 5, 7, 8, 9, 10, 11]
    files = [line.split(",", 1)[1] for f in "abc" for line in _lines(inputs / f"{f}.csv")]
    texts = [text for text in files if text]
    for name in NAMES:
        expected = embed(texts, Design.parse(name), streamed_backbone)
        np.testing.assert_allclose(vectors(table, name), expected, atol=1e-5)


def _lines(path):
    return path.read_text().splitlines()[1:]


def test_one_pass_serves_all_designs_of_an_attention_and_a_template(embedded, inputs, monkeypatch):
    passes = []
    states = Backbone.states

    def counted(self, texts, attention="causal", prompt="", **options):
        passes.append((attention, len(texts)))
        return states(self, texts, attention, prompt, **options)

    monkeypatch.setattr(Backbone, "states", counted)
    designs = "M1,causal/mean,causal/mean@2,M5,bidirectional/mean,causal/last?template=prompteol"
    embedded(inputs / "c.csv", designs=designs)
    assert passes == [("causal", 7), ("bidirectional", 7), ("causal", 7)]


def test_a_stopped_run_goes_on_with_the_same_rows(embedded, inputs, tmp_path, monkeypatch):
    assert embedded(inputs, out=tmp_path / "whole")[0] == 0
    stops = iter([False, True, False, False, True])
    pooled = Backbone.states

    def stopping(self, texts, *arguments, **options):
        if "mean" not in str(arguments) and next(stops, False):
            raise KeyboardInterrupt
        return pooled(self, texts, *arguments, **options)

    codes = []
    monkeypatch.setattr(Backbone, "states", stopping)
    kept: dict[str, int] = {}
    for _ in range(4):
        codes.append(embedded(inputs)[0])
        there = {p.name: p.stat().st_mtime_ns for p in (tmp_path / "out/vectors").glob("*.parquet")}
        assert kept.items() <= there.items()
        kept = there
    assert codes == [130, 130, 0, 0]
    assert rows(tmp_path / "out").equals(rows(tmp_path / "whole"))
    assert not list((tmp_path / "out").rglob("*.partial"))


def test_half_written_files_of_a_killed_run_are_cleared_away(embedded, inputs, tmp_path):
    embedded(inputs)
    left = tmp_path / "out/vectors/.00000-00000.parquet.0123.partial"
    left.write_bytes(b"PAR1")
    assert embedded(inputs)[0] == 0
    assert not left.exists()


def test_another_command_over_the_folder_is_refused(embedded, inputs, tmp_path):
    assert embedded(inputs)[0] == 0
    for change, said in (
        ({"designs": "M1"}, "another run, with designs 'M1, causal/mean@1"),
        ({"part_texts": 20}, "part texts '10' and not '20'"),
        ({"numbers": "float16"}, "numbers 'float32' and not 'float16'"),
    ):
        code, _, err = embedded(inputs, **change)
        assert (code, said in err) == (2, True), err
    file_of(inputs / "d.csv", words(3))
    code, _, err = embedded(inputs)
    assert code == 2
    assert "1 of the inputs, such as" in err and "d.csv', was not there when the run" in err
    (inputs / "d.csv").unlink()
    file_of(inputs / "a.csv", words(1, 2, 3))
    code, _, err = embedded(inputs)
    assert (code, "a.csv' has changed since its first texts were embedded" in err) == (2, True)
    (tmp_path / "other").mkdir()
    (tmp_path / "other/notes.txt").write_text("x")
    code, _, err = embedded(inputs, out=tmp_path / "other")
    assert (code, "'other' holds other things than a run" in err) == (2, True)


def test_an_unreadable_file_among_many_is_named_and_the_rest_goes_on(embedded, tmp_path):
    folder = tmp_path / "many"
    for i in range(40):
        file_of(folder / f"{i:03d}.csv", words(2, 3, seed=i))
    good = (folder / "017.csv").read_bytes()
    (folder / "017.csv").write_bytes(b"PAR1\0\0")
    # Other columns beside the text do not matter; without the text a file is left out.
    (folder / "018.csv").write_text("label,text,id\nx,w1 w2,e1\ny,w3,e2\n")
    (folder / "019.csv").write_text("id,body\na,w1 w2\nb,w3\n")
    code, out, err = embedded(folder, designs="M1")
    assert code == 3
    assert "76 rows in 38 parts" in out
    assert "017.csv holds NUL bytes, so it is not a text file; save it as UTF-8 text." in err
    assert "019.csv has no column 'text'; its columns are 'id', 'body'." in err
    assert "2 of 40 inputs could not be read to their end; the others are done." in err
    # Mended, they are done by the same command.
    (folder / "017.csv").write_bytes(good)
    file_of(folder / "019.csv", words(2, 3, seed=19))
    code, out, err = embedded(folder, designs="M1")
    assert (code, "80 rows in 40 parts" in out) == (0, True)


def test_duplicate_ids_are_kept_and_counted(embedded, tmp_path):
    path = tmp_path / "own.csv"
    path.write_text("id,text\n" + "".join(f"d{i % 9},w{i}\n" for i in range(12)))
    code, out, err = embedded(path, designs="M1", id_column="id")
    assert (code, "12 rows" in out) == (0, True)
    assert "3 ids stand for more than one row, such as 'd0', 'd1', 'd2'" in err


def test_a_text_without_a_vector_keeps_its_row_and_says_why(embedded, tmp_path, monkeypatch):
    def encode(self, texts, *arguments, **options):
        if "w66" in texts:
            raise EmbedLabError("Text 1 cannot be read.")
        return encode_all(self, texts, *arguments, **options)

    encode_all = Backbone.encode
    monkeypatch.setattr(Backbone, "encode", encode)
    path = tmp_path / "own.csv"
    path.write_text("text\n" + "".join(f"w{i}\n" for i in (1, 2, 66, 3)))
    code, _, err = embedded(path, designs="causal/eos+centre,causal/mean")
    assert (code, "1 texts have no vectors" in err) == (3, True), err
    table = rows(tmp_path / "out")
    assert table["problem"].to_pylist() == [None, None, "Text 1 cannot be read.", None]
    for name in ("causal/eos+centre", "causal/mean"):
        assert [v is None for v in table[name].to_pylist()] == [False, False, True, False]


def test_a_full_disk_is_said_and_the_parts_before_stay(embedded, inputs, tmp_path):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    assert embedded(inputs / "a.csv", out=tmp_path / "whole")[0] == 0
    sizes = [p.stat().st_size for p in sorted((tmp_path / "whole/vectors").iterdir())]
    assert max(sizes) > sizes[-1]  # the last part has 5 texts, the others 10
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (sizes[-1] + 200, hard))
        code, _, err = embedded(inputs / "a.csv")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert code == 2
    assert "could not be stored: the disk is full" in err
    assert not list((tmp_path / "out/vectors").iterdir())
    assert embedded(inputs / "a.csv")[0] == 0
    assert rows(tmp_path / "out").equals(rows(tmp_path / "whole"))


def test_too_little_memory_is_said(embedded, inputs, monkeypatch):
    def full(*_, **__):
        raise MemoryError

    monkeypatch.setattr(Backbone, "states", full)
    code, _, err = embedded(inputs, designs="M1")
    assert (code, "The memory did not suffice for these texts" in err) == (2, True)


def test_half_precision_ids_without_a_column_and_texts(embedded, inputs, tmp_path):
    path = tmp_path / "own.txt"
    path.write_text("w1 w2\nw3\n")
    code, *_ = embedded(path, designs="M1", numbers="float16")
    assert code == 0
    table = rows(tmp_path / "out")
    assert table["id"].to_pylist() == [f"{path}:1", f"{path}:2"]
    assert table.schema.field("causal/eos").type.value_type == "halffloat"
    assert (pq.read_table(tmp_path / "out/vectors/00000-00000.parquet").num_rows) == 2


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"designs": "M1,nope/x"}, "'nope' is not a known attention"),
        ({"designs": "M1,causal/eos"}, "The design causal/eos was given twice"),
        ({"designs": "causal/mean@99"}, "tiny has no layer 99"),
        ({"text_column": "gone"}, "No input can be read to fit the steps on: "),
        ({"engine": "spark"}, "'spark' is not an engine; use one of local, ray."),
        ({"address": "x:1"}, "--address, --workers and --gpus-per-worker are for --engine ray"),
        ({"numbers": "int4"}, "'int4' is not a kind of numbers"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_sentence(embedded, inputs, options, said):
    code, _, err = embedded(inputs, **options)
    assert said in err
    assert code == 2
