"""Fixtures of every tier, and the marker that each folder gives its tests."""

from __future__ import annotations

import os
from pathlib import Path

os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
os.environ["HF_HUB_OFFLINE"] = "1"

import pytest
from support.models import tiny_backbone, tiny_model
from support.serving import browser, served  # noqa: F401 - fixtures

from embedlab import Backbone

TESTS = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The folder sets the marker: ``-m browser`` is everything under ``tests/browser``."""
    for item in items:
        item.add_marker(item.path.relative_to(TESTS).parts[0])


@pytest.fixture
def tiny() -> Backbone:
    return tiny_backbone()


@pytest.fixture(scope="session")
def smollm2() -> Backbone:
    """The real backbone in float32; without its weights the run fails and says so."""
    from embedlab import load_backbone

    return load_backbone("smollm2-135m", dtype="float32", device="cpu")


@pytest.fixture(scope="session")
def tiny_folder(smollm2, tmp_path_factory):
    """A tiny random llama that reads SmolLM2's tokens."""
    folder = tmp_path_factory.mktemp("tiny") / "backbone"
    tiny_model("llama", vocabulary=len(smollm2.tokenizer)).save_pretrained(folder)
    smollm2.tokenizer.save_pretrained(folder)
    return folder
