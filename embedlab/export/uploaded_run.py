"""The sizes of an uploaded run's weights."""

from __future__ import annotations

from pathlib import Path

from safetensors import SafetensorError, safe_open

from embedlab.errors import EmbedLabError
from embedlab.models.adapter import read_adapter_config
from embedlab.models.run_folder import RunInfo


def check_sizes(folder: Path, run_info: RunInfo) -> None:
    """Refuse sizes of head and adapter other than those of their weights.

    Memory is reserved by the sizes that a run states.

    Raises:
        EmbedLabError: the archive was tampered with, or is damaged.
    """
    try:
        if run_info.trained_design.trainable:
            _check_head(folder, run_info)
        if (adapter := folder / "adapter").is_dir():
            shapes = _shapes(adapter / "adapter_model.safetensors")
            ranks = {shape[0] for name, shape in shapes.items() if ".lora_A." in name}
            if ranks != {read_adapter_config(adapter).r}:
                raise ValueError("another rank")
    except (OSError, LookupError, ValueError, SafetensorError) as error:
        raise EmbedLabError(
            "The archive was refused: its parts contradict each other. "
            "Choose an adapter archive as EmbedLab exports it."
        ) from error


def _check_head(folder: Path, run_info: RunInfo) -> None:
    size, shapes = run_info.head, _shapes(folder / "head.safetensors")
    latents, hidden = shapes["latents"]
    if size is None or size.latents != latents:
        raise ValueError("another number of latents")
    if shapes["query.weight"] != (size.heads * size.dim_for(hidden), hidden):
        raise ValueError("another size of head")


def _shapes(path: Path) -> dict[str, tuple[int, ...]]:
    """By the tensors' names; a matrix that is stored as int8 by its own."""
    from embedlab.models.quantised import WHOLE

    with safe_open(path, framework="pt") as file:
        return {
            name.removesuffix(WHOLE): tuple(file.get_slice(name).get_shape())
            for name in file.keys()  # noqa: SIM118 - it is not a mapping
        }
