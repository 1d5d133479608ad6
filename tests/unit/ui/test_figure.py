"""A figure's data as CSV, and the checks of its clicks."""

from __future__ import annotations

import csv
import io
import types

import plotly.graph_objects as go
import pytest

from embedlab.ui.shared.figure import clicked, clicked_cell, figure_value


def event(data):
    return types.SimpleNamespace(_data=data)


def test_the_data_is_below_its_caption():
    value = figure_value(
        go.Figure(go.Scatter(x=[1], y=[2])),
        ("text", "score"),
        [("plain", 0.123456789), ("two\nlines", float("nan")), ("a,b", 1)],
        name="scores",
        caption="what, of what",
        look="the points",
    )
    rows = list(csv.reader(io.StringIO(value["csv"])))
    assert rows == [
        ["# what, of what"],
        ["text", "score"],
        ["plain", "0.123457"],
        ["two lines", ""],
        ["a,b", "1"],
    ]
    assert value["figure"]["data"][0]["x"] == [1]


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)"])
def test_no_text_runs_as_a_formula_in_a_spreadsheet(text):
    value = figure_value(go.Figure(), ("text",), [(text,)], name="x", caption="c", look="l")
    assert list(csv.reader(io.StringIO(value["csv"])))[-1] == [f"'{text}"]


def test_a_click_is_a_trace_and_a_position():
    assert clicked(event({"curve": 1, "x": 3, "y": 0.5})) == (1, 3, 0.5)
    assert clicked_cell(event({"cell": [4, 7]})) == (4, 7)


@pytest.mark.parametrize(
    "data",
    [
        None,
        [],
        {},
        {"curve": "1", "x": 1, "y": 1},
        {"curve": True, "x": 1, "y": 1},
        {"curve": 1, "x": {}, "y": 1},
        {"curve": 1, "x": "x" * 200, "y": 1},
    ],
)
def test_anything_else_is_no_click(data):
    assert clicked(event(data)) is None


@pytest.mark.parametrize("cell", [None, [1], [1, "2"], [1.5, 2], "12", [1, 2, 3]])
def test_anything_else_is_no_cell(cell):
    assert clicked_cell(event({"cell": cell})) is None
