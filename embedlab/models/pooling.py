"""Pooling: how hidden states become one vector, and the one dict that names the ways.

Formulas: arXiv 2409.02727; ``weighted_mean``: SGPT, arXiv 2202.08904. Every pooling is called with
:class:`~embedlab.models.states.HiddenStates` and returns (n, d) float32, not yet normalised.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from embedlab.errors import EmbedLabError
from embedlab.models.states import HiddenStates


@dataclass(frozen=True)
class HeadSize:
    """Sizes of a trainable head: r latents, and attention heads of ``head_dim`` each.

    ``head_dim`` 0 means d / heads. The feed-forward runs once a latent and is nearly all of a
    head's work, so r decides whether a head keeps up with a live view on two CPU cores.
    """

    latents: int = 16
    heads: int = 8
    head_dim: int = 0
    __pydantic_config__ = {"extra": "forbid"}  # noqa: RUF012 - a run's file holds these sizes

    def __post_init__(self) -> None:
        if self.latents < 1 or self.heads < 1 or self.head_dim < 0:
            raise EmbedLabError(f"{self} is not a head size; latents and heads start at 1.")

    def dim_for(self, hidden_size: int) -> int:
        """The size of one attention head on a backbone of width d = ``hidden_size``."""
        return self.head_dim or max(1, hidden_size // self.heads)


def tensor_digest(tensors: Mapping[str, Tensor]) -> str:
    """The first 16 hex digits of the sha256 over names and values, in the order of the names."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        digest.update(name.encode())
        digest.update(tensors[name].detach().cpu().contiguous().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()[:16]


#: The authors' sizes, made for d = 4096.
PAPER_HEAD = HeadSize(latents=768, heads=32, head_dim=2048)


class Pooling(nn.Module):
    """What a design may ask of a pooling; the base of them all."""

    trainable = False
    reads_layer = True
    takes_mean = False

    def forward(self, states: HiddenStates, layer: int, skip_first: bool) -> Tensor:
        """Pool n texts into (n, d)."""
        raise NotImplementedError


class Eos(Pooling):
    """e = h^l at the last unmasked token."""

    def forward(self, states: HiddenStates, layer: int = -1, skip_first: bool = False) -> Tensor:
        """(n, d)."""
        return states.last(layer)


class Mean(Pooling):
    """e = Σ m_t h_t / Σ m_t."""

    takes_mean = True

    def forward(self, states: HiddenStates, layer: int = -1, skip_first: bool = False) -> Tensor:
        """(n, d)."""
        return states.mean(layer, skip_first=skip_first)


class WeightedMean(Pooling):
    """e = Σ w_t h_t / Σ w_t, w_t the token's position."""

    takes_mean = True

    def forward(self, states: HiddenStates, layer: int = -1, skip_first: bool = False) -> Tensor:
        """(n, d)."""
        return states.weighted_mean(layer, skip_first=skip_first)


class TrainableHead(Pooling):
    """Cross-attention of r learned latents over X, then a gated feed-forward, then their mean.

    With X of shape (n, s, d)::

        Q = LN_z(Z) W_q,  K = LN_x(X) W_k,  V = LN_x(X) W_v
        Z1 = Z + concat_h[softmax(Q_h K_hᵀ / √d_h) V_h] W_o
        [a, g] = LN_f(Z1) W_1 + b_1,  Z2 = Z1 + (a ⊙ gelu(g)) W_2 + b_2
        e = mean of Z2 over the latents

    Weights are drawn from ``seed`` alone. Latents start small (σ = 0.02), so that an untrained head
    is a random projection of what it reads rather than a constant. ``trained`` says whether
    anything was learned.
    """

    trainable = True
    reads_layer = False

    def __init__(
        self,
        hidden_size: int,
        num_layers: int,
        *,
        size: HeadSize = HeadSize(),
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.size, self.seed, self.trained = size, seed, False
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
        self._add_parameters(hidden_size, num_layers)
        self._draw(seed)

    def inputs(self, states: HiddenStates) -> tuple[Tensor, Tensor | None]:
        """What the head reads: X (n, s, d), and its mask (n, s) or None."""
        raise NotImplementedError

    def attention(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """softmax(Q_h K_hᵀ / √d_h): (n, heads, r, s), rows sum to 1; masked entries are 0."""
        q = self._split(self.query(self.norm_latents(self.latents))[None])
        k = self._split(self.key(self.norm_inputs(x)))
        scores = q @ k.transpose(-1, -2) / math.sqrt(q.shape[-1])
        if mask is not None:
            scores = scores.masked_fill(~mask[:, None, None, :].bool(), float("-inf"))
        return scores.softmax(dim=-1)

    def pool(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """(n, s, d) to (n, d)."""
        v = self._split(self.value(self.norm_inputs(x)))
        read = (self.attention(x, mask) @ v).transpose(1, 2).flatten(2)  # (n, r, inner)
        z1 = self.latents + self.out(read)
        a, g = self.expand(self.norm_feed_forward(z1)).chunk(2, dim=-1)
        # W_2 is linear, so the mean over the latents can come before it: r times fewer products.
        return z1.mean(dim=1) + self.contract((a * F.gelu(g)).mean(dim=1))

    def forward(self, states: HiddenStates, layer: int = -1, skip_first: bool = False) -> Tensor:
        """(n, d); a trainable head chooses its own layers."""
        x, mask = self.inputs(states)
        device = self.latents.device
        return self.pool(x.to(device), None if mask is None else mask.to(device))

    def layer_attention(self, states: HiddenStates) -> Tensor:
        """The attention weights on these texts: (n, heads, r, s)."""
        return self.attention(*self.inputs(states))

    @property
    def digest(self) -> str:
        """Names these weights."""
        return tensor_digest(self.state_dict())

    def _add_parameters(self, hidden_size: int, num_layers: int) -> None:
        """What a subclass learns beyond the shared parameters."""

    def _split(self, x: Tensor) -> Tensor:
        return x.unflatten(-1, (self.size.heads, -1)).transpose(-2, -3)

    @torch.no_grad()
    def _draw(self, seed: int) -> None:
        # A generator of its own: the process-wide one is shared by every user's thread.
        generator = torch.Generator().manual_seed(seed)
        for module in self.modules():
            if isinstance(module, nn.Linear):
                bound = 1 / math.sqrt(module.in_features)
                module.weight.uniform_(-bound, bound, generator=generator)
                if module.bias is not None:
                    module.bias.zero_()
        for parameter in self.parameters(recurse=False):
            parameter.normal_(0, 0.02, generator=generator)


class LastLayerTrainable(TrainableHead):
    """Reads the last layer: the EOS token under causal attention, every token under bidirectional.

    Under causal attention (M2) there is one key, the softmax is 1, and neither W_q nor W_k gets a
    gradient: a degenerate design, kept because the paper has it.
    """

    def inputs(self, states: HiddenStates) -> tuple[Tensor, Tensor | None]:
        """(n, 1, d) under causal attention, (n, T, d) with its mask under bidirectional."""
        if states.attention == "causal":
            return states.last()[:, None], None
        return states.tokens()


class MultiLayerTrainable(TrainableHead):
    """Reads one vector a layer, 1 … L, with a learned layer embedding W added.

    The vector is the EOS token under causal attention, the masked mean under bidirectional.
    """

    layer_embedding: nn.Parameter

    def inputs(self, states: HiddenStates) -> tuple[Tensor, Tensor | None]:
        """(n, L, d)."""
        causal = states.attention == "causal"
        x = states.last_of_layers() if causal else states.mean_of_layers()
        return x.to(self.layer_embedding.device) + self.layer_embedding, None

    def _add_parameters(self, hidden_size: int, num_layers: int) -> None:
        self.layer_embedding = nn.Parameter(torch.empty(num_layers, hidden_size))


POOLINGS: dict[str, type[Pooling]] = {
    "eos": Eos,
    "mean": Mean,
    "weighted_mean": WeightedMean,
    "last_layer_trainable": LastLayerTrainable,
    "multi_layer_trainable": MultiLayerTrainable,
}
