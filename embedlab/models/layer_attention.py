"""Attention that differs from layer to layer: rerouted, and causal in the lower layers alone.

It needs torch and transformers alone, because this file also travels beside the weights of an
exported model. :func:`attend_by_layer` is registered as an attention function of transformers,
which tells it the layer that calls.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from embedlab.models.libraries import (
    AttentionInterface,
    AttentionMaskInterface,
    sdpa_attention_forward,
    sdpa_mask,
)

#: The name under which transformers knows :func:`attend_by_layer`.
BY_LAYER = "embedlab_by_layer"


class ByLayer(NamedTuple):
    """What attention does in each layer, from 1, of one pass over R rows.

    Attention is causal in the layers 1 … ``causal``. In the layers ``first`` … ``last``, none where
    both are 0, every token also sees the key and the value of its row's last token, at ``ends``
    (R,); ``bias`` is added to the scores of that place.
    """

    causal: int
    first: int
    last: int
    bias: float
    ends: Tensor

    @classmethod
    def of(cls, mask: Tensor, causal: int, first: int, last: int, bias: float) -> ByLayer:
        """For a batch with this mask, (R, T), with padding on either side."""
        return cls(causal, first, last, bias, mask.shape[1] - 1 - mask.flip(1).argmax(dim=1))


def attend_by_layer(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    *,
    by_layer: ByLayer,
    **kwargs: Any,
) -> tuple[Tensor, None]:
    """transformers' SDPA attention, under the mask of this module's layer.

    In the band of ``rerouted`` the last token's key and value stand before the sequence, visible to
    every token; the key keeps the rotation of its own position, so a query sees it as far away as
    the token is.

    ``query``, ``key`` and ``value`` are (R, heads, T, size), the result is (R, T, heads, size).

    Raises:
        TypeError: the architecture does not pass its keyword arguments on to attention.
    """
    layer, length = int(module.layer_idx) + 1, query.shape[2]  # type: ignore[arg-type]
    visible = torch.ones(length, length, dtype=torch.bool, device=query.device)
    if layer <= by_layer.causal:
        visible = visible.tril()
    hidden = torch.finfo(query.dtype).min
    mask = query.new_zeros(length, length).masked_fill(~visible, hidden)[None, None]
    if attention_mask is not None and attention_mask.dtype == torch.bool:
        mask = mask.masked_fill(~attention_mask, hidden)
    elif attention_mask is not None:
        mask = torch.minimum(mask, attention_mask)
    if by_layer.first <= layer <= by_layer.last:
        rows = torch.arange(len(query), device=query.device)
        key, value = (
            torch.cat([heads[rows, :, by_layer.ends, None], heads], dim=2) for heads in (key, value)
        )
        bias = mask.new_full((*mask.shape[:3], 1), by_layer.bias)
        mask = torch.cat([bias, mask], dim=3)
    kwargs["is_causal"] = False
    return sdpa_attention_forward(module, query, key, value, mask, **kwargs)  # type: ignore[no-any-return]


AttentionInterface.register(BY_LAYER, attend_by_layer)
AttentionMaskInterface.register(BY_LAYER, sdpa_mask)
