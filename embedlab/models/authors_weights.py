"""Weights of the paper's authors (arXiv 2409.02727) as a run's folder of ours.

Their trainers leave a PEFT folder, and for M2 … M5 the head in ``attn_pool.pt``. That is a pickle:
it is read with ``weights_only`` in a bounded child process and written as safetensors. Their names
for the parts of a head, with d the backbone's width and e = 32 heads × 2048::

    latents (768, d) · pos_emb.weight (32, d), a row a layer, of M3 and M5
    cross_attend_blocks.0.norm, .norm_context          of what is read, of the latents
    cross_attend_blocks.0.fn.to_q (e, d) · .to_kv (2e, d): keys, then values · .to_out (d, e)
    cross_attend_blocks.1.norm · .1.fn.net.0 (8d, d) · .1.fn.net.2 (d, 4d)
"""

from __future__ import annotations

import json
import tempfile
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from embedlab.child_process import Bounds, in_child_process
from embedlab.errors import EmbedLabError
from embedlab.files import atomic_folder, disk_errors
from embedlab.models.checkpoint import AUTHORS_HEAD
from embedlab.models.design import Design
from embedlab.models.pooling import POOLINGS, HeadSize
from embedlab.models.run_folder import RunInfo, backbone_info, load_run, write_run_info

if TYPE_CHECKING:
    from torch import Tensor

    from embedlab.models.backbone import Backbone

HEAD_FILE, CONFIG_FILE = AUTHORS_HEAD, "adapter_config.json"
ADAPTER_FILE, PICKLED_ADAPTER = "adapter_model.safetensors", "adapter_model.bin"
#: The number of attention heads, which no shape shows.
HEADS = 32
#: Their names of what we name otherwise; keys and values are apart here.
_PARTS = {
    "cross_attend_blocks.0.norm": "norm_inputs",
    "cross_attend_blocks.0.norm_context": "norm_latents",
    "cross_attend_blocks.0.fn.to_q": "query",
    "cross_attend_blocks.0.fn.to_out": "out",
    "cross_attend_blocks.1.norm": "norm_feed_forward",
    "cross_attend_blocks.1.fn.net.0": "expand",
    "cross_attend_blocks.1.fn.net.2": "contract",
}
_KEYS_AND_VALUES, _LAYERS = "cross_attend_blocks.0.fn.to_kv.weight", "pos_emb.weight"
#: Settings of PEFT that change what an adapter computes, with the values that do not.
_PLAIN: dict[str, tuple[Any, ...]] = {
    "peft_type": ("LORA",),
    "bias": ("none",),
    "use_rslora": (False, None),
    "use_dora": (False, None),
    "fan_in_fan_out": (False, None),
    "modules_to_save": (None, []),
    "layers_to_transform": (None, []),
    "rank_pattern": (None, {}),
    "alpha_pattern": (None, {}),
}
#: The most bytes of a configuration, and what torch itself maps when it is imported.
_MOST_CONFIG, _TORCH_BYTES = 10**6, 16 * 10**9


def base_of(folder: Path) -> str:
    """The backbone that a folder's adapter names, as its authors wrote it.

    Raises:
        EmbedLabError: there is no adapter, or it names none.
    """
    name = _config(folder).get("base_model_name_or_path")
    if not isinstance(name, str) or not name:
        raise EmbedLabError(
            f"{CONFIG_FILE} in {folder.name!r} does not name its backbone; add --backbone with it."
        )
    return name


def import_weights(
    folder: Path, design: Design, backbone: Backbone, backbone_id: str, out: Path
) -> RunInfo:
    """Write the authors' weights as a run's folder, which :func:`embedlab.load_backbone` takes.

    Args:
        folder: with a PEFT adapter and, where the design has a head, ``attn_pool.pt``.
        design: one of M1 … M5, perhaps with prompts; the files do not say which.
        backbone: that the weights were trained on.
        backbone_id: by which it is loaded again.
        out: the folder to make; it must not exist.

    Raises:
        EmbedLabError: a file is missing, damaged, not of this kind, or does not fit the backbone or
            the design.
    """
    from embedlab.models.adapter import load_adapter, save_adapter

    if design.alias is None:
        raise EmbedLabError(f"The authors trained M1 … M5, and {design} is none of them.")
    if backbone.adapter is not None:
        raise EmbedLabError(f"{backbone.name} is trained already; name the untrained backbone.")
    backbone.check(design)
    _check_config(_config(folder), folder)
    with disk_errors(out.name), atomic_folder(out) as partial:
        with tempfile.TemporaryDirectory() as temporary:
            adapter = load_adapter(backbone, _with_safetensors(folder, Path(temporary) / "adapter"))
        save_adapter(adapter, partial / "adapter", backbone_id)
        size = None
        if design.trainable:
            path = folder / HEAD_FILE
            _check_head_is_there(path)
            layers = backbone.num_layers if _reads_layers(design) else 0
            target = (partial / "head.safetensors").resolve()
            converted = _read(convert_head, path, target=str(target), layers=layers)
            size = HeadSize(**converted)
        info = RunInfo(
            format=1,
            name=f"{backbone.name} + {folder.resolve().name}"[:200],
            backbone=backbone_info(backbone, backbone_id),
            design=str(design),
            head=size,
            mode="lora",
        )
        write_run_info(partial, info)
        load_run(partial, backbone)  # whether all of it fits
    return info


def convert_head(path: Path, *, target: str, layers: int) -> dict[str, int]:
    """Write ``attn_pool.pt`` under our names as safetensors; in the child process.

    Args:
        path: the authors' file.
        target: the path to write to.
        layers: how many layers the head reads, 0 for the last alone.

    Returns:
        The head's size: latents, heads and head_dim.

    Raises:
        EmbedLabError: it is no such file, or of another kind of head.
    """
    from safetensors.torch import save_file

    weights = _tensors(path)
    shapes = {name: tuple(tensor.shape) for name, tensor in weights.items()}
    if (_LAYERS in weights) != bool(layers):
        kind, ones = ("all layers", "M3 or M5") if not layers else ("the last layer", "M2 or M4")
        raise EmbedLabError(
            f"{path.name} is a head that reads {kind}, of {ones}; choose that design."
        )
    latents, inner = shapes.get("latents"), shapes.get("cross_attend_blocks.0.fn.to_q.weight")
    if latents is None or inner is None or len(latents) != 2 or len(inner) != 2:
        raise _other_layout(path)
    d, e = latents[1], inner[0]
    expected = _expected(latents[0], d, e, shapes[_LAYERS][:1] if layers else ())
    if shapes != expected or e % HEADS:
        raise _other_layout(path)
    ours = {"latents": weights["latents"]}
    if layers:
        if shapes[_LAYERS][0] < layers:
            raise EmbedLabError(
                f"{path.name} has an embedding of {shapes[_LAYERS][0]} layers, and the backbone "
                f"has {layers}; choose the backbone it was trained on."
            )
        ours["layer_embedding"] = weights[_LAYERS][:layers].clone()
    for theirs, name in _PARTS.items():
        for kind in ("weight", "bias"):
            if f"{theirs}.{kind}" in weights:
                ours[f"{name}.{kind}"] = weights[f"{theirs}.{kind}"]
    keys, values = weights[_KEYS_AND_VALUES].chunk(2)
    ours |= {"key.weight": keys.clone(), "value.weight": values.clone()}
    save_file({name: tensor.contiguous() for name, tensor in ours.items()}, target)
    return {"latents": latents[0], "heads": HEADS, "head_dim": e // HEADS}


def convert_adapter(path: Path, *, target: str) -> None:
    """Write a pickled adapter as safetensors; in the child process."""
    from safetensors.torch import save_file

    save_file({name: t.contiguous() for name, t in _tensors(path).items()}, target)


def _tensors(path: Path) -> dict[str, Tensor]:
    """The tensors of a pickle that holds nothing else and no more of them than its bytes.

    Raises:
        EmbedLabError: it holds other things, something compressed, or numbers that are not finite.
    """
    import torch

    zipped = zipfile.is_zipfile(path)
    try:
        if zipped:
            with zipfile.ZipFile(path) as archive:
                if any(m.compress_type != zipfile.ZIP_STORED for m in archive.infolist()):
                    raise ValueError("compressed")
        loaded: Any = torch.load(path, map_location="cpu", weights_only=True, mmap=zipped or None)
        if not isinstance(loaded, dict) or not loaded:
            raise ValueError("no mapping")
        for name, tensor in loaded.items():
            plain = isinstance(tensor, torch.Tensor) and tensor.layout == torch.strided
            if not isinstance(name, str) or not plain or not tensor.is_floating_point():
                raise ValueError("not a tensor of numbers")
        # A tensor may repeat a few bytes over any number of rows.
        if sum(t.numel() * t.element_size() for t in loaded.values()) > path.stat().st_size:
            raise ValueError("more numbers than bytes")
    except Exception as error:
        raise EmbedLabError(
            f"{path.name} could not be read as weights: it is damaged, or holds other things than "
            "tensors by name, which may be code and is not run. Copy it again from its source."
        ) from error
    for name, tensor in loaded.items():
        if not bool(torch.isfinite(tensor).all()):
            raise EmbedLabError(
                f"{path.name} holds numbers that are not finite ({name[:60]!r}), so every vector "
                "would be undefined; copy it again from its source."
            )
    return dict(loaded)


def _expected(r: int, d: int, e: int, layers: tuple[int, ...]) -> dict[str, tuple[int, ...]]:
    """The shapes of a head of r latents, width d and e attention entries."""
    shapes: dict[str, tuple[int, ...]] = {"latents": (r, d)}
    if layers:
        shapes[_LAYERS] = (*layers, d)
    for norm in ("0.norm", "0.norm_context", "1.norm"):
        for kind in ("weight", "bias"):
            shapes[f"cross_attend_blocks.{norm}.{kind}"] = (d,)
    return shapes | {
        "cross_attend_blocks.0.fn.to_q.weight": (e, d),
        _KEYS_AND_VALUES: (2 * e, d),
        "cross_attend_blocks.0.fn.to_out.weight": (d, e),
        "cross_attend_blocks.1.fn.net.0.weight": (8 * d, d),
        "cross_attend_blocks.1.fn.net.0.bias": (8 * d,),
        "cross_attend_blocks.1.fn.net.2.weight": (d, 4 * d),
        "cross_attend_blocks.1.fn.net.2.bias": (d,),
    }


def _other_layout(path: Path) -> EmbedLabError:
    return EmbedLabError(
        f"{path.name} is not a head in the authors' layout: names or sizes of its tensors differ. "
        "Choose the file that their training wrote beside the adapter."
    )


def _read(function: Any, path: Path, **arguments: Any) -> Any:
    size = path.stat().st_size
    bounds = Bounds(memory=_TORCH_BYTES + 4 * size, seconds=120 + size / 20e6)
    return in_child_process(function, path.resolve(), bounds=bounds, **arguments)


def _reads_layers(design: Design) -> bool:
    return POOLINGS[design.pooling].attends_over == "layers"


def _check_head_is_there(path: Path) -> None:
    if not path.is_file():
        raise EmbedLabError(
            f"{path.parent.name!r} has no {HEAD_FILE}. The authors' training writes it beside the "
            "folder where the folder's name was given without a slash at its end: move it in. M1 "
            "has none."
        )


def _config(folder: Path) -> dict[str, Any]:
    """The adapter's configuration as plain values."""
    path = folder / CONFIG_FILE
    try:
        if path.stat().st_size > _MOST_CONFIG:
            raise ValueError("too large")
        config = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(config, dict):
            raise ValueError("no mapping")
    except (OSError, ValueError, RecursionError) as error:
        raise EmbedLabError(
            f"The folder {folder.name!r} has no {CONFIG_FILE}, or a damaged one; choose a folder "
            "that peft saved."
        ) from error
    return config


def _check_config(config: dict[str, Any], folder: Path) -> None:
    for name, plain in _PLAIN.items():
        if name in config and config[name] not in plain:
            raise EmbedLabError(
                f"{CONFIG_FILE} in {folder.name!r} has {name} = {str(config[name])[:40]!r}, "
                "another kind of adapter than the authors'; merge it into its backbone instead "
                "(peft: merge_and_unload)."
            )


def _with_safetensors(folder: Path, converted: Path) -> Path:
    """The folder, or where its adapter is a pickle, a temporary one with it converted."""
    if (folder / ADAPTER_FILE).is_file():
        return folder
    pickled = folder / PICKLED_ADAPTER
    if not pickled.is_file():
        raise EmbedLabError(
            f"The folder {folder.name!r} has no {ADAPTER_FILE} and no {PICKLED_ADAPTER}; copy it "
            "again from its source."
        )
    converted.mkdir()
    (converted / CONFIG_FILE).write_bytes((folder / CONFIG_FILE).read_bytes())
    _read(convert_adapter, pickled, target=str((converted / ADAPTER_FILE).resolve()))
    return converted
