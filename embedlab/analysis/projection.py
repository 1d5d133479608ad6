"""Maps: unit vectors (n, d) to points (n, 2), in pairs that can be compared.

UMAP: McInnes, Healy, Melville, "UMAP: Uniform Manifold Approximation and Projection for Dimension
Reduction", arXiv 1802.03426.
"""

from __future__ import annotations

import threading
import warnings
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from embedlab.analysis.retrieval import Float32Array, Neighbours, check_vectors, neighbours
from embedlab.errors import EmbedLabError
from embedlab.progress import Progress, no_progress

UMAP_MINIMUM = 5  #: with fewer texts a neighbour graph says nothing, and a map is PCA's

_EPOCHS = 200
# A layout restarted at UMAP's full rate of 1 forgets where it came from: of 160 clustered points,
# nearly equal vectors ended up half the map's radius apart, at this rate a seventh. Neighbourhoods
# are kept about as well; the price is that B's far distances stay closer to A's arrangement.
_REFINE_RATE = 0.05

_LOCK = threading.Lock()  # UMAP from several threads at once can abort the process
# Set once UMAP has run: its first run compiles for some 20 s, and until then maps are PCA's.
_WARM = threading.Event()


def pca(vectors: npt.ArrayLike, seed: int = 0) -> Float32Array:
    """Project (n, d) on its first two principal components: (n, 2), centred.

    The sign of each axis makes its largest loading positive, so equal vectors give equal maps.
    ``seed`` matters to the solver used for large inputs only.
    """
    rows = check_vectors(vectors)
    xy = np.zeros((len(rows), 2), np.float32)
    axes = min(2, *rows.shape)
    if not _all_same(rows):
        from sklearn.decomposition import PCA

        xy[:, :axes] = PCA(n_components=axes, random_state=seed).fit_transform(rows)
    return xy


def pca_pair(
    vectors_a: npt.ArrayLike, vectors_b: npt.ArrayLike, seed: int = 0
) -> tuple[Float32Array, Float32Array]:
    """Return two PCA maps (n, 2) of the same texts, B's aligned to A's."""
    xy_a, xy_b = pca_maps((vectors_a, vectors_b), seed)
    return xy_a, xy_b


def pca_maps(vectors: Sequence[npt.ArrayLike], seed: int = 0) -> list[Float32Array]:
    """Return PCA maps (n, 2) of the same texts, the others aligned to the first."""
    first, *others = (pca(each, seed) for each in vectors)
    for xy in others:
        _same_count(first, xy)
    return [first, *(align(xy, first) for xy in others)]


def align(moving: npt.ArrayLike, fixed: npt.ArrayLike) -> Float32Array:
    """Lay ``moving`` (n, 2) over ``fixed`` (n, 2): orthogonal Procrustes, centred, at equal spread.

    Equal spread rather than the least-squares scale, which shrinks a map that has little in common
    with the other towards a dot.
    """
    from scipy.linalg import orthogonal_procrustes

    goal = np.asarray(fixed, np.float64)
    points = np.asarray(moving, np.float64)
    centre = goal.mean(axis=0)
    goal, points = goal - centre, points - points.mean(axis=0)
    size, goal_size = np.linalg.norm(points), np.linalg.norm(goal)
    if size and goal_size:
        rotation, _ = orthogonal_procrustes(points, goal)
        points = points @ rotation * (goal_size / size)
    return (points + centre).astype(np.float32)


def umap_possible(*vectors: npt.ArrayLike) -> bool:
    """Whether :func:`umap_maps` draws UMAP; otherwise (n < 5, or all vectors the same) PCA."""
    return all(
        len(rows) >= UMAP_MINIMUM and not _all_same(rows) for rows in map(check_vectors, vectors)
    )


def umap_pair(
    vectors_a: npt.ArrayLike,
    vectors_b: npt.ArrayLike,
    neighbours_a: Neighbours,
    neighbours_b: Neighbours,
    n_neighbors: int = 15,
    min_dist: float = 0.1,
    seed: int = 0,
    progress: Progress = no_progress,
) -> tuple[Float32Array, Float32Array]:
    """Lay the same n texts out under two designs, (n, 2) each; see :func:`umap_maps`."""
    both, near = (vectors_a, vectors_b), (neighbours_a, neighbours_b)
    xy_a, xy_b = umap_maps(both, near, n_neighbors, min_dist, seed, progress)
    return xy_a, xy_b


def umap_maps(
    vectors: Sequence[npt.ArrayLike],
    near: Sequence[Neighbours],
    n_neighbors: int = 15,
    min_dist: float = 0.1,
    seed: int = 0,
    progress: Progress = no_progress,
) -> list[Float32Array]:
    """Lay the same n texts out under several designs, (n, 2) each, so that maps are comparable.

    The first is laid out from its PCA; all maps are then refined from that layout with the same
    random numbers, and aligned to the first. So a point stands elsewhere because the design moved
    it; equal vectors give equal maps, and equal arguments the same picture.

    ``n_neighbors`` counts the point itself and is capped to n - 1; the ``Neighbours`` must hold at
    least ``n_neighbors - 1`` others. ``progress`` is called before each layout and while another
    map holds UMAP. Where :func:`umap_possible` is false the maps are PCA's.

    Raises:
        EmbedLabError: parameters out of range, or vectors and neighbours that do not fit together.
    """
    spaces = [check_vectors(each) for each in vectors]
    for rows in spaces[1:]:
        _same_count(spaces[0], rows)
    if n_neighbors < 2:
        raise EmbedLabError(f"n_neighbors is {n_neighbors}; give at least 2.")
    if not 0 <= min_dist <= 0.99:
        raise EmbedLabError(f"min_dist is {min_dist}; give a number from 0 to 0.99.")
    if not umap_possible(*spaces):
        return pca_maps(spaces, seed)
    k = min(n_neighbors, len(spaces[0]) - 1)
    graphs = [_graph(each, len(spaces[0]), k) for each in near]
    steps = len(spaces) + 1

    def layout(
        step: int, rows: Float32Array, graph: _Graph, start: Float32Array, rate: float
    ) -> Float32Array:
        what = f"Refining map {step} of {len(spaces)}" if step else "Laying out the map"
        while not _LOCK.acquire(timeout=0.2):
            progress(step, steps, "Waiting for another map")
        try:
            progress(step, steps, what)
            return _layout(rows, graph, start, rate, min_dist, seed)
        finally:
            _LOCK.release()

    first = spaces[0]
    shared = _squared(layout(0, first, graphs[0], _jittered(pca(first, seed), seed), 1.0))
    maps = [
        layout(step, rows, graph, shared, _REFINE_RATE)
        for step, (rows, graph) in enumerate(zip(spaces, graphs, strict=True), start=1)
    ]
    progress(steps, steps, "Maps ready")
    return [maps[0], *(align(xy, maps[0]) for xy in maps[1:])]


def umap_from(
    vectors: npt.ArrayLike,
    near: Neighbours,
    start: npt.ArrayLike,
    n_neighbors: int = 15,
    min_dist: float = 0.1,
    seed: int = 0,
    progress: Progress = no_progress,
) -> Float32Array:
    """One UMAP layout (n, 2) that grows out of ``start`` (n, 2) and is aligned to it.

    The arguments are those of :func:`umap_pair`, for vectors that it could lay out.
    """
    rows, first = check_vectors(vectors), np.asarray(start, np.float32)
    k = min(n_neighbors, len(rows) - 1)
    graph = _graph(near, len(rows), k)
    while not _LOCK.acquire(timeout=0.2):
        progress(0, 1, "Waiting for another map")
    try:
        xy = _layout(rows, graph, _squared(_jittered(first, seed)), 1.0, min_dist, seed)
    finally:
        _LOCK.release()
    return align(xy, first)


def warm_up() -> None:
    """Compile what :func:`umap_pair` runs (some 20 s) by mapping a few random points."""
    vectors = np.random.default_rng(0).normal(size=(60, 8)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    near = neighbours(vectors, 14)
    umap_pair(vectors, vectors, near, near)


def is_warm() -> bool:
    """Whether UMAP has been compiled in this process."""
    return _WARM.is_set()


_Graph = tuple[npt.NDArray[np.int64], Float32Array]


def _layout(
    rows: Float32Array, graph: _Graph, start: Float32Array, rate: float, min_dist: float, seed: int
) -> Float32Array:
    import umap

    # Only transforming new texts would need a search index beside the neighbours.
    warnings.filterwarnings("ignore", r"precomputed_knn\[2\]", module="umap")
    model = umap.UMAP(
        n_neighbors=graph[0].shape[1],
        min_dist=min_dist,
        metric="cosine",
        precomputed_knn=graph,
        disconnection_distance=float("inf"),  # UMAP would place opposite vectors at NaN
        init=start,
        learning_rate=rate,
        n_epochs=_EPOCHS,
        random_state=seed,
        n_jobs=1,
    )
    xy = model.fit_transform(rows)
    _WARM.set()
    return np.asarray(xy, np.float32)


def _graph(near: Neighbours, n: int, k: int) -> _Graph:
    """Return what UMAP takes: ids and cosine distances, (n, k), the point itself first.

    Exactly k columns: below 4,096 points UMAP 0.5 uses every column it is given.
    """
    if len(near) != n or near.k < k - 1:
        raise EmbedLabError(
            f"The neighbours are {near.k} of {len(near)} points; this map needs {k - 1} of {n}."
        )
    ids = np.hstack([np.arange(n)[:, None], near.ids[:, : k - 1]])
    distances = np.zeros((n, k), np.float32)
    distances[:, 1:] = np.maximum(0, 1 - near.similarities[:, : k - 1])
    return ids, distances


def _squared(xy: Float32Array) -> Float32Array:
    """Turn a layout until it is as wide as high.

    UMAP stretches a given start to 10 × 10; after this turn that is a uniform scale. A turn by 90°
    swaps width and height, so some angle in between makes them equal.
    """
    from scipy.optimize import brentq

    def turned(angle: float) -> npt.NDArray[np.float64]:
        c, s = np.cos(angle), np.sin(angle)
        return xy @ np.array([[c, -s], [s, c]])

    def excess(angle: float) -> float:
        width, height = np.ptp(turned(angle), axis=0)
        return float(width - height)

    return turned(brentq(excess, 0, np.pi / 2)).astype(np.float32)


def _jittered(xy: Float32Array, seed: int) -> Float32Array:
    """Give a flat layout (all on a line) a little width, which UMAP's scaling needs."""
    extent = np.ptp(xy, axis=0)
    if extent.min() > 1e-4 * extent.max():
        return xy
    noise = np.random.default_rng(seed).normal(scale=0.01 * extent.max(), size=xy.shape)
    return (xy + noise).astype(np.float32)


def _all_same(rows: Float32Array) -> bool:
    return bool(np.ptp(rows, axis=0).max() < 1e-6)


def _same_count(a: Float32Array, b: Float32Array) -> None:
    if len(a) != len(b):
        raise EmbedLabError(
            f"Design A has {len(a)} vectors and design B {len(b)}; embed the same texts with both."
        )
