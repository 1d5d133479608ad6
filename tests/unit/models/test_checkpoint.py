"""Folders whose weights or tokenizer are not what they say: refused, with the reason."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from support.models import character_tokenizer, model_folder, tiny_model
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import WhitespaceSplit
from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast

from embedlab import Design, EmbedLabError, embed, load_backbone


@pytest.fixture
def folder(tmp_path):
    return model_folder(tmp_path / "tiny", tiny_model("qwen3", vocabulary=128))


def load(folder):
    return load_backbone(folder, device="cpu", dtype="float32")


def rewrite(folder, change) -> None:
    """The weights' file with ``change`` applied to its tensors by name."""
    path = folder / "model.safetensors"
    save_file(change(load_file(path)), path, metadata={"format": "pt"})


def refusal(folder) -> str:
    with pytest.raises(EmbedLabError) as caught:
        load(folder)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 500
    return str(caught.value)


@pytest.mark.parametrize(
    "prefix",
    ["module.", "_orig_mod.", "base_model.model.model.", "_orig_mod.model.", "student.encoder."],
)
def test_a_prefix_in_all_keys_is_named(folder, prefix):
    rewrite(folder, lambda weights: {prefix + key: value for key, value in weights.items()})
    message = refusal(folder)
    assert f"begins with {prefix!r}" in message and "embed_tokens.weight" in message


def test_a_missing_layer_names_its_first_keys(folder):
    rewrite(folder, lambda weights: {k: v for k, v in weights.items() if ".2." not in k})
    message = refusal(folder)
    assert "11 of its weights are not in its files (layers.2.input_layernorm.weight" in message
    assert "begins with" not in message


def test_one_missing_norm_is_enough(folder):
    rewrite(folder, lambda weights: {k: v for k, v in weights.items() if k != "norm.weight"})
    assert "1 of its weights" in refusal(folder)


def test_weights_of_another_size(folder):
    def halved(weights):
        return weights | {"norm.weight": torch.ones(16)}

    rewrite(folder, halved)
    message = refusal(folder)
    assert "other sizes than config.json says" in message and "norm.weight" in message


@pytest.mark.parametrize(
    ("extra", "reason"),
    [
        ("layers.0.self_attn.q_proj.lora_A.default.weight", "merge_and_unload"),
        ("layers.0.self_attn.q_proj.bias", "config.json is of another model"),
    ],
)
def test_weights_that_the_model_has_no_place_for(folder, extra, reason):
    rewrite(folder, lambda weights: weights | {extra: torch.ones(4)})
    message = refusal(folder)
    assert extra in message and reason in message


def test_more_layers_in_the_files_are_noted(folder):
    config = json.loads((folder / "config.json").read_text())
    config |= {"num_hidden_layers": 3, "layer_types": config["layer_types"][:3]}
    (folder / "config.json").write_text(json.dumps(config))
    assert load(folder).note == "1 more layers in the files than config.json has"


def test_a_language_model_head_and_shards_are_as_good_as_a_plain_file(folder, tmp_path):
    expected = embed(["a bank"], Design.parse("causal/mean"), load(folder))
    model = tiny_model("qwen3", vocabulary=128)
    with_head = AutoModelForCausalLM.from_config(model.config)
    with_head.model.load_state_dict(model.state_dict())
    for name, kept, options in (("head", with_head, {}), ("shards", model, {"size": "20KB"})):
        place = tmp_path / name
        kept.save_pretrained(place, **{f"max_shard_{k}": v for k, v in options.items()})
        character_tokenizer().save_pretrained(place)
        vectors = embed(["a bank"], Design.parse("causal/mean"), load(place))
        np.testing.assert_allclose(vectors, expected, atol=1e-6)


def test_an_adapter_alone_names_its_base(folder):
    (folder / "adapter_config.json").write_text('{"base_model_name_or_path": "some/base"}')
    assert "LoRA adapter of 'some/base'" in refusal(folder)


@pytest.mark.parametrize("kept", [(), ("tokenizer_config.json",)])
def test_no_tokenizer_names_the_files_that_are_missing(folder, kept):
    """transformers builds an empty one, with the special tokens of a config that is left."""
    path = folder / "tokenizer_config.json"
    config = json.loads(path.read_text()) | {
        "tokenizer_class": "Qwen2Tokenizer",
        "added_tokens_decoder": {
            str(i): {"content": f"<s{i}>", "special": True} for i in range(100)
        },
    }
    path.write_text(json.dumps(config))
    for file in ("tokenizer.json", "tokenizer_config.json"):
        if file not in kept:
            (folder / file).unlink()
    message = refusal(folder)
    assert "tokenizer.json" in message and "tokenizer" in message


def test_a_tokenizer_that_tells_no_words_apart(folder):
    words = {f"no word {i}": i for i in range(100)} | {"<unk>": 100, "<eos>": 101}
    raw = Tokenizer(WordLevel(words, unk_token="<unk>"))
    raw.pre_tokenizer = WhitespaceSplit()
    PreTrainedTokenizerFast(
        tokenizer_object=raw, unk_token="<unk>", eos_token="<eos>"
    ).save_pretrained(folder)
    assert "gives different words the same ids ('river' and 'money')" in refusal(folder)
