"""The streaming endpoint, from gradio_client, on the real backbone."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from gradio_client import Client
from gradio_client.exceptions import AppError
from support.serving import Served, client_of

TINY = {"steps": 2, "batch": 2, "held_out": 2}
TEXTS = ["The river burst its bank.", "She opened an account at the bank."]


@pytest.fixture(scope="module")
def client(served: Served) -> Client:
    return client_of(served.url)


def call(client: Client, *arguments: Any, **named: Any) -> list[dict[str, Any]]:
    job = client.submit(*arguments, **named, api_name="/finetune")
    job.result(timeout=150)
    return job.outputs()


def test_it_streams_and_its_run_is_a_backbone(client: Client) -> None:
    # Longer than the stream waits between two messages.
    messages = call(client, "smollm2-135m", "causal/eos", "stsb-train", **{**TINY, "steps": 12})
    states = list(dict.fromkeys(message["state"] for message in messages))
    assert states[-2:] == ["training", "done"]
    steps = [message["step"] for message in messages]
    assert steps == sorted(steps) and steps[-1] == 12
    last = messages[-1]
    assert last["steps"] == 12 and last["place"] == 0 and last["message"] == ""
    assert np.isfinite(last["loss"]) and 0 < last["held_out"] <= 1
    assert last["tokens_per_second"] > 0
    assert last["before_after"] == []
    trained, untrained = (
        np.array(client.predict(TEXTS, "M1", backbone, api_name="/embed")["vectors"])
        for backbone in (last["run"], "smollm2-135m")
    )
    np.testing.assert_allclose(np.linalg.norm(trained, axis=1), 1, atol=1e-5)
    assert np.abs(trained - untrained).max() > 1e-4


def test_the_head_alone(client: Client) -> None:
    messages = call(client, "", "M3", "stsb-train", mode="head", learning_rate=1e-3, **TINY)
    assert messages[-1]["state"] == "done"


def test_a_rate_far_too_high_ends_in_words(client: Client) -> None:
    messages = call(client, "", "M1", "stsb-train", learning_rate=10, **TINY)
    last = messages[-1]
    assert last["state"] in ("done", "failed")
    assert (last["state"] == "failed") == ("lower learning rate" in last["message"])


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"backbone": "gpt-9"}, "not a backbone offered here"),
        ({"backbone": 3}, "must be a string"),
        ({"design": "sideways/eos"}, "sideways"),
        ({"data": "nothing"}, "not a known training set"),
        ({"steps": 0}, "steps is 0"),
        ({"steps": 10**9}, "steps is 1,000,000,000"),
        ({"steps": 50_000}, "trains up to"),
        ({"steps": 1.5}, "whole number"),
        ({"batch": 1}, "batch is 1"),
        ({"learning_rate": "fast"}, "must be a number"),
        ({"learning_rate": 11}, "lr is 11"),
        ({"mode": "everything"}, "everything"),
        ({"mode": "head"}, "no trainable head"),
        ({"seed": -1}, "seed is -1"),
        ({"score": "yes"}, "true or false"),
    ],
)
def test_bad_arguments_are_answered_in_one_sentence(
    client: Client, changes: dict[str, Any], words: str
) -> None:
    sound = {"backbone": "", "design": "causal/eos", "data": "stsb-train", **TINY}
    with pytest.raises(AppError) as refused:
        call(client, **(sound | changes))
    assert words in str(refused.value)
    assert "Traceback" not in str(refused.value)
