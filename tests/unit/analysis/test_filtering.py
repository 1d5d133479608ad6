"""Filters: which texts conditions leave, in which words, and what is no condition."""

from __future__ import annotations

import numpy as np
import pytest

from embedlab.analysis.colouring import by_categories, by_numbers
from embedlab.analysis.filtering import (
    checked_rows,
    containing,
    in_categories,
    narrowed,
    selected,
    within_range,
)
from embedlab.data.corpus import Corpus
from embedlab.errors import EmbedLabError

TEXTS = ("The river bank", "A bank loan", "a.*b (regex)", "STRASSE", "straße", "loan")
CORPUS = Corpus(id="own", title="Own", texts=TEXTS)
SENSE = by_categories("sense", ["river", "money", "", "road", "road", "money"])
PRICE = by_numbers("price", [1, 2, np.nan, 4, 5.5, np.inf])


def test_letters_are_searched_as_they_stand_whatever_the_case() -> None:
    assert containing(CORPUS, "BANK").rows == (0, 1)
    assert containing(CORPUS, ".*").rows == (2,)  # no pattern
    assert containing(CORPUS, "(").rows == (2,)
    assert containing(CORPUS, "strasse").rows == (3, 4)
    assert containing(CORPUS, " loan ").words == "“loan” in the text"
    assert containing(CORPUS, "zzz").rows == ()
    with pytest.raises(EmbedLabError, match="Write the letters"):
        containing(CORPUS, "  ")


def test_categories_and_those_without_one() -> None:
    money = in_categories("label sense", SENSE, [1])
    assert money.rows == (1, 5) and money.words == "sense = money"
    two = in_categories("label sense", SENSE, [2, -1])
    assert two.rows == (2, 3, 4) and two.words == "sense = unlabelled or road"
    assert in_categories("x", SENSE, [1], "sense under A").words == "sense under A = money"
    with pytest.raises(EmbedLabError, match="Choose at least one of the values of sense"):
        in_categories("label sense", SENSE, [])
    for codes in ([3], [-2, 0]):
        with pytest.raises(EmbedLabError, match="sense has 3 values"):
            in_categories("label sense", SENSE, codes)
    with pytest.raises(EmbedLabError, match="price has 0 values"):
        in_categories("price", PRICE, [0])


def test_many_categories_are_said_by_the_few_that_are_left_out() -> None:
    letters = by_categories("letter", list("abcdefgh"))
    assert in_categories("l", letters, range(7)).words == "letter is not h"
    assert in_categories("l", letters, [*range(6)]).words == "letter is not g or h"
    assert in_categories("l", by_categories("letter", list("abcdefghijklm")), range(6)).words == (
        "letter = a, b, c, d and 2 more"
    )


def test_a_range_leaves_out_what_is_no_number() -> None:
    assert within_range("p", PRICE, 2, 4).rows == (1, 3)
    assert within_range("p", PRICE, 2, 4).words == "price 2 to 4"
    assert within_range("p", PRICE, None, 2).rows == (0, 1)
    assert within_range("p", PRICE, 4, None).rows == (3, 4)
    assert within_range("p", PRICE, 4, None).words == "price at least 4"
    assert within_range("p", PRICE, 2, 2).rows == (1,)
    rounded = by_numbers("cosine", [0.1 + 0.2])
    assert within_range("c", rounded, None, 0.3).rows == (0,)


@pytest.mark.parametrize(
    ("low", "high", "words"),
    [
        (None, None, "price is 1 to 5.5 here"),
        (float("nan"), None, "price is 1 to 5.5 here"),
        (4, 2, "4 to 2 is no range"),
    ],
)
def test_what_is_no_range_is_a_sentence(low, high, words) -> None:
    with pytest.raises(EmbedLabError, match=words):
        within_range("p", PRICE, low, high)


def test_a_range_of_nothing_and_of_categories() -> None:
    with pytest.raises(EmbedLabError, match="no numbers to choose from"):
        within_range("x", by_numbers("x", [np.nan]), 0, 1)
    with pytest.raises(EmbedLabError, match="sense has no numbers"):
        within_range("sense", SENSE, 0, 1)
    with pytest.raises(EmbedLabError, match=r"price 7 to 9 \(here 1 to 5\.5\) is true of no text"):
        narrowed(CORPUS, None, within_range("p", PRICE, 7, 9))


def test_conditions_hold_together_and_a_second_on_the_same_replaces_the_first() -> None:
    kept = narrowed(CORPUS, None, in_categories("label sense", SENSE, [1]))
    assert kept.rows == (1, 5) and kept.sentence == "2 of 6 texts: sense = money"
    both = narrowed(CORPUS, kept, containing(CORPUS, "bank"))
    assert both.rows == (1,) and both.words == "sense = money and “bank” in the text"
    other = narrowed(CORPUS, both, in_categories("label sense", SENSE, [0, 1]))
    assert other.rows == (0, 1)
    assert [c.what for c in other.conditions] == ["letters", "label sense"]
    assert both.without("letters") == kept and kept.without("label sense") is None
    assert kept.rows == (1, 5)  # as it was


def test_a_filter_that_would_leave_nothing_is_refused_with_why() -> None:
    kept = narrowed(CORPUS, None, in_categories("label sense", SENSE, [1]))
    with pytest.raises(
        EmbedLabError,
        match=r"“river” in the text is true of 1 text, but of none of them also sense = money",
    ):
        narrowed(CORPUS, kept, containing(CORPUS, "river"))
    with pytest.raises(EmbedLabError, match="“zzz” in the text is true of no text"):
        narrowed(CORPUS, None, containing(CORPUS, "zzz"))


def test_a_filter_of_other_texts_or_labels_counts_as_none() -> None:
    kept = narrowed(CORPUS, None, in_categories("label sense", SENSE, [1]))
    for other in (
        Corpus(id="own", title="Own", texts=TEXTS[:5]),
        Corpus(id="own", title="Own", texts=TEXTS, fields={"kind": tuple("abcdef")}),
    ):
        again = narrowed(other, kept, containing(other, "bank"))
        assert again.rows == (0, 1) and again.corpus_key == other.key


def test_selected_texts_are_shown_alone_or_hidden_and_hidden_ones_stay_hidden() -> None:
    only = narrowed(CORPUS, None, selected(CORPUS, None, [4, 1, 1, 0], "marked"))
    assert only.rows == (0, 1, 4) and only.words == "marked"
    less = narrowed(CORPUS, only, selected(CORPUS, only, [0], "in the lasso", hide=True))
    assert less.rows == (1, 4) and less.words == "marked, not in the lasso"
    hidden = narrowed(CORPUS, None, selected(CORPUS, None, [0], "marked", hide=True))
    assert hidden.rows == (1, 2, 3, 4, 5) and hidden.words == "not marked"
    with pytest.raises(EmbedLabError, match="No text would be left"):
        narrowed(CORPUS, None, selected(CORPUS, None, range(6), "marked", hide=True))


def test_a_selection_outside_the_corpus_or_of_nothing_is_a_sentence() -> None:
    assert checked_rows([3, 1, 3], 6) == (1, 3)
    with pytest.raises(EmbedLabError, match="No text is selected"):
        checked_rows([], 6)
    for rows in ([6], [-1, 2]):
        with pytest.raises(EmbedLabError, match="there are 6 texts; select again"):
            checked_rows(rows, 6)
