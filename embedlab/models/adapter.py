"""LoRA on a backbone that others keep using: a twin that shares the weights, and its two parts."""

from __future__ import annotations

import copy
import json
import re
import warnings
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from embedlab.errors import EmbedLabError
from embedlab.files import save_tensors
from embedlab.models.backbone import Backbone
from embedlab.models.head import tensor_digest


def twin(model: nn.Module) -> Any:
    """A copy of a model with modules and configuration of its own and the same weight tensors.

    Nothing that is done to the twin's modules shows in the original, and the weights take no
    memory twice.
    """
    shared = {id(tensor): tensor for tensor in (*model.parameters(), *model.buffers())}
    return copy.deepcopy(model, shared)


def _on_twin(backbone: Backbone, config: Any) -> Any:
    from peft import get_peft_model

    # peft asks transformers for a property by its old name, and nobody here can change that.
    warnings.filterwarnings("ignore", "`is_gradient_checkpointing` is deprecated", FutureWarning)
    return get_peft_model(twin(backbone.model), config)


def _targets(layers: range) -> str:
    """The linear maps of some layers, as the pattern peft matches names with."""
    numbers, maps = "|".join(map(str, layers)), "|".join(LORA_TARGETS)
    return rf"(.*\.)?layers\.({numbers})\..*\.({maps})"


def with_adapter(backbone: Backbone, adapter: Any, name: str) -> Backbone:
    """The backbone with this adapter on it; it shares everything else with the one given."""
    trained = backbone.sibling(name, adapter.base_model.model, digest=adapter_digest(adapter))
    trained.adapter = adapter
    return trained


def adapter_weights(adapter: Any) -> dict[str, Tensor]:
    """The LoRA tensors by name, as peft saves them."""
    from peft import get_peft_model_state_dict

    return dict(get_peft_model_state_dict(adapter))


def adapter_digest(adapter: Any) -> str:
    """Names the adapter's weights."""
    return tensor_digest(adapter_weights(adapter))


def save_adapter(adapter: Any, folder: Path, backbone_id: str) -> None:
    """Write peft's adapter_config.json and adapter_model.safetensors, without any local path."""
    folder.mkdir(parents=True, exist_ok=True)
    config = copy.copy(adapter.peft_config["default"])
    config.base_model_name_or_path = backbone_id
    config.inference_mode = True
    config.save_pretrained(folder)
    save_tensors(folder / "adapter_model.safetensors", adapter_weights(adapter))


def load_adapter(backbone: Backbone, folder: Path) -> Any:
    """The saved adapter on a twin of the backbone's model.

    Raises:
        EmbedLabError: it was made for another backbone, or its files are damaged.
    """
    from peft import set_peft_model_state_dict
    from safetensors.torch import load_file

    try:
        config = _read_config(folder)
        weights = load_file(folder / "adapter_model.safetensors")
        adapter = _on_twin(backbone, config)
        expected = {name: tensor.shape for name, tensor in adapter_weights(adapter).items()}
        if expected != {name: tensor.shape for name, tensor in weights.items()}:
            raise ValueError("other shapes")
        set_peft_model_state_dict(adapter, weights)
    except Exception as error:
        raise EmbedLabError(
            f"The adapter does not fit {backbone.name}: it was made for another backbone, or its "
            "files are damaged; choose the backbone it was trained on."
        ) from error
    adapter.eval()
    return adapter


def _read_config(folder: Path) -> Any:
    """The few values we write ourselves; a stranger's file gets no say in anything else."""
    from peft import LoraConfig

    values = json.loads((folder / "adapter_config.json").read_text(encoding="utf-8"))
    targets = values["target_modules"]
    if isinstance(targets, str):
        layers = [int(number) for number in re.findall(r"\d+", targets)]
        if targets != _targets(range(layers[0], layers[-1] + 1)):
            raise ValueError("other targets")
    elif not set(targets) <= set(LORA_TARGETS):
        raise ValueError("other targets")
    return LoraConfig(
        r=int(values["r"]),
        lora_alpha=int(values["lora_alpha"]),
        lora_dropout=float(values["lora_dropout"]),
        target_modules=targets,
    )


#: The linear maps that carry LoRA, as the paper has it.
LORA_TARGETS = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
