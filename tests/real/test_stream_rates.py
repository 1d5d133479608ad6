"""How fast texts stream through the real backbone, by the clock: these want two free cores."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import pytest
import torch
from support.ray_cluster import two_nodes
from support.serving import ROOT

from embedlab import load_backbone
from embedlab.models.state_cache import StateCache
from embedlab.stream.embedder import Embedder
from embedlab.stream.inputs import sources_of
from embedlab.stream.order import Order
from embedlab.stream.run import Engine, LocalEngine, run

pytestmark = [pytest.mark.slow, pytest.mark.alone]

BACKBONE = "smollm2-135m"
#: Ten designs in three passes.
DESIGNS = (
    *("M1", "causal/mean", "causal/mean@1", "causal/mean@2+skip_first", "causal/weighted_mean"),
    *("causal/rms_mean", "causal/value_mean@1..3", "bidirectional/mean"),
    *("bidirectional/mean+centre", "causal/last?template=prompteol+centre"),
)
SENSES = [json.loads(line)["text"] for line in (ROOT / "assets/senses.jsonl").open()]
PART = 20


def order_of(folder: Path, count: int, designs: tuple[str, ...]) -> Order:
    """A run over a file of so many different texts."""
    folder.mkdir()
    texts = [f"{SENSES[i % len(SENSES)]} Number {i}." for i in range(count)]
    (folder / "texts.jsonl").write_text("\n".join(json.dumps({"text": text}) for text in texts))
    return Order(
        inputs=(str(folder),),
        sources=("texts.jsonl",),
        text_column="text",
        id_column="",
        designs=designs,
        backbone=BACKBONE,
        dtype="float32",
        part_texts=PART,
    )


def rate(engine: Engine, order: Order, out: Path, skip: float = 0.0) -> float:
    """Texts a second between a part's end and the last one's: the start of a run is not counted.

    Args:
        engine: what computes.
        order: the run.
        out: an empty folder.
        skip: the first part that counts, as a share of all.
    """
    sources, _ = sources_of(list(order.inputs), out)
    run(order, sources, out, engine, device="cpu")
    ends = sorted(path.stat().st_mtime for path in out.glob("vectors/*.parquet"))
    ends = ends[int(skip * len(ends)) :]
    return PART * (len(ends) - 1) / (ends[-1] - ends[0])


def bare_rate(order: Order) -> float:
    """The same for nothing but the passes."""
    backbone = load_backbone(BACKBONE, dtype="float32", device="cpu", cache=StateCache(0))
    passes = Embedder(order, backbone).passes
    lines = (Path(order.inputs[0]) / "texts.jsonl").read_text().splitlines()
    texts = [json.loads(line)["text"] for line in lines]
    ends = []
    for start in range(0, len(texts), PART):
        for attention, template in passes:
            backbone.states(texts[start : start + PART], attention, template)
        ends.append(time.monotonic())
    return PART * (len(ends) - 1) / (ends[-1] - ends[0])


def ratio(turns: int, one: Callable[[int], float], other: Callable[[int], float]) -> float:
    """one / other, the median of turns; they alternate, as the machine changes."""
    pairs = [(one(turn), other(turn)) for turn in range(turns)]
    print("; ".join(f"{a:.1f} and {b:.1f} texts/s" for a, b in pairs))
    return median(a / b for a, b in pairs)


def test_the_local_engine_is_as_fast_as_a_bare_loop(tmp_path: Path) -> None:
    order, threads = order_of(tmp_path / "in", 160, DESIGNS), torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        share = ratio(
            3,
            lambda turn: rate(LocalEngine(), order, tmp_path / f"out{turn}"),
            lambda _: bare_rate(order),
        )
    finally:
        torch.set_num_threads(threads)
    print(f"local engine / bare loop: {share:.2f}")
    assert share >= 0.95


def test_two_workers_of_a_core_each_are_nearly_twice_as_fast(tmp_path: Path) -> None:
    pytest.importorskip("ray")
    from embedlab.stream.on_ray import RayEngine

    order = order_of(tmp_path / "in", 480, ("M1", "causal/mean"))
    with two_nodes(pinned=True):
        speed_up = ratio(
            2,
            lambda turn: rate(RayEngine(workers=2), order, tmp_path / f"two{turn}", 1 / 3),
            lambda turn: rate(RayEngine(workers=1), order, tmp_path / f"one{turn}", 1 / 3),
        )
    print(f"two workers / one: {speed_up:.2f}")
    assert speed_up >= 1.7
