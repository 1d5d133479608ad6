"""What does a vector say? The tokens of the unembedding that a pooled state comes nearest to.

The largest entries of W_U e (arXiv 2406.17378), e a pooled state, through the final norm where its
layer is not the last. It is a lens: what the language-model head would make of the state, and no
claim about what the vector stands for.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from embedlab.errors import EmbedLabError
from embedlab.models.pooling import POOLINGS
from embedlab.models.unembedding import read_unembedding

if TYPE_CHECKING:
    from embedlab.models.backbone import Backbone
    from embedlab.models.design import Design
    from embedlab.models.embedding import Vectors

#: Entries looked at for each word that is returned: many are the same word, or no word at all.
_CANDIDATES = 12


class KeyToken(NamedTuple):
    """A token as a word, and its entry of W_U e."""

    word: str
    score: float


@torch.no_grad()
def key_tokens(
    vectors: Vectors, design: Design, backbone: Backbone, k: int = 8, *, whole: bool = False
) -> list[list[KeyToken]]:
    """The k nearest words to each of n pooled vectors, before any step, the nearest first.

    The vectors (n, d) may have any length: the final norm and the order of the entries do not
    depend on it. The same word with and without a space, or in capitals, counts once. With
    ``whole`` only tokens that begin a word are taken, where the vocabulary tells.

    Raises:
        EmbedLabError: the design's vectors are no states, or the unembedding is not at hand.
    """
    check(design)
    weight = read_unembedding(backbone)
    states = torch.from_numpy(np.ascontiguousarray(vectors)).to(weight.device)
    last = design.layer in (-1, backbone.num_layers) and design.layers is None
    if not last:
        states = _final_norm(backbone)(states.to(weight.dtype))
    scores = (states.to(weight.dtype) @ weight.T).float()
    best, ids = scores.topk(min(_CANDIDATES * k, scores.shape[1]), dim=1)
    return [
        _words(backbone, row, values, k, whole)
        for row, values in zip(ids.tolist(), best.tolist(), strict=True)
    ]


def group_words(
    vectors: Vectors, members: Sequence[int], design: Design, backbone: Backbone, k: int = 8
) -> list[KeyToken]:
    """Words that name some of n texts: of their mean vector less the mean of all (n, d)."""
    labels = np.full(len(vectors), -1, np.int64)
    labels[list(members)] = 0
    return words_of_groups(vectors, labels, 1, design, backbone, k)[0]


def words_of_groups(
    vectors: Vectors,
    labels: npt.NDArray[np.int64],
    groups: int,
    design: Design,
    backbone: Backbone,
    k: int = 8,
) -> list[list[KeyToken]]:
    """The same for each of several groups of n texts, which labels (n,) number from 0.

    A name is of tokens that begin a word.
    """
    if not groups:
        return []
    rows = np.asarray(vectors)
    means = np.stack([rows[labels == group].mean(axis=0) for group in range(groups)])
    differences = (means - rows.mean(axis=0)).astype(np.float32)
    return key_tokens(differences, design, backbone, k, whole=True)


def check(design: Design) -> None:
    """Refuse designs whose vectors the unembedding cannot read.

    Raises:
        EmbedLabError: a trainable head, values of attention, or vectors from a file.
    """
    if design.file:
        raise EmbedLabError(f"{design} is vectors from a file: no tokens are near to them.")
    if design.trainable or POOLINGS[design.pooling].between_layers:
        raise EmbedLabError(
            f"{design.pooling} gives no states of the backbone, so no tokens are near to them."
        )


def _final_norm(backbone: Backbone) -> torch.nn.Module:
    for name in ("norm", "ln_f", "final_layer_norm", "final_layernorm"):
        module = getattr(backbone.readable_model(), name, None)
        if isinstance(module, torch.nn.Module):
            return module
    raise EmbedLabError(
        f"The final norm of {backbone.name} was not found; choose the last layer for its tokens."
    )


def begin_words(tokens: Sequence[str]) -> list[bool]:
    """Which of a vocabulary's entries begin a word; all where it has no marks for that.

    Ġ and ▁ stand for the space before a word. Scripts without spaces have none in any entry.
    """
    marked = [token[:1] in ("Ġ", "▁") for token in tokens]
    if not any(marked):
        return [True] * len(tokens)
    return [mark or not token[:1].isascii() for mark, token in zip(marked, tokens, strict=True)]


def _words(
    backbone: Backbone, ids: Sequence[int], values: Sequence[float], k: int, whole: bool
) -> list[KeyToken]:
    special = set(backbone.tokenizer.all_special_ids)
    words: dict[str, KeyToken] = {}
    taken = [True] * len(ids)
    if whole:
        taken = begin_words(backbone.tokenizer.convert_ids_to_tokens(list(ids)))
    for i, value, take in zip(ids, values, taken, strict=True):
        word = "" if i in special or not take else str(backbone.tokenizer.decode([i])).strip()
        key = word.casefold()
        if key not in words and any(letter.isalnum() for letter in word) and "\ufffd" not in word:
            words[key] = KeyToken(word, value)
    return list(words.values())[:k]
