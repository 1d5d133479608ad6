"""A GGUF file for llama.cpp: weights, tokenizer, the kind of pooling and the attention flag.

Written in float32, so that what differs afterwards is llama.cpp's own arithmetic; its
``llama-quantize`` makes it smaller. Only what llama.cpp computes alike is written: Llama, Mistral,
Qwen2 and Qwen3 with a byte-level tokenizer whose splitting it knows.
"""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from embedlab.errors import EmbedLabError
from embedlab.export.serving import obstacle, pooling_type
from embedlab.files import atomic_file, disk_errors
from embedlab.models.attention import Attention
from embedlab.models.design import Design
from embedlab.progress import Progress, no_progress

if TYPE_CHECKING:
    from embedlab.models.backbone import Backbone

#: The name of llama.cpp's architecture, by transformers' model_type.
_ARCHITECTURES = {"llama": "llama", "mistral": "llama", "qwen2": "qwen2", "qwen3": "qwen3"}
#: Architectures whose query and key rows llama.cpp has in another order, for its rotation.
_REORDERED = {"llama"}
#: Kinds of tokens: ordinary, control, and added by a user.
_NORMAL, _CONTROL, _USER_DEFINED, _UNUSED = 1, 3, 4, 5
_QWEN2 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
_LLAMA3 = _QWEN2.replace(r"|\p{N}|", r"|\p{N}{1,3}|")
#: llama.cpp's names of ways to split a text, by the tokenizer's own pattern.
_SPLITS = {_QWEN2: "qwen2", _LLAMA3: "llama-bpe"}


def write_gguf(
    backbone: Backbone, design: Design, out: Path, name: str, progress: Progress = no_progress
) -> Path:
    """Write a design of a backbone, with its adapter merged, as one GGUF file.

    Raises:
        EmbedLabError: llama.cpp cannot give this design or run this model, or the disk is full.
    """
    import gguf

    split = _check(backbone, design)
    progress(0, 2, "merging the weights")
    whole = backbone.merged()
    config, arch = whole.config, _ARCHITECTURES[whole.config.model_type]
    with disk_errors(out.name), atomic_file(out) as partial:
        writer = gguf.GGUFWriter(partial, arch)
        _add_facts(writer, config, design, backbone, name)
        _add_tokenizer(writer, backbone, design, split)
        _add_weights(writer, whole.model, config, arch)
        progress(1, 2, "writing the GGUF file")
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
    return out


def _check(backbone: Backbone, design: Design) -> str:
    """llama.cpp's name for how the tokenizer splits a text.

    Raises:
        EmbedLabError: it cannot be written.
    """
    other = "take sentence-transformers instead"
    if reason := obstacle(design):
        raise EmbedLabError(f"llama.cpp cannot give {design.name}: {reason}; {other}.")
    config = backbone.config
    if config.model_type not in _ARCHITECTURES or config.hidden_act != "silu":
        raise EmbedLabError(
            f"A GGUF of {config.model_type} is not written here, but of "
            f"{', '.join(_ARCHITECTURES)}; {other}, or use llama.cpp's own converter."
        )
    if backbone.native_head(design) is not None:
        raise EmbedLabError(f"{backbone.name} has layers behind its pooling; {other}.")
    rope = getattr(config, "rope_parameters", None) or {}
    if rope.get("rope_type", "default") != "default":
        raise EmbedLabError(
            f"{backbone.name} stretches its positions ({rope['rope_type']}), which is not written "
            f"here; {other}, or use llama.cpp's own converter."
        )
    state = json.loads(backbone.tokenizer.backend_tokenizer.to_str())
    split = _split_name(state)
    framing = backbone.framing
    if not split or len(framing.before) > 1 or len(framing.behind(ended=design.ended)) > 1:
        raise EmbedLabError(
            f"llama.cpp has no name for how the tokenizer of {backbone.name} splits texts, or for "
            f"what it puts around them; {other}."
        )
    return split


def _split_name(state: dict[str, Any]) -> str:
    """llama.cpp's name for a byte-level tokenizer's splitting; empty where it has none."""
    if state["model"]["type"] != "BPE" or state["normalizer"] not in (None, {"type": "NFC"}):
        return ""
    first = state["pre_tokenizer"] or {}
    parts = first.get("pretokenizers", [first])
    kinds = [part.get("type") for part in parts]
    if any(part.get("add_prefix_space") for part in parts):
        return ""
    if kinds == ["ByteLevel"] and parts[0]["use_regex"]:
        return "gpt-2"
    if kinds == ["Digits", "ByteLevel"] and parts[0]["individual_digits"]:
        return "smollm"
    if kinds == ["Split", "ByteLevel"]:
        return _SPLITS.get(parts[0]["pattern"].get("Regex", ""), "")
    return ""


def _add_facts(writer: Any, config: Any, design: Design, backbone: Backbone, name: str) -> None:
    import gguf

    heads = config.num_attention_heads
    head_dim = getattr(config, "head_dim", None) or config.hidden_size // heads
    rope = getattr(config, "rope_parameters", None) or {}
    writer.add_name(name)
    writer.add_file_type(gguf.LlamaFileType.ALL_F32)
    writer.add_context_length(backbone.max_length)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_key_length(head_dim)
    writer.add_value_length(head_dim)
    writer.add_rope_dimension_count(head_dim)
    writer.add_rope_freq_base(float(rope.get("rope_theta") or 10_000))
    writer.add_layer_norm_rms_eps(float(config.rms_norm_eps))
    writer.add_vocab_size(backbone.embedding_rows)
    writer.add_pooling_type(getattr(gguf.PoolingType, pooling_type(design).upper()))
    writer.add_causal_attention(Attention.parse(design.mode).mode != "bidirectional")


def _add_tokenizer(writer: Any, backbone: Backbone, design: Design, split: str) -> None:
    """The vocabulary, the merges, and the tokens that stand around every text."""
    tokenizer, framing = backbone.tokenizer, backbone.framing
    state = json.loads(tokenizer.backend_tokenizer.to_str())
    size = backbone.embedding_rows
    tokens = [f"[PAD{i}]" for i in range(size)]
    kinds = [_UNUSED] * size
    for token, i in state["model"]["vocab"].items():
        tokens[i], kinds[i] = token, _NORMAL
    for added in state["added_tokens"]:
        kind = _CONTROL if added["special"] else _USER_DEFINED
        tokens[added["id"]], kinds[added["id"]] = added["content"], kind
    merges = [
        each if isinstance(each, str) else " ".join(each) for each in state["model"]["merges"]
    ]
    before, behind = framing.before, framing.behind(ended=design.ended)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(split)
    writer.add_token_list(tokens)
    writer.add_token_types(kinds)
    writer.add_token_merges(merges)
    writer.add_add_bos_token(bool(before))
    if before:
        writer.add_bos_token_id(before[0])
    # llama.cpp ends a text by its EOS, whatever it is called here.
    writer.add_add_eos_token(bool(behind))
    if behind:
        writer.add_eos_token_id(behind[0])
    if tokenizer.pad_token_id is not None and tokenizer.pad_token_id < size:
        writer.add_pad_token_id(tokenizer.pad_token_id)


def _add_weights(writer: Any, model: Any, config: Any, arch: str) -> None:
    import gguf

    by_name = {name: arch_id for arch_id, name in gguf.MODEL_ARCH_NAMES.items()}
    names = gguf.get_tensor_name_map(by_name[arch], config.num_hidden_layers)
    heads = {"q_proj": config.num_attention_heads, "k_proj": config.num_key_value_heads}
    for name, tensor in model.state_dict().items():
        target = names.get_name(f"model.{name}", try_suffixes=(".weight", ".bias"))
        if target is None:
            raise EmbedLabError(
                f"llama.cpp has no place for the weights {name!r}; take sentence-transformers."
            )
        rows = tensor.detach().float().cpu().numpy()
        part = name.rpartition(".")[0].rpartition(".")[2]
        if arch in _REORDERED and part in heads:
            rows = _reordered(rows, heads[part])
        writer.add_tensor(target, np.ascontiguousarray(rows))


def _reordered(rows: NDArray[np.float32], heads: int) -> NDArray[np.float32]:
    """A projection's rows in llama.cpp's order: it rotates neighbours, transformers the halves."""
    halves = rows.reshape(heads, 2, rows.shape[0] // heads // 2, *rows.shape[1:])
    return halves.swapaxes(1, 2).reshape(rows.shape)


def llama_cpp_is_here() -> bool:
    """Whether Python bindings of llama.cpp are installed, to check a file with."""
    return importlib.util.find_spec("xllamacpp") is not None


LLAMA_CPP_MISSING = (
    "no llama.cpp is installed here, so the file was not opened by it; "
    'pip install "embedlab[gguf]" brings one'
)
