"""Poolings that sentence-transformers has no module for; this file travels beside the weights.

It needs torch, sentence-transformers and ``attention_head.py``, which travels with it, alone.
``TrainedHead`` is a trained cross-attention head over hidden states (arXiv 2409.02727);
``WeightedTokens`` is a weighted sum of tokens, such as a mean that leaves the first token, an
attention sink, out. Padding may stand on either side.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import torch
from sentence_transformers.base.modules.module import Module
from torch import Tensor

# Relative, so that it also holds where the two files lie beside a model.
from .attention_head import AttentionHead


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
        """Write the settings, the weights, and the code beside the model."""
        self.save_config(output_path)
        self.save_torch_weights(output_path)
        # The library keeps code in the module's folder but looks for it beside modules.json.
        for file in (__file__, Path(__file__).with_name("attention_head.py")):
            shutil.copy(file, Path(output_path).resolve().parent)


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


class TrainedHead(AttentionHead, ExportedPooling):
    """A trained head on what it reads of the hidden states.

    Under causal attention X is the last token's vector of the last layer, or of every layer; under
    bidirectional attention it is every token of the last layer, or the mean of each layer's tokens.
    """

    config_keys = ["causal", "hidden_size", "layers", "latent_count", "heads", "head_dim"]  # noqa: RUF012

    def __init__(self, causal: bool, **sizes: Any) -> None:
        super().__init__(**sizes)
        self.causal = causal

    def forward(self, features: dict[str, Any], **_: Any) -> dict[str, Any]:
        """Hidden states to ``sentence_embedding`` (n, d)."""
        features["sentence_embedding"] = self.pool(*self._inputs(features))
        return features

    def _inputs(self, features: dict[str, Any]) -> tuple[Tensor, Tensor | None]:
        """X (n, s, d), and its mask (n, s) or None."""
        mask = features["attention_mask"]
        if self.layer_embedding is None:
            h = features["token_embeddings"].to(self.latents.dtype)
            return (_last(h, mask)[:, None], None) if self.causal else (h, mask)
        layers = [h.to(self.latents.dtype) for h in features["all_layer_embeddings"][1:]]
        x = [_last(h, mask) if self.causal else _mean(h, mask.to(h.dtype)) for h in layers]
        return torch.stack(x, dim=1) + self.layer_embedding, None


def _last(h: Tensor, mask: Tensor) -> Tensor:
    """(n, d): the last unmasked token."""
    last = mask.shape[1] - 1 - mask.flip(1).argmax(dim=1)
    return h[torch.arange(h.shape[0], device=h.device), last]


def _mean(h: Tensor, weights: Tensor) -> Tensor:
    """(n, d): Σ w_t h_t / Σ w_t for weights (n, T)."""
    return (h * weights[..., None]).sum(dim=1) / weights.sum(dim=1, keepdim=True).clamp(min=1e-9)
