"""The arithmetic of a trainable head: cross-attention of learned latents over hidden states.

It needs torch alone, because this file also travels beside the weights of an exported model.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class AttentionHead(nn.Module):
    """Cross-attention of r learned latents over X, then a gated feed-forward, then their mean.

    With X of shape (n, s, d)::

        Q = LN_z(Z) W_q,  K = LN_x(X) W_k,  V = LN_x(X) W_v
        Z1 = Z + concat_h[softmax(Q_h K_hᵀ / √d_h) V_h] W_o
        [a, g] = LN_f(Z1) W_1 + b_1,  Z2 = Z1 + (a ⊙ gelu(g)) W_2 + b_2
        e = mean of Z2 over the latents

    If X has one vector for each layer 1 … L, ``layers`` is L and a learned embedding of each layer
    is added to X; else ``layers`` is 0.
    """

    layer_embedding: nn.Parameter | None

    def __init__(
        self, hidden_size: int, layers: int, latent_count: int, heads: int, head_dim: int
    ) -> None:
        super().__init__()
        self.hidden_size, self.layers = hidden_size, layers
        self.latent_count, self.heads, self.head_dim = latent_count, heads, head_dim
        inner = heads * head_dim
        self.latents = nn.Parameter(torch.zeros(latent_count, hidden_size))
        self.norm_latents = nn.LayerNorm(hidden_size)
        self.norm_inputs = nn.LayerNorm(hidden_size)
        self.norm_feed_forward = nn.LayerNorm(hidden_size)
        self.query = nn.Linear(hidden_size, inner, bias=False)
        self.key = nn.Linear(hidden_size, inner, bias=False)
        self.value = nn.Linear(hidden_size, inner, bias=False)
        self.out = nn.Linear(inner, hidden_size, bias=False)
        self.expand = nn.Linear(hidden_size, 8 * hidden_size)
        self.contract = nn.Linear(4 * hidden_size, hidden_size)
        embedding = nn.Parameter(torch.zeros(layers, hidden_size)) if layers else None
        self.register_parameter("layer_embedding", embedding)

    def attention(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """softmax(Q_h K_hᵀ / √d_h): (n, heads, r, s), rows sum to 1; masked entries are 0."""
        q = self._split(self.query(self.norm_latents(self.latents))[None])
        k = self._split(self.key(self.norm_inputs(x)))
        scores = q @ k.transpose(-1, -2) / math.sqrt(self.head_dim)
        if mask is not None:
            scores = scores.masked_fill(~mask[:, None, None, :].bool(), float("-inf"))
        return scores.softmax(dim=-1)

    def pool(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """e (n, d) of X (n, s, d) with the layer embedding added; the mask is (n, s)."""
        v = self._split(self.value(self.norm_inputs(x)))
        read = (self.attention(x, mask) @ v).transpose(1, 2).flatten(2)  # (n, r, inner)
        z1 = self.latents + self.out(read)
        a, g = self.expand(self.norm_feed_forward(z1)).chunk(2, dim=-1)
        # W_2 is linear, so the mean over the latents can come before it: r times fewer products.
        return z1.mean(dim=1) + self.contract((a * F.gelu(g)).mean(dim=1))

    def _split(self, x: Tensor) -> Tensor:
        return x.unflatten(-1, (self.heads, -1)).transpose(-2, -3)
