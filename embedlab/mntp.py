"""Masked next-token prediction (MNTP, LLM2Vec, arXiv 2404.05961).

A causal backbone has never looked ahead. Before the contrastive training it learns to, by filling
in masked tokens under bidirectional attention; a masked token is predicted from the state of the
token before it, since that is where a causal model's prediction of it stands.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from embedlab.adapters import seeded
from embedlab.backbone import Backbone, Encoded, batches
from embedlab.errors import EmbedLabError
from embedlab.passes import padded

#: Share of a text's tokens that are masked, as LLM2Vec has it.
MASKED = 0.2
#: What LLM2Vec puts in place of a token where the tokenizer has no mask token.
BLANK = "_"


def output_weights(backbone: Backbone) -> Tensor:
    """(vocabulary, d): the language-model head, which is the embedding where the two are tied.

    Raises:
        EmbedLabError: they are not tied, and the backbone was loaded without its head.
    """
    if not backbone.config.tie_word_embeddings:
        raise EmbedLabError(
            f"{backbone.name} has a language-model head of its own, which is not loaded for "
            "embedding; choose 0 MNTP steps."
        )
    weights: Tensor = backbone.model.get_input_embeddings().weight
    return weights


def blank_id(backbone: Backbone) -> int:
    """The token id that stands for a masked token."""
    tokenizer = backbone.tokenizer
    found = tokenizer.mask_token_id or tokenizer.convert_tokens_to_ids(BLANK)
    unknown = found is None or found == tokenizer.unk_token_id
    return int(tokenizer.eos_token_id if unknown else found)


def masked(mask: Tensor, seed: int) -> Tensor:
    """(n, T) bool: the tokens to predict, one at least a text of two or more, never the first."""
    generator = torch.Generator().manual_seed(seed)
    draw = torch.rand(mask.shape, generator=generator)
    draw[:, 0] = 2.0
    draw = draw.masked_fill(~mask.bool().cpu(), 2.0)
    lowest = draw == draw.min(dim=1, keepdim=True).values
    return ((draw < MASKED) | (lowest & (draw < 1))).to(mask.device)


def backward(trained: Backbone, encoded: Sequence[Encoded], budget: int, seed: int) -> float:
    """Accumulate the gradient of the mean MNTP loss over n texts, and return that loss."""
    parts = list(batches([len(e.ids) for e in encoded], budget))
    ready = []
    for part in parts:
        ids, mask = padded([encoded[i] for i in part], trained)
        ready.append((ids, mask, masked(mask, seed + part[0])))
    total = sum(int(chosen.sum()) for *_, chosen in ready)
    loss = 0.0
    for number, (ids, mask, chosen) in enumerate(ready):
        with trained.lock, seeded(trained, seed + number):
            states = trained.hidden_states(
                ids.masked_fill(chosen, blank_id(trained)), mask, "bidirectional"
            )[-1]
            before = chosen.roll(-1, dims=1)  # the token before each masked one
            logits = states[before].float() @ output_weights(trained).float().T
            part_loss = F.cross_entropy(logits, ids[chosen], reduction="sum") / max(1, total)
            part_loss.backward()
        loss += float(part_loss.detach())
    return loss
