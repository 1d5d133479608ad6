"""What each choice of a grid of designs does, averaged over the other choices.

With hundreds of designs, a table of pairs says little and Holm's correction leaves nothing. A
factor's effect is one number from many pairs: designs that differ in this factor alone, paired on
every dataset, averaged over the pairs and then over the datasets of one source.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product

import numpy as np

from embedlab.analysis.bootstrap import Float64Array
from embedlab.models.design import Design
from embedlab.study.comparisons import DatasetComparison, compare_gains

#: The level of a factor that a design leaves out.
NONE = "none"
#: What a design is made of, for a study.
FACTORS = ("attention", "template", "pooling", "steps")


def choices(design: Design) -> tuple[str, ...]:
    """A design's level of each of :data:`FACTORS`.

    The last token is one level: ``eos`` where no template stands around the text, ``last`` where
    one does.
    """
    prompts = dict.fromkeys((design.query_prompt, design.document_prompt))
    template = " / ".join(prompt or NONE for prompt in prompts)
    bare = replace(design, attention="causal", band=None, bias=0.0, steps=())
    pooling = bare.name.removeprefix("causal/")
    if pooling == ("eos" if template == NONE else "last"):
        pooling = "last token"
    if design.pool:
        pooling += f" of {design.pool}"
    steps = "".join(f"+{step}" for step in design.steps)
    return design.mode, template, pooling, steps or NONE


@dataclass(frozen=True, kw_only=True)
class Effect:
    """What one level of a factor gains on the factor's first level, averaged over other choices.

    ``over`` compares the two over all sources of texts (``a`` is the first level), and
    ``by_category`` (categories,) is the mean gain over the sources of each. ``designs`` is the
    number of pairs of designs that differ in this factor alone.
    """

    factor: str
    designs: int
    over: DatasetComparison
    by_category: tuple[float | None, ...]


def effects(
    scores: Mapping[str, Float64Array],
    categories: Sequence[str],
    clusters: Sequence[str],
    *,
    order: Sequence[str],
    alpha: float = 0.05,
) -> tuple[Effect, ...]:
    """The effect of every level of every factor that has several.

    Args:
        scores: of each design on each dataset, (datasets,), by the design's text.
        categories: the category of each dataset.
        clusters: the source of each dataset.
        order: the categories in the order of ``by_category``.
        alpha: the level of the tests, corrected over all effects after Holm.
    """
    by_choices = {choices(Design.parse(label)): label for label in scores}
    found: list[tuple[str, str, str, int, Float64Array]] = []
    for position, factor in enumerate(FACTORS):
        levels = list(dict.fromkeys(chosen[position] for chosen in by_choices))
        for level in levels[1:]:
            gains = _gains(by_choices, scores, position, levels[0], level)
            if len(gains):
                found.append((factor, levels[0], level, len(gains), _mean(gains)))
    over = compare_gains(
        [(first, level) for _, first, level, _, _ in found],
        [gain for *_, gain in found],
        alpha=alpha,
        clusters=clusters,
    )
    return tuple(
        Effect(
            factor=factor,
            designs=pairs,
            over=one,
            by_category=tuple(
                mean_over_sources(np.where([c == name for c in categories], gain, np.nan), clusters)
                for name in order
            ),
        )
        for (factor, _, _, pairs, gain), one in zip(found, over, strict=True)
    )


def means_by_two(
    chosen: Sequence[tuple[str, ...]], means: Sequence[float | None], rows: int, columns: int
) -> tuple[list[str], list[str], Float64Array]:
    """Mean scores by the levels of two factors, averaged over the others.

    Args:
        chosen: the choices of n designs.
        means: a score of each.
        rows, columns: the positions of two factors.

    Returns:
        The levels of both, and (rows, columns) means, NaN where there is no design.
    """
    across, down = (list(dict.fromkeys(one[i] for one in chosen)) for i in (columns, rows))
    table = np.full((len(down), len(across)), np.nan)
    for (i, row), (j, column) in product(enumerate(down), enumerate(across)):
        cell = [
            mean
            for one, mean in zip(chosen, means, strict=True)
            if (one[rows], one[columns]) == (row, column) and mean is not None
        ]
        if cell:
            table[i, j] = np.mean(cell)
    return down, across, table


def _gains(
    by_choices: Mapping[tuple[str, ...], str],
    scores: Mapping[str, Float64Array],
    position: int,
    first: str,
    level: str,
) -> Float64Array:
    """(pairs, datasets): of designs that differ in one factor alone."""
    gains = []
    for chosen, label in by_choices.items():
        other = (*chosen[:position], level, *chosen[position + 1 :])
        if chosen[position] == first and other in by_choices:
            gains.append(scores[by_choices[other]] - scores[label])
    return np.array(gains)


def _mean(gains: Float64Array) -> Float64Array:
    """(datasets,): over the pairs that have both scores; NaN where none has."""
    there = np.isfinite(gains)
    total, counts = np.where(there, gains, 0).sum(axis=0), there.sum(axis=0)
    return np.divide(total, counts, out=np.full(len(total), np.nan), where=counts > 0)


def mean_over_sources(values: Float64Array, clusters: Sequence[str]) -> float | None:
    """The mean of scores (datasets,) over their sources, each counting once; None without any."""
    by_source: dict[str, list[float]] = {}
    for value, cluster in zip(values.tolist(), clusters, strict=True):
        if np.isfinite(value):
            by_source.setdefault(cluster, []).append(value)
    return float(np.mean([np.mean(group) for group in by_source.values()])) if by_source else None
