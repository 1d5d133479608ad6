"""Poolings that sentence-transformers has no module for; this file travels beside the weights.

It needs torch, sentence-transformers and ``attention_head.py``, which travels with it, alone.
``TrainedHead`` is a trained cross-attention head over hidden states (arXiv 2409.02727);
``WeightedTokens`` is a weighted sum of tokens, such as a mean without the first token; ``RmsMean``,
``MeanLast`` and ``ValueMean`` are what their names say; ``Linear``, ``Levels`` and ``Sign`` are
steps behind a pooling. Padding may stand on either side.
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
        if not pooling.state_dict():
            return pooling
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


class TokenPooling(ExportedPooling):
    """A pooling of one layer's tokens, or the average over the layers ``first`` … ``last``."""

    first: int
    last: int

    def pool(self, h: Tensor, mask: Tensor) -> Tensor:
        """Tokens (n, T, d) and their mask (n, T) to (n, d)."""
        raise NotImplementedError

    def forward(self, features: dict[str, Any], **_: Any) -> dict[str, Any]:
        """``token_embeddings`` (n, T, d), or those of the layers, to ``sentence_embedding``."""
        mask = features["attention_mask"].long()
        layers = [features["token_embeddings"]]
        if self.last:
            layers = features["all_layer_embeddings"][self.first : self.last + 1]
        pooled = torch.stack([self.pool(h.float(), mask) for h in layers])
        features["sentence_embedding"] = pooled.mean(dim=0)
        return features


class WeightedTokens(TokenPooling):
    """Σ w_t h_t, where the weights depend on a token's position t and the number of tokens T alone.

    Row T of the table ``shares`` (``longest``, 4) says how much of the vector is the last token,
    the first token, the mean of the tokens after the first, and their mean weighted by t.
    """

    config_keys = ["hidden_size", "longest", "first", "last"]  # noqa: RUF012
    shares: Tensor

    def __init__(self, hidden_size: int, longest: int, first: int = 0, last: int = 0) -> None:
        super().__init__()
        self.hidden_size, self.longest = hidden_size, longest
        self.first, self.last = first, last
        self.register_buffer("shares", torch.zeros(longest, 4))

    def pool(self, h: Tensor, mask: Tensor) -> Tensor:
        """(n, T, d) to (n, d)."""
        counts = mask.sum(dim=1, keepdim=True)
        if int(counts.max()) > self.longest:
            raise ValueError(f"This pooling is for texts of at most {self.longest} tokens.")
        position = mask.cumsum(dim=1) * mask
        last, first, rest, weighted = self.shares[counts - 1].float().unbind(dim=-1)
        after = (position > 1).float()
        weights = last * (position == counts) + first * (position == 1)
        for share, part in ((rest, after), (weighted, after * position)):
            weights = weights + share * part / part.sum(dim=1, keepdim=True).clamp(min=1)
        return (h * weights[..., None]).sum(dim=1)


class RmsMean(TokenPooling):
    """The mean of tokens, each divided by its root mean square."""

    config_keys = ["hidden_size", "eps", "first", "last"]  # noqa: RUF012

    def __init__(self, hidden_size: int, eps: float, first: int = 0, last: int = 0) -> None:
        super().__init__()
        self.hidden_size, self.eps, self.first, self.last = hidden_size, eps, first, last

    def pool(self, h: Tensor, mask: Tensor) -> Tensor:
        """(n, T, d) to (n, d)."""
        return _mean(_scaled(h, self.eps), mask.float())


class MeanLast(TokenPooling):
    """mean / |mean| + last / |last|."""

    config_keys = ["hidden_size", "first", "last"]  # noqa: RUF012

    def __init__(self, hidden_size: int, first: int = 0, last: int = 0) -> None:
        super().__init__()
        self.hidden_size, self.first, self.last = hidden_size, first, last

    def pool(self, h: Tensor, mask: Tensor) -> Tensor:
        """(n, T, d) to (n, d)."""
        both = (_mean(h, mask.float()), _last(h, mask))
        return sum(torch.nn.functional.normalize(e, dim=-1) for e in both)  # type: ignore[return-value]


class ValueMean(ExportedPooling):
    """The mean values of attention, concatenated over layers: W_i · mean(h / rms(h)) + b_i."""

    config_keys = ["hidden_size", "eps", "first", "widths"]  # noqa: RUF012

    def __init__(self, hidden_size: int, eps: float, first: int, widths: list[int]) -> None:
        super().__init__()
        self.hidden_size, self.eps, self.first, self.widths = hidden_size, eps, first, widths
        self.weight = torch.nn.ParameterList(torch.zeros(w, hidden_size) for w in widths)
        self.bias = torch.nn.ParameterList(torch.zeros(w) for w in widths)

    def get_embedding_dimension(self) -> int:
        """The values of all its layers."""
        return sum(self.widths)

    def forward(self, features: dict[str, Any], **_: Any) -> dict[str, Any]:
        """``all_layer_embeddings`` to ``sentence_embedding``."""
        mask = features["attention_mask"].float()
        values = []
        for i, (weight, bias) in enumerate(zip(self.weight, self.bias, strict=True)):
            h = features["all_layer_embeddings"][self.first + i].float()
            values.append(_mean(_scaled(h, self.eps), mask) @ weight.float().T + bias.float())
        features["sentence_embedding"] = torch.cat(values, dim=1)
        return features


class Levels(ExportedPooling):
    """Vectors at the nearest of 256 levels a number: ``low`` + k · ``step``."""

    config_keys = ["hidden_size"]  # noqa: RUF012
    low: Tensor
    step: Tensor

    def __init__(self, hidden_size: int) -> None:
        super().__init__()
        self.hidden_size = hidden_size
        self.register_buffer("low", torch.zeros(hidden_size))
        self.register_buffer("step", torch.ones(hidden_size))

    def forward(self, features: dict[str, Any], **_: Any) -> dict[str, Any]:
        """``sentence_embedding`` (n, d) in place."""
        vectors = features["sentence_embedding"].float()
        low, step = self.low.float(), self.step.float()
        levels = ((vectors - low) / step).round().clamp(0, 255)
        features["sentence_embedding"] = levels * step + low
        return features


class Sign(ExportedPooling):
    """+1 where a number is above 0, else -1."""

    config_keys = ["hidden_size"]  # noqa: RUF012

    def __init__(self, hidden_size: int) -> None:
        super().__init__()
        self.hidden_size = hidden_size

    def forward(self, features: dict[str, Any], **_: Any) -> dict[str, Any]:
        """``sentence_embedding`` (n, d) in place."""
        vectors = features["sentence_embedding"].float()
        features["sentence_embedding"] = torch.where(vectors > 0, 1.0, -1.0)
        return features


class TrainedHead(AttentionHead, ExportedPooling):
    """A trained head on what it reads of the hidden states.

    Under causal attention X is the last token's vector of the last layer, or of every layer; under
    bidirectional attention it is every token of the last layer, or the mean of each layer's tokens.
    """

    config_keys = [  # noqa: RUF012
        *("causal", "hidden_size", "layers", "latent_count", "heads", "head_dim", "inputs_ask"),
    ]

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


def _scaled(h: Tensor, eps: float) -> Tensor:
    """Tokens (n, T, d), each divided by its root mean square."""
    return h * (h.pow(2).mean(dim=-1, keepdim=True) + eps).clamp(min=1e-30).rsqrt()


def _mean(h: Tensor, weights: Tensor) -> Tensor:
    """(n, d): Σ w_t h_t / Σ w_t for weights (n, T)."""
    return (h * weights[..., None]).sum(dim=1) / weights.sum(dim=1, keepdim=True).clamp(min=1e-9)
