"""The labels of a corpus as scores need them: which texts have one, and why there is no score."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from embedlab.data.corpus import Corpus

#: The measures that go by labels.
BY_LABELS = ("knn_accuracy", "v_measure")


@dataclass(frozen=True, eq=False)
class Labelled:
    """The m texts of a corpus that have a label.

    ``indices`` (m,) are their numbers in the corpus, ``labels`` (m,) their labels, and ``same``
    (m,) tells which of them are the same text: equal numbers for equal texts.
    """

    indices: npt.NDArray[np.int64]
    labels: npt.NDArray[np.str_]
    same: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.indices)

    @cached_property
    def n_labels(self) -> int:
        """How many different labels there are."""
        return len(np.unique(self.labels))

    @property
    def n_texts(self) -> int:
        """How many different texts there are."""
        return len(np.unique(self.same))

    @property
    def all_different(self) -> bool:
        """Whether no text repeats another."""
        return self.n_texts == len(self)


def labelled(corpus: Corpus, field: str = "") -> Labelled:
    """The texts with a label in a field, by default the corpus's first; blank ones have none."""
    values = corpus.fields.get(field, corpus.labels) or ()
    indices = np.array([i for i, value in enumerate(values) if value.strip()], np.int64)
    return Labelled(indices, np.array([values[i] for i in indices], str), corpus.numbers[indices])


def why_not(measure: str, texts: Labelled) -> str:
    """Why these texts have no score in one of :data:`BY_LABELS`; "" where they can have one."""
    m, n_labels = len(texts), texts.n_labels
    if m == 0:
        return "no text has a label"
    if m == 1:
        return "only one text has a label"
    if n_labels == 1:
        return f"all {m:,} labelled texts have the same label, {str(texts.labels[0])[:40]!r}"
    if texts.n_texts == 1:
        return f"all {m:,} labelled texts are the same text"
    if n_labels == m:
        return f"all {m:,} labels are different, so that no two texts belong together"
    if measure == "v_measure" and n_labels > texts.n_texts:
        return (
            f"there are {n_labels:,} labels but only {texts.n_texts:,} different texts, too few "
            "for a cluster per label"
        )
    return ""
