"""A small set of pairs and a short recipe; texts of pairs as they are compared."""

from __future__ import annotations

import re

from embedlab.data.pairs import PairSet
from embedlab.training.recipe import recipe_from
from support.models import words

TEXTS = ["w1 w2 w3", "w9", "w4 w5 w6 w7 w8 w1", "w2 w2"]


def pair_set(n: int = 24, negatives: bool = False) -> PairSet:
    anchors, positives, third = (words(*[3 + i % 5 for i in range(n)], seed=s) for s in (1, 2, 3))
    return PairSet(
        id="made-up",
        title="Made up",
        anchors=tuple(anchors),
        positives=tuple(positives),
        negatives=tuple((text,) for text in third) if negatives else (),
    )


def recipe(**changes):
    small = {
        "steps": 4,
        "batch": 4,
        "lr": 1e-2,
        "held_out": 4,
        "evaluate_every": 2,
        "micro_tokens": 24,
        "lora_rank": 4,
        "lora_dropout": 0.2,
        "warmup": 1,
    }
    return recipe_from("cpu", **(small | changes))


def normal(text: str) -> str:
    """A text as overlaps are looked for: spaces and case do not count."""
    return re.sub(r"\s+", " ", text).strip().casefold()


def texts_of(pairs: PairSet) -> set[str]:
    """The anchors and positives, such."""
    return {normal(text) for text in pairs.anchors + pairs.positives}
