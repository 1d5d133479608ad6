"""What to look for: sentences against cases that were counted by hand."""

from __future__ import annotations

import numpy as np
import pytest

from embedlab.analysis.comparison import Hit
from embedlab.analysis.leaderboard import Cost, Ranking, Row, Score, Standing
from embedlab.render import look_for

WORDS = ("bank: money", "bank: river", "star: fame", "star: sky")
LABELS = [WORDS[i // 5] for i in range(20)]


def neighbours(own: int) -> np.ndarray:
    """For each of the 20 texts 4 neighbours, of which ``own`` have its label."""
    rows = []
    for i in range(20):
        first, elsewhere = i // 5 * 5, (i // 5 * 5 + 5) % 20
        same = [j for j in range(first, first + 5) if j != i]
        rows.append(same[:own] + [elsewhere + j for j in range(4 - own)])
    return np.array(rows)


def test_the_word_that_gains_most_is_named() -> None:
    near_a, near_b = neighbours(1), neighbours(2)
    near_b[:10] = neighbours(4)[:10]  # of "bank", all four agree
    assert look_for.neighbourhoods(LABELS, near_a, near_b) == (
        "“bank” keeps its two senses apart under B: 100 of 100 neighbours agree; under A: 25. Over "
        "all texts: under A 25, under B 75."
    )
    turned = look_for.neighbourhoods(LABELS, near_b, near_a)
    assert turned.startswith("“bank” keeps its two senses apart under A: 100 of 100")


def test_plain_labels_and_other_names() -> None:
    labels = ["spam" if i < 5 else "ham" for i in range(20)]
    near_a = np.array([[(i + 7 + j) % 20 for j in range(4)] for i in range(20)])
    near_b = np.array(
        [[j for j in (range(5) if i < 5 else range(5, 20)) if j != i][:4] for i in range(20)]
    )
    counted = [np.mean([labels[j] == labels[i] for j in near_a[i]]) for i in range(20)]
    spam, all_texts = 100 * np.mean(counted[:5]), 100 * np.mean(counted)
    told = look_for.neighbourhoods(labels, near_a, near_b, ("before", "after"))
    assert told == (
        f"“spam” keeps together after: 100 of 100 neighbours agree; before: {spam:.0f}. Over all "
        f"texts: before {all_texts:.0f}, after 100."
    )


def test_where_there_is_nothing_to_see_it_says_so() -> None:
    same = look_for.neighbourhoods(LABELS, neighbours(2), neighbours(2))
    assert same.startswith("Little to see between the two") and "under A 50, under B 50" in same
    bare = look_for.neighbourhoods(None, neighbours(2), neighbours(2))
    assert bare == ("Next to nothing to see: of a text's 4 nearest 4.0 are the same under A and B.")
    other = look_for.neighbourhoods(["", " "] * 10, neighbours(4), neighbours(2))
    assert other.startswith("Of a text's 4 nearest 2.0 are the same") and "no labels" in other
    assert "Too few texts" in look_for.neighbourhoods(None, np.zeros((2, 1)), np.zeros((2, 1)))


def test_unlabelled_texts_are_no_class() -> None:
    labels = [*LABELS[:10], *[""] * 10]
    told = look_for.neighbourhoods(labels, neighbours(0), neighbours(4))
    # Of the ten labelled texts under A none has a neighbour of its label, under B all have.
    assert told.endswith("Over all texts: under A 0, under B 100.")


def test_blocks_count_pairs() -> None:
    labels = ["a", "a", "b"]
    # One pair of a label (0.5), two of different ones (0.1, 0.9): above one of two.
    matrix = np.array([[1, 0.5, 0.1], [0.5, 1, 0.9], [0.1, 0.9, 1]])
    told = look_for.blocks(matrix, labels, "A")
    assert told.startswith("No blocks to see") and "in 50 of 100 comparisons" in told
    matrix[0, 1] = matrix[1, 0] = 0.95
    assert "under A two texts of one label" in look_for.blocks(matrix, labels, "A")
    assert "in 100 of 100 comparisons" in look_for.blocks(matrix, labels, "A")
    flat = look_for.blocks(np.ones((3, 3)), labels, "B")
    assert flat == "Nothing to see: B finds all pairs of these texts equally similar."
    assert "no two groups" in look_for.blocks(matrix, ["a", "a", "a"], "A")
    assert look_for.blocks(matrix, None, "B").startswith("B spreads 90 of 100 pairs from")


def test_the_pair_that_departs_from_the_level() -> None:
    a, b = np.full((4, 4), 0.9), np.full((4, 4), 0.4)
    b[1, 3] = b[3, 1] = 0.8
    told = look_for.differences(a, b, ["one", "two", "three", "four"])
    assert told == (
        "B − A is -50 for most pairs; the pair that departs most from that is 2 and 4, 90 under A "
        "and 80 under B (cosine ×100): “two” and “four”."
    )
    assert look_for.differences(a, a, ["x"] * 4).startswith("Nothing to see")
    assert look_for.differences(a[:1, :1], b[:1, :1], ["x"]) == "One text has no pairs."


def test_the_wider_curve() -> None:
    a, b = np.linspace(0.9, 1.0, 101), np.linspace(0.0, 1.0, 101)
    assert look_for.cosines(a, b) == (
        "B's curve is the wider one: 90 of 100 pairs lie within 9 points under A and 90 under B; A "
        "finds nearly everything alike."
    )
    assert look_for.cosines(b, b).startswith("Two curves of about the same width")


def hits(*ids: int, relevant: tuple[int, ...] | None = None) -> list[Hit]:
    known = None if relevant is None else set(relevant)
    return [
        Hit(rank=n, id=i, score=0.5, text="", relevant=known and i in known, move=None)
        for n, i in enumerate(ids, start=1)
    ]


def test_lists_by_what_is_relevant() -> None:
    a, b = hits(1, 2, 3, relevant=(2, 5, 6)), hits(5, 6, 1, relevant=(2, 5, 6))
    assert look_for.ranked_lists(a, b, 3) == (
        "The marks ✓: of 3 relevant texts the first 3 under B have 2, under A 1; 1 texts are in "
        "both lists."
    )
    tied = look_for.ranked_lists(a, hits(2, 8, 9, relevant=(2,)), 1)
    assert tied.startswith(
        "No winner here: both lists have 1 of 1 relevant text, the first at rank"
    )
    assert "rank 2 under A and 1 under B" in tied
    assert look_for.ranked_lists(hits(1, 2), hits(2, 3), 0).startswith("1 of 2 texts are in both")
    assert "no list" in look_for.ranked_lists([], hits(1), 1)


def test_outcomes_say_whether_other_queries_could_turn_them() -> None:
    assert look_for.outcomes((2, 7, 3), 0.371, 0.201, 0.523) == (
        "Bars to the right, above the line: B is better on 7 of 12 queries, A on 2 (+37.1 on "
        "average, 95 % from +20.1 to +52.3)."
    )
    assert look_for.outcomes((2, 7, 3), 0.1, -0.1, 0.3).startswith("No winner: B is better on 7")
    assert "one query says nothing" in look_for.outcomes((0, 1, 0), 0.5, np.nan, np.nan)


def test_designs_that_cannot_be_told_from_the_best() -> None:
    def row(name: str, score: float) -> Row:
        scores = {"knn_accuracy": Score(score=score, low=0, high=1, n=9, items=None)}
        cost = Cost(passes=1, tokens=1, dimension=1)
        return Row(name=name, design="causal/mean", scores=scores, cost=cost)

    rows = (row("best", 0.9), row("near", 0.88), row("far", 0.2))
    standings = {
        "near": Standing(name="near", loss=0.02, p=0.8),
        "far": Standing(name="far", loss=0.7, p=0.001),
    }
    ranked = Ranking(measure="knn_accuracy", rows=rows, best=rows[0], standings=standings)
    assert look_for.table(ranked).startswith("The intervals: 1 of 2 other designs cannot be told")
    standings["near"] = Standing(name="near", loss=0.02, p=0.01)
    assert look_for.table(ranked) == "best stands apart: it is separable from all 2 others."
    untested = {name: Standing(name=name, loss=0.1) for name in standings}
    waiting = Ranking(measure="knn_accuracy", rows=rows, best=rows[0], standings=untested)
    assert "not tested here" in look_for.table(waiting)


def test_small_maps_and_agreement() -> None:
    near = [neighbours(4), neighbours(1), neighbours(2)]
    assert look_for.small_maps(["x", "y", "z"], LABELS, near) == (
        "x keeps texts of one label together best, 100 of 100 neighbours share it; y least, 25."
    )
    assert "Little to tell them apart" in look_for.small_maps(["x", "y"], LABELS, near[:1] * 2)
    assert "no labels" in look_for.small_maps(["x", "y"], None, near[:2])
    matrix = np.array([[1, 0.2, 0.7], [0.2, 1, 0.4], [0.7, 0.4, 1]])
    assert look_for.pairs_of_designs(["x", "y", "z"], matrix, "CKA") == (
        "CKA, ×100: most alike are x and z (70), least x and y (20)."
    )


def test_the_area_counts_ties_half() -> None:
    some, others = np.array([0.2, 0.5, 0.5]), np.array([0.1, 0.5])
    counted = np.mean([(a > b) + (a == b) / 2 for a in some for b in others])
    assert look_for._higher(some, others) == pytest.approx(counted)
