"""What designs that differ in their steps share is pooled once, and is what embed would give."""

from __future__ import annotations

import numpy as np
import pytest
from support.models import tiny_backbone, words

from embedlab import Design, embed, fit
from embedlab.models.steps import fit_steps
from embedlab.study import pooled_texts
from embedlab.study.pooled_texts import PooledTexts

TEXTS = words(3, 9, 1, 6, 3, 12)


@pytest.fixture
def pooled(monkeypatch):
    calls = []
    plain = pooled_texts.embed_in_chunks

    def counted(texts, design, *arguments, **more):
        calls.append((list(texts), str(design)))
        return plain(texts, design, *arguments, **more)

    monkeypatch.setattr(pooled_texts, "embed_in_chunks", counted)
    backbone = tiny_backbone(tied=True)
    one = PooledTexts(backbone)
    one.calls = calls
    return one


@pytest.mark.parametrize("text", ["causal/mean+centre", "causal/value_mean+whiten", "causal/eos"])
def test_the_vectors_are_those_of_embed(pooled, text):
    design = Design.parse(f"{text}?query=w3%20")
    steps = fit_steps(str(design), design.steps, pooled(TEXTS, design), pooled.backbone)
    expected = fit(TEXTS, design, pooled.backbone)
    for query in (False, True):
        ours = steps(pooled(TEXTS[::-1], design, query=query))
        theirs = embed(TEXTS[::-1], design, pooled.backbone, query=query, fit=expected)
        np.testing.assert_allclose(ours, theirs, atol=1e-6)


def test_steps_share_and_poolings_do_not(pooled):
    for text in ("causal/mean", "causal/mean+centre", "causal/mean+filter2+centre"):
        pooled(TEXTS, Design.parse(text))
    assert pooled.calls == [(list(dict.fromkeys(TEXTS)), "causal/mean")]
    pooled([TEXTS[0], "w5 w5"], Design.parse("causal/mean+int8"))
    assert pooled.calls[1:] == [(["w5 w5"], "causal/mean")]
    pooled(TEXTS[:1], Design.parse("causal/mean"), query=True)
    pooled(TEXTS[:1], Design.parse("causal/eos"))
    assert [len(texts) for texts, _ in pooled.calls[2:]] == [1, 1]
