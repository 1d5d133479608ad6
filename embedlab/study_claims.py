"""What the paper concluded, and whether a study agrees, disagrees or cannot tell."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from embedlab.study_report import TaskDifference
from embedlab.study_stats import DatasetComparison

#: A difference smaller than this, two points, is called no gain where the interval excludes more.
RELEVANT = 0.02

#: What the paper concluded, in words, of M4 and M5 against M1: by category, whether it saw a gain.
PAPER = {"STS": True, "Retrieval": True, "Classification": False, "Clustering": False}
AGREES, DISAGREES, CANNOT_TELL = "agrees", "disagrees", "cannot tell"


def judged(
    gains: bool, over: DatasetComparison, within: Sequence[TaskDifference]
) -> tuple[str, str]:
    """Whether a study agrees that ``b`` gains on ``a``, or that it does not, and from what."""
    if over.why is None:
        sign = int(np.sign(over.difference or 0)) if over.separable else 0
        highest = over.high
        basis = f"over {over.n} datasets, {over.verdict}"
    else:
        signs = {int(np.sign(d.difference or 0)) if d.separable else 0 for d in within}
        sign = signs.pop() if len(signs) == 1 else 0
        highs = [d.high for d in within]
        highest = None if None in highs or not highs else max(h for h in highs if h is not None)
        separable = sum(d.separable for d in within)
        basis = (
            f"on average; {over.n} datasets are too few for a test over them, and it is separable "
            f"within {separable} of {len(within)}"
        )
    change = "no score" if over.difference is None else f"{100 * over.difference:+.1f} points"
    why = f"{change} {basis}."
    if gains:
        return {1: AGREES, 0: CANNOT_TELL, -1: DISAGREES}[sign], why
    if sign > 0:
        return DISAGREES, why
    if sign < 0:
        return AGREES, why
    if highest is not None and highest < RELEVANT:
        return AGREES, f"{why} A gain above {100 * RELEVANT:.0f} points is outside the interval."
    return CANNOT_TELL, why
