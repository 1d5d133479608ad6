"""``embedlab bench --what index``: approximate against exact search over 200,000 real vectors.

The vectors are those of windows of words out of the pinned training sets under ``causal/mean@0``:
the embedding layer needs no pass through the model, so they are there in seconds.
"""

from __future__ import annotations

import random
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from embedlab.analysis import index, retrieval
from embedlab.analysis.index import Index
from embedlab.analysis.retrieval import Float32Array
from embedlab.data.training_sets import load_pairs
from embedlab.errors import EmbedLabError
from embedlab.progress import Progress

if TYPE_CHECKING:
    from embedlab.models.backbone import Backbone

#: Vectors that are searched, and others that ask.
VECTORS, QUERIES = 200_000, 1000
#: Queries that are timed one by one.
TIMED = 100
#: Words of a window, and how far the next one starts.
WINDOW, STRIDE = 12, 10
_SETS = ("bible-pairs", "boolq-train")

#: What is measured, the number, its unit, and the aim.
Row = tuple[str, float, str, str]


def rows(backbone: Backbone, progress: Progress) -> Iterator[Row]:
    """The figures of both kinds of index, exact search beside them."""
    texts = windows(VECTORS + QUERIES, progress)
    vectors = layer_zero(backbone, texts, progress)
    vectors, queries = vectors[:VECTORS], vectors[VECTORS:]
    _, exact = retrieval.search(vectors, queries, index.RANKS)
    flat = _flat_index(vectors, queries)
    yield f"FAISS's flat index, one query among {VECTORS:,}", flat, "ms", ""
    checked = _alone(lambda query: retrieval.search(vectors, query, index.RANKS), queries)
    yield "exact search with its checks and exact ranks, one query", checked, "ms", ""
    kinds: tuple[Literal["IVF", "IVF-PQ"], ...] = ("IVF", "IVF-PQ")
    for kind in kinds:
        start = time.perf_counter()
        made = index.build(vectors, kind, index.digest(vectors), progress)
        seconds = time.perf_counter() - start
        if made is None:
            yield f"{kind}: half of its lists do not reach the aim", 0.0, "", ""
            continue
        yield (
            f"{kind}: built, {made.facts.read} of {made.facts.lists:,} lists read",
            seconds,
            "s",
            "",
        )
        yield from _searched(made, kind, queries, exact, flat)


def _flat_index(vectors: Float32Array, queries: Float32Array) -> float:
    """The median milliseconds of FAISS's flat index, filled beforehand."""
    import faiss

    flat = faiss.IndexFlatIP(vectors.shape[1])
    flat.add(vectors)
    return _alone(lambda query: flat.search(query, index.RANKS), queries)


def _searched(
    made: Index, kind: str, queries: Float32Array, exact: Float32Array, flat: float
) -> Iterator[Row]:
    """Recall, times and sizes of an index, in memory and read from its file by memory map."""
    _, found = made.search(queries, index.RANKS)
    # A text as similar as exact search's tenth counts as found.
    recall = float((found >= exact[:, -1:] - 2e-6).mean())
    yield f"{kind}: recall@10 of {len(queries):,} other texts", 100 * recall, "points", "95"
    yield f"{kind}: recall@10 as it is shown, on the texts", 100 * made.facts.recall, "points", ""
    alone = _alone(lambda query: made.search(query, index.RANKS), queries)
    yield f"{kind}: one query", alone, "ms", ""
    yield f"{kind}: flat index / it", flat / alone, "times", ""
    yield f"{kind}: memory beside the vectors", made.nbytes / 1e6, "MB", ""
    with tempfile.TemporaryDirectory() as name:
        made.save(Path(name))
        start = time.perf_counter()
        mapped = index.opened(Path(name), made.facts.vectors, made.vectors)
        opening = 1000 * (time.perf_counter() - start)
        if mapped is None:
            raise EmbedLabError("The index that was just saved could not be opened.")
        yield f"{kind}: opened by memory map", opening, "ms", ""
        alone = _alone(lambda query: mapped.search(query, index.RANKS), queries)
        yield f"{kind}: one query of the mapped file", alone, "ms", ""


def _alone(search: Callable[[Float32Array], Any], queries: Float32Array) -> float:
    """The median milliseconds of queries asked one by one."""
    times = []
    for query in queries[:TIMED]:
        start = time.perf_counter()
        search(query[None])
        times.append(1000 * (time.perf_counter() - start))
    return statistics.median(times)


def windows(n: int, progress: Progress) -> list[str]:
    """n different windows of words out of the training sets, in an order drawn by a seed."""
    found: dict[str, None] = {}
    for name in _SETS:
        pairs = load_pairs(name, progress)
        for text in dict.fromkeys((*pairs.anchors, *pairs.positives)):
            words = text.split()
            for start in range(0, max(1, len(words) - STRIDE // 2), STRIDE):
                found[" ".join(words[start : start + WINDOW])] = None
    if len(found) < n:
        raise EmbedLabError(f"The training sets have {len(found):,} windows; {n:,} are needed.")
    return random.Random(0).sample(list(found), n)


def layer_zero(backbone: Backbone, texts: Sequence[str], progress: Progress) -> Float32Array:
    """(n, d): vectors of ``causal/mean@0`` without a pass, the means of the tokens' embeddings."""
    table = backbone.readable_model().get_input_embeddings().weight.detach().float().cpu().numpy()
    vectors = np.empty((len(texts), table.shape[1]), np.float32)
    step = 10_000
    for start in range(0, len(texts), step):
        progress(start, len(texts), "vectors of layer 0")
        for row, encoded in enumerate(backbone.encode(texts[start : start + step]), start=start):
            vectors[row] = table[list(encoded.ids)].mean(axis=0)
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.float32)
