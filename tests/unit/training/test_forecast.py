"""The estimated cost of a training: how it grows, and what it leaves out."""

from __future__ import annotations

from dataclasses import replace

import pytest

from embedlab.data.pairs import PairSet
from embedlab.training.forecast import (
    plan_training,
    rough_seconds,
    sentences,
    tokens_per_pair,
    within_reach,
)
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


@pytest.mark.parametrize(
    ("n", "recipe", "seen"),
    [
        (6, Recipe(steps=40), "40 steps of 6 pairs; each of the 6 pairs is seen 40 times"),
        (16, Recipe(steps=1, held_out=0), "1 steps of 16 pairs; each of the 16 pairs is seen once"),
        (
            100,
            Recipe(steps=5, batch=8),
            "5 steps of 8 pairs; 40 of the 80 pairs are seen, once each",
        ),
        (
            50,
            Recipe(steps=8, batch=10, held_out=0, mntp_steps=3),
            "3 MNTP steps, then 8 steps of 10 pairs; "
            "each of the 50 pairs is seen 1.6 times on average",
        ),
    ],
)
def test_a_plan_counts_how_often_pairs_are_seen(n, recipe, seen):
    plan = plan_training(recipe, pairs(n))
    assert sentences(plan)[0] == seen
    held = min(recipe.held_out, n // 5)
    assert (plan.trained, plan.held_out) == ((n - held, held) if held > 1 else (n, 0))


def test_a_plan_says_how_many_hard_negatives_a_step_uses():
    many = replace(pairs(6), negatives=(tuple("abcdefghij"), *[()] * 5))
    line = "A step uses 7 of a pair's up to 10 hard negatives, drawn anew each time"
    assert line in sentences(plan_training(Recipe(), many))
    assert len(sentences(plan_training(Recipe(max_negatives=0), many))) == 2
    off = sentences(plan_training(Recipe(hard_negatives=False), many))
    assert "The hard negatives are not used, as the recipe says" in off
    assert tokens_per_pair(many, Recipe(hard_negatives=False)) == tokens_per_pair(pairs(6))
    assert tokens_per_pair(many) - tokens_per_pair(pairs(6)) == pytest.approx(7 * (1 + 1 / 4.3) / 6)
