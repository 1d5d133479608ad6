"""Texts cut into batches by their lengths."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

#: What a batch costs besides its tokens, in tokens: small products keep a processor less busy.
BATCH_COST = 48


def batches(lengths: Sequence[int], budget: int) -> Iterator[list[int]]:
    """Indices in batches of similar length, longest first, at most ``budget`` padded tokens each.

    Of all ways to cut the sorted lengths the one with the fewest padded tokens is taken, where a
    batch costs :data:`BATCH_COST` more than its tokens. A text longer than the budget gets a batch
    of its own.
    """
    order = sorted(range(len(lengths)), key=lambda i: (-lengths[i], i))
    cost = [0.0] * (len(order) + 1)  # of everything from here on
    end = [0] * len(order)
    for start in range(len(order) - 1, -1, -1):
        longest = lengths[order[start]]
        most = max(1, budget // max(1, longest))
        cost[start], end[start] = min(
            (BATCH_COST + longest * (stop - start) + cost[stop], stop)
            for stop in range(start + 1, min(start + most, len(order)) + 1)
        )
    start = 0
    while start < len(order):
        yield order[start : end[start]]
        start = end[start]
