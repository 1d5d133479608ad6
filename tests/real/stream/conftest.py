"""A tiny backbone in a folder, and inputs for it."""

from __future__ import annotations

import pytest
from support.models import model_folder, tiny_model, tiny_tokenizer

from embedlab import StateCache, load_backbone


@pytest.fixture(scope="session")
def streamed_folder(tmp_path_factory):
    """A tiny random llama whose words are w0 … w117."""
    folder = tmp_path_factory.mktemp("streamed") / "tiny"
    return model_folder(folder, tiny_model("llama", tied=True), tiny_tokenizer())


@pytest.fixture(scope="session")
def streamed_backbone(streamed_folder):
    return load_backbone(streamed_folder, device="cpu", dtype="float32", cache=StateCache(0))
