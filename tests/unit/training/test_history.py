from __future__ import annotations

import pytest

from embedlab.training.history import Step, seconds_left, warning


def steps(losses, scores, seconds=2.0):
    return [
        Step(i, "contrastive", loss, 1e-3, 100, seconds, score)
        for i, (loss, score) in enumerate(zip(losses, scores, strict=True), start=1)
    ]


FALLING = [1.0 - 0.05 * i for i in range(12)]


def test_time_left_is_that_of_the_last_steps():
    done = steps(FALLING, [None] * 12)
    assert seconds_left(done, 20) == pytest.approx(8 * 2.0)
    assert seconds_left([Step(0, "contrastive", None, 0.0, 0, 0.0, 0.3)], 20) is None


def test_a_held_out_score_that_falls_while_the_loss_falls_is_a_warning():
    scores = [None] * 12
    scores[1], scores[5], scores[11] = 0.5, 0.6, 0.4
    assert "60.0 to 40.0" in warning(steps(FALLING, scores))


@pytest.mark.parametrize("last", [0.6, 0.59])
def test_a_score_that_stays_is_no_warning(last):
    scores = [None] * 12
    scores[1], scores[5], scores[11] = 0.5, 0.6, last
    assert warning(steps(FALLING, scores)) == ""


def test_a_rising_loss_is_no_warning():
    scores = [None] * 12
    scores[1], scores[5], scores[11] = 0.5, 0.6, 0.4
    assert warning(steps(FALLING[::-1], scores)) == ""
