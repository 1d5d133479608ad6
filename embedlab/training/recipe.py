"""How to train: the hyper-parameters of one run, checked, and the two presets."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, fields, replace
from typing import TYPE_CHECKING, Any

from embedlab.errors import EmbedLabError

if TYPE_CHECKING:
    from embedlab.models.design import Design

#: What is trained: LoRA on every layer, with the head where there is one, or the head alone.
MODES = ("lora", "head")
SCHEDULES = ("linear", "cosine", "constant")
MOST_STEPS = 100_000
#: How a batch is cut for the machine; what is learned is the same but for rounding.
CUTS = ("micro_tokens", "keep_tokens")


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """One contrastive training, apart from the design and the data.

    Args:
        mode: one of :data:`MODES`; a trainable head is trained in all of them.
        steps: updates of the weights.
        batch: pairs an update; each pair's positive is every other pair's negative.
        lr: the learning rate of LoRA at its height.
        head_lr: the same for a trainable head, which starts from random weights.
        schedule: how the rate falls to 0 after the warm-up: ``linear``, ``cosine`` or ``constant``.
        warmup: steps in which the rate rises from 0.
        weight_decay: of AdamW.
        clip: the largest norm of the gradient; 0 for no clipping.
        scale: what cosines are multiplied by in the loss, 1 / temperature.
        both_directions: whether a positive also has to find its anchor.
        hard_negatives: whether the data's negatives are used, where it has some.
        lora_rank, lora_alpha, lora_dropout: of the adapter.
        mntp_steps: steps of masked next-token prediction before the contrastive training.
        micro_tokens: tokens that go through the backbone at once; another user's query waits for
            as many.
        keep_tokens: tokens of a batch whose activations are kept for the backward pass; a larger
            batch is run twice instead, with cached gradients (GradCache, arXiv 2101.06983).
        held_out: pairs that are not trained on but scored.
        evaluate_every: steps between two held-out scores, and between two checkpoints.
        max_pairs: how many of the pairs are used; 0 for all.
        seed: of the head, the adapter, the order of the pairs and the dropout.
    """

    mode: str = "lora"
    steps: int = 40
    batch: int = 16
    lr: float = 5e-4
    head_lr: float = 1e-3
    schedule: str = "linear"
    warmup: int = 4
    weight_decay: float = 0.01
    clip: float = 1.0
    scale: float = 20.0
    both_directions: bool = False
    hard_negatives: bool = True
    lora_rank: int = 16
    lora_alpha: int = 32
    lora_dropout: float = 0.0
    mntp_steps: int = 0
    micro_tokens: int = 640
    keep_tokens: int = 4096
    held_out: int = 48
    evaluate_every: int = 10
    max_pairs: int = 0
    seed: int = 0

    def __post_init__(self) -> None:
        if self.mode not in MODES:
            raise EmbedLabError(f"The mode is {str(self.mode)[:40]!r}; use {', '.join(MODES)}.")
        if self.schedule not in SCHEDULES:
            raise EmbedLabError(
                f"The schedule is {str(self.schedule)[:40]!r}; use {', '.join(SCHEDULES)}."
            )
        for name, (low, high) in _RANGES.items():
            value = getattr(self, name)
            if not (isinstance(value, int | float) and abs(value) < math.inf):
                raise EmbedLabError(f"{name} is {value!r}; it must be a number.")
            if isinstance(getattr(Recipe, name), int):
                if value != int(value):
                    raise EmbedLabError(f"{name} is {value!r}; it must be a whole number.")
                object.__setattr__(self, name, int(value))
            if not low <= value <= high:
                raise EmbedLabError(f"{name} is {value:,}; use {low:,} to {high:,}.")

    def check(self, design: Design) -> None:
        """Refuse a design that this mode cannot train.

        Raises:
            EmbedLabError: there is nothing to train.
        """
        if self.mode == "head" and not design.trainable:
            raise EmbedLabError(
                f"{design} has no trainable head, so training the head alone changes nothing; "
                "choose LoRA, or a design that has one, such as M3."
            )
        if self.mode == "head" and self.mntp_steps:
            raise EmbedLabError(
                "Masked next-token prediction trains the backbone, which the mode 'head' leaves "
                "as it is; choose LoRA, or 0 MNTP steps."
            )
        if self.mntp_steps and design.attention != "bidirectional":
            raise EmbedLabError(
                f"MNTP prepares a backbone for bidirectional attention, and {design} is causal; "
                "choose 0 MNTP steps."
            )

    def rate(self, step: int) -> float:
        """The share of the learning rate that update ``step`` (from 0) uses."""
        if step < self.warmup:
            return (step + 1) / self.warmup
        done = (step - self.warmup) / max(1, self.steps - self.warmup)
        if self.schedule == "linear":
            return 1 - done
        return 0.5 * (1 + math.cos(math.pi * done)) if self.schedule == "cosine" else 1.0

    def asdict(self) -> dict[str, Any]:
        """Plain values, for a run's folder."""
        return asdict(self)


_RANGES: dict[str, tuple[float, float]] = {
    "steps": (1, MOST_STEPS),
    "batch": (2, 4096),
    "lr": (0, 10),
    "head_lr": (0, 10),
    "warmup": (0, MOST_STEPS),
    "weight_decay": (0, 10),
    "clip": (0, 1000),
    "scale": (0.01, 1000),
    "lora_rank": (1, 512),
    "lora_alpha": (1, 4096),
    "lora_dropout": (0, 0.9),
    "mntp_steps": (0, MOST_STEPS),
    "micro_tokens": (8, 10**6),
    "keep_tokens": (0, 10**7),
    "held_out": (0, 1000),
    "evaluate_every": (1, MOST_STEPS),
    "max_pairs": (0, 10**9),
    "seed": (0, 2**31 - 1),
}

#: ``cpu`` is made for two cores and minutes (drawing the masks of a dropout costs a CPU a fifth of
#: a step); ``paper`` has the hyper-parameters of arXiv
#: 2409.02727, whose batch size we do not know.
RECIPES: dict[str, Recipe] = {
    "cpu": Recipe(),
    "paper": Recipe(
        steps=1000,
        batch=64,
        lr=1e-5,
        head_lr=1e-5,
        warmup=100,
        lora_dropout=0.1,
        evaluate_every=50,
        micro_tokens=16_384,
        keep_tokens=65_536,
    ),
}


def recipe_from(preset: str = "cpu", **changes: Any) -> Recipe:
    """A preset with some values changed; None changes nothing.

    Raises:
        EmbedLabError: an unknown preset or name, or a value out of range.
    """
    if preset not in RECIPES:
        raise EmbedLabError(f"{str(preset)[:60]!r} is not a recipe; use {', '.join(RECIPES)}.")
    known = {field.name for field in fields(Recipe)}
    unknown = sorted(set(changes) - known)
    if unknown:
        raise EmbedLabError(
            f"{unknown[0]!r} is no part of a recipe; use {', '.join(sorted(known))}."
        )
    return replace(RECIPES[preset], **{k: v for k, v in changes.items() if v is not None})
