"""The forward pass: attention modes, the leak probe, batches, the cache, and many threads."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from support.models import ARCHITECTURES, tiny_backbone, tiny_model, tiny_tokenizer, words

from embedlab import PRESETS, Backbone, Cancelled, Design, EmbedLabError, StateCache, embed, pool
from embedlab.models.pooling import POOLINGS
from embedlab.models.probe import leak_probe
from embedlab.models.scheduler.batches import batches

TEXTS = words(3, 9, 1, 30, 9, 17)


@pytest.mark.parametrize("implementation", ["sdpa", "eager"])
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_the_leak_probe_accepts_decoders(architecture, implementation):
    assert not leak_probe(tiny_backbone(architecture, implementation)).refused


def test_the_leak_probe_refuses_the_others_by_name():
    with pytest.raises(EmbedLabError, match=r"bert.*cannot be used"):
        leak_probe(tiny_backbone("bert", "eager"))


@pytest.mark.parametrize("implementation", ["sdpa", "eager"])
@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("attention", ["causal", "bidirectional"])
def test_only_bidirectional_attention_sees_what_comes_later(
    architecture, implementation, attention
):
    backbone = tiny_backbone(architecture, implementation)
    texts = ["w1 w2 w3 w4 w5", "w1 w2 w3 w4 w99"]
    padded = [*texts, *words(12)]
    for batch in (texts, padded):
        states = backbone.states(batch, attention, prompt=f"w{len(batch)} ")
        moved = float((states.bank(3).first[0] - states.bank(3).first[1]).abs().max())
        assert (moved > 1e-6) == (attention == "bidirectional")


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("attention", ["causal", "bidirectional"])
@pytest.mark.parametrize("side", ["left", "right"])
def test_states_equal_transformers_called_directly_at_any_padding(architecture, attention, side):
    backbone = tiny_backbone(architecture)
    ids = [list(e.ids) for e in backbone.encode(TEXTS)]
    width = max(map(len, ids)) + 3
    left = side == "left"
    pads = [[119] * (width - len(row)) for row in ids]
    rows = [p + row if left else row + p for p, row in zip(pads, ids, strict=True)]
    ones = [[1] * len(row) for row in ids]
    zeros = [[0] * len(p) for p in pads]
    mask = [z + o if left else o + z for z, o in zip(zeros, ones, strict=True)]
    with torch.no_grad():
        given = (torch.tensor(values, device=backbone.device) for values in (rows, mask))
        padded = backbone.hidden_states(*given, attention)
        for i, row in enumerate(ids):
            alone = backbone.model(
                torch.tensor([row], device=backbone.device),
                is_causal=attention == "causal",
                use_cache=False,
                output_hidden_states=True,
            ).hidden_states
            for h, expected in zip(padded, alone, strict=True):
                actual = h[i, -len(row) :] if left else h[i, : len(row)]
                torch.testing.assert_close(actual, expected[0], atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("design", PRESETS.values(), ids=str)
def test_a_vector_is_the_same_alone_in_a_batch_and_in_another_order(design):
    alone = np.concatenate([embed([text], design, tiny_backbone()) for text in TEXTS])
    batch = embed(TEXTS, design, tiny_backbone())
    order = [5, 0, 3, 1, 4, 2]
    shuffled = embed([TEXTS[i] for i in order], design, tiny_backbone())
    np.testing.assert_allclose(batch, alone, atol=1e-4)
    np.testing.assert_allclose(shuffled, batch[order], atol=1e-4)
    np.testing.assert_allclose(np.linalg.norm(batch, axis=1), 1, atol=1e-5)
    assert batch.dtype == np.float32


def test_eos_is_appended_by_hand_after_truncation():
    backbone = tiny_backbone()
    short, long = backbone.encode(words(3, 200))
    assert short.ids[-1] == 119 and len(short.ids) == 4 and not short.truncated
    assert long.ids[-1] == 119 and len(long.ids) == 64 and long.truncated
    states = backbone.states(words(3, 200))
    assert states.token_counts.tolist() == [4, 64]
    assert states.truncated.tolist() == [False, True]


def test_the_mask_comes_from_the_tokenizer_so_that_eos_counts_where_pad_is_eos():
    backbone = tiny_backbone()
    states = backbone.states(["w1 w2", "w1 w2 w3 w4 w5 w6"])
    with torch.no_grad():
        ids = torch.tensor([[1, 2, 119]], device=backbone.device)
        output = backbone.model(ids, is_causal=True, output_hidden_states=True)
    direct = output.hidden_states[-1][0].cpu()
    torch.testing.assert_close(POOLINGS["eos"](states)[0], direct[2], atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(POOLINGS["mean"](states)[0], direct.mean(0), atol=1e-5, rtol=1e-5)


def test_prompts_stand_before_the_text():
    backbone = tiny_backbone()
    design = Design.parse("causal/mean?query=w7%20w8%20")
    np.testing.assert_allclose(
        embed(["w1 w2"], design, backbone, query=True),
        embed(["w7 w8 w1 w2"], Design.parse("causal/mean"), backbone),
        atol=1e-6,
    )
    np.testing.assert_allclose(
        embed(["w1 w2"], design, backbone),
        embed(["w1 w2"], Design.parse("causal/mean"), backbone),
        atol=1e-6,
    )


def test_batches_keep_the_budget_and_lose_nothing():
    lengths = [5, 100, 7, 7, 3, 250, 40, 40]
    cut = list(batches(lengths, 120))
    assert sorted(i for batch in cut for i in batch) == list(range(8))
    for batch in cut:
        assert len(batch) == 1 or max(lengths[i] for i in batch) * len(batch) <= 120


def test_adding_one_text_costs_one_text(tiny, monkeypatch):
    passed: list[int] = []
    forward = tiny.hidden_states
    monkeypatch.setattr(
        tiny, "hidden_states", lambda ids, *rest: passed.append(len(ids)) or forward(ids, *rest)
    )
    tiny.states(TEXTS)
    assert sum(passed) == len(TEXTS)
    tiny.states([*TEXTS, "w1 w2 w3"])
    assert sum(passed) == len(TEXTS) + 1
    tiny.states([*TEXTS, "w1 w2 w3"], "bidirectional")
    assert sum(passed) == 2 * (len(TEXTS) + 1)
    for pooling in ("eos", "mean@2", "weighted_mean", "multi_layer_trainable"):
        embed(TEXTS, Design.parse(f"causal/{pooling}"), tiny)
    assert sum(passed) == 2 * (len(TEXTS) + 1)
    tiny.states(["w5 w6"] * 50)
    assert sum(passed) == 2 * (len(TEXTS) + 1) + 1


def test_eight_threads_with_different_designs_get_what_each_gets_alone():
    designs = [Design.parse(d) for d in ("M1", "M2", "M3", "M4", "M5")]
    designs += [Design.parse(d) for d in ("bidirectional/mean@2", "causal/weighted_mean")]
    work = [(design, words(4, 11, 25, 2, seed=seed)) for seed in range(12) for design in designs]
    expected = [embed(texts, design, tiny_backbone()) for design, texts in work]
    shared = tiny_backbone()
    shared.cache = StateCache(20_000)  # nearly everything is computed again, by every thread
    with ThreadPoolExecutor(8) as threads:
        for _ in range(3):
            actual = list(threads.map(lambda job: embed(job[1], job[0], shared), work))
            for mine, theirs in zip(actual, expected, strict=True):
                np.testing.assert_allclose(mine, theirs, atol=1e-5)


def test_the_mode_does_not_outlive_the_call(tiny):
    before = getattr(tiny.model.config, "is_causal", "unset")
    tiny.states(TEXTS, "bidirectional")
    assert getattr(tiny.model.config, "is_causal", "unset") == before


def test_cancelling_stops_between_batches_and_keeps_what_was_done(tiny):
    calls = []

    def stop(done: int, total: int, what: str) -> None:
        calls.append(done)
        if done:
            raise Cancelled

    many = words(*[60] * 60)
    with pytest.raises(Cancelled):
        tiny.states(many, progress=stop)
    cached = len(tiny.cache)
    assert 0 < cached < 60
    tiny.states(many, progress=lambda done, total, what: calls.append(done))
    assert calls[-1] == 60 and calls[2] == cached


def test_a_waiting_query_is_served_before_the_next_batch(tiny):
    order: list[str] = []
    started = threading.Event()

    def note(done: int, total: int, what: str) -> None:
        order.append("corpus")
        started.set()

    corpus = threading.Thread(target=lambda: tiny.states(words(*[60] * 400), progress=note))
    corpus.start()
    started.wait(10)
    tiny.states(["w1"])
    order.append("query")
    corpus.join()
    assert order.index("query") < len(order) - 2


@pytest.mark.parametrize(
    ("texts", "hint"),
    [([], "at least one"), (["w1", ""], "Text 2 is empty"), ([" \n"], "Text 1 is empty")],
)
def test_nothing_to_embed_is_said(tiny, texts, hint):
    with pytest.raises(EmbedLabError, match=hint):
        tiny.states(texts)


@pytest.mark.parametrize(
    "text", ["a\x00b", "\ud800 half", "😀 مرحبا", "<script>alert(1)</script>", "w1 " * 400_000]
)
def test_strange_texts_embed(tiny, text):
    assert np.isfinite(embed([text], Design.parse("causal/mean"), tiny)).all()


def test_an_unknown_attention_mode_is_refused(tiny):
    with pytest.raises(
        EmbedLabError, match="is not an attention mode; use one of causal, bidirectional"
    ):
        tiny.states(["w1"], "sideways")


def test_a_tokenizer_without_eos_is_refused():
    tokenizer = tiny_tokenizer()
    tokenizer.eos_token = None
    with pytest.raises(EmbedLabError, match="no EOS token"):
        Backbone(tiny_model("llama"), tokenizer, name="mute")


def test_pooling_needs_no_further_pass(tiny):
    states = tiny.states(TEXTS, "bidirectional")
    vectors = pool(states, Design.parse("bidirectional/mean"), tiny)
    np.testing.assert_allclose(
        vectors, embed(TEXTS, Design.parse("bidirectional/mean"), tiny), atol=1e-6
    )
