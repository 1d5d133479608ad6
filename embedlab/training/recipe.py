"""How to train: the hyper-parameters of one run, checked, and the presets."""

from __future__ import annotations

import math
import random
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any, Literal, get_args

from pydantic import Field
from pydantic.dataclasses import dataclass

from embedlab.errors import EmbedLabError, check_known
from embedlab.validation import validated

if TYPE_CHECKING:
    from embedlab.data.pairs import PairSet
    from embedlab.models.design import Design

#: What is trained: LoRA on every layer, with the head where there is one, or the head alone.
Mode = Literal["lora", "head"]
MODES: tuple[str, ...] = get_args(Mode)
#: How the rate falls to 0 after the warm-up.
Schedule = Literal["linear", "cosine", "constant"]
SCHEDULES: tuple[str, ...] = get_args(Schedule)
#: How large a trainable head is: as the backbone has it, or as in the paper, made for d = 4096.
Head = Literal["small", "paper"]
HEADS: tuple[str, ...] = get_args(Head)
MOST_STEPS = 100_000
#: How a batch is cut for the machine; what is learned is the same but for rounding.
CUTS = ("micro_tokens", "keep_tokens")
#: Settings that recipes of earlier versions did not have: what these did is the default.
LATER = ("max_negatives", "group", "max_length", "head", "as_authors")


@dataclass(frozen=True, kw_only=True, config={"extra": "forbid", "allow_inf_nan": False})
class Recipe:
    """One contrastive training, apart from the design and the data.

    Args:
        mode: one of :data:`MODES`; a trainable head is trained in all of them.
        steps: updates of the weights.
        batch: pairs an update; each pair's positive is every other pair's negative.
        group: pairs that meet in one loss, where only so many of a batch are each other's
            negatives and the losses of all groups are averaged; 0 for the whole batch.
        max_length: tokens of the longest text in training, the end token included; 0 for as many
            as the backbone reads otherwise.
        head: one of :data:`HEADS`, the size of a trainable head.
        lr: the learning rate of LoRA at its height.
        head_lr: the same for a trainable head, which starts from random weights.
        schedule: one of :data:`SCHEDULES`.
        warmup: steps in which the rate rises from 0.
        weight_decay: of AdamW.
        clip: the largest norm of the gradient; 0 for no clipping.
        scale: what cosines are multiplied by in the loss, 1 / temperature.
        both_directions: whether a positive also has to find its anchor.
        hard_negatives: whether the data's negatives are used, where it has some.
        max_negatives: the most hard negatives of a pair in one step; of more, every step draws
            some. 0 for all.
        lora_rank, lora_alpha, lora_dropout: of the adapter.
        mntp_steps: steps of masked next-token prediction before the contrastive training.
        micro_tokens: tokens that go through the backbone at once; another user's query waits for
            as many.
        keep_tokens: tokens of a batch whose activations stay in memory for the backward pass; a
            larger batch is run twice instead, with cached gradients (GradCache, arXiv 2101.06983).
        held_out: pairs that are not trained on but scored.
        evaluate_every: steps between two held-out scores, and between two checkpoints.
        max_pairs: how many of the pairs are used; 0 for all.
        as_authors: the conventions of the authors' code in place of ours: the rate rises from 0,
            so the first update changes nothing; weight decay spares norms and biases; a head is
            drawn as torch draws it; every candidate but a query's own positive is a negative, also
            one that is known to be right or stands there twice.
        seed: of the head, the adapter, the order of the pairs and the dropout.

    Raises:
        ValidationError: a value is out of range; :func:`recipe_from` raises EmbedLabError.
    """

    mode: Mode = "lora"
    steps: int = Field(default=40, ge=1, le=MOST_STEPS)
    batch: int = Field(default=16, ge=2, le=65_536)
    group: int = Field(default=0, ge=0, le=65_536)
    max_length: int = Field(default=0, ge=0, le=10**6)
    head: Head = "small"
    lr: float = Field(default=5e-4, ge=0, le=10)
    head_lr: float = Field(default=1e-3, ge=0, le=10)
    schedule: Schedule = "linear"
    warmup: int = Field(default=4, ge=0, le=MOST_STEPS)
    weight_decay: float = Field(default=0.01, ge=0, le=10)
    clip: float = Field(default=1.0, ge=0, le=1000)
    scale: float = Field(default=20.0, ge=0.01, le=1000)
    both_directions: bool = False
    hard_negatives: bool = True
    max_negatives: int = Field(default=7, ge=0, le=1000)
    lora_rank: int = Field(default=16, ge=1, le=512)
    lora_alpha: int = Field(default=32, ge=1, le=4096)
    lora_dropout: float = Field(default=0.0, ge=0, le=0.9)
    mntp_steps: int = Field(default=0, ge=0, le=MOST_STEPS)
    micro_tokens: int = Field(default=640, ge=8, le=10**6)
    keep_tokens: int = Field(default=4096, ge=0, le=10**7)
    held_out: int = Field(default=48, ge=0, le=1000)
    evaluate_every: int = Field(default=10, ge=1, le=MOST_STEPS)
    max_pairs: int = Field(default=0, ge=0, le=10**9)
    as_authors: bool = False
    seed: int = Field(default=0, ge=0, le=2**31 - 1)

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
        if self.group == 1:
            raise EmbedLabError(
                "A group of 1 pair has no other pair's texts as negatives; group at least 2, or 0 "
                "for the whole batch."
            )
        if any(len(design.templates(query=query)) > 1 for query in (True, False)):
            raise EmbedLabError(
                f"{design} is an ensemble of templates, a pass for each; train it with one of them."
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

    def split(self, pairs: PairSet) -> tuple[PairSet, PairSet]:
        """The pairs that are trained on and those that are held out, both drawn by the seed."""
        if self.max_pairs and self.max_pairs < len(pairs):
            draw = random.Random(self.seed)
            pairs = pairs.take(sorted(draw.sample(range(len(pairs)), max(2, self.max_pairs))))
        return pairs.split(self.held_out, self.seed)

    def rate(self, step: int) -> float:
        """The share of the learning rate that update ``step`` (from 0) uses."""
        if step < self.warmup:
            return (step + (not self.as_authors)) / self.warmup
        done = (step - self.warmup) / max(1, self.steps - self.warmup)
        if self.schedule == "linear":
            return 1 - done
        return 0.5 * (1 + math.cos(math.pi * done)) if self.schedule == "cosine" else 1.0


_PAPER = Recipe(
    steps=1000,
    batch=64,
    lr=1e-5,
    head_lr=1e-5,
    warmup=100,
    lora_dropout=0.1,
    evaluate_every=50,
    micro_tokens=16_384,
    keep_tokens=65_536,
)
#: ``cpu`` is made for two cores and minutes (drawing the masks of a dropout costs a CPU a fifth of
#: a step). ``paper`` has the hyper-parameters of arXiv 2409.02727 on one loss over a batch of 64.
#: ``paper-exact`` is what the authors' code does: 256 times 8 pairs an update, of which those 8 and
#: their hard negatives meet in one loss (16 candidates a query). docs/training.md says more.
RECIPES: dict[str, Recipe] = {
    "cpu": Recipe(),
    "paper": _PAPER,
    "paper-exact": replace(
        _PAPER,
        batch=256 * 8,
        group=8,
        max_negatives=1,
        max_length=1024,
        head="paper",
        as_authors=True,
    ),
}


def recipe_from(preset: str = "cpu", **changes: Any) -> Recipe:
    """A preset with some values changed; None changes nothing.

    Raises:
        EmbedLabError: an unknown preset or name, or a value out of range.
    """
    check_known(preset, "a recipe", RECIPES)
    changed = {name: value for name, value in changes.items() if value is not None}
    return validated(Recipe, asdict(RECIPES[preset]) | changed)
