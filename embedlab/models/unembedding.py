"""The unembedding of a backbone: what its language-model head makes of a state."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from embedlab.errors import EmbedLabError

if TYPE_CHECKING:
    from embedlab.models.backbone import Backbone

#: Vocabulary rows multiplied at once.
_ROWS = 16_384
_HEAD = "lm_head.weight"


def read_unembedding(backbone: Backbone) -> Tensor:
    """W_U (V, d): the tied embeddings, or the head's weights out of the backbone's files.

    Raises:
        EmbedLabError: the head is not tied, and its weights are not at hand.
    """
    weight: Tensor
    if getattr(backbone.config, "tie_word_embeddings", False):
        weight = backbone.readable_model().get_input_embeddings().weight.detach()
        return weight
    name = str(getattr(backbone.model.config, "_name_or_path", ""))
    try:
        return _from_files(name).to(backbone.dtype)
    except (OSError, LookupError, ValueError) as error:
        raise EmbedLabError(
            f"The unembedding of {backbone.name} is not at hand: its files hold no {_HEAD}, which "
            "+filter and the words of a vector need. Choose a design without +filter, or a model "
            "whose files have it."
        ) from error


def _from_files(name: str) -> Tensor:
    from safetensors import safe_open
    from transformers.utils import cached_file

    def find(file: str) -> Path | None:
        path = Path(name) / file if Path(name).is_dir() else cached_file(name, file)
        return Path(path) if path and Path(path).is_file() else None

    path = find("model.safetensors")
    if path is None:
        index = find("model.safetensors.index.json")
        if index is None:
            raise LookupError(name)
        where: dict[str, Any] = json.loads(index.read_text(encoding="utf-8"))["weight_map"]
        path = find(where[_HEAD])
    if path is None:
        raise LookupError(name)
    with safe_open(path, framework="pt") as file:
        if _HEAD not in file.keys():  # noqa: SIM118 - it is not a mapping
            raise LookupError(_HEAD)
        tensor: Tensor = file.get_tensor(_HEAD)
        return tensor


@torch.no_grad()
def right_singular_vectors(weight: Tensor) -> NDArray[np.float32]:
    """(d, d): the right singular vectors of W_U as rows, in falling order of singular values.

    From the eigenvectors of W_Uᵀ W_U: about a second for 50,000 tokens.
    """
    gram = torch.zeros(weight.shape[1], weight.shape[1], dtype=torch.float64)
    for part in weight.split(_ROWS):
        rows = part.float()
        gram += (rows.T @ rows).double().cpu()
    _, vectors = torch.linalg.eigh(gram)  # in rising order, as columns
    basis: NDArray[np.float32] = vectors.flip(1).T.float().contiguous().numpy()
    return basis
