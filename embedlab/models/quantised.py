"""A head's matrices as int8 with a scale for each row: a quarter of their size in float32.

It is symmetric: row i of W (m, n) has the scale s_i = max_j |w_ij| / 127 and the whole numbers
q_ij = round(w_ij / s_i), so that q_ij s_i differs from w_ij by s_i / 2 at most. A matrix ``W`` is
stored as ``W.int8`` (m, n) and ``W.scale`` (m,); everything else, biases, norms, latents and layer
embeddings, stays as it is.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

WHOLE, SCALE = ".int8", ".scale"
_MOST = 127


def quantised(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The weights of a head with every linear map's matrix as int8 and its rows' scales."""
    stored: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        if tensor.ndim != 2 or not name.endswith(".weight"):
            stored[name] = tensor
            continue
        scale = tensor.float().abs().amax(dim=1) / _MOST
        divisor = torch.where(scale > 0, scale, torch.ones_like(scale))  # a row of zeros stays one
        stored[name + WHOLE] = (tensor.float() / divisor[:, None]).round().to(torch.int8)
        stored[name + SCALE] = scale
    return stored


def restored(stored: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """What :func:`quantised` stored, in float32; weights that were not quantised as they are.

    Raises:
        ValueError: a matrix without scales that fit it, scales without a matrix, or one twice.
    """
    tensors = {n: t for n, t in stored.items() if not n.endswith((WHOLE, SCALE))}
    for name in (n.removesuffix(WHOLE) for n in stored if n.endswith(WHOLE)):
        whole, scale = stored[name + WHOLE], stored.get(name + SCALE)
        if name in tensors or scale is None:
            raise ValueError(f"{name} is there twice or without its scales")
        if whole.dtype != torch.int8 or whole.ndim != 2 or scale.shape != whole.shape[:1]:
            raise ValueError(f"the scales of {name} do not fit it")
        if not (scale.is_floating_point() and bool(torch.isfinite(scale).all())):
            raise ValueError(f"the scales of {name} are no numbers")
        tensors[name] = whole.float() * scale.float()[:, None]
    missing = [n for n in stored if n.endswith(SCALE) and n.removesuffix(SCALE) not in tensors]
    if missing:
        raise ValueError(f"{missing[0]} has no matrix")
    return tensors
