"""The leak probe: does this architecture really obey the attention mode it is given?

Some ignore ``is_causal`` (bloom), others always look ahead (an encoder).
Their embeddings would look plausible and mean nothing, so a backbone that fails is refused.
"""

from __future__ import annotations

import torch

from embedlab.errors import EmbedLabError
from embedlab.models.backbone import Backbone
from embedlab.models.forward import is_bidirectional

#: Relative movement of a hidden state above which it has moved. Both texts run through the same
#: shapes, so a state that cannot see the change is the same to the last bit on a CPU, and nearly so
#: on a GPU.
MOVED = 1e-6


def leak_probe(backbone: Backbone) -> None:
    """Change the last token; the first may move under bidirectional attention and only there.

    Tried without padding and with padding on either side.

    Raises:
        EmbedLabError: names the architecture and what it did.
    """
    for attention in ("causal", "bidirectional"):
        for padding in ("none", "left", "right"):
            moved = _movement(backbone, attention, padding) > MOVED
            if moved and attention == "causal" and is_bidirectional(backbone.config):
                backbone.refused["causal"] = (
                    "its config makes it bidirectional (use_bidirectional_attention), so every "
                    "token sees later ones"
                )
                break
            if moved and attention == "causal":
                _refuse(backbone, "its first token sees later ones under causal attention")
            if not moved and attention == "bidirectional":
                _refuse(backbone, "its first token sees no later one under bidirectional attention")


def _movement(backbone: Backbone, attention: str, padding: str) -> float:
    """The largest relative movement of the first token over all layers."""
    size = backbone.config.vocab_size
    text = [(7 * i + 3) % (size - 1) for i in range(1, 7)]
    changed = [*text[:-1], (text[-1] + size // 2) % (size - 1)]
    before, after = (_first_token(backbone, ids, attention, padding) for ids in (text, changed))
    return float(((after - before).norm(dim=-1) / before.norm(dim=-1).clamp(min=1e-12)).max())


def _first_token(backbone: Backbone, ids: list[int], attention: str, padding: str) -> torch.Tensor:
    """(L + 1, d): the first token's states of ``ids`` beside a longer text of its own."""
    left, right = {"none": (0, 0), "left": (2, 0), "right": (0, 2)}[padding]
    pad = backbone.tokenizer.pad_token_id
    rows = [[pad] * left + ids + [pad] * right]
    mask = [[0] * left + [1] * len(ids) + [0] * right]
    if padding != "none":
        rows.append((ids + ids)[: len(ids) + 2])
        mask.append([1] * len(rows[1]))
    return backbone.token_states(rows, mask, attention)[:, 0, left].float()


def _refuse(backbone: Backbone, reason: str) -> None:
    raise EmbedLabError(
        f"{backbone.name} ({backbone.config.model_type}) cannot be used: {reason}. Choose a "
        "decoder-only model such as SmolLM2, Qwen, Mistral, Llama or Gemma."
    )
