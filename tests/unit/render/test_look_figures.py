"""What to look for inside a pass, in a training and in a study, against cases counted by hand."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np

from embedlab.analysis.label_free import LabelFree
from embedlab.analysis.layers import LayerCurve, LayerQuality
from embedlab.models.design import Design
from embedlab.render import look_inside, look_study, look_training
from embedlab.training.history import Step

MEAN, M5 = Design.parse("causal/mean"), Design.parse("M5")


def quality(*curves: LayerCurve) -> LayerQuality:
    return LayerQuality("spearman", "pairs", 9, "", "none", 1000, 0, curves)


def curve(scores: list[float], width: float) -> LayerCurve:
    values = np.array(scores)
    return LayerCurve(MEAN, values, values - width, values + width)


def test_the_best_layer_only_where_the_bands_are_apart() -> None:
    scores = [0.4, 0.7, 0.2, 0.5]
    assert look_inside.layer_quality(quality(curve(scores, 0.05))) == (
        "The best layer is not the last: causal/mean scores 70.0 at layer 1 and 50.0 at layer 3, "
        "and their bands do not overlap."
    )
    # 0.7 − 0.15 and 0.5 + 0.15 overlap.
    assert look_inside.layer_quality(quality(curve(scores, 0.15))).startswith("On no line")
    assert look_inside.layer_quality(quality(curve([0.1, np.nan], 0.0))).startswith("On no line")


def test_entropy_that_is_flat_proposes_nothing() -> None:
    def measured(entropy: list[float]) -> LabelFree:
        values = np.array(entropy)
        return LabelFree(MEAN, 20, values, values, values, values)

    told = look_inside.without_labels([measured([9, 1, 3, 2]), measured([0, 2.0, 2.01, 2.0])])
    assert told == (
        "The highest point of the dataset entropy: A's peaks at layer 2 of 3 (3.00); B's is flat, "
        "so it proposes nothing."
    )


def test_tokens_that_moved_are_counted() -> None:
    moved = np.zeros((3, 4))
    moved[:, 3] = 0.9  # the changed token itself
    proof = SimpleNamespace(moved=moved, first_changed=5, start=2, rounding=1e-6)
    assert look_inside.mask_proof(proof) == (
        "Left of the change everything stays dark: none of 3 tokens moved at any layer."
    )
    moved[1:, 0], moved[2, 1] = 0.1, 0.2
    assert look_inside.mask_proof(proof) == (
        "Light cells left of the change: 2 of 3 tokens before it moved, from layer 1 on."
    )


def test_unmasking_finds_the_steepest_step() -> None:
    layers = (0, 10, 20, 30)
    told = look_inside.unmasking([(layers, (0.2, 0.25, 0.55, 0.6)), (layers, (0.5,) * 4)])
    assert told == (
        "A falls from 60.0 (causal) to 20.0 (bidirectional), most between k = 20 and 10; B loses "
        "nothing to speak of by unmasking (+0.0)."
    )


def view(design: Design, norms: list[float], cosines: list[float]) -> SimpleNamespace:
    return SimpleNamespace(
        design=design,
        layer=20,
        norms=np.array(norms),
        cosines=np.array(cosines),
        tokens=("The", " bank", " closed"),
        positions=np.arange(3),
    )


def test_a_sink_and_the_nearest_token() -> None:
    views = [view(MEAN, [1800, 10, 9], [0.1, 0.8, 0.3]), view(M5, [11, 10, 9], [0.9, 0.1, 0.1])]
    assert look_inside.token_norms(views) == (
        "Under A “The” (token 0, layer 20) is 180 times as long as the median token; under B no "
        "token stands out: the longest is 1.1 times the median."
    )
    assert look_inside.token_cosines(views) == (
        "A's vector is nearest to “bank” (80); B's vector is in its head's own space, where "
        "cosines "
        "say little."
    )


def test_a_head_that_prefers_nothing() -> None:
    even = SimpleNamespace(mean=np.full(4, 0.25), over="layers", trained=False)
    assert look_inside.head_attention(even) == (
        "An even line, as an untrained head must be: no layer gets more than 1.0 times its share."
    )
    peak = SimpleNamespace(mean=np.array([0.1, 0.7, 0.1, 0.1]), over="layers", trained=True)
    assert look_inside.head_attention(peak) == (
        "The peak: layer 2 of 4 gets 70 of 100 parts of the attention, 2.8 times its share."
    )


def test_spread_and_hubs() -> None:
    def shape(first: float, rank: float, most: int) -> SimpleNamespace:
        counts = np.array([most, 10, 3])
        hubness = SimpleNamespace(counts=counts, k=10)
        return SimpleNamespace(
            explained=np.array([first]), effective_rank=rank, hubness=hubness, n=160
        )

    told = look_inside.explained([shape(0.45, 20.0, 60), shape(0.06, 110.0, 28)])
    assert told == (
        "The steeper line uses fewer directions: the first direction holds 45 of 100 parts under A "
        "and 6 under B; B uses about 110 directions, A 20."
    )
    hubs = look_inside.hubs([shape(0.4, 20.0, 60), shape(0.4, 21.0, 28)])
    assert hubs == (
        "The tail to the right: the most frequent text is near to 60 of 160 under A and 28 under "
        "B, "
        "where the average is 10."
    )
    assert look_inside.hubs([shape(0.4, 2, 29), shape(0.4, 2, 28)]).startswith("No hubs to see")


def steps(losses: list[float], held_out: dict[int, float]) -> list[Step]:
    return [
        Step(number=i, phase="contrastive", loss=loss, lr=1e-4 * i, tokens=100, seconds=1.0,
             held_out=held_out.get(i))
        for i, loss in enumerate(losses, start=1)
    ]  # fmt: skip


def test_a_training_that_flattens_and_one_that_turns() -> None:
    losses = [2.0] * 5 + [1.5] * 5 + [1.0] * 10
    told = look_training.loss(steps(losses, {1: 0.81, 12: 0.98, 20: 0.99}))
    assert told == (
        "The dashed line below: the held-out score went from 81.0 to 99.0; the loss went from 2.00 "
        "to 1.00; over its second half it hardly moved."
    )
    turned = look_training.loss(steps(losses, {1: 0.6, 10: 0.9, 20: 0.8}))
    assert turned.startswith("The turn at step 10") and "the best was 90.0" in turned
    assert look_training.loss(steps(losses, {1: 0.8, 20: 0.81})).startswith("Little was learned")
    assert look_training.loss([]).startswith("Nothing to see yet")


def test_speed_and_rate() -> None:
    run = steps([1.0] * 4, {})
    assert look_training.rate(run).startswith("The peak of 4.0e-04 at step 4")
    assert look_training.speed(run).startswith("An even line around 100 tokens/s")
    run[2] = Step(number=3, phase="contrastive", loss=1.0, lr=0, tokens=100, seconds=10.0)
    assert look_training.speed(run).startswith("The dips: step 3 ran at 10 tokens/s")


def test_a_study_without_findings_says_so() -> None:
    def pair(separable: bool, difference: float, p: float | None) -> SimpleNamespace:
        return SimpleNamespace(
            a="M1", b="M5", separable=separable, difference=difference, corrected=p
        )

    none = [pair(False, 0.2, 0.3), pair(False, 0.1, None)]
    assert look_study.gains(none).endswith("none of the 2 differences is separable.")
    assert look_study.p_values(none, 0.05) == (
        "No dark cells: none of 1 corrected p-values is at most 0.05."
    )
    some = [*none, pair(True, -0.15, 0.01)]
    assert look_study.gains(some) == (
        "Intervals that do not touch the line: 1 of 3 differences are separable, the largest is M5 "
        "against M1, -15.0."
    )
    assert look_study.p_values(some, 0.05).startswith("Dark cells: 1 of 2")


def test_scores_cells_and_losses() -> None:
    rows = [
        SimpleNamespace(title=t, means=(m,), seed_sds=(s,))
        for t, m, s in (("M1", 0.8, 0.012), ("M5", 0.6, None), ("none", None, None))
    ]
    assert look_study.scores(rows, 0).startswith(
        "From 60.0 (M5) to 80.0 (M1); seeds of one design spread by up to 1.2."
    )
    means = np.array([[0.1, np.nan], [0.5, 0.3]])
    assert look_study.two_choices(["none", "topic"], ["mean", "last"], means) == (
        "The best cell is topic with mean (50.0), the worst none with mean (10.0)."
    )
    flat = SimpleNamespace(points=tuple((i, 1.0, None) for i in range(20)))
    falls = SimpleNamespace(points=tuple((i, 20.0 - i, None) for i in range(20)))
    assert look_study.losses([flat, falls]).startswith("Lines that still fall at their end: 1 of 2")
    assert look_study.losses([flat]).startswith("Flat ends: none of 1")
    assert look_study.losses([SimpleNamespace(points=((1, 2.0, None),))]).startswith(
        "Too few steps"
    )
