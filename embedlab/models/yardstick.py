"""The yardstick: MiniLM, a small encoder that was trained for embeddings, from its pinned asset.

It is no design and no backbone. Its vectors stand beside those of designs, to show what a model a
sixth as large does that was made for the purpose.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from embedlab import assets

if TYPE_CHECKING:
    from embedlab.models.embedding import Vectors

ASSET = "minilm"
#: How it is called in tables.
NAME = "MiniLM"


def missing() -> str:
    """A sentence where its weights are not on this machine, else nothing; fetches nothing."""
    if assets.status(ASSET).present:
        return ""
    return f"{NAME}, the yardstick, is left out; `embedlab assets {ASSET}` fetches it."


def dimension() -> int:
    """The length of its vectors."""
    return int(_model().get_embedding_dimension())


def token_count(texts: Sequence[str]) -> int:
    """The tokens that it reads of texts."""
    model = _model()
    ids = model.tokenizer(list(texts), truncation=True, max_length=model.max_seq_length)
    return sum(map(len, ids["input_ids"]))


def vectors(texts: Sequence[str]) -> Vectors:
    """Its vectors of n texts, (n, 384) float32 of length 1, by sentence-transformers on the CPU."""
    encoded = _model().encode(list(texts), normalize_embeddings=True, show_progress_bar=False)
    return np.asarray(encoded, np.float32)


@cache
def _model() -> Any:
    from sentence_transformers import SentenceTransformer

    return SentenceTransformer(str(assets.status(ASSET).path), device="cpu")
