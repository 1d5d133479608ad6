"""The application where a GPU is lent by the call: the real package ``spaces``, a pretended GPU.

What a call is and costs is the platform's; here it is counted by a platform of our own.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from support.lent_space import Space
from support.serving import client_of
from support.waiting import until

from embedlab import Design, embed, load_backbone
from embedlab.data.training_sets import load_pairs
from embedlab.training.recipe import recipe_from
from embedlab.training.training import Training

TEXTS = ["The bank of the river", "Money in the bank", "The bark of a dog"]


@pytest.fixture(autouse=True)
def _usual(space: Space) -> Iterator[None]:
    yield
    space.behave()


def test_every_endpoint_is_one_call_and_gives_what_a_cpu_gives(space):
    names = [str(folder) for folder in space.backbones]
    asked = {
        "/embed": (TEXTS, "bidirectional/mean", ""),
        "/retrieve": ("a place for money", "senses", "M1", "M5", 5),
        "/similarity": (TEXTS, "M3", "causal/mean@2"),
        "/layers": ("senses", ""),
        "/mask_proof": (TEXTS[0], "The bank of the country"),
        "/tokens": (TEXTS[0], "causal/mean@2"),
        "/clusters": ("senses", "causal/mean?template=prompteol"),
        "/key_tokens": (TEXTS, "causal/last?template=kv"),
        "/leaderboard": ("senses", ["M1", "bidirectional/mean", "causal/last?template=topic"]),
    }
    seconds = {
        name: space.seconds(lambda name=name: space.ask(name, *asked[name])) for name in asked
    }
    print("\nseconds asked for:", seconds)
    # The states of an earlier action serve a later one, so some ask for nothing.
    assert all(len(calls) <= 1 and all(5 <= s <= 6 for s in calls) for calls in seconds.values())
    assert [len(seconds[name]) for name in ("/embed", "/retrieve", "/mask_proof")] == [1, 1, 1]
    assert {call["visitor"] for call in space.seen()["calls"]} == {"visitor-1"}
    for folder, name in zip(space.backbones, names, strict=True):
        backbone = load_backbone(folder, dtype="float32", device="cpu")
        for design in ("causal/eos", "bidirectional/mean", "M5"):
            answer = space.ask("/embed", TEXTS, design, name)
            expected = embed(TEXTS, Design.parse(design), backbone)
            np.testing.assert_allclose(answer["vectors"], expected, atol=1e-5)
    proof = space.ask("/mask_proof", TEXTS[0], "The bank of the country")
    assert proof["causal"]["holds"] and proof["bidirectional"]["holds"]


def test_a_training_is_one_call_and_the_model_is_there_afterwards(space):
    untrained = space.ask("/embed", TEXTS, "causal/eos", "")["vectors"]
    last: dict[str, Any] = {}
    seconds = space.seconds(lambda: last.update(space.train(10).result(120)))
    assert (last["state"], last["step"], len(seconds)) == ("done", 10, 1)
    trained = space.ask("/embed", TEXTS, "causal/eos", last["run"])["vectors"]
    assert np.abs(np.array(trained) - untrained).max() > 1e-3
    # An idle worker that is kept knows the other backbone, and takes an adapter that it never saw.
    space.behave(idle=1)
    space.ask("/embed", ["something new"], "causal/eos", "")
    kept = space.seen()["workers"]
    space.ask("/embed", ["something new"], "causal/eos", last["run"])
    space.ask("/embed", ["something new"], "causal/eos", str(space.backbones[1]))
    assert space.seen()["workers"] == kept


@pytest.mark.slow
def test_forty_steps_are_one_call_and_end_with_the_weights_of_a_cpu(space):
    last: dict[str, Any] = {}
    seconds = space.seconds(lambda: last.update(space.train(40).result(200)))
    print("\nforty steps asked for:", seconds)
    assert (last["state"], last["step"], len(seconds)) == ("done", 40, 1)
    backbone = load_backbone(space.backbones[0], dtype="float32", device="cpu")
    recipe = recipe_from("cpu", steps=40, batch=8, held_out=16)
    training = Training(backbone, Design.parse("causal/eos"), load_pairs("stsb-train"), recipe)
    training.pooler.packer.packs = False  # a GPU's texts are padded, and dropout is drawn for them
    losses = [step.loss for step in training.run() if step.number]
    assert last["loss"] == pytest.approx(losses[-1], rel=1e-4)
    trained = space.ask("/embed", TEXTS, "causal/eos", last["run"])["vectors"]
    expected = embed(TEXTS, training.design, training.result())
    np.testing.assert_allclose(trained, expected, atol=1e-4)


@pytest.mark.slow
def test_a_corpus_leaves_no_files_open(space):
    def embed_500(number: int) -> None:
        space.ask("/embed", [f"text {i} of part {number}" for i in range(500)], "M5", "")

    embed_500(0)
    before = space.seen()["files"]
    embed_500(1)
    embed_500(2)
    assert space.seen()["files"] <= before + 6  # those of one more worker, until it is collected


def test_a_lock_that_is_held_at_the_fork_holds_nobody_up(space):
    space.behave(hold=1)
    answer = space.ask("/embed", ["behind a lock"], "bidirectional/mean", "")
    assert len(answer["vectors"]) == 1


def test_a_quota_that_is_used_up_is_said_in_the_platforms_words(space):
    space.behave(quota=1)
    with pytest.raises(Exception, match="quota") as refused:
        space.ask("/embed", ["not any more"], "causal/eos", "")
    assert "3s left" in str(refused.value)
    last = space.train(4).result(60)
    assert last["state"] == "failed" and "3s left" in last["message"]
    space.behave()
    assert space.ask("/embed", ["not any more"], "causal/eos", "")["dim"] == 32


@pytest.mark.slow
def test_stop_keeps_what_was_sent_last(space):
    job = space.train(2000, seed=1)
    until(lambda: job.outputs() and job.outputs()[-1]["step"] > 12)
    run = job.outputs()[-1]["run"]
    job.cancel()
    end = time.monotonic() + 30
    vectors = None
    while vectors is None:
        try:
            vectors = space.ask("/embed", TEXTS, "causal/eos", run)["vectors"]
        except Exception:  # it is still being stopped
            assert time.monotonic() < end
            time.sleep(0.2)
    assert np.abs(np.array(vectors) - space.ask("/embed", TEXTS, "M1", "")["vectors"]).max() > 1e-3


@pytest.mark.slow
def test_a_worker_that_dies_in_a_training_leaves_what_was_learned(space):
    job = space.train(2000, seed=2)
    until(lambda: job.outputs() and job.outputs()[-1]["step"] > 12)
    os.kill(space.seen()["workers"][-1], signal.SIGKILL)
    last = job.result(60)
    assert last["state"] == "stopped"
    assert "GPU task aborted" in last["message"] and "step 10" in last["message"]
    assert space.ask("/embed", TEXTS, "causal/eos", last["run"])["dim"] == 32


@pytest.mark.slow
def test_a_visitor_who_leaves_in_a_call_harms_nobody_and_each_pays_for_their_own(space):
    sent = [f"somebody leaves before text {i} is embedded" for i in range(300)]
    job = space.client.submit(sent, "M5", "", api_name="/embed")
    calls = len(space.seen()["calls"])
    until(lambda: len(space.seen()["calls"]) > calls)
    job.cancel()
    other = client_of(space.served.url, headers={"x-ip-token": "visitor-2"})
    answer = other.predict(["another visitor's text"], "M5", "", api_name="/embed")
    assert len(answer["vectors"]) == 1
    paid = [call["visitor"] for call in space.seen()["calls"][calls:]]
    assert paid == ["visitor-1", "visitor-2"]
