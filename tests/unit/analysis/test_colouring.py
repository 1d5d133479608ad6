"""Colourings: what a column of a file gives, and what has no colour."""

from __future__ import annotations

import numpy as np
import pytest

from embedlab.analysis.colouring import by_categories, by_codes, by_column, by_numbers, counts
from embedlab.errors import EmbedLabError


def test_a_column_of_numbers_reads_what_programs_and_people_write() -> None:
    cells = ["1", "2.5", " 3,5 ", "1e3", "-4", "NaN", "", "n/a", "0", "7", "8", "unknown"]
    found = by_column("price", cells)
    assert found is not None and found.kind == "numbers" and found.names == ()
    expected = [1, 2.5, 3.5, 1000, -4, *[np.nan] * 3, 0, 7, 8, np.nan]
    np.testing.assert_array_equal(found.values, expected)
    assert (found.codes == -1).all()
    assert found.has_value.tolist() == [x == x for x in expected]
    assert found.range == (-4, 1000)
    assert found.note == (
        "1 cell is no number, such as 'unknown'. Texts without a number have no colour: 4 of 12."
    )


def test_infinite_numbers_have_no_colour_and_do_not_stretch_the_scale() -> None:
    found = by_numbers("x", [1, np.inf, 3, -np.inf, np.nan])
    assert found.range == (1, 3) and np.isnan(found.values).sum() == 3
    assert "no colour: 1 of 5." in found.note
    assert "Infinite numbers have no colour either: 2." in found.note
    column = by_column("x", ["inf", "1", "2", "-inf"])
    assert column is not None and column.range == (1, 2)


def test_a_constant_and_a_blank_column() -> None:
    assert "All are 5, so there is one colour." in by_numbers("x", [5, 5, 5]).note
    nothing = by_numbers("x", [np.nan, np.nan])
    assert nothing.range is None and nothing.note == "No text has a number here."
    assert by_numbers("x", [np.nan], "Nothing is selected.").note == "Nothing is selected."
    assert by_numbers("x", []).range is None


@pytest.mark.parametrize(
    "cells",
    [
        [""] * 5,
        ["NaN", "null", "", "-"],
        [f"name {i}" for i in range(9)],  # a name for nearly every text groups nothing
        [f"a whole sentence, number {i // 2}, of some length" for i in range(2000 * 2 + 2)],
    ],
)
def test_a_column_that_groups_nothing_has_no_colours(cells: list[str]) -> None:
    assert by_column("x", cells) is None


def test_categories_are_numbered_as_they_appear_and_blank_ones_are_none() -> None:
    found = by_column("team", ["red", "blue", "", "red", "NaN", " blue "])
    assert found is not None and found.kind == "categories"
    assert found.names == ("red", "blue") and found.codes.tolist() == [0, 1, -1, 0, -1, 1]
    assert np.isnan(found.values).all() and found.range is None
    assert found.note == "Texts without any: 2 of 6."
    assert counts(found) == [("red", 2), ("blue", 2)]


def test_names_cut_alike_stay_two_categories() -> None:
    long = ["a" * 60 + "1", "a" * 60 + "2", "a" * 60 + "1"]
    found = by_categories("x", long)
    assert found.codes.tolist() == [0, 1, 0] and len(found.names) == 2
    assert all(len(name) == 40 for name in found.names)


def test_codes_without_a_name_are_refused() -> None:
    assert by_codes("cluster", [0, -1, 1], ["a", "b"]).names == ("a", "b")
    assert by_codes("cluster", [], []).codes.shape == (0,)
    for codes in ([0, 2], [-2, 0]):
        with pytest.raises(EmbedLabError, match="for 2 names"):
            by_codes("cluster", codes, ["a", "b"])
