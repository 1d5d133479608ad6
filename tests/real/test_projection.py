"""Maps by UMAP, whose first run in a process compiles for seconds."""

import threading
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from support.clustered import clusters, pair, unit

from embedlab.analysis import projection
from embedlab.analysis.projection import umap_pair, umap_possible
from embedlab.analysis.retrieval import neighbours
from embedlab.errors import Cancelled


def displacement(a, b):
    """Mean distance between two maps, as a share of the root-mean-square radius."""
    radius = np.sqrt(((a - a.mean(axis=0)) ** 2).sum(axis=1).mean())
    return np.linalg.norm(a - b, axis=1).mean() / radius


@pytest.fixture(autouse=True)
def _cold(monkeypatch):
    """Afterwards UMAP counts as not compiled, so that other tests' maps are PCA's, as elsewhere."""
    monkeypatch.setattr(projection, "_WARM", threading.Event())


@pytest.fixture
def rng():
    return np.random.default_rng(1)


def test_the_same_seed_gives_the_same_picture(rng):
    a, _ = clusters(rng)
    b = unit(a + 0.1 * rng.normal(size=a.shape))
    first, second = pair(a, b, seed=4), pair(a, b, seed=4)
    np.testing.assert_array_equal(first, second)
    assert not np.array_equal(first[0], pair(a, b, seed=5)[0])
    assert first[0].shape == (120, 2) and first[0].dtype == np.float32


def test_the_maps_show_the_clusters(rng):
    vectors, labels = clusters(rng)
    for xy in pair(vectors, unit(vectors + 0.02 * rng.normal(size=vectors.shape))):
        nearest = ((xy[:, None] - xy[None]) ** 2).sum(-1) + np.diag(np.full(len(xy), np.inf))
        assert (labels[nearest.argmin(axis=1)] == labels).mean() > 0.9


def test_a_point_stays_unless_the_design_moves_it(rng):
    a, _ = clusters(rng)
    np.testing.assert_allclose(*pair(a, a), atol=1e-3)

    nearly = unit(a + 0.002 * rng.normal(size=a.shape))
    assert displacement(*pair(a, nearly)) < 0.3

    elsewhere = a.copy()
    moved = np.arange(10)
    elsewhere[moved] = a[(moved + 60)]
    xy_a, xy_b = pair(a, elsewhere)
    way = np.linalg.norm(xy_a - xy_b, axis=1)
    assert np.median(way[10:]) < 0.5 * np.median(way[:10])


def test_the_given_neighbours_are_the_graph(rng, monkeypatch):
    import umap.umap_

    def refuse(*args, **kwargs):
        raise AssertionError("UMAP computed neighbours of its own")

    monkeypatch.setattr(umap.umap_, "nearest_neighbors", refuse)
    monkeypatch.setattr(umap.umap_, "pairwise_distances", refuse)
    vectors, _ = clusters(rng)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        plenty = umap_pair(vectors, vectors, neighbours(vectors, 40), neighbours(vectors, 40))
    np.testing.assert_array_equal(plenty, pair(vectors, vectors))

    others = np.roll(vectors, 7, axis=0)  # a wrong graph must give another map
    assert not np.allclose(
        plenty[0], umap_pair(vectors, vectors, neighbours(others, 14), neighbours(others, 14))[0]
    )


def test_four_threads_get_what_one_would(rng):
    jobs = [[clusters(rng, n=60)[0] for _ in range(2)] for _ in range(4)]
    alone = [pair(*job) for job in jobs]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda job: pair(*job), jobs))
    np.testing.assert_array_equal(together, alone)


def test_progress_counts_the_layouts_and_may_cancel(rng):
    vectors, _ = clusters(rng, n=40)
    seen = []
    pair(vectors, vectors, progress=lambda done, total, what: seen.append((done, total)))
    assert seen == [(0, 3), (1, 3), (2, 3), (3, 3)]

    def cancel(done, total, what):
        if done == 1:
            raise Cancelled

    with pytest.raises(Cancelled):
        pair(vectors, vectors, progress=cancel)
    pair(vectors, vectors)  # the lock is free again


@pytest.mark.parametrize("n", [5, 6, 14])
def test_few_texts_get_a_map(rng, n):
    a, b = unit(rng.normal(size=(n, 8))), unit(rng.normal(size=(n, 12)))
    assert umap_possible(a, b)
    assert all(xy.shape == (n, 2) and np.isfinite(xy).all() for xy in pair(a, b))


@pytest.mark.filterwarnings("error", "ignore:Tensorflow not installed")
@pytest.mark.parametrize(
    "vectors",
    [
        np.repeat(np.eye(1, 8), 20, axis=0),  # all the same
        np.repeat(np.eye(2, 8), 10, axis=0),  # two texts, ten times each: on a line
        np.repeat(np.eye(10, 8) + 0.1, 3, axis=0),  # duplicates
        np.vstack([np.eye(1, 8), -np.eye(1, 8)] * 5),  # opposite
        np.ones((9, 1)) * np.where(np.arange(9) % 2, 1, -1)[:, None],  # one dimension
    ],
)
def test_degenerate_vectors_get_a_finite_map(rng, vectors):
    a, b = unit(vectors), unit(rng.normal(size=(len(vectors), 8)))
    for xy in (*pair(a, b), *pair(b, a)):
        assert np.isfinite(xy).all()


def test_settings_at_their_limits(rng):
    a, _ = clusters(rng, n=30)
    for settings in ({"n_neighbors": 2}, {"min_dist": 0}, {"min_dist": 0.99}):
        assert all(np.isfinite(xy).all() for xy in pair(a, a, **settings))
    wide = neighbours(a, 200)
    assert np.isfinite(umap_pair(a, a, wide, wide, n_neighbors=200)).all()


def test_warm_up_sets_the_flag():
    projection.warm_up()
    assert projection.is_warm()
