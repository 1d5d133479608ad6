"""Attention within the texts of one row, against the formula, a text at a time."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from embedlab.models.forward import Apart, attend


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.bfloat16, 0.02)])
def test_packed_attention_and_its_gradient_are_those_of_the_formula(dtype, tolerance):
    heads, size, lengths = 3, 8, (5, 2, 9)
    rows, longest = sum(lengths), max(lengths)
    generator = torch.Generator().manual_seed(0)
    draw = lambda: torch.randn(1, heads, rows, size, generator=generator).to(dtype)  # noqa: E731
    query, key, value, weights = draw(), draw(), draw(), draw().transpose(1, 2)

    place = torch.zeros(len(lengths), longest, dtype=torch.long)
    real = torch.zeros(len(lengths), longest, dtype=torch.bool)
    starts = [sum(lengths[:i]) for i in range(len(lengths))]
    for i, (start, length) in enumerate(zip(starts, lengths, strict=True)):
        place[i, :length] = torch.arange(start, start + length)
        real[i, :length] = True
    causal = torch.ones(longest, longest, dtype=torch.bool).tril()
    visible = (real[:, None, :] & causal)[:, None]
    mask = torch.zeros(visible.shape, dtype=dtype).masked_fill(~visible, torch.finfo(dtype).min)

    inputs = [tensor.clone().requires_grad_(True) for tensor in (query, key, value)]
    apart = Apart(place, real.flatten().nonzero()[:, 0])
    output, _ = attend(SimpleNamespace(is_causal=True), *inputs, mask, apart=apart)
    output.backward(weights)

    exact = [tensor.double().requires_grad_(True) for tensor in (query, key, value)]
    parts = []
    for start, length in zip(starts, lengths, strict=True):
        q, k, v = (tensor[0, :, start : start + length] for tensor in exact)
        scores = (q @ k.mT / size**0.5).masked_fill(~causal[:length, :length], -torch.inf)
        parts.append((scores.softmax(-1) @ v).transpose(0, 1))
    expected = torch.cat(parts)[None]
    expected.backward(weights.double())

    pairs = [(output, expected), *((a.grad, b.grad) for a, b in zip(inputs, exact, strict=True))]
    for one, other in pairs:
        difference = (one.double() - other).norm() / other.norm()
        assert difference < tolerance
    assert torch.backends.cuda.flash_sdp_enabled()  # the choice of a kernel holds for the call
