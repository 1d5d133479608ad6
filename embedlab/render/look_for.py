"""What to look for in a figure: one sentence, computed from what the figure shows.

Where the data say that there is nothing to see, the sentence says so. "100" stands for per cent
throughout: "83 of 100 neighbours". These are of the map, the heatmaps, the lists and the tables;
``look_inside``, ``look_training`` and ``look_study`` have the others.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence

import numpy as np
import numpy.typing as npt

from embedlab.analysis import bootstrap
from embedlab.analysis.comparison import Hit
from embedlab.analysis.leaderboard import Ranking
from embedlab.text import one_line, shorten

#: How the two sides of a view are called inside a sentence.
UNDER = ("under A", "under B")
#: Shares of 100 that differ by less are told as the same; texts below which a group says nothing.
SAME, FEW = 5.0, 5
#: Neighbours of ten that two designs share from which they are told as one.
ALL_BUT_EQUAL = 9.5


def neighbourhoods(
    labels: Sequence[str] | None,
    near_a: npt.ArrayLike,
    near_b: npt.ArrayLike,
    names: tuple[str, str] = UNDER,
) -> str:
    """Of two maps: which group of texts one of the designs keeps together better, and how far.

    Labels such as ``bank: money`` and ``bank: river`` are senses of one word.

    Args:
        labels: of the n texts, blank where there is none; None for a corpus without.
        near_a: the numbers of each text's nearest, (n, k).
        near_b: the same under the other design.
        names: what the two are called: "under A" and "under B".
    """
    both = [np.asarray(near, np.int64) for near in (near_a, near_b)]
    k = both[0].shape[1] if both[0].ndim == 2 else 0
    if not k or len(both[0]) < FEW:
        return "Too few texts for neighbourhoods: there is nothing to compare yet."
    if labels is None or len({label for label in labels if label.strip()}) < 2:
        return _shared(*both)
    codes = np.unique([label.strip() for label in labels], return_inverse=True)[1]
    known = np.array([bool(label.strip()) for label in labels])
    agree = [100 * (codes[near] == codes[:, None])[known].mean(axis=1) for near in both]
    first, second = (float(each.mean()) for each in agree)
    low, high = bootstrap.paired_interval(bootstrap.mean, [agree[0]], [agree[1]])
    overall = f"{names[0]} {first:.0f}, {names[1]} {second:.0f}"
    if not low * high > 0:
        return (
            "Little to see between the two: of 100 neighbours of a text as many share its label "
            f"{overall}, and other texts of this kind could turn that round."
        )
    better = int(second > first)
    groups = _groups([label.strip() for label in labels], known)
    gain = agree[better] - agree[1 - better]
    fit = {name: float(gain[of].mean()) for name, (of, _) in groups.items() if of.sum() >= FEW}
    if not fit:
        return (
            f"Texts of one label lie closer together {names[better]}: of 100 neighbours {overall}."
        )
    word = max(fit, key=lambda name: fit[name])
    of, senses = groups[word]
    there, elsewhere = (float(agree[side][of].mean()) for side in (better, 1 - better))
    keeps = f"keeps its {_number(senses)} senses apart" if senses > 1 else "keeps together"
    return (
        f"“{shorten(word, 40)}” {keeps} {names[better]}: {there:.0f} of 100 neighbours agree; "
        f"{names[1 - better]}: {elsewhere:.0f}. Over all texts: {overall}."
    )


def blocks(matrix: npt.ArrayLike, labels: Sequence[str] | None, letter: str) -> str:
    """Of a heatmap of similarities (m, m): whether pairs of one label stand out."""
    values = np.asarray(matrix, np.float64)
    rows, columns = np.triu_indices(len(values), 1)
    pairs = values[rows, columns]
    if len(pairs) < 2 or np.ptp(pairs) < 1e-6:
        return f"Nothing to see: {letter} finds all pairs of these texts equally similar."
    if labels is None:
        low, high = np.percentile(pairs, [5, 95])
        return (
            f"{letter} spreads 90 of 100 pairs from {100 * low:.0f} to {100 * high:.0f}: light "
            "blocks on the diagonal are groups of similar texts."
        )
    codes = np.array([label.strip() for label in labels])
    alike = codes[rows] == codes[columns]
    if not alike.any() or alike.all():
        return "These texts have no two groups of labels, so no blocks to expect."
    share = 100 * _higher(pairs[alike], pairs[~alike])
    told = f"in {share:.0f} of 100 comparisons (50 is chance)"
    if abs(share - 50) < SAME:
        return (
            f"No blocks to see: two texts of one label are the more similar pair {told} under "
            f"{letter}."
        )
    return (
        f"Light blocks on the diagonal: under {letter} two texts of one label are more similar "
        f"than two of different labels {told}."
    )


def differences(
    a: npt.ArrayLike, b: npt.ArrayLike, texts: Sequence[str], unit: str = "cosine ×100"
) -> str:
    """Of the heatmap of B − A: the pair that the two designs disagree on most."""
    of_a, of_b = (np.asarray(each, np.float64) for each in (a, b))
    rows, columns = np.triu_indices(len(of_a), 1)
    if not len(rows):
        return "One text has no pairs."
    changed = (of_b - of_a)[rows, columns]
    if np.abs(changed).max() < 0.01:
        return "Nothing to see: A and B give every pair the same similarity, to one in a hundred."
    # Two designs differ in their level, too; which pair moved is seen against that.
    level = float(np.median(changed))
    most = int(np.abs(changed - level).argmax())
    i, j = int(rows[most]), int(columns[most])
    return (
        f"B − A is {100 * level:+.0f} for most pairs; the pair that departs most from that is "
        f"{i + 1} and {j + 1}, {100 * of_a[i, j]:.0f} under A and {100 * of_b[i, j]:.0f} under B "
        f"({unit}): “{shorten(one_line(texts[i]), 40)}” and “{shorten(one_line(texts[j]), 40)}”."
    )


def cosines(a: npt.ArrayLike, b: npt.ArrayLike) -> str:
    """Of a histogram of cosines: how much room each design uses."""
    spread = []
    for each in (a, b):
        values = np.asarray(each, np.float64)
        if not len(values):
            return "One text has no pairs."
        spread.append(100 * float(np.subtract(*np.percentile(values, [95, 5]))))
    told = f"90 of 100 pairs lie within {spread[0]:.0f} points under A and {spread[1]:.0f} under B"
    if max(spread) <= 1.2 * min(spread):
        return f"Two curves of about the same width: {told}."
    wide, narrow = ("B", "A") if spread[1] > spread[0] else ("A", "B")
    return f"{wide}'s curve is the wider one: {told}; {narrow} finds nearly everything alike."


def ranked_lists(a: Sequence[Hit], b: Sequence[Hit], relevant: int) -> str:
    """Of two ranked lists: who found more of what is relevant, else how much they share.

    ``relevant`` is how many texts are known to answer the query.
    """
    if not a or not b:
        return "One of the designs has no list for this query, so there is nothing to compare."
    shared = len({hit.id for hit in a} & {hit.id for hit in b})
    if not relevant:
        return (
            f"{shared} of {len(a)} texts are in both lists. Nobody has judged this query: read the "
            "texts that only one list has."
        )
    found = [sum(bool(hit.relevant) for hit in hits) for hits in (a, b)]
    of = f"of {relevant} relevant {'text' if relevant == 1 else 'texts'}"
    if found[0] == found[1]:
        first = [next((hit.rank for hit in hits if hit.relevant), None) for hits in (a, b)]
        where = f", the first at rank {first[0]} under A and {first[1]} under B" if found[0] else ""
        return (
            f"No winner here: both lists have {found[0]} {of}{where}; {shared} texts are in both."
        )
    return (
        f"The marks ✓: {of} the first {len(b)} under B have {found[1]}, under A {found[0]}; "
        f"{shared} texts are in both lists."
    )


def outcomes(wins: tuple[int, int, int], mean: float, low: float, high: float) -> str:
    """Of a bar for each query: who wins, and whether queries like these could turn it round.

    Args:
        wins: the queries that A wins, that B wins, and the others.
        mean: the mean difference B − A as a fraction, and the ends of its interval.
        low: NaN where there is none.
        high: the same.
    """
    a, b, equal = wins
    total = a + b + equal
    counted = f"B is better on {b} of {total} queries, A on {a}"
    if not np.isfinite(low):
        return f"{counted}; one query says nothing of the next."
    ends = f"{100 * mean:+.1f} on average, 95 % from {100 * low:+.1f} to {100 * high:+.1f}"
    if not low * high > 0:
        return f"No winner: {counted} ({ends}), which other queries could turn round."
    longer = "to the right, above the line" if mean > 0 else "to the left, below the line"
    return f"Bars {longer}: {counted} ({ends})."


def table(ranked: Ranking) -> str:
    """Of a table of designs: how many cannot be told from the best."""
    scored = [row for row in ranked.rows if ranked.measure in row.scores and row.proposable]
    if ranked.best is None or len(scored) < 2:
        return "One design has nothing to be compared with."
    best, others = ranked.best, len(scored) - 1
    standings = [ranked.standings.get(row.name) for row in scored if row is not best]
    tested = [each for each in standings if each is not None and each.separable is not None]
    if not tested:
        return (
            f"{best.name} leads; whether that is real is not tested here, so look how far the "
            "intervals overlap."
        )
    tied = sum(not each.separable for each in tested)
    if tied == 0:
        return f"{best.name} stands apart: it is separable from all {others} others."
    return (
        f"The intervals: {tied} of {others} other designs cannot be told from {best.name} on these "
        "texts, whatever their rank."
    )


def small_maps(
    names: Sequence[str], labels: Sequence[str] | None, near: Sequence[npt.ArrayLike]
) -> str:
    """Of the maps of several designs: which one keeps texts of one label together, and which not.

    ``near`` has each design's nearest of each text, (n, k).
    """
    known = [bool(label.strip()) for label in labels or ()]
    if len(names) < 2:
        return "Choose a second design to see what changes between their maps."
    if labels is None or len({label for label in labels if label.strip()}) < 2:
        return (
            "These texts have no labels: groups that stay together on every map depend on no "
            "design."
        )
    codes = np.unique([label.strip() for label in labels], return_inverse=True)[1]
    shares = [100 * float((codes[np.asarray(of)] == codes[:, None])[known].mean()) for of in near]
    best, worst = int(np.argmax(shares)), int(np.argmin(shares))
    if shares[best] - shares[worst] < SAME:
        return (
            f"Little to tell them apart: {min(shares):.0f} to {max(shares):.0f} of 100 neighbours "
            "share a text's label under all of them."
        )
    return (
        f"{shorten(names[best], 60)} keeps texts of one label together best, {shares[best]:.0f} of "
        f"100 neighbours share it; {shorten(names[worst], 60)} least, {shares[worst]:.0f}."
    )


def pairs_of_designs(names: Sequence[str], values: npt.ArrayLike, what: str) -> str:
    """Of a matrix (m, m) of agreement: the two designs that are most alike and those least."""
    matrix = np.asarray(values, np.float64)
    rows, columns = np.triu_indices(len(matrix), 1)
    if not len(rows):
        return "One design has nothing to agree with."
    cells = matrix[rows, columns]
    most, least = int(np.nanargmax(cells)), int(np.nanargmin(cells))

    def said(cell: int) -> str:
        i, j = rows[cell], columns[cell]
        return f"{shorten(names[i], 40)} and {shorten(names[j], 40)} ({100 * cells[cell]:.0f})"

    if most == least:
        return f"{what}: {said(most)}."
    return f"{what}, ×100: most alike are {said(most)}, least {said(least)}."


def _shared(near_a: npt.NDArray[np.int64], near_b: npt.NDArray[np.int64]) -> str:
    """For texts without labels: how many neighbours two designs share."""
    k = near_a.shape[1]
    counts = [len({*a} & {*b}) for a, b in zip(near_a.tolist(), near_b.tolist(), strict=True)]
    mean = float(np.mean(counts))
    if mean >= ALL_BUT_EQUAL * k / 10:
        return (
            f"Next to nothing to see: of a text's {k} nearest {mean:.1f} are the same under A "
            "and B."
        )
    return (
        f"Of a text's {k} nearest {mean:.1f} are the same under A and B. These texts have no "
        "labels "
        "to say which is right: read those whose neighbourhoods changed most."
    )


def _groups(
    labels: Sequence[str], known: npt.NDArray[np.bool_]
) -> dict[str, tuple[npt.NDArray[np.bool_], int]]:
    """The labelled texts of each word with several senses, else of each label: a mask, the senses.

    The masks are over the texts that are labelled.
    """
    of = [label for label, there in zip(labels, known, strict=True) if there]
    words = [label.partition(": ")[0] if ": " in label else "" for label in of]
    senses = Counter(word for word, label in {*zip(words, of, strict=True)} if word)
    several: Collection[str] = {word for word, count in senses.items() if count > 1}
    if several and sum(word in several for word in words) > len(of) / 2:
        names, counts = words, senses
    else:
        names, counts = of, Counter({*of})
        several = {*of}
    column = np.array(names)
    return {name: (column == name, counts[name]) for name in sorted(several)}


def _higher(some: npt.NDArray[np.float64], others: npt.NDArray[np.float64]) -> float:
    """How often one of ``some`` is above one of ``others``, ties counting half: the ROC area."""
    ordered = np.sort(others)
    below = np.searchsorted(ordered, some, "left") + np.searchsorted(ordered, some, "right")
    return float(below.mean() / 2 / len(others))


def _number(n: int) -> str:
    return {2: "two", 3: "three", 4: "four"}.get(n, str(n))
