"""Tiny random models of many architectures."""

from __future__ import annotations

import torch
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from transformers import AutoConfig, AutoModel, PreTrainedTokenizerFast

from embedlab import Backbone, StateCache
from support.serving import browser, served  # noqa: F401 - fixtures

VOCABULARY = 120


ARCHITECTURES = ("llama", "qwen2", "qwen3", "mistral", "gemma3_text", "gpt2")


def tiny_tokenizer() -> PreTrainedTokenizerFast:
    """Words w0 … w117; pad is EOS, as SmolLM2 has it."""
    words = {f"w{i}": i for i in range(VOCABULARY - 2)} | {"<unk>": 118, "</s>": 119}
    tokenizer = Tokenizer(WordLevel(words, unk_token="<unk>"))
    tokenizer.pre_tokenizer = Whitespace()
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, eos_token="</s>", pad_token="</s>", unk_token="<unk>"
    )


def tiny_model(
    architecture: str,
    implementation: str = "sdpa",
    seed: int = 0,
    vocabulary: int = VOCABULARY,
    layers: int = 4,
    tied: bool = False,
):
    """A random transformer: 4 layers, d 32, on the CPU in float32."""
    sizes = {
        "vocab_size": vocabulary,
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": layers,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 8,
        "max_position_embeddings": 256,
        "pad_token_id": None,
        "bos_token_id": None,
        "eos_token_id": vocabulary - 1,
    }
    if architecture == "gpt2":
        sizes = {"vocab_size": vocabulary, "n_embd": 32, "n_layer": layers, "n_head": 4}
    if architecture == "bert":
        sizes.pop("head_dim")
    torch.manual_seed(seed)
    config = AutoConfig.for_model(architecture, **sizes)
    # Only the embeddings can be read as the unembedding: there is no head on these models.
    config.tie_word_embeddings = config.tie_word_embeddings or tied
    return AutoModel.from_config(config, attn_implementation=implementation).float().eval()


def tiny_backbone(
    architecture: str = "llama", implementation: str = "sdpa", seed: int = 0, tied: bool = False
) -> Backbone:
    """A tiny model as a backbone with a cache of its own."""
    return Backbone(
        tiny_model(architecture, implementation, seed, tied=tied),
        tiny_tokenizer(),
        name=f"tiny-{architecture}",
        max_length=64,
        cache=StateCache(10**8),
    )


def words(*lengths: int, seed: int = 0) -> list[str]:
    """One text of random words a length."""
    generator = torch.Generator().manual_seed(seed)
    draw = lambda n: torch.randint(0, VOCABULARY - 2, (n,), generator=generator).tolist()  # noqa: E731
    return [" ".join(f"w{i}" for i in draw(n)) for n in lengths]


@torch.no_grad()
def direct(backbone, text, attention, prompt=""):
    """(L + 1, T, d) of one unpadded text, straight from the model."""
    ids = [*backbone.tokenizer(prompt + text)["input_ids"], backbone.tokenizer.eos_token_id]
    output = backbone.model(
        input_ids=torch.tensor([ids]),
        is_causal=attention == "causal",
        use_cache=False,
        output_hidden_states=True,
    )
    return torch.stack(output.hidden_states)[:, 0]
