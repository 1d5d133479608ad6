"""A training's folder: what was learned, what it was made from, and where it can go on.

``run.json`` is written last, so a folder that has it is whole::

    run.json         the facts: backbone, design, recipe, data, versions
    adapter/         LoRA as peft saves it, where the backbone was trained
    head.safetensors the trainable head, where the design has one
    history.jsonl    a line a step
    checkpoint.safetensors  weights and optimiser while the training is under way
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file

from embedlab.errors import EmbedLabError
from embedlab.files import disk_errors, write_text
from embedlab.models.adapter import load_adapter, with_adapter
from embedlab.models.backbone import Backbone
from embedlab.models.design import Design
from embedlab.models.pooling import POOLINGS, HeadSize, TrainableHead

FORMAT = 1
FACTS = "run.json"


def design_of(about: dict[str, Any]) -> Design:
    """The design a run trained, prompts included."""
    prompts = about.get("prompts", {})
    return replace(
        Design.parse(about["design"]),
        query_prompt=prompts.get("query", ""),
        document_prompt=prompts.get("document", ""),
    )


def add_facts(folder: Path, **more: Any) -> dict[str, Any]:
    """Write more into a run's facts, such as its scores.

    Returns:
        What ``run.json`` says now.
    """
    about = read_facts(folder) | more
    with disk_errors(folder.name):
        write_text(folder / FACTS, _json(about))
    return about


def load_run(folder: Path, backbone: Backbone) -> tuple[Backbone, dict[str, Any]]:
    """The trained backbone that a folder describes, and its facts.

    Args:
        folder: as :func:`save_run` left it.
        backbone: what it was trained from.

    Raises:
        EmbedLabError: no run is there, it belongs to another backbone, or it is damaged.
    """
    about = read_facts(folder)
    design = design_of(about)
    if (folder / "adapter").is_dir():
        adapter = load_adapter(backbone, folder / "adapter")
        trained = with_adapter(backbone, adapter, about["name"])
    else:
        trained = backbone.sibling(about["name"])
    kind = POOLINGS[design.pooling]
    if issubclass(kind, TrainableHead):
        size = HeadSize(**about["head"])
        head = kind(backbone.hidden_size, backbone.num_layers, size=size)
        try:
            head.load_state_dict(load_file(folder / "head.safetensors"))
        except (OSError, SafetensorError, RuntimeError) as error:
            raise EmbedLabError(
                f"The head of {about['name'][:60]!r} does not fit {backbone.name}, or its file is "
                "damaged; choose the backbone it was trained on."
            ) from error
        head.trained = True
        trained.install(design, head.to(backbone.device))
    return trained, about


def read_facts(folder: Path) -> dict[str, Any]:
    """``run.json``, checked.

    Raises:
        EmbedLabError: it is missing, damaged, or of another format.
    """
    try:
        about = json.loads((folder / FACTS).read_text(encoding="utf-8"))
        if about["format"] != FORMAT:
            raise ValueError("another format")
        design_of(about)
        if not all(isinstance(text, str) for text in (about["name"], about["backbone"]["id"])):
            raise ValueError("names that are none")
        if about["head"] is not None:
            HeadSize(**about["head"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise EmbedLabError(
            f"The folder {folder.name!r} holds no run of EmbedLab, or a damaged one; choose a "
            "folder that `embedlab train` wrote."
        ) from error
    found: dict[str, Any] = about
    return found


# Checkpoints


# Files


def _json(values: dict[str, Any]) -> str:
    return json.dumps(values, indent=2, ensure_ascii=False) + "\n"
