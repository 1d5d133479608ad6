"""The cache of hidden states: its budget, its disk, and what damaged files do to it."""

from __future__ import annotations

import pickle

import pytest
import torch
from support.models import tiny_backbone, words

from embedlab import StateCache
from embedlab.models.pooling import POOLINGS
from embedlab.models.state_cache import state_key
from embedlab.models.states import TextStates


def entry(fill: float = 0.0, tokens: bool = False) -> TextStates:
    """About 1.5 kB."""
    return TextStates(
        torch.full((4, 3, 32), fill), torch.ones(5, 32) if tokens else None, 5, tokens
    )


def test_the_least_recently_used_goes_first():
    cache = StateCache(3 * entry().nbytes)
    for name in "abc":
        cache.put(name, entry())
    assert cache.get("a") is not None
    cache.put("d", entry())
    assert cache.get("b") is None
    assert all(cache.get(name) is not None for name in "acd")
    assert cache.nbytes == 3 * entry().nbytes


def test_an_entry_larger_than_the_budget_is_not_kept():
    cache = StateCache(10)
    cache.put("a", entry())
    assert len(cache) == 0 and cache.nbytes == 0


def test_keys_tell_every_part_apart():
    keys = {
        state_key(*parts)
        for parts in (
            ("k", "causal", "", "text"),
            ("k", "bidirectional", "", "text"),
            ("k", "causal", "te", "xt"),
            ("k+adapter", "causal", "", "text"),
            ("k", "causal", "", "text "),
            ("k", "causal", "", "\ud800"),
        )
    }
    assert len(keys) == 6


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_disk_gives_back_the_same_states(tmp_path, dtype):
    first = StateCache(10**6, tmp_path)
    bank = torch.randn(4, 3, 32).to(dtype)
    first.put("abc", TextStates(bank, torch.randn(5, 32).to(dtype), 5, True), persist=True)
    first.put("private", entry())
    again = StateCache(10**6, tmp_path)
    read = again.get("abc")
    assert torch.equal(read.bank, bank) and read.bank.dtype == dtype
    assert (read.token_count, read.truncated) == (5, True)
    assert again.get("private") is None


def test_damaged_and_malicious_files_are_computed_again(tmp_path):
    cache = StateCache(10**6, tmp_path)
    cache.put("abc", entry(), persist=True)
    (path,) = tmp_path.glob("*/*")
    for harm in (b"", b"junk", path.read_bytes()[:-7], pickle.dumps({"bank": 1})):
        path.write_bytes(harm)
        assert StateCache(10**6, tmp_path).get("abc") is None
        assert not path.exists()
        path.write_bytes(b"")


def test_the_folder_keeps_its_budget(tmp_path):
    cache = StateCache(10**6, tmp_path)
    for name in "abcdef":
        cache.put(name * 3, entry(), persist=True)
    size = next(tmp_path.glob("*/*")).stat().st_size
    StateCache(10**6, tmp_path, max_disk_bytes=3 * size)
    assert len(list(tmp_path.glob("*/*"))) == 3


def test_the_folder_keeps_its_budget_while_it_is_filled(tmp_path):
    StateCache(10**6, tmp_path).put("size", entry(), persist=True)
    (first,) = tmp_path.glob("*/*")
    size = first.stat().st_size
    cache = StateCache(10**6, tmp_path, max_disk_bytes=10 * size)
    for i in range(40):
        cache.put(f"{i:02}{i:02}", entry(), persist=True)
        assert sum(path.stat().st_size for path in tmp_path.glob("*/*")) <= 10 * size
    assert len(list(tmp_path.glob("*/*"))) >= 8
    assert not first.exists()


def test_what_cannot_be_touched_is_read_all_the_same(tmp_path, monkeypatch):
    StateCache(10**6, tmp_path).put("abc", entry(), persist=True)
    monkeypatch.setattr("embedlab.models.state_cache.os.utime", _refuse)
    monkeypatch.setattr("pathlib.Path.unlink", _refuse)
    assert StateCache(10**6, tmp_path).get("abc") is not None


def _refuse(*args, **kwargs):
    raise PermissionError


def test_a_disk_that_cannot_be_written_costs_nothing_but_speed(tmp_path):
    (tmp_path / "ab").write_text("a file where a folder should be")
    cache = StateCache(10**6, tmp_path)
    cache.put("abc", entry(), persist=True)
    assert cache.get("abc") is not None


def test_a_backbone_reads_its_states_from_disk(tmp_path, monkeypatch):
    texts = words(3, 8)
    backbone = tiny_backbone()
    backbone.key = "tiny"
    backbone.cache = StateCache(10**6, tmp_path)
    expected = backbone.states(texts, "bidirectional", persist=True)
    again = tiny_backbone(seed=0)
    again.key = "tiny"
    again.cache = StateCache(10**6, tmp_path)
    monkeypatch.setattr(again, "hidden_states", None)
    actual = again.states(texts, "bidirectional")
    assert torch.equal(POOLINGS["mean"](actual, 2), POOLINGS["mean"](expected, 2))
    assert torch.equal(actual.tokens()[0], expected.tokens()[0])
