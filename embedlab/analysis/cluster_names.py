"""Names of clusters: the words that tell each from the others.

c-TF-IDF (Grootendorst, arXiv 2203.05794): tf(w, c) · log(1 + A / f(w)), with tf how often cluster c
has the word w, f how often all texts have it, and A the mean number of words a cluster.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from embedlab.analysis.retrieval import Float32Array, Int64Array
from embedlab.analysis.stop_words import stop_words
from embedlab.analysis.terms import CHARACTERS, is_unspaced, pieces, words

if TYPE_CHECKING:
    from scipy import sparse

#: Words of a name, and those it is chosen from.
WORDS, _CANDIDATES = 3, 40
#: Words that begin with the same letters, as many as this, say the same.
_STEM = 5
#: Characters of all texts together that are read, but at least so many of each.
_CHARACTERS, _LEAST_CHARACTERS = 4_000_000, 200
#: Terms that are ranked: those that most texts have.
_MOST_TERMS = 50_000


def c_tf_idf(counts: npt.ArrayLike, overall: npt.ArrayLike) -> sparse.csr_array:
    """The weight of each of V words in each of k clusters, (k, V).

    Args:
        counts: how often each cluster has each word, (k, V), dense or sparse.
        overall: how often all texts have each, (V,), which is more where a text is in no cluster.
    """
    from scipy import sparse

    # A copy: scipy would sort indices in place that both share, and the counts would be wrong.
    frequency = sparse.csr_array(counts, dtype=np.float64, copy=True)
    average = frequency.sum() / max(1, frequency.shape[0])
    return frequency.multiply(np.log1p(average / np.maximum(1, overall))[None, :]).tocsr()


@dataclass(frozen=True, eq=False)
class _Table:
    """How often n texts have each of V terms, ``counts`` (n, V), in the order of appearance.

    A longer n-gram says more than the shorter ones that it holds, so ``weights`` (V,) are 1 for a
    word and go by the length of an n-gram.
    """

    counts: sparse.csr_array
    terms: npt.NDArray[np.object_]
    weights: npt.NDArray[np.float64]

    def without(self, stops: set[str]) -> _Table:
        kept = np.array([term not in stops for term in self.terms], bool)
        return _Table(self.counts[:, kept], self.terms[kept], self.weights[kept])

    def ranked(self, labels: Int64Array, k: int, closeness: Float32Array) -> list[list[str]]:
        """The terms of each of k clusters by c-TF-IDF, the highest first.

        Of equal ones that comes first whose text is the closest to the cluster's middle, and of
        these that which appears first. Behind the others come terms of one text alone, and those
        that are no more frequent in the cluster than in all texts.
        """
        members = [np.flatnonzero(labels == c) for c in range(k)]
        members = [each[np.argsort(-closeness[each], kind="stable")] for each in members]
        counts = np.stack([self.counts[each].sum(axis=0) for each in members])
        overall = self.counts.sum(axis=0)
        scores = c_tf_idf(counts, overall).toarray() * self.weights
        common = counts * overall.sum() <= overall * counts.sum(axis=1, keepdims=True)
        candidates = []
        for c, each in enumerate(members):
            texts = self.counts[each].tocoo()
            late = common[c] | (np.bincount(texts.col, minlength=len(self.terms)) < 2)
            nearest = np.full(len(self.terms), len(each))
            np.minimum.at(nearest, texts.col, texts.row)
            terms = np.flatnonzero(counts[c])
            order = np.lexsort((nearest[terms], -scores[c, terms], late[terms]))
            candidates.append([str(self.terms[i]) for i in terms[order[:_CANDIDATES]]])
        return candidates


class Names:
    """Gives names to clusters of n texts; counts their words once for any number of clusterings."""

    def __init__(self, texts: Sequence[str]) -> None:
        self._texts = texts

    @cached_property
    def _all(self) -> _Table:
        return _count(self._texts, words)

    @cached_property
    def _telling(self) -> _Table:
        table = self._all
        frequency = table.counts.sum(axis=0).tolist()
        return table.without(stop_words(dict(zip(table.terms, frequency, strict=True))))

    @cached_property
    def _pieces(self) -> _Table:
        return _count(self._texts, pieces)

    def of(
        self, labels: Int64Array, k: int, closeness: Float32Array | None = None
    ) -> tuple[str, ...]:
        """The names of k clusters; no two are the same.

        A name has up to three words. A cluster without words but stop words is named by those, and
        one without any, such as of numbers, by n-grams of characters.

        Args:
            labels: each text's cluster, (n,), -1 where it is in none.
            k: how many clusters there are, 0 … k - 1.
            closeness: how close each text is to the middle of its cluster, (n,), which decides
                between words that are as frequent; by default the first text does.
        """
        return _unique(self.words(labels, k, closeness))

    def words(
        self, labels: Int64Array, k: int, closeness: Float32Array | None = None
    ) -> list[list[str]]:
        """The words that tell each of k groups of texts from the others, the most telling first.

        As in :meth:`of`; words that say the same come once.
        """
        near = np.zeros(len(labels), np.float32) if closeness is None else closeness
        candidates = self._telling.ranked(labels, k, near) if k else []
        for table in ("_all", "_pieces"):
            if not all(candidates):
                more = getattr(self, table).ranked(labels, k, near)
                candidates = [one or other for one, other in zip(candidates, more, strict=True)]
        return [unlike(some) for some in candidates]


def _count(texts: Sequence[str], analyser: Callable[[str, int], Iterable[str]]) -> _Table:
    each = min(CHARACTERS, max(_LEAST_CHARACTERS, _CHARACTERS // max(1, len(texts))))
    rows, columns, values = [], [], []
    numbers: dict[str, int] = {}
    for row, text in enumerate(texts):
        for term, count in Counter(analyser(text, each)).items():
            rows.append(row)
            columns.append(numbers.setdefault(term, len(numbers)))
            values.append(count)
    shape = (len(texts), len(numbers))
    from scipy import sparse

    counts = sparse.csr_array((values, (rows, columns)), shape=shape, dtype=np.int64)
    of_texts = np.bincount(columns, minlength=len(numbers))
    terms = np.array(list(numbers), object)
    kept = np.sort(np.argsort(-of_texts, kind="stable")[:_MOST_TERMS])
    by_length = [analyser is pieces or is_unspaced(term) for term in terms[kept]]
    lengths = np.array([len(term) for term in terms[kept]], np.float64) / 2
    return _Table(counts[:, kept], terms[kept], np.where(by_length, lengths, 1.0))


def unlike(candidates: Sequence[str]) -> list[str]:
    """The candidates, in their order, without those that say what an earlier one says."""
    chosen: list[str] = []
    for term in candidates:
        if not any(_alike(term, other) for other in chosen):
            chosen.append(term)
    return chosen


def _alike(term: str, other: str) -> bool:
    """Whether two words begin alike, as *card* and *cards*; two n-grams, whether they overlap."""
    if term[:1].isalpha() and not is_unspaced(term):
        short, long = sorted((term.casefold(), other.casefold()), key=len)
        return long.startswith(short) or short[:_STEM] == long[:_STEM]
    shared = 1 if min(len(term), len(other)) < 4 else 2
    return any(term[i : i + shared] in other for i in range(len(term) - shared + 1))


def _unique(candidates: Sequence[Sequence[str]]) -> tuple[str, ...]:
    """The first words of each, and as many more as tell equal ones apart, or else a number."""
    names: list[str] = []
    for words_ in candidates:
        longer = (" · ".join(words_[:n]) for n in range(WORDS, max(WORDS, len(words_)) + 1))
        name = next((name for name in longer if name not in names), "")
        if not name:
            first = " · ".join(words_[:WORDS])
            name = next(
                each
                for each in (f"{first} ({n})" for n in range(2, len(names) + 3))
                if each not in names
            )
        names.append(name)
    return tuple(names)
