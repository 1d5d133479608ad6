"""Tiny random models of many architectures."""

from __future__ import annotations

import string
from pathlib import Path

import torch
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Split, Whitespace
from tokenizers.processors import TemplateProcessing
from transformers import AutoConfig, AutoModel, PreTrainedTokenizerFast

from embedlab import Backbone, StateCache

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
    **options,
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
    config = AutoConfig.for_model(architecture, **sizes | options)
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
        input_ids=torch.tensor([ids], device=backbone.device),
        is_causal=attention == "causal",
        use_cache=False,
        output_hidden_states=True,
    )
    return torch.stack(output.hidden_states)[:, 0].cpu()


def character_tokenizer(frame: str = "$A", *, pad: str | None = "<pad>", eos: str | None = "<eos>"):
    """A token a character; ``frame`` is what is put around a text, such as ``<bos> $A <end>``."""
    special = ["<pad>", "<eos>", "<unk>", "<bos>", "<end>"]
    vocabulary = {token: i for i, token in enumerate([*special, *string.printable])}
    tokenizer = Tokenizer(WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = Split("", "isolated")
    around = [token for token in frame.split() if token != "$A"]
    if around:
        tokenizer.post_processor = TemplateProcessing(
            single=frame, special_tokens=[(token, vocabulary[token]) for token in set(around)]
        )
    given = {"pad_token": pad, "eos_token": eos, "unk_token": "<unk>"}
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, **{name: token for name, token in given.items() if token}
    )


def model_folder(folder: Path, model, tokenizer=None) -> Path:
    """A model as people keep one: weights, config, tokenizer."""
    model.save_pretrained(folder)
    (tokenizer or character_tokenizer()).save_pretrained(folder)
    return folder


def embedding_folder(folder: Path, transformer: Path, pooling: str, *, dense=(), **options) -> Path:
    """A folder that sentence-transformers itself saved: ``dense`` are its layers' sizes."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.base.modules.dense import Dense
    from sentence_transformers.base.modules.normalize import Normalize
    from sentence_transformers.base.modules.transformer import Transformer
    from sentence_transformers.sentence_transformer.modules.pooling import Pooling

    size = 32
    modules = [Transformer(str(transformer)), Pooling(size, pooling_mode=pooling)]
    torch.manual_seed(0)
    for number, to in enumerate(dense):
        activation = torch.nn.Tanh() if number else torch.nn.Identity()
        modules.append(Dense(size, to, bias=bool(number), activation_function=activation))
        size = to
    SentenceTransformer(modules=[*modules, Normalize()], device="cpu", **options).save(str(folder))
    return folder
