"""The head of a trainable pooling: how its weights are drawn, and what it reads."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from embedlab.models.attention_head import AttentionHead
from embedlab.models.pooling import DEFAULT_HEAD, HeadSize

if TYPE_CHECKING:
    from embedlab.models.pooling import Pooling
    from embedlab.models.states import HiddenStates

#: Texts whose attention is computed at once.
ATTENTION_BATCH = 64


def tensor_digest(tensors: Mapping[str, Tensor]) -> str:
    """The first 16 hex digits of the sha256 over names and values, in the order of the names."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        digest.update(name.encode())
        digest.update(tensors[name].detach().cpu().contiguous().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()[:16]


class TrainableHead(AttentionHead):
    """The head of a pooling on a backbone.

    Weights are drawn from ``seed`` alone. Latents start small (σ = 0.02), so that an untrained head
    is a random projection of what it reads rather than a constant. ``trained`` says whether
    anything was learned.

    Args:
        pooling: says what X is, in its ``inputs``.
        hidden_size: d of the backbone.
        num_layers: its L; a pooling whose X has a row for each layer learns an embedding of each.
    """

    def __init__(
        self,
        pooling: Pooling,
        hidden_size: int,
        num_layers: int,
        *,
        size: HeadSize = DEFAULT_HEAD,
        seed: int = 0,
    ) -> None:
        layers = num_layers if pooling.attends_over == "layers" else 0
        dim = size.dim_for(hidden_size)
        super().__init__(hidden_size, layers, size.latents, size.heads, dim)
        self.pooling, self.size, self.seed, self.trained = pooling, size, seed, False
        self._draw(seed)

    def inputs(self, states: HiddenStates) -> tuple[Tensor, Tensor | None]:
        """X (n, s, d) with the layer embedding added, and its mask (n, s) or None."""
        x, mask = self.pooling.inputs(states)
        x = x.to(self.latents.device)
        if self.layer_embedding is not None:
            x = x + self.layer_embedding
        return x, None if mask is None else mask.to(x.device)

    @torch.no_grad()
    def mean_attention(self, states: HiddenStates) -> Tensor:
        """The attention on n texts, averaged over the latents: (n, heads, s) on the CPU.

        s is that of the text that has the most; what a shorter one lacks weighs 0.
        """
        parts = []
        for start in range(0, len(states), ATTENTION_BATCH):
            batch = states.take(range(start, min(start + ATTENTION_BATCH, len(states))))
            parts.append(self.attention(*self.inputs(batch)).mean(dim=2).cpu())
        width = max(part.shape[-1] for part in parts)
        return torch.cat([F.pad(part, (0, width - part.shape[-1])) for part in parts])

    def forward(self, states: HiddenStates, layer: int = -1, skip_first: bool = False) -> Tensor:
        """(n, d), called like a pooling; ``layer`` and ``skip_first`` mean nothing to a head."""
        return self.pool(*self.inputs(states))

    @property
    def digest(self) -> str:
        """Identifies these weights."""
        return tensor_digest(self.state_dict())

    @torch.no_grad()
    def _draw(self, seed: int) -> None:
        # Not torch's global generator: the threads of all users share that one.
        generator = torch.Generator().manual_seed(seed)
        for module in self.modules():
            if isinstance(module, nn.Linear):
                bound = 1 / math.sqrt(module.in_features)
                module.weight.uniform_(-bound, bound, generator=generator)
                if module.bias is not None:
                    module.bias.zero_()
        for parameter in self.parameters(recurse=False):
            parameter.normal_(0, 0.02, generator=generator)
