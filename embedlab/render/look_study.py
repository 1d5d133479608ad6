"""What to look for in the figures of a study; as :mod:`embedlab.render.look_for`."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from embedlab.study.comparisons import Difference
from embedlab.study.effects import Effect
from embedlab.study.report import Curve, Summary, short_name


def gains(differences: Sequence[Difference]) -> str:
    """Of the differences between designs: how many are separable, and the largest of them."""
    real = [(one.difference, one) for one in differences if one.separable and one.difference]
    if not real:
        return (
            f"Every interval matters here: none of the {len(differences)} differences is separable."
        )
    largest, top = max(real, key=lambda each: abs(each[0]))
    return (
        f"Intervals that do not touch the line: {len(real)} of {len(differences)} differences are "
        f"separable, the largest is {short_name(top.b)} against {short_name(top.a)}, "
        f"{100 * largest:+.1f}."
    )


def p_values(differences: Sequence[Difference], alpha: float) -> str:
    """Of a matrix of corrected p-values: how many are below alpha."""
    known = [one for one in differences if one.corrected is not None]
    below = sum(one.corrected <= alpha for one in known if one.corrected is not None)
    if not below:
        return f"No dark cells: none of {len(known)} corrected p-values is at most {alpha:g}."
    return f"Dark cells: {below} of {len(known)} corrected p-values are at most {alpha:g}."


def scores(summary: Sequence[Summary], category: int) -> str:
    """Of the mean scores on a category: the best and the worst design, and how far seeds spread."""
    rows = [(row.means[category], row) for row in summary]
    known = [(mean, row) for mean, row in rows if mean is not None]
    if len(known) < 2:
        return "One score has nothing to be compared with."
    best, worst = (pick(known, key=lambda each: each[0]) for pick in (max, min))
    spreads = [sd for _, row in known if (sd := row.seed_sds[category]) is not None]
    seeds = f"; seeds of one design spread by up to {100 * max(spreads):.1f}" if spreads else ""
    return (
        f"From {100 * worst[0]:.1f} ({worst[1].title}) to {100 * best[0]:.1f} "
        f"({best[1].title}){seeds}. A rank alone is no finding: see the differences."
    )


def effects(found: Sequence[Effect]) -> str:
    """Of what each choice does: the largest separable effects up and down."""
    real = [(d, one.over.b) for one in found if one.over.separable and (d := one.over.difference)]
    if not real:
        return f"No interval stands clear of zero: none of {len(found)} effects is separable."
    (gain, best), (loss, worst) = max(real), min(real)
    parts = [f"{len(real)} of {len(found)} effects are separable"]
    if gain > 0:
        parts.append(f"most is gained by {best} ({100 * gain:+.1f})")
    if loss < 0:
        parts.append(f"most is lost by {worst} ({100 * loss:+.1f})")
    return f"Intervals clear of zero: {'; '.join(parts)}."


def two_choices(down: Sequence[str], across: Sequence[str], means: npt.ArrayLike) -> str:
    """Of the means by two choices: the best cell and the worst."""
    cells = np.asarray(means, np.float64)
    if np.isfinite(cells).sum() < 2:
        return "One cell has nothing to be compared with."
    best, worst = (
        divmod(int(pick(cells)), cells.shape[1]) for pick in (np.nanargmax, np.nanargmin)
    )

    def said(cell: tuple[int, int]) -> str:
        return f"{down[cell[0]]} with {across[cell[1]]} ({100 * cells[cell]:.1f})"

    return f"The best cell is {said(best)}, the worst {said(worst)}."


def losses(curves: Sequence[Curve]) -> str:
    """Of the losses: how many trainings were still learning at their end."""
    falling, counted = 0, 0
    for curve in curves:
        values = [loss for _, loss, _ in curve.points if loss is not None]
        tenth = len(values) // 10
        if tenth < 1:
            continue
        counted += 1
        last, before = (np.mean(values[-tenth:]), np.mean(values[-2 * tenth : -tenth]))
        falling += bool(last < 0.95 * before)
    if not counted:
        return "Too few steps to see how the loss ends."
    if not falling:
        return (
            f"Flat ends: none of {counted} losses fell by more than a twentieth over its last "
            "tenth."
        )
    return (
        f"Lines that still fall at their end: {falling} of {counted} losses fell by more than a "
        "twentieth over their last tenth, so more steps would have changed something."
    )
