"""LoRA on a backbone."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from embedlab.errors import EmbedLabError
from embedlab.models.adapter import LORA_TARGETS, _on_twin, _targets
from embedlab.models.backbone import Backbone
from embedlab.models.design import ATTENTIONS
from embedlab.models.forward import layer_states
from embedlab.training.recipe import Recipe

#: Largest relative difference between the whole model and its two parts run one after the other.
SAME = 1e-3
_PROBE_IDS = torch.tensor([[7, 5, 3, 9, 4], [4, 8, 6, 2, 2]])
_PROBE_MASK = torch.tensor([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0]])


def add_lora(backbone: Backbone, recipe: Recipe) -> Any:
    """A peft model around a twin of the backbone's model, with fresh seeded LoRA weights.

    Raises:
        EmbedLabError: the architecture has none of the linear maps that carry LoRA, or fewer layers
            than are to be trained.
    """
    from peft import LoraConfig

    depth = backbone.num_layers
    if recipe.mode == "top_layers" and recipe.top_layers >= depth:
        raise EmbedLabError(
            f"{backbone.name} has {depth} layers; train the top 1 to {depth - 1} of them, or "
            "choose LoRA on all."
        )
    config = LoraConfig(
        r=recipe.lora_rank,
        lora_alpha=recipe.lora_alpha,
        lora_dropout=recipe.lora_dropout,
        target_modules=_targets(range(depth - recipe.top_layers, depth))
        if recipe.mode == "top_layers"
        else list(LORA_TARGETS),
    )
    with seeded(backbone, recipe.seed):
        try:
            return _on_twin(backbone, config)
        except ValueError as error:
            raise EmbedLabError(
                f"{backbone.name} ({backbone.config.model_type}) has none of the linear maps that "
                f"carry LoRA here ({', '.join(LORA_TARGETS)}); train a head alone instead."
            ) from error


@contextmanager
def seeded(backbone: Backbone, seed: int) -> Iterator[None]:
    """Random draws inside are a function of ``seed``, and change nothing outside."""
    devices = [backbone.device] if backbone.device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(seed)
        yield


class SplitModel:
    """An adapted model as two: the frozen lower layers, and the top k that carry the adapter.

    The modules are the model's own, so training the upper part trains the model.

    Args:
        trained: a backbone with an adapter on its top ``k`` layers.
        k: how many.

    Raises:
        EmbedLabError: the architecture does more with its input than its layers and final norm say;
            running it in two parts would give other states than running it whole.
    """

    def __init__(self, trained: Backbone, k: int) -> None:
        self.trained, self.cut = trained, trained.num_layers - k
        if not isinstance(getattr(trained.model, "layers", None), nn.ModuleList):
            raise self._impossible()
        # Before the copies: the first pass puts the library's recorders on the layers, once a
        # model, and the copies' layers are the same.
        whole = self._probed(lambda mask, mode: trained.hidden_states(self._ids(mask), mask, mode))
        #: Layers 0 … cut, from ``input_ids``.
        self.lower = self._part(slice(0, self.cut))
        self.lower._modules["norm"] = nn.Identity()
        #: Layers cut … L, from layer ``cut``'s states as ``inputs_embeds``.
        self.upper = self._part(slice(self.cut, None))
        try:
            parts = self._probed(self._in_parts)
        except (AttributeError, KeyError, TypeError, RuntimeError) as error:
            raise self._impossible() from error
        real = _PROBE_MASK[..., None].to(trained.device)
        for attention, states in whole.items():
            for one, other in zip(states, parts[attention], strict=True):
                gap = ((one - other) * real).float().norm() / (one * real).float().norm()
                if not float(gap) < SAME:
                    raise self._impossible()

    def _part(self, layers: slice) -> Any:
        model = copy.copy(self.trained.model)
        model._modules = dict(model._modules)
        model._modules["layers"] = model._modules["layers"][layers]
        model.config = copy.deepcopy(model.config)
        model.config.num_hidden_layers = len(model._modules["layers"])
        if getattr(model.config, "layer_types", None):
            model.config.layer_types = model.config.layer_types[layers]
        return model

    def _in_parts(self, mask: Tensor, attention: str) -> tuple[Tensor, ...]:
        positions = (mask.cumsum(dim=1) - 1).clamp(min=0)
        below = layer_states(self.lower, attention, mask, positions, input_ids=self._ids(mask))
        above = layer_states(self.upper, attention, mask, positions, inputs_embeds=below[-1])
        return (*below[:-1], *above)

    def _ids(self, mask: Tensor) -> Tensor:
        return _PROBE_IDS.to(mask.device)

    @torch.no_grad()
    def _probed(
        self, states: Callable[[Tensor, str], tuple[Tensor, ...]]
    ) -> dict[str, tuple[Tensor, ...]]:
        mask = _PROBE_MASK.to(self.trained.device)
        with self.trained.lock:
            return {attention: states(mask, attention) for attention in ATTENTIONS}

    def _impossible(self) -> EmbedLabError:
        return EmbedLabError(
            f"The layers of {self.trained.name} ({self.trained.config.model_type}) cannot be run "
            "in two parts; choose LoRA on all layers."
        )
