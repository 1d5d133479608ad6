"""Tensors across a process's border, and the owner inside a call."""

from __future__ import annotations

import os
import pickle

import torch
from support.models import tiny_backbone, words

from embedlab.models.scheduler.direct import Direct
from embedlab.models.scheduler.owner import TextPass, TokenPass
from embedlab.models.scheduler.packing import pack, pack_states, unpack, unpack_states
from embedlab.progress import no_progress


def test_tensors_of_any_kind_are_the_same_afterwards():
    tensors = [
        torch.randn(3, 5).bfloat16(),
        torch.tensor(7),
        torch.empty(0, 4),
        torch.randn(2, 3)[:, 1],  # not contiguous
        torch.tensor([True, False]),
    ]
    there = unpack(pickle.loads(pickle.dumps(pack(tensors))))  # noqa: S301 - made here
    for one, other in zip(tensors, there, strict=True):
        assert one.dtype == other.dtype and torch.equal(one, other)
    there[0][:] = 0  # memory of its own, which can be written


def test_states_of_many_texts_are_one_array_and_open_no_file():
    backbone = tiny_backbone()
    rows = [*backbone.states(words(3, 9), "bidirectional").rows, *backbone.states(words(5)).rows]
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
    packed = pack_states(rows)
    assert packed.tensors.data.ndim == 1
    there = unpack_states(pickle.loads(pickle.dumps(packed)))  # noqa: S301 - made here
    assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208
    for one, other in zip(rows, there, strict=True):
        assert torch.equal(one.bank, other.bank)
        assert (one.tokens is None) == (other.tokens is None)
        assert (one.token_count, one.truncated) == (other.token_count, other.truncated)


def test_the_owner_inside_a_call_gives_what_the_local_one_gives():
    backbone = tiny_backbone()
    encoded = {str(i): text for i, text in enumerate(backbone.encode(words(4, 30, 7)))}
    passes = [TextPass(backbone, encoded, "causal")]
    direct = dict(Direct().run(passes, no_progress, ""))
    local = dict(backbone.owner.run(passes, no_progress, ""))
    assert direct.keys() == local.keys() == encoded.keys()
    for name in encoded:
        torch.testing.assert_close(direct[name].bank, local[name].bank)
    short = TokenPass(backbone, [[1, 2, 3]], [[1, 1, 1]], "causal")
    torch.testing.assert_close(Direct().tokens([short])[0], backbone.owner.tokens([short])[0])
