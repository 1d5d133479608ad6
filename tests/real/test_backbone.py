"""The real SmolLM2 against figures measured once, by hand, outside this package."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import spearmanr

from embedlab import Design, embed, load_corpus

PAIRS = 600
TOLERANCE = 0.02


@pytest.mark.parametrize(
    ("design", "expected"),
    [
        ("causal/mean@1", 0.69),
        ("causal/mean", 0.45),
        ("causal/eos", 0.263),
        ("causal/mean@20", 0.21),
        ("causal/mean@20+skip_first", 0.49),
        # A pass of its own, of 40 s.
        pytest.param("bidirectional/mean", 0.072, marks=pytest.mark.slow),
    ],
)
def test_spearman_on_stsb_is_what_was_measured(smollm2, design, expected):
    corpus = load_corpus("stsb")
    left, right, gold = zip(*corpus.pairs[:PAIRS], strict=True)
    used = sorted({*left, *right})
    place = {text: row for row, text in enumerate(used)}
    vectors = embed([corpus.texts[i] for i in used], Design.parse(design), smollm2)
    a, b = ([place[i] for i in side] for side in (left, right))
    cosines = np.einsum("nd,nd->n", vectors[a], vectors[b])
    assert spearmanr(cosines, gold).statistic == pytest.approx(expected, abs=TOLERANCE)
