"""Tiny random models of the decoders that transformers knows, and the table of what they obey."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, AutoModel

from embedlab import Backbone
from embedlab.models.probe import Verdict, probe
from support.models import VOCABULARY, tiny_tokenizer

DOCUMENT = Path(__file__).parents[2] / "docs" / "method.md"
BEGIN, END = "<!-- architectures: begin -->\n", "<!-- architectures: end -->\n"

_SIZES: dict[str, Any] = {
    "vocab_size": VOCABULARY,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "max_position_embeddings": 256,
    "num_experts": 4,
    "num_local_experts": 4,
    "n_routed_experts": 4,
    "num_experts_per_tok": 2,
    "moe_intermediate_size": 32,
    "shared_expert_intermediate_size": 32,
    "eos_token_id": VOCABULARY - 1,
}
#: Where it has no default that fits, a config may be given no such token.
_NO_TOKENS = {"pad_token_id": None, "bos_token_id": None}
_GPT2 = {"vocab_size": VOCABULARY, "n_embd": 32, "n_layer": 4, "n_head": 4, "n_positions": 256}
_MAMBA = {"mamba_n_heads": 8, "mamba_d_head": 8, "mamba_d_state": 8, "mamba_chunk_size": 8}
_DEEPSEEK = {
    "kv_lora_rank": 8,
    "q_lora_rank": 8,
    "qk_nope_head_dim": 8,
    "qk_rope_head_dim": 8,
    "v_head_dim": 8,
    "first_k_dense_replace": 1,
    "n_group": 1,
    "topk_group": 1,
    "num_key_value_heads": 4,
}
_DELTA = {
    "linear_num_key_heads": 2,
    "linear_num_value_heads": 4,
    "linear_key_head_dim": 8,
    "linear_value_head_dim": 8,
}

_COMMON = """
    afmoe apertus arcee biogpt bitnet cohere cohere2 cohere2_moe diffllama doge ernie4_5
    ernie4_5_moe exaone exaone4 flex_olmo gemma gemma2 glm glm4 glm4_moe gpt_neox
    gpt_neox_japanese gpt_oss granite granitemoe granitemoeshared helium hunyuan_v1_dense
    hunyuan_v1_moe jetmoe laguna llama llama4_text mimo_v2_flash minimax minimax_m2 ministral
    ministral3 mistral mixtral nanochat nemotron olmo olmo2 olmo3 olmoe persimmon phi phi3
    phimoe qwen2 qwen2_moe qwen3 qwen3_moe recurrent_gemma seed_oss smollm3 solar_open
    stablelm starcoder2 vaultgemma xlstm
"""
#: What each architecture needs besides the common sizes, or its ``whole`` config.
DECODERS: dict[str, dict[str, Any]] = {
    **{name: {} for name in _COMMON.split()},
    "bamba": {**_MAMBA, "mamba_expand": 2, "attn_layer_indices": [1, 3]},
    "bloom": {"whole": {"vocab_size": VOCABULARY, "hidden_size": 32, "n_layer": 4, "n_head": 4}},
    "codegen": {"whole": {**_GPT2, "rotary_dim": 8}},
    "ctrl": {"whole": {**_GPT2, "dff": 64}},
    "deepseek_v2": _DEEPSEEK,
    "deepseek_v3": _DEEPSEEK,
    "falcon": {
        "whole": {
            "vocab_size": VOCABULARY,
            "hidden_size": 32,
            "num_hidden_layers": 4,
            "num_attention_heads": 4,
        }
    },
    "falcon_h1": {**_MAMBA, "mamba_d_ssm": 64, "mamba_expand": 2},
    "falcon_mamba": {"state_size": 4},
    "gemma3_text": {
        "sliding_window": 8,
        "layer_types": ["sliding_attention"] * 3 + ["full_attention"],
    },
    "gemma3n_text": {
        "num_kv_shared_layers": 0,
        "vocab_size_per_layer_input": VOCABULARY,
        "hidden_size_per_layer_input": 8,
        "laurel_rank": 8,
        "intermediate_size": [64] * 4,
        "activation_sparsity_pattern": [0.0] * 4,
        "layer_types": ["sliding_attention"] * 3 + ["full_attention"],
    },
    "gpt2": {"whole": _GPT2},
    "gpt_bigcode": {"whole": _GPT2},
    "gpt_neo": {
        "num_layers": 4,
        "num_heads": 4,
        "attention_types": [[["global", "local"], 2]],
    },
    "gptj": {"whole": {**_GPT2, "rotary_dim": 8}},
    "granitemoehybrid": {
        **_MAMBA,
        "mamba_expand": 2,
        "layer_types": ["mamba", "attention", "mamba", "attention"],
    },
    "jamba": {
        "attn_layer_period": 4,
        "attn_layer_offset": 3,
        "mamba_d_state": 4,
        "mamba_dt_rank": 4,
    },
    "lfm2": {"layer_types": ["conv", "conv", "conv", "full_attention"]},
    "mamba": {"state_size": 4},
    "mamba2": {"state_size": 4, "num_heads": 8, "head_dim": 8, "n_groups": 1, "chunk_size": 8},
    "modernbert-decoder": {
        "pad_token_id": 0,
        "bos_token_id": 0,
        "cls_token_id": 0,
        "sep_token_id": 0,
    },
    "mpt": {"whole": {"vocab_size": VOCABULARY, "d_model": 32, "n_layers": 4, "n_heads": 4}},
    "nemotron_h": {
        "mamba_num_heads": 8,
        "mamba_head_dim": 8,
        "ssm_state_size": 8,
        "chunk_size": 8,
        "n_groups": 1,
    },
    "olmo_hybrid": _DELTA,
    "openai-gpt": {"whole": _GPT2},
    "opt": {"ffn_dim": 64, "word_embed_proj_dim": 32},
    "qwen3_5_moe_text": _DELTA,
    "qwen3_5_text": _DELTA,
    "qwen3_next": _DELTA,
    "rwkv": {"attention_hidden_size": 32, "context_length": 256},
    "xglm": {
        "d_model": 32,
        "num_layers": 4,
        "attention_heads": 4,
        "ffn_dim": 64,
        "pad_token_id": 1,
    },
}


def decoder(name: str, implementation: str = "sdpa") -> Any:
    """A random model of an architecture, 4 layers of d 32 in float32: the same at each call."""
    changes = DECODERS[name]
    known = AutoConfig.for_model(name)
    sizes = {k: v for k, v in _SIZES.items() if hasattr(known, k)} | _NO_TOKENS | changes
    config = AutoConfig.for_model(name, **changes.get("whole", sizes))
    torch.manual_seed(0)
    return AutoModel.from_config(config, attn_implementation=implementation).float().eval()


def decoder_backbone(name: str) -> Backbone:
    """The same as a backbone; its attention is SDPA where the architecture has it."""
    try:
        model = decoder(name)
    except ValueError:
        model = decoder(name, "eager")
    return Backbone(model, tiny_tokenizer(), name=f"tiny-{name}", max_length=64)


def table(verdicts: list[Verdict]) -> str:
    """The verdicts as a table in Markdown."""

    def lines() -> Iterator[str]:
        yield "| architecture | causal | bidirectional | rerouted | what the probe saw |"
        yield "|---|---|---|---|---|"
        for one in sorted(verdicts, key=lambda v: v.architecture):
            modes = (one.causal, one.bidirectional, one.rerouted)
            words = ["accepted" if mode.accepted else "refused" for mode in modes]
            saw = (one.bidirectional if one.causal.accepted else one.causal).sentence
            if one.causal.accepted and not one.rerouted.accepted:
                saw += f"; rerouted: {one.rerouted.sentence}"
            yield f"| `{one.architecture}` | {' | '.join(words)} | {saw} |"

    return "\n".join(lines()) + "\n"


def documented() -> str:
    """The table as it stands in the documentation."""
    return DOCUMENT.read_text(encoding="utf-8").partition(BEGIN)[2].partition(END)[0]


def main() -> None:
    """Probe them all and write the table into the documentation."""
    new = table([probe(decoder_backbone(name)) for name in DECODERS])
    text = DOCUMENT.read_text(encoding="utf-8")
    head, _, rest = text.partition(BEGIN)
    DOCUMENT.write_text(head + BEGIN + new + END + rest.partition(END)[2], encoding="utf-8")
    sys.stdout.write(new)


if __name__ == "__main__":
    main()
