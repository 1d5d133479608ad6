"""Poolings that sentence-transformers has no module for; this file travels beside the weights.

It needs torch and sentence-transformers alone. ``TrainedHead`` is a trained cross-attention head
over hidden states (arXiv 2409.02727); ``WeightedTokens`` is a weighted sum of tokens, such as a
mean that leaves the first token, an attention sink, out. Padding may stand on either side.
"""

from __future__ import annotations

import math
import shutil
from pathlib import Path
from typing import Any

import torch
from sentence_transformers.base.modules.module import Module
from torch import Tensor, nn
from torch.nn import functional as F


class ExportedPooling(Module):
    """The part that both poolings share: their size, and how they are stored."""

    hidden_size: int

    def get_embedding_dimension(self) -> int:
        """d, the length of a vector."""
        return self.hidden_size

    @classmethod
    def load(cls, model_name_or_path: str, *args: Any, **options: Any) -> ExportedPooling:
        """Read the settings and the weights from a folder or a Hub repository."""
        pooling = super().load(model_name_or_path, *args, **options)
        # The library passes more than says where the weights are.
        names = ("subfolder", "token", "cache_folder", "revision", "local_files_only")
        where = {name: options[name] for name in names if name in options}
        cls.load_torch_weights(model_name_or_path, *args, **where | {"model": pooling})
        return pooling

    def save(self, output_path: str, *args: Any, **options: Any) -> None:
        """Write the settings, the weights, and this file beside the model."""
        self.save_config(output_path)
        self.save_torch_weights(output_path)
        # The library keeps code in the module's folder but looks for it beside modules.json.
        shutil.copy(__file__, Path(output_path).resolve().parent)


class WeightedTokens(ExportedPooling):
    """Σ w_t h_t, where the weights depend on a token's position t and the number of tokens T alone.

    Row T of the table ``shares`` (``longest``, 4) says how much of the vector is the last token,
    the first token, the mean of the tokens after the first, and their mean weighted by t.
    """

    config_keys = ["hidden_size", "longest"]  # noqa: RUF012
    shares: Tensor

    def __init__(self, hidden_size: int, longest: int) -> None:
        super().__init__()
        self.hidden_size, self.longest = hidden_size, longest
        self.register_buffer("shares", torch.zeros(longest, 4))

    def forward(self, features: dict[str, Any], **_: Any) -> dict[str, Any]:
        """``token_embeddings`` (n, T, d) to ``sentence_embedding`` (n, d)."""
        h, mask = features["token_embeddings"].float(), features["attention_mask"].long()
        counts = mask.sum(dim=1, keepdim=True)
        if int(counts.max()) > self.longest:
            raise ValueError(f"This pooling is for texts of at most {self.longest} tokens.")
        position = mask.cumsum(dim=1) * mask
        last, first, rest, weighted = self.shares[counts - 1].float().unbind(dim=-1)
        after = (position > 1).float()
        weights = last * (position == counts) + first * (position == 1)
        for share, part in ((rest, after), (weighted, after * position)):
            weights = weights + share * part / part.sum(dim=1, keepdim=True).clamp(min=1)
        features["sentence_embedding"] = (h * weights[..., None]).sum(dim=1)
        return features


class TrainedHead(ExportedPooling):
    """Cross-attention of r latents over X, then a gated feed-forward, then the latents' mean.

    With ``every_layer`` X has one vector a layer 1 … L and a learned layer embedding is added; else
    it is the last layer. Under causal attention the vector is the last token's; under bidirectional
    attention it is the mean of a layer's tokens, or every token of the last layer.
    """

    config_keys = [  # noqa: RUF012
        "hidden_size",
        "num_layers",
        "causal",
        "every_layer",
        "latent_count",
        "heads",
        "head_dim",
    ]

    def __init__(
        self,
        hidden_size: int,
        num_layers: int,
        causal: bool,
        every_layer: bool,
        latent_count: int,
        heads: int,
        head_dim: int,
    ) -> None:
        super().__init__()
        self.hidden_size, self.num_layers = hidden_size, num_layers
        self.causal, self.every_layer = causal, every_layer
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
        if every_layer:
            self.layer_embedding = nn.Parameter(torch.zeros(num_layers, hidden_size))

    def forward(self, features: dict[str, Any], **_: Any) -> dict[str, Any]:
        """Hidden states to ``sentence_embedding`` (n, d)."""
        mask = features["attention_mask"]
        x, read = self._inputs(features, mask)
        q = self._split(self.query(self.norm_latents(self.latents))[None])
        k, v = (self._split(part(self.norm_inputs(x))) for part in (self.key, self.value))
        scores = q @ k.transpose(-1, -2) / math.sqrt(self.head_dim)
        if read is not None:
            scores = scores.masked_fill(~read[:, None, None, :].bool(), float("-inf"))
        z1 = self.latents + self.out((scores.softmax(dim=-1) @ v).transpose(1, 2).flatten(2))
        a, g = self.expand(self.norm_feed_forward(z1)).chunk(2, dim=-1)
        # W_2 is linear, so the mean over the latents can come before it: r times fewer products.
        pooled = z1.mean(dim=1) + self.contract((a * F.gelu(g)).mean(dim=1))
        features["sentence_embedding"] = pooled
        return features

    def _inputs(self, features: dict[str, Any], mask: Tensor) -> tuple[Tensor, Tensor | None]:
        """X (n, s, d), and its mask (n, s) or None."""
        if not self.every_layer:
            h = self._cast(features["token_embeddings"])
            return (_last(h, mask)[:, None], None) if self.causal else (h, mask)
        layers = [self._cast(h) for h in features["all_layer_embeddings"][1:]]
        x = [_last(h, mask) if self.causal else _mean(h, mask.to(h.dtype)) for h in layers]
        return torch.stack(x, dim=1) + self.layer_embedding, None

    def _cast(self, h: Tensor) -> Tensor:
        return h.to(self.latents.dtype)

    def _split(self, x: Tensor) -> Tensor:
        return x.unflatten(-1, (self.heads, -1)).transpose(-2, -3)


def _last(h: Tensor, mask: Tensor) -> Tensor:
    """(n, d): the last unmasked token."""
    last = mask.shape[1] - 1 - mask.flip(1).argmax(dim=1)
    return h[torch.arange(h.shape[0], device=h.device), last]


def _mean(h: Tensor, weights: Tensor) -> Tensor:
    """(n, d): Σ w_t h_t / Σ w_t for weights (n, T)."""
    return (h * weights[..., None]).sum(dim=1) / weights.sum(dim=1, keepdim=True).clamp(min=1e-9)
