"""The Ray engine on a local cluster of two nodes with one CPU each."""

from __future__ import annotations

import contextlib
import threading
import time

import psutil
import pyarrow.parquet as pq
import pytest
import torch
from support.models import model_folder, tiny_model, tiny_tokenizer, words
from support.ray_cluster import raylet, two_nodes
from support.studies import SMALL, findings

from embedlab import EmbedLabError
from embedlab.errors import Cancelled
from embedlab.stream.inputs import sources_of
from embedlab.stream.order import Order
from embedlab.stream.run import LocalEngine, run

pytest.importorskip("ray")
pytestmark = pytest.mark.slow

DESIGNS = ("M1", "causal/mean@1+centre", "bidirectional/mean", "causal/last?template=prompteol")


@pytest.fixture(scope="module")
def backbone(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ray") / "tiny"
    return model_folder(folder, tiny_model("llama", tied=True), tiny_tokenizer())


@pytest.fixture
def inputs(tmp_path):
    """Three files of 250 texts and one without texts."""
    return texts_in(tmp_path / "in", 250)


def texts_in(folder, count):
    folder.mkdir()
    for number in range(3):
        texts = words(*([4, 9, 14] * count)[:count], seed=number)
        lines = [f"{number}-{i},{text}" for i, text in enumerate(texts)]
        (folder / f"{number}.csv").write_text("\n".join(["id,text", *lines]) + "\n")
    (folder / "3.csv").write_text("id,body\n1,w1 w2\n2,w3\n")
    return folder


@pytest.fixture
def cluster():
    with two_nodes() as two:
        yield two


def embedded(engine, inputs, backbone, out, part_texts=50, progress=lambda *_: None):
    sources, _ = sources_of([str(inputs)], out)
    order = Order(
        inputs=(str(inputs),),
        sources=tuple(source.name for source in sources),
        text_column="text",
        id_column="id",
        designs=DESIGNS,
        backbone=str(backbone),
        dtype="float32",
        part_texts=part_texts,
    )
    return run(order, sources, out, engine, device="cpu", progress=progress)


@pytest.fixture
def one_thread():
    """As a worker with one CPU has it: sums of several threads may be added in another order."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def tables_in(out):
    return sorted((out / "vectors").glob("*.parquet"))


def tables(out):
    return {path.name: pq.read_table(path) for path in tables_in(out)}


def has_worker(node):
    """Whether a node, given its raylet, has an actor that embeds."""
    for process in node.children(recursive=True):
        with contextlib.suppress(psutil.Error):
            if "MapWorker" in " ".join(process.cmdline()):
                return True
    return False


def test_the_same_vectors_bit_for_bit_though_a_node_is_killed(
    cluster, backbone, tmp_path, one_thread
):
    from embedlab.stream.on_ray import RayEngine

    inputs = texts_in(tmp_path / "many", 1_200)
    expected = embedded(LocalEngine(), inputs, backbone, tmp_path / "local", 10)
    out, killed = tmp_path / "ray", threading.Event()

    second = raylet(cluster.second)

    def kill() -> None:
        # Once that node has a backbone, and in the middle of its work.
        while not has_worker(second):
            time.sleep(0.05)
        there = len(tables_in(out))
        while len(tables_in(out)) < there + 20:
            time.sleep(0.05)
        cluster.remove_node(cluster.second, allow_graceful=False)
        killed.set()

    killer = threading.Thread(target=kill, daemon=True)
    killer.start()
    result = embedded(RayEngine(workers=2), inputs, backbone, out, 10)
    assert killed.is_set() and len(tables(out)) == 360
    assert result.texts == expected.texts == 3_600
    assert [record.name[-5:] for record in result.failed] == ["3.csv"]
    assert not result.duplicates.ids
    assert tables(out) == tables(tmp_path / "local")


def test_a_run_goes_on_with_the_other_engine(cluster, inputs, backbone, tmp_path, one_thread):
    from embedlab.stream.on_ray import RayEngine

    embedded(LocalEngine(), inputs, backbone, tmp_path / "local")
    out = tmp_path / "out"

    def stop(done, total, what):
        if len(tables_in(out)) >= 4:
            raise Cancelled

    with pytest.raises(Cancelled):
        embedded(LocalEngine(), inputs, backbone, out, progress=stop)
    kept = {path: path.stat().st_mtime_ns for path in tables_in(out)}
    assert 0 < len(kept) < 15
    embedded(RayEngine(), inputs, backbone, out)
    assert tables(out) == tables(tmp_path / "local")
    assert {path: path.stat().st_mtime_ns for path in kept} == kept


def test_what_a_worker_refuses_is_said_in_its_sentence(cluster, inputs, backbone, tmp_path):
    from embedlab.stream.on_ray import RayEngine

    with pytest.raises(EmbedLabError, match="could not be loaded"):
        embedded(RayEngine(), inputs, tmp_path / "no backbone", tmp_path / "out")
    with pytest.raises(EmbedLabError, match="--gpus-per-worker is 2, and the cluster has 0 GPUs"):
        embedded(RayEngine(gpus_per_worker=2), inputs, backbone, tmp_path / "gpu")


def test_a_study_on_a_cluster_has_the_same_report(cluster, tiny_folder, tmp_path, one_thread):
    from embedlab.study.definition import study_from
    from embedlab.study.on_ray import run_on_ray
    from embedlab.study.run import run as run_here

    few = {"designs": ["M1", "causal/mean"], "seeds": [0], "untrained": True}
    study = study_from(SMALL | few | {"backbone": str(tiny_folder)}, "small")
    options = {"dtype": "float32", "device": "cpu"}
    run_here(study, tmp_path / "here", **options)
    cells = run_on_ray(study, tmp_path / "ray", workers=2, **options)
    assert [cell.status for cell in cells] == ["done"] * 4, [cell.error for cell in cells]
    assert findings(tmp_path / "ray") == findings(tmp_path / "here")
    # What is done is not done again.
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "ray/cells").iterdir()}
    run_on_ray(study, tmp_path / "ray", workers=2, **options)
    assert before == {path: path.stat().st_mtime_ns for path in before}
