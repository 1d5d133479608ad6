"""The estimated cost of a training: how it grows, and what it leaves out."""

from __future__ import annotations

import pytest

from embedlab.data.pairs import PairSet
from embedlab.training.forecast import rough_seconds, tokens_per_pair, within_reach
from embedlab.training.recipe import Recipe


def pairs(n: int, characters: int = 43) -> PairSet:
    texts = tuple(f"{i:0{characters}d}" for i in range(n))
    return PairSet(id="p", title="P", anchors=texts, positives=texts)


def test_a_pair_is_two_texts_with_an_end_each():
    assert tokens_per_pair(pairs(5)) == pytest.approx(2 * (1 + 10))


def test_lora_takes_what_was_measured():
    # 40 steps of 16 pairs of 22 tokens at 270 tokens a second, nothing held out
    recipe = Recipe(steps=40, batch=16, held_out=0)
    assert rough_seconds(recipe, pairs(1000)) == pytest.approx(40 * 16 * 22 / 270)


def test_less_is_quicker():
    data = pairs(1000)
    lora, head = (
        rough_seconds(within_reach(Recipe(mode=mode, steps=10), data), data)
        for mode in ("lora", "head")
    )
    assert head < lora
    assert rough_seconds(Recipe(steps=20), data) > rough_seconds(Recipe(steps=10), data)
    assert rough_seconds(Recipe(mntp_steps=9), data) > rough_seconds(Recipe(), data)
    assert rough_seconds(Recipe(), data, score=True) > rough_seconds(Recipe(), data) + 60


def test_head_only_reads_no_more_pairs_than_it_will_see():
    data = pairs(1000)
    assert within_reach(Recipe(mode="head", steps=10, batch=16, held_out=8), data).max_pairs == 168
    for recipe in (
        Recipe(mode="head", steps=100),
        Recipe(mode="head", max_pairs=5),
        Recipe(steps=10),
    ):
        assert within_reach(recipe, data) is recipe
