"""Which texts of a pair set belong together, so that none is a negative of another."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np
from scipy.sparse import coo_array, csr_array, eye_array

from embedlab.data.pairs import PairSet, normal_text

#: A text with more partners than this, such as the answer "Yes.", says nothing about them.
MOST_PARTNERS = 30


class KnownPositives:
    """What the pairs of a set say about each other's texts.

    Two texts *belong together* where they are the same text, without regard to case and white
    space, or one of the pairs in either order. Texts are *close* where at most three pairs connect
    them: two answers of a question, paraphrases of a paraphrase, the answer to a question that has
    another answer in common. A text with many partners connects nothing, and longer chains do not
    count, since the sentences of a story taken in twos would be one chain.
    """

    def __init__(self, pairs: PairSet) -> None:
        self._pairs = pairs

    def masked(
        self,
        anchors: Sequence[str],
        candidates: Sequence[str],
        negatives: Sequence[Sequence[str]] = (),
    ) -> np.ndarray:
        """(n, m) bool: the candidates that are no negatives of each of n anchors.

        These are the texts close to an anchor. What its own pair names a hard negative is one,
        unless it belongs together with the anchor.

        Args:
            anchors: n texts of the set.
            candidates: m texts of the set.
            negatives: the hard negatives of each anchor, where there are any.
        """
        number, together, close = self._links
        rows, columns = (
            np.array([number[normal_text(text)] for text in texts], dtype=np.intp)
            for texts in (anchors, candidates)
        )
        direct = together[rows]
        masked: np.ndarray = (direct @ close @ close)[:, columns].astype(bool).toarray()
        for i, texts in enumerate(negatives):
            own = np.isin(columns, [number[normal_text(text)] for text in texts])
            masked[i, own] = direct[[i]][:, columns[own]].astype(bool).toarray()[0]
        return masked

    @cached_property
    def _links(self) -> tuple[dict[str, int], csr_array, csr_array]:
        """The texts' numbers; who belongs together; and the same without frequent texts' pairs."""
        pairs = self._pairs
        number: dict[str, int] = {}
        anchors, positives = (
            [number.setdefault(normal_text(text), len(number)) for text in texts]
            for texts in (pairs.anchors, pairs.positives)
        )
        for texts in pairs.negatives:
            for text in texts:
                number.setdefault(normal_text(text), len(number))
        two = [(a, p) for a, p in zip(anchors, positives, strict=True) if a != p]
        ends = np.array(sorted({*two, *((p, a) for a, p in two)}), dtype=np.intp).reshape(-1, 2)
        few = np.bincount(ends[:, 0], minlength=len(number))[ends[:, 0]] <= MOST_PARTNERS
        together, close = (self._matrix(steps, len(number)) for steps in (ends, ends[few]))
        return number, together, close

    @staticmethod
    def _matrix(steps: np.ndarray, n: int) -> csr_array:
        """(n, n): 1 for each step from a text to another, and for each text itself."""
        ones = np.ones(len(steps), dtype=np.int32)
        paired = coo_array((ones, tuple(steps.T)), shape=(n, n))
        return (paired + eye_array(n, dtype=np.int32)).tocsr()
