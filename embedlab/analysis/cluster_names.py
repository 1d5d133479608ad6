"""Names of clusters: the words that tell each from the others.

c-TF-IDF (Grootendorst, arXiv 2203.05794): tf(w, c) · log(1 + A / f(w)), with tf how often cluster c
has the word w, f how often all texts have it, and A the mean number of words a cluster.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
from scipy import sparse

from embedlab.analysis.retrieval import Int64Array
from embedlab.analysis.stop_words import stop_words
from embedlab.analysis.terms import is_unspaced, pieces, words

#: Words of a name, and those it is chosen from.
WORDS, _CANDIDATES = 3, 40
#: Words that begin with the same letters, as many as this, say the same.
_STEM = 5


def c_tf_idf(counts: npt.ArrayLike, overall: npt.ArrayLike) -> sparse.csr_array:
    """The weight of each of V words in each of k clusters, (k, V).

    Args:
        counts: how often each cluster has each word, (k, V), dense or sparse.
        overall: how often all texts have each, (V,), which is more where a text is in no cluster.
    """
    # A copy: scipy would sort indices in place that both share, and the counts would be wrong.
    frequency = sparse.csr_array(counts, dtype=np.float64, copy=True)
    average = frequency.sum() / max(1, frequency.shape[0])
    return frequency.multiply(np.log1p(average / np.maximum(1, overall))[None, :]).tocsr()


@dataclass(frozen=True, eq=False)
class _Table:
    """How often n texts have each of V terms, ``counts`` (n, V), and the terms in their order.

    A longer n-gram says more than the shorter ones that it holds, so ``weights`` (V,) are 1 for a
    word and go by the length of an n-gram.
    """

    counts: sparse.csr_array
    terms: npt.NDArray[np.object_]
    weights: npt.NDArray[np.float64]

    def without(self, stops: set[str]) -> _Table:
        kept = np.array([term not in stops for term in self.terms], bool)
        return _Table(self.counts[:, kept], self.terms[kept], self.weights[kept])

    def ranked(self, labels: Int64Array, k: int) -> list[list[str]]:
        """The terms of each of k clusters by c-TF-IDF, the highest first.

        Behind the others come terms of one text alone, and those that are no more frequent in the
        cluster than in all texts.
        """
        inside = np.flatnonzero(labels >= 0)
        ones = (np.ones(len(inside), np.int64), (labels[inside], inside))
        members = sparse.csr_array(ones, shape=(k, len(labels)))
        counts, texts = members @ self.counts, members @ (self.counts > 0).astype(np.int64)
        overall = self.counts.sum(axis=0)
        scores = c_tf_idf(counts, overall).multiply(self.weights[None, :]).tocsr()
        return [
            self._best(*(table[[c]].toarray()[0] for table in (counts, texts, scores)), overall)
            for c in range(k)
        ]

    def _best(
        self,
        counts: Int64Array,
        texts: Int64Array,
        scores: npt.NDArray[np.float64],
        overall: Int64Array,
    ) -> list[str]:
        """The best terms of a cluster: how often and in how many texts it has each, (V,) all."""
        common = counts * overall.sum() <= overall * counts.sum()
        columns = np.flatnonzero(counts)
        order = np.lexsort((-scores[columns], (common | (texts < 2))[columns]))
        return [str(self.terms[i]) for i in columns[order[:_CANDIDATES]]]


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

    def of(self, labels: Int64Array, k: int) -> tuple[str, ...]:
        """The names of k clusters; no two are the same.

        A name has up to three words. A cluster without words but stop words is named by those, and
        one without any, such as of numbers, by n-grams of characters.

        Args:
            labels: each text's cluster, (n,), -1 where it is in none.
            k: how many clusters there are, 0 … k - 1.
        """
        return _unique(self.words(labels, k))

    def words(self, labels: Int64Array, k: int) -> list[list[str]]:
        """The words that tell each of k groups of texts from the others, the most telling first.

        As in :meth:`of`; words that say the same come once.
        """
        candidates = self._telling.ranked(labels, k) if k else []
        for table in ("_all", "_pieces"):
            if not all(candidates):
                more = getattr(self, table).ranked(labels, k)
                candidates = [one or other for one, other in zip(candidates, more, strict=True)]
        return [_unlike(some) for some in candidates]


def _count(texts: Sequence[str], analyser: Callable[[str], Iterable[str]]) -> _Table:
    rows, columns, values = [], [], []
    numbers: dict[str, int] = {}
    for row, text in enumerate(texts):
        for term, count in Counter(analyser(text)).items():
            rows.append(row)
            columns.append(numbers.setdefault(term, len(numbers)))
            values.append(count)
    terms = np.array(list(numbers), object)
    order = np.argsort(terms) if len(terms) else np.zeros(0, np.int64)
    shape = (len(texts), len(terms))
    counts = sparse.csr_array((values, (rows, columns)), shape=shape, dtype=np.int64)
    by_length = [analyser is pieces or is_unspaced(term) for term in terms[order]]
    lengths = np.array([len(term) for term in terms[order]], np.float64) / 2
    return _Table(counts[:, order], terms[order], np.where(by_length, lengths, 1.0))


def _unlike(candidates: Sequence[str]) -> list[str]:
    """The candidates, in their order, without those that say what an earlier one says."""
    chosen: list[str] = []
    for term in candidates:
        if not any(_alike(term, other) for other in chosen):
            chosen.append(term)
    return chosen


def _alike(term: str, other: str) -> bool:
    """Whether two words begin alike, as *card* and *cards*; two n-grams, whether they overlap."""
    if term[:1].isalpha() and not is_unspaced(term):
        short, long = sorted((term, other), key=len)
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
