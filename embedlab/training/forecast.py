"""A training before it runs: which pairs it uses, how often, and roughly how long it takes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import islice

from embedlab import gpu
from embedlab.data.pairs import PairSet
from embedlab.training.recipe import RECIPES, Recipe

#: Measured on two CPU cores with SmolLM2 135M in float32; the time left is measured once it runs.
TRAINED_TOKENS_PER_SECOND = 270
READ_TOKENS_PER_SECOND = 650
HEAD_SECONDS_PER_PAIR = 0.012
#: Seconds of the evaluation of one model.
EVALUATION_SECONDS = 40
#: On a lent GPU, guessed with room to spare, since a call that takes longer is ended: the worker's
#: start, the least that a step takes, and both models' evaluation.
LENT_START_SECONDS, LENT_STEP_SECONDS, LENT_EVALUATION_SECONDS = 10, 0.25, 20
LENT_TRAINED_TOKENS_PER_SECOND, LENT_READ_TOKENS_PER_SECOND = 8_000, 20_000
_CHARACTERS_PER_TOKEN = 4.3
_SAMPLED_PAIRS = 1000


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a training will do.

    Args:
        recipe: as given, with no more pairs than its steps will see.
        trained: pairs that are trained on.
        held_out: pairs that are scored instead.
        batch: pairs in a step.
        drawn: pairs of all steps; more than ``trained`` where pairs are seen again.
        negatives: the most hard negatives of a pair, and how many of them a step uses.
        seconds: about how long it takes on two CPU cores with the default backbone, or what is
            asked for on a lent GPU.
    """

    recipe: Recipe
    trained: int
    held_out: int
    batch: int
    drawn: int
    negatives: tuple[int, int]
    seconds: float


def plan_training(recipe: Recipe, pairs: PairSet, *, score: bool = False) -> Plan:
    """The plan of a training; ``score`` adds the time of the evaluation before and after it."""
    recipe = within_reach(recipe, pairs)
    train, held = recipe.split(pairs)
    batch = min(recipe.batch, len(train))
    most = max(map(len, train.negatives), default=0)
    used = min(most, recipe.max_negatives or most) if recipe.hard_negatives else 0
    return Plan(
        recipe=recipe,
        trained=len(train),
        held_out=len(held),
        batch=batch,
        drawn=recipe.steps * batch,
        negatives=(most, used),
        seconds=(lent_seconds if gpu.LENT else rough_seconds)(recipe, pairs, score=score),
    )


def sentences(plan: Plan) -> list[str]:
    """A plan's numbers for people."""
    recipe = plan.recipe
    mntp = f"{recipe.mntp_steps:,} MNTP steps, then " if recipe.mntp_steps else ""
    if plan.drawn < plan.trained:
        seen = f"{plan.drawn:,} of the {plan.trained:,} pairs are seen, once each"
    elif plan.drawn % plan.trained:
        seen = f"each of the {plan.trained:,} pairs is seen {plan.drawn / plan.trained:,.1f} times"
        seen += " on average"
    else:
        n = plan.drawn // plan.trained
        seen = f"each of the {plan.trained:,} pairs is seen {'once' if n == 1 else f'{n:,} times'}"
    lines = [f"{mntp}{recipe.steps:,} steps of {plan.batch:,} pairs; {seen}"]
    if plan.held_out:
        lines.append(f"{plan.held_out:,} pairs are held out and scored")
    else:
        why = "there are too few" if recipe.held_out else "none are asked for"
        lines.append(f"No pairs are held out to be scored: {why}")
    most, used = plan.negatives
    if 0 < recipe.group < plan.batch:
        met = recipe.group * (1 + used)
        lines.append(f"{recipe.group:,} pairs meet in one loss, {met:,} candidates a query")
    if most and not used:
        lines.append("The hard negatives are not used, as the recipe says")
    elif used < most:
        lines.append(
            f"A step uses {used:,} of a pair's up to {most:,} hard negatives, drawn anew each time"
        )
    return lines


def duration(seconds: float) -> str:
    """``about 20 s``, ``about 3 min``, ``about 2 h``."""
    if seconds < 50:
        return f"about {max(5, 5 * round(seconds / 5))} s"
    if seconds < 5400:
        return f"about {max(1, round(seconds / 60))} min"
    return f"about {seconds / 3600:.0f} h"


def within_reach(recipe: Recipe, pairs: PairSet) -> Recipe:
    """The recipe with no more pairs than its steps will see, where reading them all costs.

    Training the head alone computes every pair's hidden states before the first step.
    """
    seen = recipe.steps * recipe.batch + recipe.held_out
    if recipe.mode != "head" or recipe.max_pairs or seen >= len(pairs):
        return recipe
    return replace(recipe, max_pairs=seen)


def tokens_per_pair(pairs: PairSet, recipe: Recipe = RECIPES["cpu"]) -> float:
    """Tokens of a pair with the negatives that a step uses, guessed from the first characters."""
    sampled = min(len(pairs), _SAMPLED_PAIRS)
    texts = [*islice(pairs.anchors, sampled), *islice(pairs.positives, sampled)]
    if recipe.hard_negatives:
        for negatives in islice(pairs.negatives, sampled):
            texts += negatives[: recipe.max_negatives or None]
    return (len(texts) + sum(map(len, texts)) / _CHARACTERS_PER_TOKEN) / sampled


def rough_seconds(recipe: Recipe, pairs: PairSet, *, score: bool = False) -> float:
    """Estimate how long a training takes on two CPU cores with the default backbone.

    ``score`` adds the time of the evaluation before and after it.
    """
    size = tokens_per_pair(pairs, recipe)
    batch = min(recipe.batch, len(pairs))
    seen = recipe.steps * batch
    used = min(len(pairs), recipe.max_pairs or len(pairs))
    held = min(recipe.held_out, used // 5)
    scorings = 1 + -(-(recipe.steps + recipe.mntp_steps) // recipe.evaluate_every)
    evaluation = 2 * EVALUATION_SECONDS if score else 0
    if recipe.mode == "head":
        return used * size / READ_TOKENS_PER_SECOND + seen * HEAD_SECONDS_PER_PAIR + evaluation
    trained = (seen + recipe.mntp_steps * batch) * size / TRAINED_TOKENS_PER_SECOND
    scored = scorings * held * size / READ_TOKENS_PER_SECOND
    return trained + scored + evaluation


def lent_seconds(recipe: Recipe, pairs: PairSet, *, score: bool = False) -> float:
    """What to ask for on a lent GPU: all of a training, and its evaluation, in one call."""
    size, batch = tokens_per_pair(pairs, recipe), min(recipe.batch, len(pairs))
    steps = recipe.steps + recipe.mntp_steps
    held = min(recipe.held_out, len(pairs) // 5)
    read = held * (1 + -(-steps // recipe.evaluate_every))
    if recipe.mode == "head":
        read += min(len(pairs), recipe.max_pairs or len(pairs))
    return (
        LENT_START_SECONDS
        + steps * max(LENT_STEP_SECONDS, batch * size / LENT_TRAINED_TOKENS_PER_SECOND)
        + read * size / LENT_READ_TOKENS_PER_SECOND
        + LENT_EVALUATION_SECONDS * score
    )
