"""LoRA on a backbone that others keep using: a twin that shares the weights; saved and loaded."""

from __future__ import annotations

import copy
import re
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, Field, field_validator

from embedlab.errors import EmbedLabError
from embedlab.files import save_tensors
from embedlab.models.scheduler.packing import Packed, pack, unpack

if TYPE_CHECKING:
    from torch import Tensor, nn

    from embedlab.models.backbone import Backbone

#: The linear maps that carry LoRA, as the paper has it.
LORA_TARGETS = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
#: The maps of some layers alone, as runs of earlier versions name them.
_LAYER_PATTERN = re.compile(
    re.escape(r"(.*\.)?layers\.(")
    + r"\d{1,3}(\|\d{1,3})*"
    + re.escape(rf")\..*\.({'|'.join(LORA_TARGETS)})")
)


class AdapterConfig(BaseModel):
    """The part of ``adapter_config.json`` that is read; peft writes many more keys beside it.

    Raises:
        ValidationError: a rank or a target that a training here does not have.
    """

    r: int = Field(ge=1, le=512)
    lora_alpha: int = Field(ge=1, le=4096)
    lora_dropout: float = Field(ge=0, lt=1)
    target_modules: str | list[str]

    @field_validator("target_modules")
    @classmethod
    def _are_ours(cls, targets: str | list[str]) -> str | list[str]:
        # peft matches names with this pattern, and matching a hostile one could take for ever.
        accepted = (
            _LAYER_PATTERN.fullmatch(targets)
            if isinstance(targets, str)
            else set(targets) <= set(LORA_TARGETS)
        )
        if not accepted:
            raise ValueError("the targets are not those of a training here")
        return targets


def twin(model: nn.Module) -> Any:
    """A copy of a model with modules and configuration of its own and the same weight tensors.

    Nothing that is done to the twin's modules shows in the original, and the weights take no
    memory twice.
    """
    shared = {id(tensor): tensor for tensor in (*model.parameters(), *model.buffers())}
    return copy.deepcopy(model, shared)


def lora_on_twin(backbone: Backbone, **config: Any) -> Any:
    """A peft model around a twin of the backbone's model, with fresh LoRA weights.

    Args:
        backbone: stays as it is.
        config: of :class:`peft.LoraConfig`.

    Raises:
        ValueError: the model has none of the target modules.
    """
    from peft import LoraConfig, get_peft_model

    # peft reads a property of transformers by its old name.
    warnings.filterwarnings("ignore", "`is_gradient_checkpointing` is deprecated", FutureWarning)
    return get_peft_model(twin(backbone.model), LoraConfig(**config))


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
    from embedlab.models.head import tensor_digest

    return tensor_digest(adapter_weights(adapter))


@dataclass(frozen=True, kw_only=True)
class AdapterValues:
    """An adapter as a value, for another process: its settings, and its weights by name."""

    digest: str
    config: dict[str, Any]
    names: tuple[str, ...]
    weights: Packed

    @classmethod
    def of(cls, adapter: Any) -> AdapterValues:
        """Of a peft model."""
        weights = adapter_weights(adapter)
        config = adapter.peft_config["default"]
        targets = config.target_modules
        return cls(
            digest=adapter_digest(adapter),
            config={
                "r": config.r,
                "lora_alpha": config.lora_alpha,
                "lora_dropout": config.lora_dropout,
                "target_modules": targets if isinstance(targets, str) else sorted(targets),
            },
            names=tuple(weights),
            weights=pack(list(weights.values())),
        )

    def on(self, backbone: Backbone) -> Backbone:
        """The backbone with this adapter on it."""
        adapter = lora_on_twin(backbone, **self.config)
        self.copy_into(adapter)
        return with_adapter(backbone, adapter.eval(), backbone.name)

    def copy_into(self, adapter: Any) -> None:
        """Give a peft model of the same settings these weights."""
        from peft import set_peft_model_state_dict

        set_peft_model_state_dict(adapter, dict(zip(self.names, unpack(self.weights), strict=True)))


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
        config = read_adapter_config(folder)
        weights = load_file(folder / "adapter_model.safetensors")
        adapter = lora_on_twin(backbone, **config.model_dump())
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


def read_adapter_config(folder: Path) -> AdapterConfig:
    """The saved configuration of an adapter.

    Raises:
        OSError: there is no such file.
        ValueError: it is damaged, or is not of a training here.
    """
    return AdapterConfig.model_validate_json((folder / "adapter_config.json").read_bytes())
