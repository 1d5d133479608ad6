"""The registry of built-in data sets: read once, an unknown id and a damaged file are said."""

import threading

import pytest

from embedlab import assets
from embedlab.data import corpora, training_sets
from embedlab.data.corpora import load_corpus
from embedlab.data.training_sets import load_pairs
from embedlab.errors import EmbedLabError
from embedlab.progress import no_progress


@pytest.mark.parametrize(
    ("load", "known"),
    [
        (load_corpus, r"'nope' is not a known corpus.*senses.*bbc"),
        (load_pairs, r"'nope' is not a known training set.*stsb-train, bible-pairs"),
    ],
)
def test_an_unknown_id_lists_the_known(load, known):
    with pytest.raises(EmbedLabError, match=known):
        load("nope")


@pytest.mark.parametrize(
    ("kind", "load", "set_id"),
    [(corpora, load_corpus, "trec"), (training_sets, load_pairs, "stsb-train")],
)
def test_threads_share_one_reading(kind, load, set_id, monkeypatch):
    monkeypatch.setattr(kind.BUILT_IN, "loaded", {})
    loaded = []
    threads = [threading.Thread(target=lambda: loaded.append(load(set_id))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(loaded) == 4
    assert len(set(map(id, loaded))) == 1


@pytest.mark.parametrize(
    ("kind", "set_id", "damage", "file"),
    [
        (corpora, "sms-spam", b"\xff", "sms-spam.csv"),
        (training_sets, "stsb-train", b"\xff", r"\S+"),
        (training_sets, "bible-pairs", b"(", r"\S+"),
        (training_sets, "bible-pairs", b"#", r"\S+"),
    ],
)
def test_a_damaged_file_is_named(kind, set_id, damage, file, tmp_path, monkeypatch):
    asset = kind.BUILT_IN.entries[set_id].asset
    source = assets.fetch(asset)
    monkeypatch.setattr(kind.BUILT_IN, "loaded", {})
    monkeypatch.setenv("EMBEDLAB_CACHE", str(tmp_path))
    for path in filter(lambda path: path.is_file(), source.rglob("*")):
        copy = tmp_path / "assets" / asset / path.relative_to(source)
        copy.parent.mkdir(parents=True, exist_ok=True)
        whole = path.suffix == ".json"
        copy.write_bytes(path.read_bytes() if whole else damage * path.stat().st_size)
    with pytest.raises(EmbedLabError, match=rf"{file} of {asset} was damaged"):
        kind.BUILT_IN.load(set_id, no_progress)
