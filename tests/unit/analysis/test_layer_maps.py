"""Maps of layers: Procrustes against scipy, one scale, and what is said of a layer."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial import procrustes
from scipy.spatial.distance import pdist

from embedlab.analysis.layer_maps import LayerMaps, layer_maps, notes, turned, turned_onto


def rows(seed: int, n: int = 40, spread: float = 1.0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    vectors = np.eye(1, 12) + spread * rng.normal(size=(n, 12))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def centred(seed: int) -> np.ndarray:
    xy = np.random.default_rng(seed).normal(size=(40, 2)) * [3, 1]
    return xy - xy.mean(axis=0)


def test_a_map_is_turned_as_scipys_procrustes_turns_it():
    moving, fixed = centred(1), centred(2)
    found = turned(moving, fixed)
    # scipy scales as well, so both are compared at size 1.
    goal, expected, disparity = procrustes(fixed, moving)
    size = np.linalg.norm(found)
    cosine = np.sqrt(1 - disparity)
    np.testing.assert_allclose(found / size, expected / cosine, atol=1e-6)
    np.testing.assert_allclose(fixed / np.linalg.norm(fixed), goal, atol=1e-12)
    np.testing.assert_allclose(pdist(found), pdist(moving), rtol=1e-5)


def test_no_other_turn_or_mirror_is_closer():
    moving, fixed = centred(3), centred(4)
    least = np.square(turned(moving, fixed) - fixed).sum()
    for angle in np.linspace(0, 2 * np.pi, 180):
        c, s = np.cos(angle), np.sin(angle)
        for turn in ([[c, -s], [s, c]], [[c, s], [s, -c]]):
            assert np.square(moving @ np.array(turn) - fixed).sum() >= least - 1e-4


def test_layers_are_aligned_and_share_one_scale():
    near, wide = rows(1, spread=0.05), rows(1, spread=1.0)
    maps = layer_maps([near, wide, wide[:, ::-1]])
    assert maps.xy.shape == (3, 40, 2) and np.abs(maps.xy).max() == pytest.approx(1)
    np.testing.assert_allclose(maps.xy.mean(axis=1), 0, atol=1e-6)
    # The same vectors with their numbers in another order have the same map, in the same turn.
    np.testing.assert_allclose(maps.xy[1], maps.xy[2], atol=1e-4)
    spread = np.linalg.norm(maps.xy, axis=(1, 2))
    principal = [np.linalg.svd(v - v.mean(axis=0), compute_uv=False)[:2] for v in (near, wide)]
    expected = np.linalg.norm(principal[0]) / np.linalg.norm(principal[1])
    assert spread[0] / spread[1] == pytest.approx(expected, rel=1e-4)


def test_mean_cosines_are_those_of_all_pairs():
    vectors = rows(5, n=9)
    [cosine] = layer_maps([vectors]).cosines
    assert cosine == pytest.approx(1 - pdist(vectors, "cosine").mean(), abs=1e-6)
    assert notes([0.98765, np.nan]) == ["mean cosine 98.8", ""]
    alone = layer_maps([vectors[:1]])
    assert alone.xy.tolist() == [[[0, 0]]] and np.isnan(alone.cosines[0])


def test_all_layers_are_turned_alike_onto_a_map():
    maps = layer_maps([rows(seed) for seed in range(3)])
    angle = 0.8
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    found = turned_onto(maps, 1, 7 * maps.xy[1] @ turn + [3, 4])
    scale = np.linalg.norm(found.xy[1]) / np.linalg.norm(maps.xy[1])
    np.testing.assert_allclose(found.xy, scale * maps.xy @ turn, atol=1e-5)
    assert np.abs(found.xy).max() <= 1 + 1e-6
    flat = LayerMaps(np.zeros((2, 3, 2), np.float32), np.ones(2))
    assert not turned_onto(flat, 0, np.eye(3, 2)).xy.any()
