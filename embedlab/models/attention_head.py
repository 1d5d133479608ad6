"""The arithmetic of a trainable head: cross-attention between learned latents and hidden states.

It needs torch alone, because this file also travels beside the weights of an exported model.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class AttentionHead(nn.Module):
    """Cross-attention of r learned latents over X, then a gated feed-forward, then the mean.

    With X of shape (n, s, d)::

        Q = LN_z(Z) W_q,  K = LN_x(X) W_k,  V = LN_x(X) W_v
        Z1 = Z + concat_h[softmax(Q_h K_hᵀ / √d_h) V_h] W_o
        [a, g] = LN_f(Z1) W_1 + b_1,  Z2 = Z1 + (a ⊙ gelu(g)) W_2 + b_2
        e = mean of Z2 over the latents

    With ``inputs_ask`` the roles are exchanged, as in NV-Embed (arXiv 2405.17428): the rows of X
    are the queries, the latents their keys and values, and the mean is over the rows of X::

        Q = LN_x(X) W_q,  K = LN_z(Z) W_k,  V = LN_z(Z) W_v,  Z1 = X + …,  e = mean of Z2 over X

    If X has one vector for each layer 1 … L, ``layers`` is L and a learned embedding of each layer
    is added to X; else ``layers`` is 0.
    """

    layer_embedding: nn.Parameter | None

    def __init__(
        self,
        hidden_size: int,
        layers: int,
        latent_count: int,
        heads: int,
        head_dim: int,
        inputs_ask: bool = False,
    ) -> None:
        super().__init__()
        self.hidden_size, self.layers, self.inputs_ask = hidden_size, layers, inputs_ask
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
        """softmax(Q_h K_hᵀ / √d_h): (n, heads, r, s), rows sum to 1; masked entries are 0.

        Where X asks it is (n, heads, s, r), and masked rows mean nothing.
        """
        asking, asked = self._sides(x)
        scores = self._split(self.query(asking)) @ self._split(self.key(asked)).transpose(-1, -2)
        scores = scores / math.sqrt(self.head_dim)
        if mask is not None and not self.inputs_ask:
            scores = scores.masked_fill(~mask[:, None, None, :].bool(), float("-inf"))
        return scores.softmax(dim=-1)

    def pool(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """e (n, d) of X (n, s, d) with the layer embedding added; the mask is (n, s)."""
        v = self._split(self.value(self._sides(x)[1]))
        read = (self.attention(x, mask) @ v).transpose(1, 2).flatten(2)  # (n, r or s, inner)
        z1 = (x if self.inputs_ask else self.latents) + self.out(read)
        a, g = self.expand(self.norm_feed_forward(z1)).chunk(2, dim=-1)
        ask_mask = mask if self.inputs_ask else None
        # W_2 is linear, so the mean can come before it: r or s times fewer products.
        return _mean_rows(z1, ask_mask) + self.contract(_mean_rows(a * F.gelu(g), ask_mask))

    def _sides(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """What asks and what is asked, normalised: the latents (1, r, d) and X (n, s, d)."""
        latents, inputs = self.norm_latents(self.latents)[None], self.norm_inputs(x)
        return (inputs, latents) if self.inputs_ask else (latents, inputs)

    def _split(self, x: Tensor) -> Tensor:
        return x.unflatten(-1, (self.heads, -1)).transpose(-2, -3)


def _mean_rows(rows: Tensor, mask: Tensor | None) -> Tensor:
    """(n, s, d) to (n, d): the mean of the rows that the mask (n, s) leaves."""
    if mask is None:
        return rows.mean(dim=1)
    weights = mask.to(rows.dtype)[..., None]
    return (rows * weights).sum(dim=1) / weights.sum(dim=1)
