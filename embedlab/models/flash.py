"""Flash attention on a GPU, where it is installed and gives what the model's own attention gives.

It keeps no mask in memory and skips padding, so it serves transformers' own two modes, causal and
bidirectional. Modes that differ from layer to layer, and texts that lie side by side in one row
of a training, need a mask of their own and run through SDPA (:mod:`embedlab.models.forward`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from embedlab.models.attention import ATTENTIONS
from embedlab.models.probe import equal_states, padded_states, probe

if TYPE_CHECKING:
    from embedlab.models.backbone import Backbone

#: transformers' name of it.
FLASH = "flash_attention_2"


def use_flash(backbone: Backbone) -> None:
    """Let passes run through flash attention where the device, the precision and the model can."""
    from transformers.utils import is_flash_attn_2_available

    half = backbone.dtype in (torch.bfloat16, torch.float16)
    if backbone.device.type == "cuda" and half and is_flash_attn_2_available():
        use_if_equal(backbone, FLASH)


def use_if_equal(backbone: Backbone, implementation: str) -> bool:
    """Take another attention function for transformers' own modes, if it makes no difference.

    The probe has to see the same, and the states of a padded batch have to be the same up to
    rounding; an architecture that the function cannot serve keeps its own.

    Args:
        backbone: one that has been probed.
        implementation: a name that transformers knows.
    """
    modes = [mode for mode in ATTENTIONS if mode not in backbone.refused]
    verdict, own = probe(backbone), [padded_states(backbone, mode) for mode in modes]
    backbone.implementation = implementation
    try:
        states = [padded_states(backbone, mode) for mode in modes]
        same = all(map(equal_states, states, own)) and probe(backbone) == verdict
    except Exception:  # whatever a kernel raises: the model's own attention serves
        same = False
    if not same:
        backbone.implementation = ""
    return same
