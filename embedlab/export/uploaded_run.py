"""Checks of an uploaded run."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from embedlab.errors import EmbedLabError
from embedlab.models.design import Design
from embedlab.models.pooling import HeadSize

_NUMBER = (int, float)
#: What of run.json is read later on, and as what; values inside these are plain ones.
_FACTS: dict[str, tuple[type, ...]] = {
    "format": (int,),
    "name": (str,),
    "backbone": (dict,),
    "design": (str,),
    "prompts": (dict,),
    "head": (dict, type(None)),
    "mode": (str,),
    "recipe": (dict,),
    "data": (dict,),
    "seed": (int,),
    "steps": (int,),
    "failed": (str,),
    "seconds": _NUMBER,
    "versions": (dict,),
    "before_after": (list,),
}
#: The same for a row of before_after.
_SCORES: dict[str, tuple[type, ...]] = {
    "task": (str,),
    "measure": (str,),
    "n": (int,),
    "before": (list,),
    "after": (list,),
    "difference": (list,),
    "separable": (bool, type(None)),
}


def _check(folder: Path, about: dict[str, Any], design: Design) -> None:
    """Refuse facts of another kind than ours, and sizes other than those of the weights.

    Memory is reserved by what a run says of its sizes, so it may not say what it likes.

    Raises:
        EmbedLabError: the archive was tampered with, or is damaged.
    """
    try:
        _check_facts(about)
        if design.trainable:
            _check_head(folder, about["head"])
        if (folder / "adapter").is_dir():
            _check_adapter(folder / "adapter")
    except (OSError, LookupError, TypeError, ValueError, AttributeError, SafetensorError) as error:
        raise EmbedLabError(
            "The archive was refused: its parts contradict each other, or say what no run says. "
            "Choose an adapter archive as EmbedLab exports it."
        ) from error


def _check_facts(about: Mapping[str, Any]) -> None:
    _require(about, _FACTS)
    prompts, backbone = about["prompts"], about["backbone"]
    longest = backbone.get("max_length", 512)
    known = (
        all(isinstance(prompt, str) for prompt in prompts.values())
        and isinstance(backbone.get("dtype", ""), str)
        and type(longest) is int
        and longest > 0
        and set(map(type, about.get("data", {}).get("in_domain", []))) <= {str}
    )
    inner = [v for part in about.values() if isinstance(part, dict) for v in part.items()]
    if not known or any(not _is_plain(v) for name, v in inner if name != "in_domain"):
        raise ValueError("facts that no run has")
    for row in about.get("before_after", []):
        _require(row, _SCORES)
        for name in ("before", "after", "difference"):
            score, low, high = row[name]
            if not all(v is None or _is_number(v) for v in (score, low, high)):
                raise ValueError("scores that are none")


def _require(values: Mapping[str, Any], kinds: Mapping[str, tuple[type, ...]]) -> None:
    for name in kinds.keys() & values.keys():
        value = values[name]
        if type(value) not in kinds[name] or not (
            isinstance(value, dict | list) or _is_plain(value)
        ):
            raise ValueError(f"{name} is of another kind")


def _is_plain(value: Any) -> bool:
    return value is None or isinstance(value, str | bool) or _is_number(value)


def _is_number(value: Any) -> bool:
    return type(value) in _NUMBER and abs(value) < 1e18 and math.isfinite(value)


def _check_head(folder: Path, about: Mapping[str, Any]) -> None:
    size = HeadSize(**about)
    shapes = _shapes(folder / "head.safetensors")
    latents, hidden = shapes["latents"]
    inner = size.heads * size.dim_for(hidden)
    if {type(value) for value in about.values()} != {int} or size.latents != latents:
        raise ValueError("another number of latents")
    if shapes["query.weight"] != (inner, hidden):
        raise ValueError("another size of head")


def _check_adapter(folder: Path) -> None:
    values = json.loads((folder / "adapter_config.json").read_text(encoding="utf-8"))
    ranks = {
        shape[0]
        for name, shape in _shapes(folder / "adapter_model.safetensors").items()
        if ".lora_A." in name
    }
    if type(values["r"]) is not int or ranks != {values["r"]}:
        raise ValueError("another rank")
    # A pattern names layers by their numbers, and those between them are counted out.
    targets = values["target_modules"]
    if isinstance(targets, str) and re.search(r"\d{4}", targets):
        raise ValueError("layers that no backbone has")


def _shapes(path: Path) -> dict[str, tuple[int, ...]]:
    with safe_open(path, framework="pt") as file:
        return {
            name: tuple(file.get_slice(name).get_shape())
            for name in file.keys()  # noqa: SIM118 - it is no mapping
        }
