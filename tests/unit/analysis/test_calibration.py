"""Calibration against figures that were reckoned by hand."""

from __future__ import annotations

import pytest

from embedlab.analysis.calibration import Level, calibration


def test_four_predictions_by_hand():
    found = calibration([(0.5, False), (0.8, True), (0.8, False), (1.0, True)])
    assert (found.n, found.right, found.hits) == (4, 2, 0.5)
    assert found.certainty == pytest.approx((0.5 + 0.8 + 0.8 + 1) / 4)
    # 0.25 + 0.04 + 0.64 + 0, over four
    assert found.brier == pytest.approx(0.93 / 4)
    assert found.too_sure == pytest.approx(0.775 - 0.5)
    assert found.levels == (
        Level(certainty=0.5, n=1, right=0),
        Level(certainty=0.8, n=2, right=1),
        Level(certainty=1.0, n=1, right=1),
    )


@pytest.mark.parametrize(
    ("predictions", "brier", "too_sure"),
    [
        ([(1.0, True)] * 3, 0.0, 0.0),  # perfect
        ([(1.0, False)] * 3, 1.0, 1.0),  # the worst
        ([(0.5, True), (0.5, False)], 0.25, 0.0),  # a coin that knows that it is one
        ([(0.5, True)] * 2, 0.25, -0.5),  # right, and did not know it
    ],
)
def test_the_ends_of_the_scale(predictions, brier, too_sure):
    found = calibration(predictions)
    assert found.brier == pytest.approx(brier) and found.too_sure == pytest.approx(too_sure)


def test_no_predictions_are_refused():
    with pytest.raises(ValueError, match="at least one"):
        calibration([])
