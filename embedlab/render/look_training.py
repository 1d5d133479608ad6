"""What to look for in the curves of a training; as :mod:`embedlab.render.look_for`."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import mean, median

from embedlab.training.history import SCORE_DROP, SMOOTHED_STEPS, Step


def loss(history: Sequence[Step]) -> str:
    """Whether the held-out score follows the loss, and whether it still grows."""
    scored = [(step.number, step.held_out) for step in history if step.held_out is not None]
    losses = [s.loss for s in history if s.loss is not None and s.phase == "contrastive"]
    fell = ""
    if len(losses) >= 2 * SMOOTHED_STEPS:
        first, last = mean(losses[:SMOOTHED_STEPS]), mean(losses[-SMOOTHED_STEPS:])
        fell = f"; the loss went from {first:.2f} to {last:.2f}"
    if len(scored) < 2:
        return (
            f"Nothing to see yet: the held-out score has been measured {len(scored)} times{fell}."
        )
    start, end = scored[0][1], scored[-1][1]
    best_at, best = max(scored, key=lambda each: each[1])
    went = f"the held-out score went from {100 * start:.1f} to {100 * end:.1f}{fell}"
    if best - end >= SCORE_DROP:
        return (
            f"The turn at step {best_at}: {went}, and the best was {100 * best:.1f}. What is "
            "learned "
            "after that is the pairs, not the task."
        )
    if abs(end - start) < SCORE_DROP:
        return f"Little was learned so far that holds for other pairs: {went}."
    late = [score for number, score in scored if number > scored[-1][0] / 2]
    flat = max(late) - min(late) < SCORE_DROP and len(late) > 1
    state = "over its second half it hardly moved" if flat else "it was still moving at the end"
    return f"The dashed line below: {went}; {state}."


def rate(history: Sequence[Step]) -> str:
    """Where the learning rate was highest."""
    rates = [(step.number, step.lr) for step in history if step.number]
    if not rates:
        return "Nothing to see yet: no step has been made."
    at, top = max(rates, key=lambda each: each[1])
    return (
        f"The peak of {top:.1e} at step {at}; the last step, {rates[-1][0]}, used "
        f"{rates[-1][1]:.1e}."
    )


def speed(history: Sequence[Step]) -> str:
    """Whether some steps were much slower than others."""
    speeds = [(step.tokens_per_second, step.number) for step in history if step.number]
    if not speeds:
        return "Nothing to see yet: no step has been made."
    middle = median(each for each, _ in speeds)
    slowest, at = min(speeds)
    if slowest > middle / 2:
        return f"An even line around {middle:,.0f} tokens/s: nothing slowed the training down."
    return (
        f"The dips: step {at} ran at {slowest:,.0f} tokens/s, the middle one at {middle:,.0f}; "
        "other "
        "people's work goes first, and long texts take longer."
    )
