"""When a held-out curve is flat, and how the rate falls from there."""

from __future__ import annotations

import pytest
from support.models import tiny_backbone
from support.pairs import pair_set, recipe

from embedlab import Design
from embedlab.training.history import Step
from embedlab.training.until_flat import Plateau, UntilFlat


def history(scores, every=10, mntp=0):
    """A step with a score every ``every`` steps, and steps without one in between."""
    steps = [Step(0, "contrastive", None, 0.0, 0, 0.0, scores[0])]
    for number in range(1, every * (len(scores) - 1) + 1):
        held = scores[number // every] if number % every == 0 else None
        steps.append(Step(number, "contrastive", 1.0, 0.1, 10, 1.0, held))
    return steps


def test_a_curve_is_flat_once_its_last_scores_gain_less_than_the_ones_before():
    plateau = Plateau(window=2, gain=0.02, least=0, fall=5)
    # Means of two: .10 .25 .40 .50 .55 .555; at step 60 (.55 + .56) / 2 - (.50 + .55) / 2 = .03,
    # at step 70 (.56 + .555) / 2 - (.55 + .55) / 2 = .0075.
    scores = [0.1, 0.2, 0.3, 0.5, 0.55, 0.55, 0.56, 0.555]
    assert plateau.flat_at(history(scores[:7])) is None
    assert plateau.flat_at(history(scores)) == 70
    # What follows changes nothing: a training that goes on decides as it did.
    assert plateau.flat_at(history([*scores, 0.9, 0.99])) == 70


def test_nothing_is_flat_before_the_least_step_and_mntp_does_not_count():
    flat = [0.5] * 9
    assert Plateau(window=2, least=0).flat_at(history(flat)) == 30
    assert Plateau(window=2, least=55).flat_at(history(flat)) == 60
    assert Plateau(window=2, least=0).flat_at(history(flat), mntp_steps=20) == 30
    assert Plateau(window=3, least=0).flat_at(history(flat[:5])) is None


def test_the_rate_stays_at_its_height_and_then_falls_to_zero():
    plateau = Plateau(window=1, gain=0.5, least=20, fall=4)
    training = UntilFlat(
        tiny_backbone(),
        Design.parse("causal/mean"),
        pair_set(),
        recipe(steps=100, schedule="constant", warmup=2),
        plateau=plateau,
    )
    assert (training.total, training.fall_from) == (100, 96)
    assert [training.rate(step) for step in (0, 1, 50)] == [0.5, 1.0, 1.0]
    training.history = history([0.1, 0.4, 0.5])
    assert (training.total, training.fall_from) == (24, 20)
    expected = [1, 1, 0.75, 0.5, 0.25]
    assert [training.rate(step) for step in range(19, 24)] == pytest.approx(expected)


def test_a_training_ends_where_its_curve_is_flat():
    training = UntilFlat(
        tiny_backbone(),
        Design.parse("causal/mean"),
        pair_set(),
        recipe(steps=40, schedule="constant", evaluate_every=2, lr=0.0),
        plateau=Plateau(window=1, gain=0.01, least=6, fall=3),
    )
    steps = list(training.run())
    assert training.steps_done == training.total == 9
    assert [step.number for step in steps if step.held_out is not None] == [0, 2, 4, 6, 8, 9]
