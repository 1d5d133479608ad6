"""What is no negative of an anchor, against a walk along the pairs."""

from __future__ import annotations

import random

import pytest

from embedlab.data.known_positives import MOST_PARTNERS, KnownPositives
from embedlab.data.pairs import PairSet


def made(*pairs: tuple[str, ...]) -> PairSet:
    return PairSet(
        id="x",
        title="X",
        anchors=tuple(pair[0] for pair in pairs),
        positives=tuple(pair[1] for pair in pairs),
        negatives=tuple(tuple(pair[2:]) for pair in pairs),
    )


def masked(pairs: PairSet, negatives: bool = False) -> dict[str, set[str]]:
    """The texts that are masked for each anchor."""
    candidates = [*pairs.positives, *pairs.every_negative]
    mask = KnownPositives(pairs).masked(
        pairs.anchors, candidates, pairs.negatives if negatives else ()
    )
    found: dict[str, set[str]] = {}
    for anchor, row in zip(pairs.anchors, mask, strict=True):
        found.setdefault(anchor, set()).update(
            text for text, is_masked in zip(candidates, row, strict=True) if is_masked
        )
    return found


@pytest.mark.parametrize(
    ("pairs", "anchor", "expected"),
    [
        # several answers of one query
        ([("q", "p"), ("q", "p2"), ("r", "s")], "q", {"p", "p2"}),
        # symmetric duplicates
        ([("a", "b"), ("b", "a"), ("r", "s")], "a", {"a", "b"}),
        # the same text twice, but for case and white space
        (
            [("q", "Yes, it is"), ("r", "yes,  it IS"), ("t", "u")],
            "q",
            {"Yes, it is", "yes,  it IS"},
        ),
        # a paraphrase of a paraphrase
        ([("a", "b"), ("b", "c"), ("r", "s")], "a", {"b", "c"}),
        # an answer in common
        ([("q", "p"), ("r", "p"), ("r", "p2"), ("t", "u")], "q", {"p", "p2"}),
        # sentences of a story taken in twos are not all alike
        ([(f"s{i}", f"s{i + 1}") for i in range(9)], "s0", {"s1", "s2", "s3"}),
        # a positive of the anchor among another's hard negatives
        ([("q", "p"), ("q", "p2"), ("r", "s", "p2", "n")], "q", {"p", "p2"}),
    ],
)
def test_texts_that_belong_together_are_masked(pairs, anchor, expected):
    assert masked(made(*pairs))[anchor] == expected


def test_a_frequent_answer_connects_nothing():
    many = [(f"q{i}", "Yes.") for i in range(MOST_PARTNERS + 1)]
    found = masked(made(*many, ("q0", "Yes, since noon."), ("r", "s")))
    assert found["q0"] == {"Yes.", "Yes, since noon."}
    assert found["q1"] == {"Yes."}


def test_a_hard_negative_of_its_own_pair_stays_one_unless_it_is_a_known_positive():
    pairs = made(("q", "p", "c", "p2"), ("q", "p2"), ("r", "p"), ("r", "c"))
    # c is the answer of a question that shares the answer p: close, and yet named a negative.
    assert masked(pairs)["q"] == {"p", "p2", "c"}
    rows = KnownPositives(pairs).masked(["q"], ["p", "c", "p2"], [("c", "p2")])
    assert rows.tolist() == [[True, False, True]]


@pytest.mark.parametrize("seed", range(5))
def test_a_mask_is_a_walk_of_three_pairs(seed):
    draw = random.Random(seed)
    pairs = made(*((f"w{draw.randrange(60)}", f"w{draw.randrange(60)}") for _ in range(45)))
    beside: dict[str, set[str]] = {}
    for a, p in zip(pairs.anchors, pairs.positives, strict=True):
        beside.setdefault(a, {a}).add(p)
        beside.setdefault(p, {p}).add(a)
    for anchor, texts in masked(pairs).items():
        reached = {anchor}
        for _ in range(3):
            reached = {there for text in reached for there in beside[text]}
        assert texts == reached & set(pairs.positives)
