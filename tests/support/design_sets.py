"""A set of two designs of a tiny model, small enough to be trained in a second."""

from __future__ import annotations

from pathlib import Path

import yaml

from support.models import model_folder, tiny_model

_DISHES, _THINGS = ("rice", "fish", "beans", "eggs", "soup"), tuple("abcdefgh")
SMALL = {
    "precision": "float32",
    "designs": ["M3", "bidirectional/mean"],
    "unseen": 6,
    "sts_pairs": 0,
    "max_length": 16,
    "mntp_steps": 2,
    "recipe": {
        "steps": 8,
        "batch": 4,
        "lora_rank": 2,
        "lora_alpha": 4,
        "schedule": "constant",
        "warmup": 1,
        "held_out": 4,
        "evaluate_every": 2,
    },
    # Nothing gains 9 of 1: flat at the second score that counts.
    "plateau": {"window": 1, "gain": 9.0, "least": 2, "fall": 2},
}


def small_set(folder: Path, **changes) -> Path:
    """The file of such a set, with the backbone and the pairs beside it."""
    folder.mkdir(parents=True, exist_ok=True)
    model_folder(folder / "tiny", tiny_model("llama", tied=True))  # its tokens are characters
    rows = [f"how to cook {a} {b},put {b} to {a}" for a in _DISHES for b in _THINGS]
    (folder / "pairs.csv").write_text("\n".join(["anchor,positive", *rows]), encoding="utf-8")
    values = SMALL | {
        "backbone": str(folder / "tiny"),
        "mixture": {str(folder / "pairs.csv"): 24},
    }
    path = folder / "set.yaml"
    path.write_text(yaml.safe_dump(values | changes), encoding="utf-8")
    return path
