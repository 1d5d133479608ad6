"""The door to a lent GPU: when it is one, and what it says; the calls are in tests/real."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
import types

import gradio as gr
import pytest
import torch

from embedlab import gpu
from embedlab.errors import EmbedLabError


@pytest.mark.parametrize("word", ["0", "false", "", "no"])
def test_a_space_that_says_no_has_no_lent_gpu(word):
    program = "from embedlab import gpu; print(gpu.LENT)"
    environment = {**os.environ, "SPACES_ZERO_GPU": word}
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "False"


@pytest.fixture
def platform(monkeypatch):
    """A package ``spaces`` that just calls."""
    made = types.SimpleNamespace(GPU=lambda duration: lambda function: function)
    monkeypatch.setattr(gpu, "_spaces", made)
    monkeypatch.setattr(gpu, "LENT", True)
    monkeypatch.setattr(gpu, "_refusals", set())


def test_errors_of_a_worker_are_the_sentences_they_were(platform):
    @gpu.on_gpu(lambda what: 5)
    def work(what):
        raise what

    @gpu.stream_on_gpu(lambda what: 5)
    def stream(what):
        yield 1
        raise what

    for error, words in (
        (EmbedLabError("too long a text"), "too long a text"),
        (torch.OutOfMemoryError(), "memory does not suffice"),
    ):
        with pytest.raises(EmbedLabError, match=words):
            work(error)
        items = stream(error)
        assert next(items) == 1
        with pytest.raises(EmbedLabError, match=words):
            next(items)


def test_the_platforms_words_reach_the_visitor(platform):
    gpu.refused_by(gr.Error)

    @gpu.on_gpu(lambda what: 5)
    def work(what):
        raise what

    refused = gr.Error("You have exceeded your quota (6s requested vs. 3s left).", title="Quota")
    with pytest.raises(gpu.LentGpuError, match=r"Quota: .* \(6s requested vs. 3s left\)"):
        work(refused)
    with pytest.raises(gpu.LentGpuError, match="cannot be reached"):
        work(RuntimeError("ZeroGPU API /schedule error"))


def test_nobody_reading_on_ends_the_call(platform):
    ended = []

    @gpu.stream_on_gpu(lambda: 5)
    def stream():
        try:
            while True:
                yield 1
        finally:
            ended.append(True)

    items = stream()
    next(items)
    items.close()
    assert ended == [True]


def test_elsewhere_a_function_is_just_called():
    assert gpu.on_gpu(lambda: 5)(importlib.import_module) is importlib.import_module
