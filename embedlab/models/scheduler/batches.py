"""Texts in batches of similar length, and a batch that a GPU's memory does not hold."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from embedlab.errors import EmbedLabError

if TYPE_CHECKING:
    from embedlab.models.scheduler.owner import Model
    from embedlab.models.states import Encoded, TextStates

#: What a batch costs besides its tokens, in tokens: small products keep a processor less busy.
BATCH_COST = 48


def batches(lengths: Sequence[int], budget: int) -> Iterator[list[int]]:
    """Indices in batches of similar length, longest first, at most ``budget`` padded tokens each.

    Of all ways to cut the sorted lengths this takes the one with the fewest padded tokens, where a
    batch costs :data:`BATCH_COST` more than its tokens. A text longer than the budget gets a batch
    to itself.
    """
    order = sorted(range(len(lengths)), key=lambda i: (-lengths[i], i))
    # From the last text to the first: the least cost of everything from here on, and the end of
    # the batch that starts here.
    cost = [0.0] * (len(order) + 1)
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


def forward_of(model: Model, attention: str) -> Callable[[list[Encoded]], list[TextStates]]:
    """A pass of a model under an attention mode."""

    def forward(batch: list[Encoded]) -> list[TextStates]:
        return model.run_batch(batch, attention)

    return forward


def run_in_halves(
    forward: Callable[[list[Encoded]], Sequence[TextStates]], texts: list[Encoded]
) -> list[TextStates | EmbedLabError]:
    """Run a batch; in two halves, and so on, where the memory of a GPU does not hold it whole.

    The result of a text that it does not even hold alone is an error for its requests.
    """
    import torch

    try:
        return list(forward(texts))
    except torch.OutOfMemoryError:
        torch.cuda.empty_cache()
    if len(texts) == 1:
        return [
            EmbedLabError(
                "The GPU's memory does not suffice for this text; shorten it, or close what else "
                "uses the GPU."
            )
        ]
    middle = len(texts) // 2
    return [*run_in_halves(forward, texts[:middle]), *run_in_halves(forward, texts[middle:])]
