"""What of a backbone cannot be exported, so that it is said before a training and not after it."""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING

from embedlab.export.export_model import adapter_obstacle
from embedlab.models.run_folder import resolved_id

if TYPE_CHECKING:
    from embedlab.models.backbone import Backbone


def obstacles(backbone: Backbone, backbone_id: str) -> dict[str, str]:
    """Why a model trained on a backbone cannot be exported, by the kind; ``""`` where it can.

    Args:
        backbone_id: what the backbone was loaded by, or what its run stores of it.
    """
    return {
        "adapter": adapter_obstacle(resolved_id(backbone_id)),
        "sentence-transformers": _merged_obstacle(backbone),
    }


def _merged_obstacle(backbone: Backbone) -> str:
    from embedlab.export.sentence_transformers import tokenizer_obstacle

    if importlib.util.find_spec("sentence_transformers") is None:
        return (
            "Checking the export needs sentence-transformers; install it with "
            "pip install sentence-transformers."
        )
    return tokenizer_obstacle(backbone)
