"""GGUF files: what is in them, what is refused, and what a llama.cpp makes of one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from support.models import tiny_backbone, tiny_model
from support.runs import run_info, trained

from embedlab import Design, EmbedLabError, embed
from embedlab.export import gguf_file
from embedlab.export.check import GGUF_TOLERANCE
from embedlab.export.export_model import export_model
from embedlab.export.gguf_file import write_gguf


def byte_level(architecture: str = "llama"):
    """A tiny model that reads single bytes, as GPT-2's tokenizer splits."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    from embedlab import Backbone

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {"<end>": 0} | {piece: i for i, piece in enumerate(alphabet, start=1)}
    inner = Tokenizer(models.BPE(vocab=vocabulary | {"he": 257}, merges=[("h", "e")]))
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    inner.decoder = decoders.ByteLevel()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=inner, eos_token="<end>")
    model = tiny_model(architecture, vocabulary=258)
    return Backbone(model, tokenizer, name=f"tiny-{architecture}", max_length=256)


def facts(path: Path) -> dict[str, object]:
    import gguf

    return {name: field.contents() for name, field in gguf.GGUFReader(path).fields.items()}


@pytest.mark.parametrize(
    ("design", "pooling", "causal"),
    [("causal/eos", 3, True), ("causal/mean", 1, True), ("bidirectional/mean", 1, False)],
)
def test_the_file_says_how_to_pool_and_to_attend(tmp_path, design, pooling, causal):
    path = write_gguf(byte_level(), Design.parse(design), tmp_path / "a.gguf", "tiny")
    said = facts(path)
    assert said["llama.pooling_type"] == pooling
    assert said["llama.attention.causal"] is causal
    assert said["tokenizer.ggml.add_eos_token"] is True and said["tokenizer.ggml.eos_token_id"] == 0
    assert said["tokenizer.ggml.pre"] == "gpt-2" and said["tokenizer.ggml.merges"] == ["h e"]


@pytest.mark.parametrize(
    ("design", "why"),
    [
        ("M2", "last_layer_trainable is a head with weights of its own"),
        ("causal/mean@1", "it reads another layer than the last"),
        ("causal/last?template=topic", "its template stands around the text"),
    ],
)
def test_what_llama_cpp_cannot_give_is_refused(tmp_path, design, why):
    with pytest.raises(EmbedLabError, match=why):
        write_gguf(byte_level(), Design.parse(design), tmp_path / "a.gguf", "tiny")
    assert not [*tmp_path.iterdir()]


def test_other_models_and_tokenizers_are_refused(tmp_path):
    with pytest.raises(EmbedLabError, match="A GGUF of gpt2 is not written here"):
        write_gguf(tiny_backbone("gpt2"), Design.parse("causal/eos"), tmp_path / "a.gguf", "tiny")
    with pytest.raises(EmbedLabError, match=r"no name for how the tokenizer of .* splits texts"):
        write_gguf(tiny_backbone("llama"), Design.parse("causal/eos"), tmp_path / "a.gguf", "t")


def test_without_llama_cpp_it_is_written_and_says_that_it_was_not_opened(tmp_path, monkeypatch):
    monkeypatch.setattr(gguf_file, "llama_cpp_is_here", lambda: False)
    backbone, design = byte_level(), Design.parse("causal/eos")
    archive, check = export_model(
        *(backbone, design, run_info(backbone, design), tmp_path, tmp_path, "gguf")
    )
    assert archive.is_file() and check.n == 0 and "was not opened by it" in check.notes[0]


@pytest.mark.slow  # llama.cpp starts a server in a process of its own, three times
@pytest.mark.parametrize("design", ["causal/eos", "causal/mean", "bidirectional/mean"])
@pytest.mark.parametrize("architecture", ["llama", "qwen2", "qwen3"])
def test_llama_cpp_gives_the_same_vectors(tmp_path, architecture, design):
    pytest.importorskip("xllamacpp")
    parsed = Design.parse(design)
    backbone = trained(byte_level(architecture))
    _, check = export_model(
        *(backbone, parsed, run_info(backbone, parsed), tmp_path, tmp_path, "gguf")
    )
    assert check.ok and check.n >= 3 and check.tolerance == GGUF_TOLERANCE
    # Another pooling or attention would be far beyond what is allowed.
    for other in {"causal/eos", "causal/mean", "bidirectional/mean"} - {design}:
        both = [
            embed(["A bank by the river."], each, backbone)
            for each in (parsed, Design.parse(other))
        ]
        assert np.abs(both[0] - both[1]).max() > 10 * GGUF_TOLERANCE
