"""One design's map at every layer, aligned from layer to layer so that it can be played."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from embedlab.analysis.projection import pca
from embedlab.analysis.retrieval import Float32Array


@dataclass(frozen=True, eq=False)
class LayerMaps:
    """PCA maps at the layers 0 … L, (L + 1, n, 2), centred and at one scale, within −1 … 1.

    One scale, because rows have length 1 at every layer: where a layer gives all texts nearly the
    same vector, its map is nearly a point. ``cosines`` (L + 1,) are the mean cosines of two
    different texts; NaN for a single text.
    """

    xy: Float32Array
    cosines: npt.NDArray[np.float64]


def layer_maps(layers: Iterable[npt.ArrayLike], seed: int = 0) -> LayerMaps:
    """Map the same n texts' unit rows (n, d) at each layer, each turned onto the map before it."""
    frames: list[Float32Array] = []
    cosines: list[float] = []
    for rows in layers:
        vectors = np.asarray(rows, np.float32)
        xy = pca(vectors, seed)
        frames.append(turned(xy, frames[-1]) if frames else xy)
        cosines.append(_mean_cosine(vectors))
    stacked = np.stack(frames)
    return LayerMaps(stacked / max(float(np.abs(stacked).max()), 1e-12), np.array(cosines))


def turned(moving: npt.ArrayLike, fixed: npt.ArrayLike) -> Float32Array:
    """Turn or mirror centred ``moving`` (n, 2) onto ``fixed`` (n, 2), keeping its size.

    Orthogonal Procrustes: of all rotations and reflections the one with the least sum of squared
    distances.
    """
    from scipy.linalg import orthogonal_procrustes

    points = np.asarray(moving, np.float64)
    rotation, _ = orthogonal_procrustes(points, np.asarray(fixed, np.float64))
    return (points @ rotation).astype(np.float32)


def turned_onto(maps: LayerMaps, layer: int, fixed: npt.ArrayLike) -> LayerMaps:
    """All maps turned alike, so that the one of ``layer`` lies on ``fixed`` (n, 2) as it can."""
    from scipy.linalg import orthogonal_procrustes

    goal = np.asarray(fixed, np.float64)
    rotation, _ = orthogonal_procrustes(maps.xy[layer].astype(np.float64), goal - goal.mean(axis=0))
    xy = (maps.xy @ rotation).astype(np.float32)
    return LayerMaps(xy / max(float(np.abs(xy).max()), 1.0), maps.cosines)


def _mean_cosine(rows: Float32Array) -> float:
    """Of all pairs of two of the n unit rows: (‖Σ x‖² − n) / (n² − n)."""
    n = len(rows)
    if n < 2:
        return float("nan")
    total = rows.sum(axis=0, dtype=np.float64)
    return float((total @ total - n) / (n * n - n))


def notes(cosines: Sequence[float] | npt.NDArray[np.float64]) -> list[str]:
    """What is said of each layer beside its map."""
    return ["" if np.isnan(c) else f"mean cosine {100 * c:.1f}" for c in cosines]
