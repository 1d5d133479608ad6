"""A model in bfloat16 leaves in float32: nothing of its adapter is rounded away."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from support.models import tiny_model, tiny_tokenizer, words
from support.runs import random_head, run_info, trained

from embedlab import Backbone, Design, StateCache, embed
from embedlab.export.sentence_transformers import export_sentence_transformers

TEXTS = words(1, 3, 7, 20, 62)


@pytest.fixture
def backbone():
    """A tiny llama in bfloat16 with an adapter in float32, as a training on a GPU leaves it."""
    model = tiny_model("llama").to(torch.bfloat16)
    plain = Backbone(model, tiny_tokenizer(), name="tiny", max_length=64, cache=StateCache(10**8))
    return trained(plain)


def test_the_merged_weights_are_those_of_the_formula(backbone):
    # W + α/r B A, with W as it is in bfloat16.
    lora = backbone.adapter.base_model.model.layers[1].self_attn.q_proj
    a, b = lora.lora_A["default"].weight, lora.lora_B["default"].weight
    assert a.dtype == b.dtype == torch.float32
    expected = lora.base_layer.weight.double() + lora.scaling["default"] * (b.double() @ a.double())
    merged = backbone.merged()
    weight = merged.model.layers[1].self_attn.q_proj.weight
    assert weight.dtype == torch.float32 and merged.adapter is None
    np.testing.assert_allclose(weight.numpy(), expected.detach().numpy(), atol=1e-6)
    # The backbone itself stays as it is.
    assert lora.base_layer.weight.dtype == torch.bfloat16 and not lora.merged


@pytest.mark.parametrize(
    "name", ["causal/eos", "M5", "bidirectional/value_mean", "causal/mean+centre+dim16"]
)
def test_an_export_equals_the_trained_model_in_float32(name, backbone, tmp_path):
    from sentence_transformers import SentenceTransformer

    from embedlab.models.embedding import fit

    design = Design.parse(name)
    if design.trainable:
        random_head(backbone, design)
    steps = fit(TEXTS, design, backbone)
    folder = tmp_path / "out"
    export_sentence_transformers(backbone, design, run_info(backbone, design), folder, steps=steps)
    assert json.loads((folder / "config.json").read_text())["dtype"] == "float32"
    assert {t.dtype for t in load_file(folder / "model.safetensors").values()} == {torch.float32}
    own_code = (folder / "export_pooling.py").exists()
    model = SentenceTransformer(str(folder), device="cpu", trust_remote_code=own_code)
    left = model.encode_document(TEXTS)
    exact = embed(TEXTS, design, backbone.in_float32(), fit=steps)
    shown = embed(TEXTS, design, backbone, fit=steps)
    np.testing.assert_allclose(left, exact, atol=1e-4)
    # What the application shows was computed in bfloat16.
    assert 1e-4 < np.abs(left - shown).max() < 2e-2


def test_one_in_float32_is_its_own_exact_copy(tiny):
    assert tiny.in_float32() is tiny and tiny.merged().model is tiny.model
