"""A training written to its folder, and resumed from it."""

from __future__ import annotations

import json
import platform
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from embedlab.errors import EmbedLabError
from embedlab.files import disk_errors, save_tensors, write_text
from embedlab.models.adapter import save_adapter
from embedlab.models.embedding import fit
from embedlab.models.run_folder import (
    RUN_FILE,
    STEPS_FILE,
    DataInfo,
    PromptInfo,
    RunInfo,
    backbone_info,
    write_run_info,
)
from embedlab.training.history import Step
from embedlab.training.optimiser import Optimiser
from embedlab.training.recipe import CUTS, LATER, Recipe
from embedlab.training.training import Training

CHECKPOINT = "checkpoint.safetensors"
#: Training documents that a design's steps are fitted on when its run is saved.
FIT_TEXTS = 1000


def run_info(training: Training, backbone_id: str) -> RunInfo:
    """The content of ``run.json`` for a training."""
    base, design, recipe = training.untrained, training.design, training.recipe
    return RunInfo(
        format=1,
        name=training.name,
        backbone=backbone_info(base, backbone_id),
        design=str(design),
        prompts=PromptInfo(query=design.query_prompt, document=design.document_prompt),
        head=None if training.head is None else training.head.size,
        mode=recipe.mode,
        recipe=asdict(recipe),
        data=DataInfo(**training.pairs.facts),
        seed=recipe.seed,
        steps=training.learned,
        failed=training.failed,
        seconds=round(sum(step.seconds for step in training.history), 1),
        versions={"python": platform.python_version()}
        | {package: version(package) for package in ("torch", "transformers", "peft")},
    )


def save_run(training: Training, folder: Path, backbone_id: str) -> RunInfo:
    """Write what was learned into a folder that holds no finished run yet, and its information.

    Raises:
        EmbedLabError: a run is there already, the disk is full or the folder cannot be written.
    """
    if (folder / RUN_FILE).exists():
        raise EmbedLabError(
            f"{folder.name!r} holds a finished training already; choose another folder."
        )
    saved = run_info(training, backbone_id)
    with disk_errors(folder.name):
        folder.mkdir(parents=True, exist_ok=True)
        if training.adapter is not None:
            save_adapter(training.adapter, folder / "adapter", saved.backbone.id)
        if training.head is not None:
            save_tensors(folder / "head.safetensors", training.head.state_dict())
        if training.design.fitted:
            documents = list(dict.fromkeys(training.train_pairs.positives))[:FIT_TEXTS]
            steps = fit(documents, training.design, training.result(), source="training documents")
            steps.save(folder / STEPS_FILE)
        lines = [json.dumps(asdict(step)) for step in training.history]
        write_text(folder / "history.jsonl", "\n".join(lines) + "\n")
    # Last: a folder with run.json is whole.
    write_run_info(folder, saved)
    return saved


def save_checkpoint(training: Training, folder: Path) -> None:
    """Write everything that a training needs to go on exactly: one file, replaced as a whole.

    Raises:
        EmbedLabError: the disk is full or the folder cannot be written.
    """
    optimiser = training.optimiser
    tensors: dict[str, Tensor] = {}
    for i, parameter in enumerate(optimiser.parameters):
        tensors[f"parameter.{i}"] = parameter
        if optimiser.last_finite is not None:
            tensors[f"good.{i}"] = optimiser.last_finite[i]
        for name, value in optimiser.adamw.state.get(parameter, {}).items():
            tensors[f"optimizer.{i}.{name}"] = torch.as_tensor(value)
    metadata = {
        "done": training.steps_done,
        "history": [asdict(step) for step in training.history],
        **_identity(training),
    }
    with disk_errors(folder.name):
        folder.mkdir(parents=True, exist_ok=True)
        save_tensors(folder / CHECKPOINT, tensors, {"training": json.dumps(metadata)})


def resume(training: Training, folder: Path) -> bool:
    """Restore the last checkpoint into a new training; False where there is none.

    Raises:
        EmbedLabError: the checkpoint belongs to another design, recipe, backbone or data, or is
            damaged.
    """
    path = folder / CHECKPOINT
    if not path.is_file():
        return False
    try:
        with safe_open(path, framework="pt") as file:
            metadata = json.loads(file.metadata()["training"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        history = [Step(**step) for step in metadata.pop("history")]
        steps_done = int(metadata.pop("done"))
        metadata["recipe"].pop("top_layers", None)  # a setting that recipes had once
        for name in LATER:  # or did not have
            metadata["recipe"].setdefault(name, getattr(Recipe, name))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, SafetensorError) as error:
        raise EmbedLabError(
            f"The checkpoint in {folder.name!r} is damaged; train into another folder."
        ) from error
    for name, value in _identity(training).items():
        if metadata.get(name) != value:
            raise EmbedLabError(
                f"The checkpoint in {folder.name!r} is of another training (its {name} differs); "
                "train into another folder, or with the same settings as before."
            )
    _restore(training.optimiser, tensors)
    training.steps_done, training.history = steps_done, history
    return True


@torch.no_grad()
def _restore(optimiser: Optimiser, tensors: dict[str, Tensor]) -> None:
    for i, parameter in enumerate(optimiser.parameters):
        parameter.copy_(tensors[f"parameter.{i}"])
        prefix = f"optimizer.{i}."
        for key in [key for key in tensors if key.startswith(prefix)]:
            # The fused AdamW counts its steps where the weights are, too.
            value = tensors[key].to(parameter.device)
            optimiser.adamw.state[parameter][key.removeprefix(prefix)] = value
    if "good.0" in tensors:
        optimiser.last_finite = [
            tensors[f"good.{i}"].to(parameter.device)
            for i, parameter in enumerate(optimiser.parameters)
        ]


def _identity(training: Training) -> dict[str, Any]:
    return {
        "design": str(training.design),
        "prompts": [training.design.query_prompt, training.design.document_prompt],
        "recipe": {k: v for k, v in asdict(training.recipe).items() if k not in CUTS},
        "backbone": training.untrained.key,
        "data": training.pairs.digest,
    }
