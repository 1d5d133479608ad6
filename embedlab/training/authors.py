"""What the authors of arXiv 2409.02727 do otherwise in a training, for the recipe after theirs.

Their code leaves these to the libraries: torch draws the head, and the trainer of transformers
spares norms and biases the weight decay.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from embedlab.models.head import TrainableHead


@torch.no_grad()
def draw(head: TrainableHead, seed: int) -> None:
    """Draw a head's weights as torch does by default: latents and layer embedding from N(0, 1).

    Matrices and their biases come from U(−1/√n, 1/√n) with n their inputs.
    """
    generator = torch.Generator().manual_seed(seed)
    for module in head.modules():
        if isinstance(module, nn.Linear):
            bound = 1 / math.sqrt(module.in_features)
            for tensor in (module.weight, module.bias):
                if tensor is not None:
                    tensor.uniform_(-bound, bound, generator=generator)
    for parameter in head.parameters(recurse=False):
        parameter.normal_(0, 1, generator=generator)


def decayed(head: TrainableHead) -> tuple[list[Tensor], list[Tensor]]:
    """A head's parameters: those that weight decay shrinks, and its norms and biases."""
    spared = {
        f"{name}.{own}"
        for name, module in head.named_modules()
        for own, _ in module.named_parameters(recurse=False)
        if isinstance(module, nn.LayerNorm) or own == "bias"
    }
    named = dict(head.named_parameters())
    return (
        [tensor for name, tensor in named.items() if name not in spared],
        [tensor for name, tensor in named.items() if name in spared],
    )
