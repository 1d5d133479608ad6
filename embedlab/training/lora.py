"""LoRA on a backbone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from embedlab.errors import EmbedLabError
from embedlab.models.adapter import LORA_TARGETS, lora_on_twin
from embedlab.models.backbone import Backbone
from embedlab.training.recipe import Recipe


def add_lora(backbone: Backbone, recipe: Recipe) -> Any:
    """A peft model around a twin of the backbone's model, with fresh seeded LoRA weights.

    Raises:
        EmbedLabError: the architecture has none of the linear maps that carry LoRA.
    """
    with seeded(backbone, recipe.seed):
        try:
            return lora_on_twin(
                backbone,
                r=recipe.lora_rank,
                lora_alpha=recipe.lora_alpha,
                lora_dropout=recipe.lora_dropout,
                target_modules=list(LORA_TARGETS),
            )
        except ValueError as error:
            raise EmbedLabError(
                f"{backbone.name} ({backbone.config.model_type}) has none of the linear maps that "
                f"carry LoRA here ({', '.join(LORA_TARGETS)}); train a head alone instead."
            ) from error


@contextmanager
def seeded(backbone: Backbone, seed: int) -> Iterator[None]:
    """Random draws inside are a function of ``seed``, and change nothing outside."""
    devices = [backbone.here] if backbone.here.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(seed)
        yield
