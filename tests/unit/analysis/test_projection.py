import numpy as np
import pytest
from support.clustered import clusters, pair, unit

from embedlab.analysis import projection
from embedlab.analysis.projection import align, pca, pca_pair, umap_pair, umap_possible
from embedlab.analysis.retrieval import neighbours
from embedlab.errors import Cancelled, EmbedLabError

# What runs UMAP stands in tests/real, because its first run in a process compiles for seconds.


@pytest.fixture
def rng():
    return np.random.default_rng(1)


def test_pca_keeps_the_directions_of_most_variance(rng):
    vectors, _ = clusters(rng)
    xy = pca(vectors)
    eigenvalues = np.linalg.eigvalsh(np.cov(vectors.T.astype(np.float64)))[::-1]
    np.testing.assert_allclose(xy.var(axis=0, ddof=1), eigenvalues[:2], rtol=1e-3)
    assert abs(np.corrcoef(xy.T)[0, 1]) < 1e-3
    order = rng.permutation(len(vectors))
    np.testing.assert_allclose(pca(vectors[order]), xy[order], atol=1e-3)


def test_align_undoes_a_known_rotation_reflection_scale_and_shift(rng):
    fixed = rng.normal(size=(50, 2)) + 4
    c, s = np.cos(2.1), np.sin(2.1)
    moved = 3.7 * fixed @ np.array([[c, -s], [s, c]]) @ np.diag([1, -1]) + [5, -2]
    np.testing.assert_allclose(align(moved, fixed), fixed, atol=1e-5)
    np.testing.assert_allclose(align(np.zeros((50, 2)), fixed), np.tile(fixed.mean(0), (50, 1)))


def test_align_keeps_the_size_of_an_unrelated_map(rng):
    fixed, other = rng.normal(size=(2, 500, 2))
    assert np.std(align(other, fixed)) == pytest.approx(np.std(fixed), rel=0.05)


def test_who_waits_for_another_map_can_cancel(rng):
    vectors, _ = clusters(rng, n=40)

    def cancel(done, total, what):
        assert what == "Waiting for another map"
        raise Cancelled

    with projection._LOCK, pytest.raises(Cancelled):
        pair(vectors, vectors, progress=cancel)


@pytest.mark.parametrize("n", [1, 2, 3, 4])
def test_too_few_texts_get_the_map_of_pca(rng, n):
    a, b = unit(rng.normal(size=(n, 8))), unit(rng.normal(size=(n, 12)))
    assert not umap_possible(a, b)
    maps = pair(a, b)
    assert all(xy.shape == (n, 2) and np.isfinite(xy).all() for xy in maps)
    np.testing.assert_array_equal(maps, pca_pair(a, b))
    if n == 1:
        np.testing.assert_array_equal(maps, np.zeros((2, 1, 2)))


def test_errors_say_what_to_do(rng):
    a, _ = clusters(rng, n=30)
    for settings, words in (
        ({"n_neighbors": 1}, "n_neighbors is 1; give at least 2"),
        ({"n_neighbors": 20}, "neighbours are 14 of 30 points; this map needs 19 of 30"),
        ({"min_dist": 1.0}, "min_dist is 1.0; give a number from 0 to 0.99"),
        ({"min_dist": float("nan")}, "min_dist is nan"),
    ):
        with pytest.raises(EmbedLabError, match=words):
            pair(a, a, **settings)
    with pytest.raises(EmbedLabError, match="embed the same texts"):
        pair(a, a[:20])
    broken = a.copy()
    broken[3] = np.nan
    with pytest.raises(EmbedLabError, match="Row 3 of the vectors is not finite"):
        umap_pair(broken, a, neighbours(a, 14), neighbours(a, 14))
