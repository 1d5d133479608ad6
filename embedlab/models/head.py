"""The head of a trainable pooling: how its weights are drawn, and what it reads."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from embedlab.models.attention_head import AttentionHead
from embedlab.models.pooling import DEFAULT_HEAD, HeadSize
from embedlab.models.scheduler.batches import batches

if TYPE_CHECKING:
    from embedlab.models.pooling import Pooling
    from embedlab.models.states import HiddenStates

#: Rows that a head's feed-forward works through at once, all texts together: 64 texts of 16
#: latents. More is slower, since the allocator then asks the system for every intermediate result
#: anew.
HEAD_ROWS = 1024
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
        dim, asks = size.dim_for(hidden_size), pooling.attends_over == "latents"
        super().__init__(hidden_size, layers, size.latents, size.heads, dim, inputs_ask=asks)
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
        """The attention on n texts, averaged over what asks: (n, heads, s) on the CPU.

        Over rows of X, s is that of the text that has the most, and what a shorter one lacks
        weighs 0. Over latents, s is their number.
        """
        parts = []
        for start in range(0, len(states), ATTENTION_BATCH):
            batch = states.take(range(start, min(start + ATTENTION_BATCH, len(states))))
            x, mask = self.inputs(batch)
            weights = self.attention(x, mask)
            if self.inputs_ask and mask is not None:  # what asks may be padding
                shares = mask / mask.sum(dim=1, keepdim=True)
                parts.append((weights * shares[:, None, :, None]).sum(dim=2).cpu())
            else:
                parts.append(weights.mean(dim=2).cpu())
        width = max(part.shape[-1] for part in parts)
        return torch.cat([F.pad(part, (0, width - part.shape[-1])) for part in parts])

    def batches(self, states: HiddenStates) -> Iterator[list[int]]:
        """Indices of n texts to pool together, of similar length so that little padding is read."""
        counts = states.token_counts.tolist()
        if self.inputs_ask:
            yield from batches(counts, HEAD_ROWS)
            return
        order = sorted(range(len(counts)), key=lambda i: (-counts[i], i))
        size = max(1, HEAD_ROWS // self.latent_count)
        yield from (order[start : start + size] for start in range(0, len(order), size))

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
