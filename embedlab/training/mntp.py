"""Masked next-token prediction (MNTP, LLM2Vec, arXiv 2404.05961).

A causal backbone was never trained to use the tokens to the right. Before the contrastive training
it learns to, by predicting masked tokens under bidirectional attention; a masked token is predicted
from the state of the token before it, as a causal model predicts the next token.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from embedlab.errors import EmbedLabError
from embedlab.models.backbone import Backbone, Encoded
from embedlab.training.lora import seeded
from embedlab.training.passes import Packer

#: Share of a text's tokens that are masked, as in LLM2Vec.
MASKED_SHARE = 0.2
#: LLM2Vec's replacement of a token where the tokenizer has no mask token.
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
    """The token id that replaces a masked token."""
    tokenizer = backbone.tokenizer
    token = tokenizer.mask_token_id or tokenizer.convert_tokens_to_ids(BLANK)
    unknown = token is None or token == tokenizer.unk_token_id
    outside = token is not None and token >= len(backbone.model.get_input_embeddings().weight)
    return int(backbone.framing.end[-1] if unknown or outside else token)


def masked(lengths: Sequence[int], seed: int) -> list[list[int]]:
    """Positions to predict in each of n texts: one at least of two or more tokens, never the first.

    The first has nothing before it to be predicted from.
    """
    draw = random.Random(seed)
    chosen = []
    for length in lengths:
        drawn = [i for i in range(1, length) if draw.random() < MASKED_SHARE]
        chosen.append(drawn or [draw.randrange(1, length)] if length > 1 else [])
    return chosen


def backward(
    packer: Packer,
    encoded: Sequence[Encoded],
    parts: Sequence[Sequence[int]],
    seed: int,
    number_of: Callable[[int], int] = int,
) -> float:
    """Accumulate the gradient of the mean MNTP loss over n texts, and return that loss.

    ``packer`` has a backbone with an adapter, under bidirectional attention; ``parts`` are the
    indices of the texts that are read, all or some, in micro-batches; ``seed`` is of what is
    masked, and with ``number_of`` a micro-batch of its dropout.
    """
    trained = packer.backbone
    chosen, blank = masked([len(e.ids) for e in encoded], seed), blank_id(trained)
    total, losses = sum(map(len, chosen)), []
    for number, part in enumerate(parts):
        layout = packer.layout([_masked_out(encoded[i], chosen[i], blank) for i in part])
        # As tensors: to read numbers one by one would wait for a GPU once a masked token.
        rows, before, targets = (
            torch.tensor(numbers, dtype=torch.int64)
            for numbers in (
                [row for row, i in enumerate(part) for _ in chosen[i]],
                [t - 1 for i in part for t in chosen[i]],
                [encoded[i].ids[t] for i in part for t in chosen[i]],
            )
        )
        with seeded(trained, seed + number_of(number)):
            states = packer.states(layout)[-1].flatten(0, 1)
            where = layout.token_index[rows.to(states.device), before.to(states.device)]
            logits = states[where].float() @ output_weights(trained).float().T
            part_loss = F.cross_entropy(logits, targets.to(logits.device), reduction="sum")
            part_loss = part_loss / max(1, total)
            part_loss.backward()
        losses.append(part_loss.detach())
    return float(sum(losses))


def _masked_out(encoded: Encoded, chosen: Sequence[int], blank: int) -> Encoded:
    ids = tuple(blank if t in chosen else token for t, token in enumerate(encoded.ids))
    return Encoded(ids, encoded.truncated)
