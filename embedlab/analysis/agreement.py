"""How far designs agree about the same texts: neighbours in common, and linear CKA.

Linear CKA of X (n, d) and Y (n, e), columns centred, is ‖Yᵀ X‖² / (‖Xᵀ X‖ ‖Yᵀ Y‖) with Frobenius
norms (Kornblith et al., 2019, arXiv 1905.00414). With the Gram matrices K = X Xᵀ and M = Y Yᵀ that
is ⟨K, M⟩ / (‖K‖ ‖M‖): it does not change when a space is rotated or scaled.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from embedlab.analysis import metrics
from embedlab.analysis.bootstrap import Float64Array
from embedlab.analysis.retrieval import Float32Array, Int64Array, check_vectors

#: Texts whose Gram matrix is kept of every design, 640 KB each.
MOST_TEXTS = 400


def linear_cka(x: npt.ArrayLike, y: npt.ArrayLike) -> float:
    """Linear CKA of the same n texts under two designs, (n, d) and (n, e): from 0 to 1.

    NaN where one of the designs gives every text the same vector.
    """
    return float(np.vdot(_centred_gram(x), _centred_gram(y)))


def _centred_gram(vectors: npt.ArrayLike) -> Float32Array:
    """X Xᵀ of centred columns, of Frobenius norm 1; NaN where all vectors are the same."""
    rows = check_vectors(vectors).astype(np.float64)
    rows = rows - rows.mean(axis=0)
    gram = rows @ rows.T
    length = float(np.linalg.norm(gram))
    return np.asarray(gram / length if length > 1e-12 else np.full_like(gram, np.nan), np.float32)


@dataclass(eq=False)
class Agreement:
    """Every pair of designs that were added; a design is compared with those before it.

    ``overlap`` (D, D) is the mean Jaccard index of each text's ten nearest under two designs, as
    on the map; ``cka`` (D, D) their linear CKA. Both are of the first :data:`MOST_TEXTS` texts at
    even distances: :meth:`rows`.
    """

    n: int
    #: Of the designs, in the order in which they were added.
    names: list[str] = field(default_factory=list)
    _grams: list[Float32Array] = field(default_factory=list)
    _near: list[Int64Array] = field(default_factory=list)
    _overlap: list[list[float]] = field(default_factory=list)
    _cka: list[list[float]] = field(default_factory=list)

    @property
    def rows(self) -> Int64Array:
        """The numbers of the texts that are compared."""
        return np.unique(np.linspace(0, self.n - 1, min(self.n, MOST_TEXTS)).astype(np.int64))

    def add(self, name: str, vectors: npt.ArrayLike, near: Int64Array) -> None:
        """Compare one more design with all before.

        Args:
            name: the design's.
            vectors: of the corpus's n texts, (n, d).
            near: the numbers of each text's nearest, (n, k).
        """
        self.names.append(name)
        rows = self.rows
        gram, own = _centred_gram(np.asarray(vectors)[rows]), near[rows]
        self._cka.append([float(np.vdot(gram, other)) for other in self._grams])
        self._overlap.append([float(metrics.jaccard(own, other).mean()) for other in self._near])
        self._grams.append(gram)
        self._near.append(own)

    @property
    def overlap(self) -> Float64Array:
        """(D, D), symmetric, with ones in the diagonal."""
        return _symmetric(self._overlap)

    @property
    def cka(self) -> Float64Array:
        """(D, D), symmetric, with ones in the diagonal."""
        return _symmetric(self._cka)


def _symmetric(below: list[list[float]]) -> Float64Array:
    matrix = np.eye(len(below))
    for i, row in enumerate(below):
        matrix[i, : len(row)] = matrix[: len(row), i] = row
    return matrix
