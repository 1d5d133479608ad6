"""What to look for in the figures of the Inside tab; as :mod:`embedlab.render.look_for`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from embedlab.analysis.layers import LayerQuality
from embedlab.text import one_line, shorten

if TYPE_CHECKING:
    from embedlab.analysis.label_free import LabelFree
    from embedlab.analysis.space import Shape
    from embedlab.analysis.tokens import HeadAttention, MaskProof, TokenView

#: Scores that differ by less than this share of one are told as the same.
SAME = 0.05
#: A norm so many times the median is a sink; a weight so many times the even one stands out.
SINK, STANDS_OUT = 5.0, 1.5


def layer_quality(quality: LayerQuality) -> str:
    """Of the curves over layers: where the best layer is separable from the last one."""
    gaps = {}
    for curve in quality.curves:
        if not np.isfinite(curve.scores[-1]) or np.isnan(curve.scores).all():
            continue
        best = int(np.nanargmax(curve.scores))
        if curve.low[best] > curve.high[-1]:
            gaps[curve.name] = (float(curve.scores[best] - curve.scores[-1]), best, curve)
    if not gaps:
        return "On no line does another layer stand clear of the last one: their bands overlap."
    name = max(gaps, key=lambda each: gaps[each][0])
    _, best, curve = gaps[name]
    return (
        f"The best layer is not the last: {name} scores {100 * curve.scores[best]:.1f} at layer "
        f"{best} and {100 * curve.scores[-1]:.1f} at layer {len(curve.scores) - 1}, and their "
        "bands do not overlap."
    )


def without_labels(sides: Sequence[LabelFree]) -> str:
    """Of the measures over layers: where each design's entropy peaks, if it does."""
    lines = []
    for letter, one in zip("AB", sides, strict=True):
        values = np.asarray(one.entropy, np.float64)[1:]
        if np.isnan(values).all():
            continue
        layer, _ = one.proposal
        flat = np.nanmax(values) - np.nanmin(values) < SAME * abs(float(np.nanmax(values)))
        peak = f"peaks at layer {layer} of {len(values)} ({one.entropy[layer]:.2f})"
        lines.append(
            f"{letter}'s is flat, so it proposes nothing" if flat else f"{letter}'s {peak}"
        )
    if not lines:
        return "These texts have the same vector at every layer: nothing to see."
    return f"The highest point of the dataset entropy: {'; '.join(lines)}."


def mask_proof(proof: MaskProof) -> str:
    """Of a mask's heatmap: how many tokens before the change have moved, and from which layer."""
    before = proof.first_changed - proof.start
    if before <= 0:
        return "The change is in front of all tokens shown, so nothing before it can be seen."
    moved = np.asarray(proof.moved)[:, :before] > proof.rounding
    tokens = int(moved.any(axis=0).sum())
    if not tokens:
        return (
            f"Left of the change everything stays dark: none of {before} tokens moved at any layer."
        )
    layer = int(np.flatnonzero(moved.any(axis=1))[0])
    return (
        f"Light cells left of the change: {tokens} of {before} tokens before it moved, from layer "
        f"{layer} on."
    )


def unmasking(curves: Sequence[tuple[Sequence[int], Sequence[float]]]) -> str:
    """Of the curves over k: between which k a design loses most.

    ``curves`` has of A and of B the k, rising, and the scores.
    """
    lines = []
    for letter, (layers, scores) in zip("AB", curves, strict=True):
        steps = np.diff(np.asarray(scores, np.float64))
        lost = float(scores[-1] - scores[0])
        if not len(steps) or not lost > SAME:
            lines.append(
                f"{letter} loses nothing to speak of by unmasking "
                f"({100 * (scores[0] - scores[-1]):+.1f})"
            )
            continue
        most = int(np.nanargmax(steps))
        lines.append(
            f"{letter} falls from {100 * scores[-1]:.1f} (causal) to {100 * scores[0]:.1f} "
            f"(bidirectional), most between k = {layers[most + 1]} and {layers[most]}"
        )
    return "; ".join(lines) + "."


def token_norms(views: Sequence[TokenView]) -> str:
    """Of the tokens' norms: whether one of them outweighs all others."""
    lines = []
    for letter, view in zip("AB", views, strict=True):
        norms = np.asarray(view.norms, np.float64)
        top = int(norms.argmax())
        ratio = float(norms[top] / np.median(norms)) if np.median(norms) > 0 else 1.0
        token = shorten(one_line(view.tokens[top]).strip() or "a blank", 20)
        if ratio >= SINK:
            lines.append(
                f"under {letter} “{token}” (token {view.positions[top]}, layer {view.layer}) is "
                f"{ratio:,.0f} times as long as the median token"
            )
        else:
            lines.append(
                f"under {letter} no token stands out: the longest is {ratio:.1f} times the median"
            )
    return _sentence(lines)


def token_cosines(views: Sequence[TokenView]) -> str:
    """Of the tokens' cosines with the vector: which token it is nearest to."""
    lines = []
    for letter, view in zip("AB", views, strict=True):
        if view.design.trainable:
            lines.append(f"{letter}'s vector is in its head's own space, where cosines say little")
            continue
        top = int(np.asarray(view.cosines).argmax())
        token = shorten(one_line(view.tokens[top]).strip() or "a blank", 20)
        lines.append(f"{letter}'s vector is nearest to “{token}” ({100 * view.cosines[top]:.0f})")
    return _sentence(lines)


def head_attention(attention: HeadAttention) -> str:
    """Of a head's weights: where they stand above an even line."""
    mean = np.asarray(attention.mean, np.float64)
    top, even = int(mean.argmax()), 1 / len(mean)
    what = attention.over.removesuffix("s")
    if mean[top] < STANDS_OUT * even:
        why = "" if attention.trained else ", as an untrained head must be"
        return (
            f"An even line{why}: no {what} gets more than {mean[top] / even:.1f} times its share."
        )
    return (
        f"The peak: {what} {top + 1} of {len(mean)} gets {100 * mean[top]:.0f} of 100 parts of the "
        f"attention, {mean[top] / even:.1f} times its share."
    )


def explained(shapes: Sequence[Shape]) -> str:
    """Of the variance by component: whether a few directions hold most of it."""
    first = [100 * float(shape.explained[0]) for shape in shapes]
    ranks = [shape.effective_rank for shape in shapes]
    told = (
        f"the first direction holds {first[0]:.0f} of 100 parts under A and {first[1]:.0f} under B"
    )
    if max(ranks) <= 1.2 * min(ranks):
        return f"Two lines of about the same fall: {told}."
    wide = int(ranks[1] > ranks[0])
    return (
        f"The steeper line uses fewer directions: {told}; {'AB'[wide]} uses about "
        f"{ranks[wide]:.0f} "
        f"directions, {'BA'[wide]} {ranks[1 - wide]:.0f}."
    )


def hubs(shapes: Sequence[Shape]) -> str:
    """Of how often texts are neighbours: how far the largest hubs are from the average."""
    largest = [int(np.max(shape.hubness.counts)) for shape in shapes]
    k, n = shapes[0].hubness.k, shapes[0].n
    told = (
        f"the most frequent text is near to {largest[0]} of {n:,} under A and {largest[1]} under B"
    )
    if max(largest) < 3 * k:
        return f"No hubs to see: {told}, where the average is {k}."
    return f"The tail to the right: {told}, where the average is {k}."


def _sentence(parts: Sequence[str]) -> str:
    joined = "; ".join(parts)
    return f"{joined[:1].upper()}{joined[1:]}."
