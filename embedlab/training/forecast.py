"""The cost of a training before it runs: roughly how long, and how many pairs it can use."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice

from embedlab.data.pairs import PairSet
from embedlab.training.recipe import Recipe

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


def within_reach(recipe: Recipe, pairs: PairSet) -> Recipe:
    """The recipe with no more pairs than its steps will see, where reading them all costs.

    Training the head alone computes every pair's hidden states before the first step.
    """
    seen = recipe.steps * recipe.batch + recipe.held_out
    if recipe.mode != "head" or recipe.max_pairs or seen >= len(pairs):
        return recipe
    return replace(recipe, max_pairs=seen)


def tokens_per_pair(pairs: PairSet) -> float:
    """Tokens of a pair, its negative included, guessed from the characters of the first ones."""
    columns = [c for c in (pairs.anchors, pairs.positives, pairs.negatives) if c]
    sampled = min(len(pairs), _SAMPLED_PAIRS)
    characters = sum(len(text) for column in columns for text in islice(column, sampled))
    return len(columns) + characters / _CHARACTERS_PER_TOKEN / sampled


def rough_seconds(recipe: Recipe, pairs: PairSet, *, score: bool = False) -> float:
    """Estimate how long a training takes on two CPU cores with the default backbone.

    ``score`` adds the time of the evaluation before and after it.
    """
    size = tokens_per_pair(pairs)
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
    size, batch = tokens_per_pair(pairs), min(recipe.batch, len(pairs))
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
