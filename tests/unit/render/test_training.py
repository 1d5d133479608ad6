"""The figures of a training, checked as data."""

from __future__ import annotations

import numpy as np
import pytest

from embedlab.errors import EmbedLabError
from embedlab.render.training import (
    MAX_MOVEMENTS,
    learning_rate_curve,
    loss_curve,
    movement_map,
    shown_points,
    speed_curve,
)
from embedlab.training.history import Step

HISTORY = [
    Step(0, "mntp", None, 0.0, 0, 0.0, 0.25),
    Step(1, "mntp", 5.0, 1e-4, 100, 2.0),
    Step(2, "contrastive", 2.0, 5e-4, 120, 1.0, 0.5),
    Step(3, "contrastive", 1.5, 2e-4, 180, 1.0),
]


def trace(figure, name):
    return next(t for t in figure.data if t.name == name)


def test_losses_of_both_phases_and_the_held_out_score_times_100():
    figure = loss_curve(HISTORY, 10, held_out=64)
    assert list(trace(figure, "MNTP loss").x) == [1]
    assert list(trace(figure, "loss").x) == [2, 3]
    assert list(trace(figure, "loss").y) == [2.0, 1.5]
    score = trace(figure, "held-out score")
    assert list(score.x) == [0, 2] and list(score.y) == [25.0, 50.0]
    assert score.yaxis == "y2"
    assert list(figure.layout.xaxis.range) == [0, 10]
    assert "n = 64 pairs" in figure.layout.title.subtitle.text


def test_a_training_that_has_not_begun_can_be_drawn():
    for figure in (
        loss_curve([], 0, held_out=0),
        learning_rate_curve([], 0),
        speed_curve([], 0),
    ):
        assert list(figure.layout.xaxis.range) == [0, 1]
        figure.to_json()


def test_rate_and_speed_leave_out_the_state_before_any_step():
    rate = learning_rate_curve(HISTORY, 10).data[0]
    assert list(rate.x) == [1, 2, 3] and list(rate.y) == [1e-4, 5e-4, 2e-4]
    figure = speed_curve(HISTORY, 10)
    assert list(figure.data[0].y) == [50, 120, 180]
    assert figure.layout.shapes[0].y0 == pytest.approx(400 / 4)  # all tokens over all seconds


def test_every_text_moves_from_before_to_after():
    rng = np.random.default_rng(0)
    before, after = rng.normal(size=(2, 5, 2))
    labels = ["x", "y", "x", None, "y"]
    figure = movement_map(before, after, labels, list("abcde"), method="PCA")
    moved = {}
    for lines, start, end in zip(*[iter(figure.data)] * 3, strict=True):
        xs, ys = (np.reshape(values, (-1, 3)) for values in (lines.x, lines.y))
        assert np.isnan(xs[:, 2]).all()
        np.testing.assert_array_equal(np.stack([xs[:, 0], ys[:, 0]], 1), np.c_[start.x, start.y])
        np.testing.assert_array_equal(np.stack([xs[:, 1], ys[:, 1]], 1), np.c_[end.x, end.y])
        for text, x0, y0, x1, y1 in zip(end.text, start.x, start.y, end.x, end.y, strict=True):
            moved[text] = (x0, y0, x1, y1, end.name)
    for i, text in enumerate("abcde"):
        assert moved[text] == (*before[i], *after[i], labels[i] or "unlabelled")
    assert figure.layout.showlegend


def test_many_labels_have_no_legend_and_hostile_ones_are_escaped():
    points = np.zeros((12, 2))
    labels = [f"<b>{i}" for i in range(12)]
    figure = movement_map(points, points, labels, ["<img>"] * 12, method="UMAP")
    assert not figure.layout.showlegend
    written = figure.to_json()
    assert "<img>" not in written
    assert all("<b>" not in t.name for t in figure.data if t.name)


def test_large_maps_draw_points_spread_evenly():
    n = 3 * MAX_MOVEMENTS
    chosen = shown_points(n)
    assert len(set(chosen)) == MAX_MOVEMENTS and chosen[0] == 0 and chosen[-1] == n - 1
    assert set(np.diff(chosen)) <= {2, 3, 4}
    points = np.zeros((n, 2))
    figure = movement_map(points, points, None, ["t"] * n, method="PCA")
    assert len(figure.data[2].x) == MAX_MOVEMENTS
    assert f"{MAX_MOVEMENTS} of {n:,}" in figure.layout.title.subtitle.text
    assert shown_points(7) == list(range(7))


def test_maps_of_other_texts_are_refused():
    with pytest.raises(EmbedLabError, match="3 texts"):
        movement_map(np.zeros((3, 2)), np.zeros((2, 2)), None, list("abc"), method="PCA")
