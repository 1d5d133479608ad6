"""The parameters of a trainable pooling: cross-attention of learned latents over hidden states."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional as F

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


class TrainableHead(nn.Module):
    """Cross-attention of r learned latents over X, then a gated feed-forward, then their mean.

    With X of shape (n, s, d)::

        Q = LN_z(Z) W_q,  K = LN_x(X) W_k,  V = LN_x(X) W_v
        Z1 = Z + concat_h[softmax(Q_h K_hᵀ / √d_h) V_h] W_o
        [a, g] = LN_f(Z1) W_1 + b_1,  Z2 = Z1 + (a ⊙ gelu(g)) W_2 + b_2
        e = mean of Z2 over the latents

    Weights are drawn from ``seed`` alone. Latents start small (σ = 0.02), so that an untrained head
    is a random projection of what it reads rather than a constant. ``trained`` says whether
    anything was learned.

    Args:
        pooling: says what X is, in its ``inputs``.
        hidden_size: d of the backbone.
        num_layers: its L; a pooling whose X has a row for each layer learns an embedding of each.
        size: r latents, heads and their dimension.
        seed: draws the weights.
    """

    layer_embedding: nn.Parameter | None

    def __init__(
        self,
        pooling: Pooling,
        hidden_size: int,
        num_layers: int,
        *,
        size: HeadSize = DEFAULT_HEAD,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.pooling, self.size, self.seed, self.trained = pooling, size, seed, False
        inner = size.heads * size.dim_for(hidden_size)
        self.latents = nn.Parameter(torch.empty(size.latents, hidden_size))
        self.norm_latents = nn.LayerNorm(hidden_size)
        self.norm_inputs = nn.LayerNorm(hidden_size)
        self.norm_feed_forward = nn.LayerNorm(hidden_size)
        self.query = nn.Linear(hidden_size, inner, bias=False)
        self.key = nn.Linear(hidden_size, inner, bias=False)
        self.value = nn.Linear(hidden_size, inner, bias=False)
        self.out = nn.Linear(inner, hidden_size, bias=False)
        self.expand = nn.Linear(hidden_size, 8 * hidden_size)
        self.contract = nn.Linear(4 * hidden_size, hidden_size)
        over_layers = pooling.attends_over == "layers"
        embedding = nn.Parameter(torch.empty(num_layers, hidden_size)) if over_layers else None
        self.register_parameter("layer_embedding", embedding)
        self._draw(seed)

    def inputs(self, states: HiddenStates) -> tuple[Tensor, Tensor | None]:
        """X (n, s, d) with the layer embedding added, and its mask (n, s) or None."""
        x, mask = self.pooling.inputs(states)
        x = x.to(self.latents.device)
        if self.layer_embedding is not None:
            x = x + self.layer_embedding
        return x, None if mask is None else mask.to(x.device)

    def attention(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """softmax(Q_h K_hᵀ / √d_h): (n, heads, r, s), rows sum to 1; masked entries are 0."""
        q = self._split(self.query(self.norm_latents(self.latents))[None])
        k = self._split(self.key(self.norm_inputs(x)))
        scores = q @ k.transpose(-1, -2) / math.sqrt(q.shape[-1])
        if mask is not None:
            scores = scores.masked_fill(~mask[:, None, None, :].bool(), float("-inf"))
        return scores.softmax(dim=-1)

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
        x, mask = self.inputs(states)
        v = self._split(self.value(self.norm_inputs(x)))
        read = (self.attention(x, mask) @ v).transpose(1, 2).flatten(2)  # (n, r, inner)
        z1 = self.latents + self.out(read)
        a, g = self.expand(self.norm_feed_forward(z1)).chunk(2, dim=-1)
        # W_2 is linear, so the mean over the latents can come before it: r times fewer products.
        return z1.mean(dim=1) + self.contract((a * F.gelu(g)).mean(dim=1))

    @property
    def digest(self) -> str:
        """Identifies these weights."""
        return tensor_digest(self.state_dict())

    def _split(self, x: Tensor) -> Tensor:
        return x.unflatten(-1, (self.size.heads, -1)).transpose(-2, -3)

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
