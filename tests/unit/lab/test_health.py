"""Budgets hold, time limits end work, and the health of a deployment says nothing of its users."""

from __future__ import annotations

import json
import time

import numpy as np
import psutil
import pytest
from support.models import tiny_backbone, words

from embedlab import Design
from embedlab.analysis.comparison import Embedded
from embedlab.data.corpus import Corpus
from embedlab.errors import EmbedLabError
from embedlab.lab.config import BackboneEntry, Config, Limits
from embedlab.lab.health import health
from embedlab.lab.lab import Lab
from embedlab.lab.lru import Recent
from embedlab.progress import no_progress, with_time_limit


def lab_with(**limits):
    lab = Lab(Config(backbones=(BackboneEntry(id="tiny"),), limits=Limits(**limits)))
    tiny = tiny_backbone()
    tiny.cache = lab.states
    lab._backbones.put("tiny", tiny)
    return lab


@pytest.fixture
def lab():
    return lab_with(state_disk_mb=0)


def corpus_of(texts, title="mine"):
    return Corpus(id="own", title=title, texts=tuple(texts))


def test_health_counts_what_is_kept_and_names_no_user(lab):
    secret = corpus_of(words(4, 5, 6), title="my secret texts")
    for _ in range(2):
        lab.embedded(secret, Design.parse("causal/mean"))
        lab.embedded(secret, Design.parse("causal/eos"))
    found = health(lab)
    assert found["status"] == "ok"
    assert found["loaded"] == [
        {"backbone": "tiny", "device": "cpu", "precision": "float32", "waiting": 0}
    ]
    # Three texts embedded once; the second design asked for the same states.
    cache = found["state_cache"]
    assert (cache["texts"], cache["misses"], cache["hits"]) == (3, 3, 3)
    resident = psutil.Process().memory_info().rss / 10**6
    assert found["memory_mb"]["process"] == pytest.approx(resident, rel=0.1)
    told = json.dumps(found)
    assert "secret" not in told
    assert not any(word in told for word in secret.texts)


def test_embedded_corpora_stay_within_their_bytes():
    lab = lab_with(state_disk_mb=0, vectors_mb=1)
    for seed in range(40):
        corpus = corpus_of(words(*[5] * 400, seed=seed))
        embedded = lab.embedded(corpus, Design.parse("causal/mean"))
        embedded.neighbours()
    # 400 vectors of 32 numbers and their neighbours are about 100 kB.
    assert 0 < lab.vector_bytes <= 10**6
    assert len(lab._embedded) < 40


def test_what_grows_later_counts_as_it_is():
    kept = Recent(100_000, lambda one: one.nbytes)
    vectors = np.eye(64, 100, dtype=np.float32)
    first = kept.put("first", Embedded("first", Design(), vectors, 0))
    before = kept.weight
    assert before == vectors.nbytes
    first.neighbours()
    assert len(first.index) == 64
    assert kept.weight > 2 * before
    for name in range(3):
        kept.put(name, Embedded(str(name), Design(), vectors, 0))
    assert kept.get("first") is None
    assert kept.weight <= 100_000


def test_the_newest_is_kept_even_if_it_is_too_large():
    kept = Recent(10, lambda one: one)
    kept.put("small", 5)
    assert kept.put("large", 50) == 50
    assert kept.items() == [("large", 50)]


def test_work_ends_when_its_time_is_over():
    progress = with_time_limit(0.05, no_progress)
    progress(0, 1, "at first")
    time.sleep(0.06)
    with pytest.raises(EmbedLabError, match="longer than"):
        progress(0, 1, "later")


def test_a_corpus_that_takes_too_long_is_given_up_and_the_model_is_free(lab, monkeypatch):
    corpus = corpus_of(words(*[40] * 200))
    monkeypatch.setattr(
        type(lab), "in_time", lambda self, progress: with_time_limit(0.05, progress)
    )
    with pytest.raises(EmbedLabError, match="fewer or shorter texts"):
        lab.embedded(corpus, Design.parse("causal/mean"))
    monkeypatch.undo()
    start = time.perf_counter()
    lab.embed(["w1 w2"], Design.parse("causal/mean"))
    assert time.perf_counter() - start < 5
    assert len(lab.backbone().sharing) == 0
