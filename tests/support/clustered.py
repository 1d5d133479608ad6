"""Clustered unit vectors, and their UMAP maps."""

from __future__ import annotations

import numpy as np

from embedlab.analysis.projection import umap_pair
from embedlab.analysis.retrieval import neighbours


def unit(rows):
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def clusters(rng, n=120, classes=6, d=32):
    labels = rng.integers(0, classes, n)
    return unit(rng.normal(size=(classes, d))[labels] + 0.6 * rng.normal(size=(n, d))), labels


def pair(a, b, **settings):
    return umap_pair(a, b, neighbours(a, 14), neighbours(b, 14), **settings)
