"""The values of attention heads, from the kept means of a pass (Value Aggregation, 2602.01572).

The values of layer l + 1 are v_t = W_V (g ⊙ h_t / rms(h_t)) + b with h_t the state that layer l
leaves, so their mean over tokens is W_V (g ⊙ rms_mean) + b: one product a layer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor, nn

from embedlab.errors import EmbedLabError

if TYPE_CHECKING:
    from embedlab.models.backbone import Backbone

#: Largest relative difference between a norm and the formula: bfloat16 keeps eight bits.
_ROUNDING = 0.02


class ValueMap(NamedTuple):
    """A layer's ``gain`` g, (d,), and its ``projection`` W_V with b, a module."""

    gain: Tensor
    projection: nn.Module

    @property
    def width(self) -> int:
        """How many values a token has: key-value heads times their size."""
        return int(self.projection.out_features)  # type: ignore[arg-type]

    def __call__(self, rms_mean: Tensor) -> Tensor:
        """(n, d) means of h / rms(h) to (n, values) mean values, in float32."""
        weight: Tensor = next(self.projection.parameters())
        scaled = (self.gain * rms_mean.to(self.gain)).to(weight)
        return self.projection(scaled).float().to(rms_mean.device)  # type: ignore[no-any-return]


def value_maps(backbone: Backbone) -> list[ValueMap]:
    """The value maps of the layers 1 … L.

    Raises:
        EmbedLabError: values of this architecture are not such a product.
    """
    lists = (m for m in backbone.readable_model().modules() if isinstance(m, nn.ModuleList))
    layers = next(lists, nn.ModuleList())
    return [_value_map(layer, backbone) for layer in layers]


@torch.no_grad()
def _value_map(layer: Any, backbone: Backbone) -> ValueMap:
    norm, attention = getattr(layer, "input_layernorm", None), getattr(layer, "self_attn", None)
    projection = getattr(attention, "v_proj", None)
    if norm is None or projection is None or getattr(attention, "v_norm", None) is not None:
        raise _refusal(backbone)
    like = next(norm.parameters())
    # What the norm makes of a vector with rms 1 is its gain, however it is written (w, or 1 + w).
    gain = norm(torch.ones_like(like)[None])[0]
    x = torch.linspace(-2, 3, len(like), device=like.device, dtype=like.dtype)
    expected = gain.float() * x.float() / x.float().pow(2).mean().sqrt()
    if not torch.allclose(norm(x[None])[0].float(), expected, rtol=_ROUNDING, atol=_ROUNDING):
        raise _refusal(backbone)
    return ValueMap(gain, projection)


def _refusal(backbone: Backbone) -> EmbedLabError:
    return EmbedLabError(
        f"value_mean does not work with {backbone.name} ({backbone.config.model_type}): its values "
        "are not one product of the state behind an RMS norm. Choose another pooling, or a "
        "backbone such as SmolLM2, Llama, Mistral, Qwen or Gemma 3."
    )
