"""The words and the numbers of a recipe as controls."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import gradio as gr

from embedlab.recipe import Recipe, recipe_from

PRESETS = {"cpu": "CPU, minutes", "paper": "Paper"}
MODE_WORDS = {
    "lora": "LoRA: small additions to every layer, and the head where there is one",
    "top_layers": "Top layers: the same on the upper layers alone, which is quicker",
    "head": "Head only: the backbone stays as it is; seconds, for trainable poolings",
}
#: The numbers behind "More settings": label, whether whole, and a line of help.
MORE = {
    "mntp_steps": (
        "MNTP steps before",
        True,
        "Masked next-token prediction teaches a causal backbone to use both sides; without it a "
        "bidirectional design often fails to train.",
    ),
    "held_out": ("Held-out pairs", True, "Scored, never trained on; at most a fifth."),
    "evaluate_every": ("Steps between held-out scores", True, ""),
    "top_layers": ("Top layers", True, "How many layers 'Top layers' trains."),
    "warmup": ("Warm-up steps", True, ""),
    "weight_decay": ("Weight decay", False, ""),
    "clip": ("Largest gradient norm", False, "0 for no clipping."),
    "scale": ("Scale of the cosines", False, "1 / temperature of InfoNCE."),
    "lora_rank": ("LoRA rank", True, ""),
    "lora_alpha": ("LoRA alpha", True, ""),
    "lora_dropout": ("LoRA dropout", False, ""),
    "max_pairs": ("Pairs used", True, "0 for all."),
    "seed": ("Seed", True, "The same seed gives the same weights."),
}


def preset_values(preset: str) -> list[Any]:
    """A preset's values, in the order of the form's settings."""
    values = asdict(recipe_from(preset))
    names = ("steps", "batch", "lr", "head_lr", *MORE)
    return [
        *(values[name] for name in names),
        values["mode"],
        values["schedule"],
        values["both_directions"],
        values["hard_negatives"],
    ]


def number(name: str, label: str, usual: Recipe, *, whole: bool, info: str = "") -> gr.Number:
    """A number of the recipe, with the usual one in it."""
    # What is out of range is refused in our words, so the control has no bounds of its own.
    return gr.Number(
        getattr(usual, name),
        label=label,
        info=info or None,
        precision=0 if whole else None,
        min_width=120 if not info else 220,
        elem_id=f"train-{name.replace('_', '-')}",
    )
