"""Approximate search above 100,000 vectors: an inverted file (IVF) of FAISS, with measured recall.

The rule, by n vectors of d numbers:

* n ≤ 100,000: no index; every search compares with all vectors (:mod:`.retrieval`).
* else IVF with 2·√n lists. HNSW takes many times as long to build, and an index here serves one
  corpus under one design, often for a few queries.
* where the vectors take more than 2 GB, the lists hold product-quantised codes (PQ, a byte for four
  numbers) rather than a second copy of the vectors.

How many lists a query reads is not guessed: it is the smallest number, by steps of a half, whose
recall@10 against exact search reaches 96 on some of the vectors. What is shown is measured on
others. Where even half of the lists do not reach that, search stays exact. What the index finds is
ranked by exact similarity, as everywhere.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field

from embedlab.analysis import retrieval
from embedlab.analysis.retrieval import Float32Array, Int64Array, check_vectors
from embedlab.errors import EmbedLabError
from embedlab.files import atomic_file, disk_errors, write_json
from embedlab.progress import Progress, no_progress
from embedlab.validation import validated

#: The most vectors that are searched one by one.
EXACT_UP_TO = 100_000
#: Bytes of vectors above which the lists hold codes.
CODES_ABOVE = 2 * 10**9
#: Recall@10 at which the number of lists to read is large enough; on other vectors it is a little
#: lower, and shall be 0.95 at least.
AIM = 0.96
#: Vectors that the number of lists is chosen on, and as many others that recall is measured on.
SAMPLE = 200
RANKS = 10

_LISTS = 2  # times √n
_POINTS = 40  # vectors a list that k-means looks at; FAISS advises 39 or more
_ROUNDS = 8  # of k-means
_MOST_READ = 2  # a list in so many, at most
_CODED_CANDIDATES = 10  # times k: what codes put in order is ranked again by the vectors
_CHUNK = 50_000
_SAME = 2e-6  # similarities this close are equal in float32


class Facts(BaseModel):
    """What is known of an index: the file beside a saved one.

    ``read`` of ``lists`` are read for a query; ``recall`` is recall@10 against exact search on
    ``sample`` of the vectors.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal["embedlab-index-1"] = "embedlab-index-1"
    vectors: str
    n: Annotated[int, Field(ge=1)]
    d: Annotated[int, Field(ge=1)]
    kind: Literal["IVF", "IVF-PQ"]
    lists: Annotated[int, Field(ge=1)]
    read: Annotated[int, Field(ge=1)]
    recall: Annotated[float, Field(ge=0, le=1)]
    sample: Annotated[int, Field(ge=1)]

    def __str__(self) -> str:
        codes = " of product-quantised codes" if self.kind == "IVF-PQ" else ""
        return (
            f"approximate search among {self.n:,} vectors ({self.kind}: {self.read:,} of "
            f"{self.lists:,} lists{codes} are read for a query); recall@{RANKS} against exact "
            f"search {100 * self.recall:.1f}, measured on {self.sample:,} of the texts"
        )


@dataclass(frozen=True, eq=False)
class Index:
    """An index over unit vectors (n, d), which it needs beside it to rank what it finds.

    ``mapped`` says whether it is read from its file by memory map.
    """

    facts: Facts
    faiss_index: Any
    vectors: Float32Array
    mapped: bool = False

    @property
    def nbytes(self) -> int:
        """The memory that it takes, the vectors not counted."""
        if self.mapped:
            return 0
        d = self.facts.d
        numbers = _codes(d) if self.facts.kind == "IVF-PQ" else 4 * d
        return self.facts.n * (numbers + 8) + 4 * d * self.facts.lists

    def search(self, queries: npt.ArrayLike, k: int) -> tuple[Int64Array, Float32Array]:
        """The ids (q, k) and cosines (q, k) of the nearest vectors that it finds, best first.

        Where it finds fewer than k, the ids end with -1 and the cosines with -inf.

        Raises:
            EmbedLabError: k < 1, or queries of another width.
        """
        rows = check_vectors(queries, "queries")
        if k < 1 or rows.shape[1] != self.facts.d:
            raise EmbedLabError(
                f"{k} results for queries of {rows.shape[1]} dimensions were asked for; the index "
                f"has {self.facts.d} dimensions, and k is at least 1."
            )
        return _found(self.faiss_index, self.facts, self.vectors, rows, k, self.facts.read)

    def save(self, folder: Path) -> Path:
        """Write it into a folder under the name of its vectors, the facts beside it.

        Raises:
            EmbedLabError: the disk is full or the folder cannot be written.
        """
        import faiss

        path, facts = _paths(folder, self.facts.vectors)
        with disk_errors(path.name):
            folder.mkdir(parents=True, exist_ok=True)
            with atomic_file(path) as partial:
                try:
                    faiss.write_index(self.faiss_index, str(partial))
                except RuntimeError as error:  # however FAISS reports it, the disk took no more
                    raise OSError(28, str(error)) from error
            write_json(facts, self.facts.model_dump(mode="json"))
        return path


def digest(vectors: Float32Array) -> str:
    """Names these vectors."""
    of = hashlib.sha256(f"{vectors.shape}".encode())
    of.update(np.ascontiguousarray(vectors).data)
    return of.hexdigest()[:20]


def wanted(n: int, d: int) -> Literal["", "IVF", "IVF-PQ"]:
    """The kind of index that the rule gives n vectors of d numbers; empty for exact search."""
    if n <= EXACT_UP_TO:
        return ""
    return "IVF-PQ" if 4 * n * d > CODES_ABOVE else "IVF"


def index_for(
    vectors: Float32Array, folder: Path | None = None, progress: Progress = no_progress
) -> Index | None:
    """The index that the rule gives unit vectors (n, d); None where search stays exact.

    Args:
        vectors: must not change afterwards.
        folder: where indexes are kept: one of these vectors is opened by memory map, or else made
            and saved.

    Raises:
        EmbedLabError: vectors that are not finite, or a folder that takes no files.
    """
    kind = wanted(*vectors.shape)
    if not kind:
        return None
    rows = check_vectors(vectors)
    name = digest(rows)
    if folder is not None and (kept := opened(folder, name, rows)) is not None:
        return kept
    made = build(rows, kind, name, progress)
    if made is None or folder is None:
        return made
    made.save(folder)
    return opened(folder, name, rows) or made


def build(
    vectors: Float32Array,
    kind: Literal["IVF", "IVF-PQ"],
    name: str = "",
    progress: Progress = no_progress,
) -> Index | None:
    """Make an index and choose how many lists are read; None where that were too many.

    Training sees a sample, so the same vectors give the same index.
    """
    import faiss

    n, d = vectors.shape
    lists = max(1, int(_LISTS * math.sqrt(n)))
    inside = "Flat" if kind == "IVF" else f"PQ{_codes(d)}x8"
    # PQ cuts a vector into parts of four numbers; a few zeros make the last one whole.
    pad = f"Pad{4 * _codes(d)}," if kind == "IVF-PQ" and d % 4 else ""
    # Of unit vectors the nearest are the most similar, and k-means by distance does not mind that
    # all of them point one way, as those of language models do.
    made = faiss.index_factory(d, f"{pad}IVF{lists},{inside}", faiss.METRIC_L2)
    ivf: Any = faiss.downcast_index(faiss.extract_index_ivf(made))
    ivf.cp.niter, ivf.cp.min_points_per_centroid = _ROUNDS, 1  # without a warning where n is small
    if kind == "IVF-PQ":
        ivf.pq.cp.min_points_per_centroid = 1
        # Seconds for each part of a vector, and only of use to search by Hamming distance.
        ivf.do_polysemous_training = False
    draw = np.random.default_rng(0)
    progress(0, n, f"sorting {n:,} vectors into {lists:,} lists for search")
    seen = min(n, _POINTS * max(lists, 256))  # 256 codes of PQ are learned as well
    made.train(vectors[np.sort(draw.choice(n, seen, replace=False))])
    for start in range(0, n, _CHUNK):
        progress(start, n, "filling the lists of the search index")
        made.add(vectors[start : start + _CHUNK])
    sample = min(SAMPLE, n // 2)
    both = draw.choice(n, 2 * sample, replace=False)
    facts = Facts(vectors=name, n=n, d=d, kind=kind, lists=lists, read=1, recall=0, sample=sample)
    progress(0, 0, "measuring the recall of the search index")
    read = _lists_to_read(made, facts, vectors, both[:sample])
    if not read:
        return None
    ivf.nprobe = read
    others = both[sample:]
    recall = _recall(made, facts, vectors, others, _tenth(vectors, others), read)
    return Index(facts.model_copy(update={"read": read, "recall": recall}), made, vectors)


def _lists_to_read(made: Any, facts: Facts, vectors: Float32Array, sample: Int64Array) -> int:
    """The smallest number, by steps of a half, that reaches the aim on a sample; 0 if none does."""
    tenth, read = _tenth(vectors, sample), 1
    while read <= max(1, facts.lists // _MOST_READ):
        if _recall(made, facts, vectors, sample, tenth, read) >= AIM:
            return read
        read += max(1, read // 2)
    return 0


def _tenth(vectors: Float32Array, sample: Int64Array) -> Float32Array:
    """(q, 1): how similar exact search's tenth is to each sampled vector, itself left out."""
    k = min(RANKS, len(vectors) - 1)
    ids, scores = retrieval.search(vectors, vectors[sample], k + 1)
    return _without_own(ids, scores, sample)[:, k - 1 : k]


def _recall(
    made: Any,
    facts: Facts,
    vectors: Float32Array,
    sample: Int64Array,
    tenth: Float32Array,
    read: int,
) -> float:
    """Recall@10 of the sampled vectors as queries, each without itself.

    A text as similar as exact search's tenth counts as found: equal ones have no order.
    """
    k = min(RANKS, facts.n - 1)
    ids, scores = _found(made, facts, vectors, vectors[sample], k + 1, read)
    return float((_without_own(ids, scores, sample)[:, :k] >= tenth - _SAME).mean())


def _without_own(ids: Int64Array, scores: Float32Array, own: Int64Array) -> Float32Array:
    """Similarities (q, k) in falling order, that of each query with itself at the end."""
    return -np.sort(-np.where(ids == own[:, None], -np.inf, scores), axis=1)


def _found(
    made: Any, facts: Facts, vectors: Float32Array, queries: Float32Array, k: int, read: int
) -> tuple[Int64Array, Float32Array]:
    import faiss

    library: Any = faiss  # its stubs know no keywords
    how = library.SearchParametersIVF(nprobe=read)
    if isinstance(faiss.downcast_index(made), faiss.IndexPreTransform):
        how = library.SearchParametersPreTransform(index_params=how)
    more = _CODED_CANDIDATES * k if facts.kind == "IVF-PQ" else k + retrieval.MARGIN
    _, candidates = made.search(queries, min(more, facts.n), params=how)
    return retrieval.ranked_candidates(vectors, queries, candidates, min(k, facts.n))


def opened(folder: Path, name: str, vectors: Float32Array) -> Index | None:
    """The saved index of these vectors by memory map; None where none is, or a damaged one."""
    import json

    import faiss

    path, facts_file = _paths(folder, name)
    try:
        facts = validated(Facts, json.loads(facts_file.read_text(encoding="utf-8")))
        made = faiss.read_index(str(path), faiss.IO_FLAG_MMAP)
    except (OSError, ValueError, RuntimeError, EmbedLabError):
        return None
    if facts.vectors != name or (made.ntotal, made.d) != vectors.shape:
        return None
    return Index(facts, made, vectors, mapped=True)


def _paths(folder: Path, name: str) -> tuple[Path, Path]:
    return folder / f"{name}.faiss", folder / f"{name}.json"


def _codes(d: int) -> int:
    """Bytes of a code."""
    return -(-d // 4)
