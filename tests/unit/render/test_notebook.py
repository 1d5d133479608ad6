"""The notebook widget: what it takes, what it refuses, and what it says without anywidget."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from embedlab import EmbedLabError
from embedlab.render.notebook import linked_map

ROWS = np.eye(6, 8, dtype=np.float32)
TEXTS = [f"text {i}" for i in range(6)]


def test_a_selection_lights_up_its_neighbours_and_refuses_other_numbers():
    pytest.importorskip("anywidget")
    widget = linked_map(TEXTS, {"a": ROWS, "b": ROWS[::-1]}, method="PCA")
    seen = []
    widget.observe(lambda change: seen.append(change["new"]), "selection")
    widget.selection = [2]
    assert widget._selection["selected"] == 2 and widget._selection["highlight_a"] == [
        0,
        1,
        3,
        4,
        5,
    ]
    widget.selection = [4, 1, 4]
    assert widget._selection["lasso"] == [1, 4] and seen == [[2], [1, 4]]
    with pytest.raises(EmbedLabError, match="6 is not one of the 6 texts"):
        widget.selection = [6]
    other = linked_map(TEXTS, {"c": ROWS, "d": ROWS}, method="PCA")
    assert other.selection == [] and widget.selection == [1, 4]
    assert other._value["a"]["title"] == "c" and widget._value["a"]["title"] == "a"


@pytest.mark.parametrize(
    ("designs", "labels", "why"),
    [
        ({"a": ROWS}, (), "1 designs were given; the linked map compares two"),
        ({"a": ROWS, "b": ROWS[:5]}, (), "b has 5 vectors for 6 texts"),
        ({"a": ROWS, "b": ROWS}, ("x",), "There are 1 labels for 6 texts"),
    ],
)
def test_what_does_not_fit_is_refused(designs, labels, why):
    pytest.importorskip("anywidget")
    with pytest.raises(EmbedLabError, match=why):
        linked_map(TEXTS, designs, labels)


def test_without_anywidget_it_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "anywidget", None)
    with pytest.raises(EmbedLabError, match=r'pip install "embedlab\[notebook\]"'):
        linked_map(TEXTS, {"a": ROWS, "b": ROWS})
