"""Budgets hold, time limits end work, and the health of a deployment says nothing of its users."""

from __future__ import annotations

import json
import time

import psutil
import pytest
from support.labs import corpus_of, tiny_lab
from support.models import words

from embedlab import Design
from embedlab.errors import EmbedLabError
from embedlab.lab.health import health
from embedlab.progress import no_progress, with_time_limit


@pytest.fixture
def lab():
    return tiny_lab()


def test_health_counts_cached_states_and_names_no_user(lab):
    secret = corpus_of(words(4, 5, 6), title="my secret texts")
    for _ in range(2):
        lab.embedded(secret, Design.parse("causal/mean"))
        lab.embedded(secret, Design.parse("causal/eos"))
    report = health(lab)
    assert report["status"] == "ok"
    assert report["loaded"] == [
        {"backbone": "tiny", "device": "cpu", "precision": "float32", "waiting": 0}
    ]
    # Three texts embedded once; the second design used the same states.
    cache = report["state_cache"]
    assert (cache["texts"], cache["misses"], cache["hits"]) == (3, 3, 3)
    resident = psutil.Process().memory_info().rss / 10**6
    assert report["memory_mb"]["process"] == pytest.approx(resident, rel=0.1)
    text = json.dumps(report)
    assert "secret" not in text
    assert not any(word in text for word in secret.texts)


def test_work_ends_when_its_time_is_over():
    progress = with_time_limit(0.05, no_progress)
    progress(0, 1, "at first")
    time.sleep(0.06)
    with pytest.raises(EmbedLabError, match="longer than"):
        progress(0, 1, "later")


def test_a_corpus_that_takes_too_long_fails_and_the_model_is_free(lab, monkeypatch):
    corpus = corpus_of(words(*[40] * 2000))
    monkeypatch.setattr(
        type(lab), "in_time", lambda self, progress: with_time_limit(0.05, progress)
    )
    with pytest.raises(EmbedLabError, match="fewer or shorter texts"):
        lab.embedded(corpus, Design.parse("causal/mean"))
    monkeypatch.undo()
    assert lab.embedded(corpus_of(["w1 w2"]), Design.parse("causal/mean")).vectors.shape == (1, 32)
    assert len(lab.backbone().owner) == 0
