"""A model in float32 on the CPU: what leaves EmbedLab, and what that is compared with.

A backbone may run in bfloat16, which keeps eight bits of every number. An adapter that is merged in
that precision is rounded away in part, and two programs that run the same weights in it differ by
far more than a mistake would. So a model is merged, saved and compared in float32.
"""

from __future__ import annotations

import copy
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from embedlab.models.adapter import AdapterValues

if TYPE_CHECKING:
    from embedlab.models.backbone import Backbone


def float32_copy(backbone: Backbone) -> tuple[Any, Any]:
    """The transformers model of a backbone in float32 on the CPU, and the peft model around it.

    The second is None where there is no adapter. The backbone stays as it is. Where its weights are
    not in this process, they are read from their files again.
    """
    if backbone.readable:
        whole = backbone.model if backbone.adapter is None else backbone.adapter
        # The owner, because a pass that runs meanwhile changes the configuration.
        own: Any = backbone.owner.call(partial(_copied, whole))
        return (own, None) if backbone.adapter is None else (own.base_model.model, own)
    plain = backbone.sibling(backbone.name, backbone.reload().float())
    if backbone.adapter is None:
        return plain.model, None
    adapted = AdapterValues.of(backbone.adapter).on(plain)
    return adapted.model, adapted.adapter


def merged_model(backbone: Backbone) -> Any:
    """A transformers model in float32 with the adapter in its weights; the backbone stays as it is.

    It is the backbone's own where that is such a model, and else a copy on the CPU.
    """
    if backbone.adapter is None and backbone.dtype == torch.float32 and backbone.readable:
        return backbone.model
    model, adapter = float32_copy(backbone)
    return model if adapter is None else adapter.merge_and_unload()


def _copied(module: nn.Module) -> nn.Module:
    """Copied tensor by tensor, so that a GPU need not hold the model twice."""
    new: dict[int, Any] = {}
    for tensor in (*module.parameters(), *module.buffers()):
        kind = torch.float32 if tensor.is_floating_point() else tensor.dtype
        other = tensor.detach().to("cpu", kind, copy=True)
        keeps = isinstance(tensor, nn.Parameter)
        new[id(tensor)] = nn.Parameter(other, requires_grad=False) if keeps else other
    return copy.deepcopy(module, new)
