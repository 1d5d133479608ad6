"""The file for Embedding Atlas, read back."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from support.labs import corpus_of, tiny_lab
from support.models import words

from embedlab import Design
from embedlab.analysis.clusters import Clustering
from embedlab.errors import EmbedLabError
from embedlab.export.atlas import AtlasSide, atlas_command, write_atlas
from embedlab.lab.atlas import atlas_file

CORPUS = replace(
    corpus_of(words(*([5, 9, 3, 12] * 6), seed=3)),
    fields={"kind": tuple("abc"[i % 3] for i in range(24)), "x_a": ("", "u") * 12},
    columns={"stars": ("1", "", "2") * 8, "price": ("1.5", "2", "3") * 8, "text": ("n/a",) * 24},
)


def test_the_file_has_all_that_atlas_asks_for(tmp_path: Path) -> None:
    lab = tiny_lab()
    sides = [lab.embedded(CORPUS, Design.parse(name)) for name in ("causal/mean", "causal/eos")]
    maps = lab.maps(*sides)
    path = tmp_path / "map.parquet"
    atlas_file(lab, path, sides, maps, Clustering(k=3))
    table = pq.read_table(path)
    assert table.column("text").to_pylist() == list(CORPUS.texts)
    assert table.column("kind").to_pylist() == list(CORPUS.fields["kind"])
    # Names that Atlas' own columns have are taken, and columns of numbers are numbers.
    assert table.column("x_a (2)").to_pylist()[:2] == [None, "u"]
    assert table.column("text (2)").to_pylist() == ["n/a"] * 24
    assert table.column("stars").to_pylist()[:3] == [1, None, 2]
    assert table.column("price").to_pylist()[:3] == [1.5, 2.0, 3.0]
    assert table.schema.metadata[b"embedlab.design_b"] == b"causal/eos on tiny-llama"
    for letter, side, places in zip("ab", sides, (maps.a, maps.b), strict=True):
        xy = np.stack([table.column(f"{axis}_{letter}").to_numpy() for axis in "xy"], axis=1)
        np.testing.assert_array_equal(xy, places)
        vectors = np.array(table.column(f"vector_{letter}").to_pylist(), np.float32)
        np.testing.assert_array_equal(vectors, side.vectors)
        assert set(table.column(f"cluster_{letter}").to_pylist()) - {None}
        for i, near in enumerate(table.column(f"neighbors_{letter}").to_pylist()):
            distances = [1 - float(side.vectors[i] @ side.vectors[j]) for j in near["ids"]]
            assert i not in near["ids"] and len(near["ids"]) == 10
            assert near["distances"] == pytest.approx(distances, abs=1e-5)
            assert near["distances"] == sorted(near["distances"])


def test_the_command_names_columns_that_are_there(tmp_path: Path) -> None:
    command = atlas_command("my map.parquet", "b")
    assert command.startswith("embedding-atlas 'my map.parquet' --text text --x x_b --y y_b")
    vectors = np.eye(3, dtype=np.float32)
    ids = np.array([[1], [2], [0]])
    side = AtlasSide(
        letter="b",
        name="one",
        vectors=vectors,
        places=vectors[:, :2],
        ids=ids,
        cosines=np.ones((3, 1), np.float32),
    )
    write_atlas(tmp_path / "m.parquet", corpus_of("abc"), [side])
    columns = set(pq.read_schema(tmp_path / "m.parquet").names)
    assert set(command.split()[2:][::2][1:]) - {"map.parquet'"} <= {
        *columns,
        *("--x", "--y", "--text", "--neighbors", "--vector"),
    }
    with pytest.raises(EmbedLabError, match="not of these 2 texts"):
        write_atlas(tmp_path / "n.parquet", corpus_of("ab"), [side])


def test_one_text_has_no_neighbours(tmp_path: Path) -> None:
    lab = tiny_lab()
    one = lab.embedded(corpus_of(["w1 w2"]), Design.parse("causal/mean"))
    path = tmp_path / "one.parquet"
    atlas_file(lab, path, [one], lab.maps(one, one), Clustering())
    assert pq.read_table(path).column("neighbors_a").to_pylist() == [{"ids": [], "distances": []}]
