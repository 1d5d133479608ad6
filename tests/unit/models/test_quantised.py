"""A head as int8, a scale a row."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from support.models import tiny_backbone

from embedlab import Design
from embedlab.models.quantised import quantised, restored


def test_a_matrix_is_rounded_to_127_levels_of_its_rows_largest_value():
    matrix = torch.tensor([[1.27, -0.634, 0.0], [0.0, 0.0, 0.0], [-254.0, 3.1, 1.0]])
    stored = quantised({"query.weight": matrix, "expand.bias": torch.tensor([0.3])})
    assert stored["query.weight.int8"].tolist() == [[127, -63, 0], [0, 0, 0], [-127, 2, 0]]
    assert stored["query.weight.int8"].dtype == torch.int8
    assert stored["query.weight.scale"].tolist() == pytest.approx([0.01, 0.0, 2.0])
    back = restored(stored)
    expected = [[1.27, -0.63, 0.0], [0.0, 0.0, 0.0], [-254.0, 4.0, 0.0]]
    assert torch.allclose(back["query.weight"], torch.tensor(expected))
    assert back["expand.bias"].tolist() == pytest.approx([0.3])


def test_the_error_of_a_head_is_half_a_level_at_most():
    design = Design.parse("M5")
    weights = tiny_backbone().head(design).state_dict()
    back = restored(quantised(weights))
    assert set(back) == set(weights)
    for name, tensor in weights.items():
        exact, rounded = tensor.numpy(), back[name].numpy()
        if name.endswith(".weight") and exact.ndim == 2:
            half = np.abs(exact).max(axis=1, keepdims=True) / 127 / 2
            assert (np.abs(exact - rounded) <= half * 1.0001).all()
            assert np.abs(exact - rounded).max() > 0
        else:
            assert np.array_equal(exact, rounded)


@pytest.mark.parametrize(
    "broken",
    [
        {"w.weight.int8": torch.zeros(2, 3, dtype=torch.int8)},
        {"w.weight.scale": torch.ones(2)},
        {"w.weight.int8": torch.zeros(2, 3, dtype=torch.int8), "w.weight.scale": torch.ones(3)},
        {"w.weight.int8": torch.zeros(2, 3), "w.weight.scale": torch.ones(2)},
        {
            "w.weight.int8": torch.zeros(2, 3, dtype=torch.int8),
            "w.weight.scale": torch.tensor([1.0, float("nan")]),
        },
        {
            "w.weight": torch.zeros(2, 3),
            "w.weight.int8": torch.zeros(2, 3, dtype=torch.int8),
            "w.weight.scale": torch.ones(2),
        },
    ],
)
def test_what_does_not_fit_together_is_refused(broken):
    with pytest.raises(ValueError):
        restored(broken)
