"""One call of a transformers model under an attention mode, and texts side by side in one row.

transformers has causal and bidirectional attention. The other modes differ from layer to layer:
:mod:`embedlab.models.layer_attention` has them.

The linear maps of a model do not care which text a token belongs to; attention does. So a row may
hold many texts without any padding, if attention works within each text: :class:`Apart` says where
the texts are, and the attention function registered here reads it.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from embedlab.models.attention import Attention
from embedlab.models.layer_attention import BY_LAYER, ByLayer
from embedlab.models.libraries import (
    AttentionInterface,
    AttentionMaskInterface,
    sdpa_attention_forward,
    sdpa_mask,
)

#: The name under which transformers knows :func:`attend`.
APART = "embedlab_apart"
#: Architectures that make a bidirectional mask themselves where their config asks for it.
OWN_BIDIRECTIONAL_MASK = ("gemma3_text",)


class Apart(NamedTuple):
    """Where n texts of at most T tokens lie in one row of N tokens, one after the other.

    ``place`` (n, T) is the index of each token in the row, and any index where a text is shorter;
    ``order`` (N,) is the index of each of the row's tokens among the n · T.
    """

    place: Tensor
    order: Tensor


def is_bidirectional(config: Any) -> bool:
    """Whether a text model attends both ways by its own config, as EmbeddingGemma does."""
    return getattr(config, "use_bidirectional_attention", None) in (True, "all")


def has_own_mask(config: Any) -> bool:
    """Whether it makes its bidirectional mask itself: ``is_causal`` would drop its windows."""
    return is_bidirectional(config) and config.model_type in OWN_BIDIRECTIONAL_MASK


def layer_states(
    model: Any,
    attention: str,
    mask: Tensor,
    positions: Tensor,
    apart: Apart | None = None,
    *,
    plain: str = "",
    **inputs: Tensor,
) -> tuple[Tensor, ...]:
    """The states of every layer, (R, N, d) each, embeddings first; for the model's owner alone.

    The mode is an argument of the call and the call resets it: transformers writes it into the
    shared configuration while it runs, so that no two passes may run at once.

    Args:
        model: a transformers model without a language-model head.
        attention: a mode as :class:`~embedlab.models.attention.Attention` writes it.
        mask: (R, N), 0 for padding; under ``apart`` an additive one, (n, 1, T, T).
        positions: (R, N), for a model that takes them.
        apart: the texts of a single row that must not see each other.
        plain: transformers' attention function for its own two modes; by default the model's.
        inputs: ``input_ids`` (R, N), or ``inputs_embeds`` (R, N, d).
    """
    more: dict[str, Any] = dict(inputs)
    if "position_ids" in inspect.signature(model.forward).parameters:
        more["position_ids"] = positions
    mode, implementation = Attention.parse(attention), plain
    if apart is not None:
        more["apart"], implementation = apart, APART
    elif not mode.plain:
        layers = int(model.config.get_text_config().num_hidden_layers)
        more["by_layer"] = ByLayer.of(mask, **mode.by_layer(layers))
        implementation = BY_LAYER
    if not has_own_mask(model.config.get_text_config()):
        more["is_causal"] = mode.mode != "bidirectional"
    with _attending(model, implementation) if implementation else nullcontext():
        output = model(
            attention_mask=mask,
            use_cache=False,
            output_hidden_states=True,
            **more,
        )
    return tuple(output.hidden_states)


def attend(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    *,
    apart: Apart,
    **kwargs: Any,
) -> tuple[Tensor, None]:
    """transformers' SDPA attention, within each text of a row.

    ``query``, ``key`` and ``value`` are (1, heads, N, size), the result is (1, N, heads, size);
    the mask is (n, 1, T, T).

    Raises:
        TypeError: the architecture does not pass its keyword arguments on to attention.
    """
    # From one row to a padded batch and, after attention, back to the row.
    texts = [_to_batch(heads, apart.place) for heads in (query, key, value)]
    with _kernel(query):
        output, _ = sdpa_attention_forward(module, *texts, attention_mask, **kwargs)
    row = output.flatten(0, 1).flatten(1).index_select(0, apart.order)
    return row.view(1, len(row), *output.shape[2:]), None


def _kernel(query: Tensor) -> AbstractContextManager[None]:
    """The SDPA kernel with the fastest gradient.

    On a CPU and in bfloat16 the backward pass of the flash kernel takes six times as long as that
    of the plain formula, which computes in float32.
    """
    slow = query.requires_grad and query.device.type == "cpu" and query.dtype is torch.bfloat16
    return sdpa_kernel(SDPBackend.MATH) if slow else nullcontext()


def _to_batch(heads: Tensor, place: Tensor) -> Tensor:
    """(1, heads, N, size) to (n, heads, T, size)."""
    _, count, _, size = heads.shape
    tokens = heads[0].transpose(0, 1).flatten(1).index_select(0, place.flatten())
    return tokens.view(*place.shape, count, size).transpose(1, 2)


@contextmanager
def _attending(model: Any, to: str) -> Iterator[None]:
    """Switch a model, for one call, to one of the attention functions of this module."""
    # Parts of a model may have separate configurations.
    configs = {id(m.config): m.config for m in model.modules() if hasattr(m, "config")}
    before = [(config, config._attn_implementation) for config in configs.values()]
    for config, _ in before:
        config._attn_implementation = to
    try:
        yield
    finally:
        for config, implementation in before:
            config._attn_implementation = implementation


AttentionInterface.register(APART, attend)
AttentionMaskInterface.register(APART, sdpa_mask)
