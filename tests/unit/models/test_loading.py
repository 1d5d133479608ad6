"""Loading a backbone: what is refused, what heals, and what stays the same after a conversion."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
import torch
from support.models import tiny_model, tiny_tokenizer

from embedlab import Design, EmbedLabError, embed, load_backbone
from embedlab.models import loading


@pytest.fixture
def folder(tmp_path):
    """A tiny llama as people keep one."""
    tiny_model("llama").save_pretrained(tmp_path / "tiny")
    tiny_tokenizer().save_pretrained(tmp_path / "tiny")
    return tmp_path / "tiny"


def test_a_local_folder_loads_in_the_precision_asked_for(folder):
    backbone = load_backbone(folder, device="cpu", dtype="bfloat16")
    assert (backbone.name, backbone.source, backbone.dtype) == (
        "tiny",
        "local folder",
        torch.bfloat16,
    )
    assert embed(["w1 w2"], Design.parse("M5"), backbone).shape == (1, 32)


def test_other_weights_in_the_same_folder_are_another_backbone(folder):
    before = load_backbone(folder, device="cpu", dtype="float32").key
    assert load_backbone(folder, device="cpu", dtype="float32").key == before
    tiny_model("llama", seed=1).save_pretrained(folder)
    assert load_backbone(folder, device="cpu", dtype="float32").key != before


def test_an_encoder_is_refused_by_its_architecture():
    with pytest.raises(EmbedLabError, match=r"minilm \(bert\) cannot be used"):
        load_backbone("minilm", device="cpu", dtype="float32")


@pytest.mark.parametrize(
    ("name", "options", "hint"),
    [
        ("nobody/nothing", {}, "smollm2-135m"),
        ("stsb", {}, "is a corpus"),
        ("../../etc", {}, "could not be loaded"),
        ("smollm2-135m", {"device": "tpu"}, "auto, cpu or cuda"),
        ("smollm2-135m", {"device": "cuda"}, "no CUDA GPU"),
        ("smollm2-135m", {"dtype": "float16"}, "bfloat16"),
    ],
)
def test_what_cannot_be_loaded_says_why(name, options, hint):
    if options.get("device") == "cuda" and torch.cuda.is_available():
        return
    with pytest.raises(EmbedLabError, match=hint) as caught:
        load_backbone(name, **options)
    assert "Traceback" not in str(caught.value) and len(str(caught.value)) < 300


def test_a_folder_without_a_model_is_refused(tmp_path):
    with pytest.raises(EmbedLabError, match=r"needs config.json"):
        load_backbone(tmp_path)


def test_pickled_weights_are_refused(folder):
    torch.save(tiny_model("llama").state_dict(), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    with pytest.raises(EmbedLabError, match="safetensors"):
        load_backbone(folder)


def test_a_damaged_conversion_heals(tmp_path, monkeypatch, folder):
    """The real asset, its conversion replaced by a tiny one, then cut in half."""
    monkeypatch.setenv("EMBEDLAB_CACHE", str(tmp_path / "cache"))

    def convert(gguf, into, progress):
        shutil.copytree(folder, into, dirs_exist_ok=True)

    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / "model.gguf").write_bytes(b"stands for the real file")
    monkeypatch.setattr(loading.assets, "fetch", lambda *_: tmp_path / "weights")
    monkeypatch.setattr(loading.assets, "verify", lambda *_: None)
    monkeypatch.setattr(loading, "convert", convert)
    expected = embed(["w1 w2"], Design.parse("causal/mean"), load_backbone("smollm2-135m"))
    (weights,) = (tmp_path / "cache" / "backbones").glob("*/model.safetensors")
    weights.write_bytes(weights.read_bytes()[: weights.stat().st_size // 2])
    healed = load_backbone("smollm2-135m")
    np.testing.assert_array_equal(embed(["w1 w2"], Design.parse("causal/mean"), healed), expected)


@pytest.mark.parametrize(
    ("seconds", "chosen"), [(0.5, torch.bfloat16), (0.9, torch.float32), (100, torch.float32)]
)
def test_the_faster_precision_is_chosen_by_measuring(seconds, chosen, monkeypatch):
    times = {torch.float32: 1.0, torch.bfloat16: seconds}
    monkeypatch.setattr(loading, "_matmul_seconds", times.__getitem__)
    assert loading.fastest_cpu_dtype.__wrapped__() == chosen


def test_a_product_in_each_precision_takes_time():
    assert all(loading._matmul_seconds(dtype) > 0 for dtype in loading.DTYPES.values())


def test_a_variable_fixes_what_auto_means(monkeypatch):
    monkeypatch.setenv(loading.DTYPE_VARIABLE, "bfloat16")
    assert loading.chosen_dtype("auto", torch.device("cpu")) == torch.bfloat16
    assert loading.chosen_dtype("float32", torch.device("cpu")) == torch.float32
    monkeypatch.setenv(loading.DTYPE_VARIABLE, "float16")
    with pytest.raises(EmbedLabError, match="'float16' is not offered"):
        loading.chosen_dtype("auto", torch.device("cpu"))


def test_of_several_gpus_the_one_with_most_memory_left_is_taken(monkeypatch):
    free = [10, 70, 30]
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: len(free))
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda i: (free[i], 80))
    assert loading._device("auto") == torch.device("cuda", 1)
    assert loading._device("cuda:2") == torch.device("cuda", 2)
    with pytest.raises(EmbedLabError, match=r"'balanced' is not a device.*not spread over several"):
        loading._device("balanced")
    with pytest.raises(EmbedLabError, match=r"no GPU 'cuda:3' here; .* cuda:0 to cuda:2"):
        loading._device("cuda:3")


def test_a_model_that_no_gpu_holds_is_refused_with_its_size(folder, monkeypatch):
    def full(*_):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(torch.nn.Module, "to", full)
    with pytest.raises(EmbedLabError, match=r"tiny has 0\.0 GB of weights, .* not spread over"):
        load_backbone(folder, device="cpu", dtype="float32")
