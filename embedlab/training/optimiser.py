"""AdamW over LoRA and head, which undoes an update after which the loss is not finite."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from embedlab.models.head import TrainableHead
from embedlab.training.authors import decayed
from embedlab.training.recipe import Recipe


class Optimiser:
    """AdamW over LoRA (a peft model or None) and the head (or None), each at its own rate."""

    def __init__(self, adapter: Any, head: TrainableHead | None, recipe: Recipe) -> None:
        self.recipe = recipe
        decay = recipe.weight_decay
        self._groups: list[tuple[list[Tensor], float, float]] = []
        if adapter is not None:
            lora = [p for p in adapter.parameters() if p.requires_grad]
            self._groups.append((lora, recipe.lr, decay))
        if head is not None and recipe.as_authors:
            shrunk, spared = decayed(head)
            self._groups += [(shrunk, recipe.head_lr, decay), (spared, recipe.head_lr, 0.0)]
        elif head is not None:
            self._groups.append((list(head.parameters()), recipe.head_lr, decay))
        #: The weights before the last update, with which the loss was finite.
        self.last_finite: list[Tensor] | None = None
        self.restart()

    def restart(self) -> None:
        """Forget the moments: those of one loss are of no use for another."""
        groups = [
            {"params": tensors, "lr": rate, "weight_decay": decay}
            for tensors, rate, decay in self._groups
        ]
        self.adamw = torch.optim.AdamW(groups, fused=True)

    @property
    def parameters(self) -> list[Tensor]:
        """Everything that is trained."""
        return [tensor for tensors, *_ in self._groups for tensor in tensors]

    def set_rate(self, share: float) -> float:
        """Use a share of the learning rates; the first group's rate now."""
        for group, (_, rate, _) in zip(self.adamw.param_groups, self._groups, strict=True):
            group["lr"] = rate * share
        return float(self.adamw.param_groups[0]["lr"])

    @torch.no_grad()
    def update(self, loss: float) -> bool:
        """Change the weights by their gradient, and drop the gradient.

        Returns:
            False where the loss or the gradient is not finite. Then the weights go back to
            :attr:`last_finite`, since the update after those is the cause.
        """
        with_gradient = [p for p in self.parameters if p.grad is not None]
        norm = torch.nn.utils.clip_grad_norm_(with_gradient, self.recipe.clip or math.inf)
        finite = math.isfinite(loss) and bool(torch.isfinite(norm))
        if finite:
            self.last_finite = [p.detach().clone() for p in self.parameters]
            self.adamw.step()
        elif self.last_finite is not None:
            for parameter, weights in zip(self.parameters, self.last_finite, strict=True):
                parameter.copy_(weights)
        self.discard_gradient()
        return finite

    def discard_gradient(self) -> None:
        """Drop it, as after a step that was stopped."""
        self.adamw.zero_grad(set_to_none=True)
