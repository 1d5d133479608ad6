"""The gradient of a loss over a whole batch, a micro-batch at a time (GradCache, arXiv 2101.06983).

The loss needs every vector of the batch, a graph only its own micro-batch. So the loss's gradient
is taken with respect to the vectors, and then each micro-batch gets its rows of it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from embedlab.training.passes import Pooler, PromptedText


def backward(
    pooler: Pooler,
    texts: Sequence[PromptedText],
    loss_of: Callable[[Tensor], Tensor],
    seed_of: Callable[[int], int],
    report: Callable[[], None],
) -> tuple[float, int]:
    """Accumulate the gradient of a loss over n texts' vectors; returns the loss and the tokens.

    Args:
        pooler: makes the vectors.
        texts: n texts.
        loss_of: the loss of the vectors, (n, d).
        seed_of: the dropout's seed in a micro-batch, by its number; the same at both passes.
        report: called before every pass; may raise to stop.
    """
    encoded = pooler.encode(texts)
    parts = pooler.parts(encoded)
    tokens = sum(len(e.ids) for e in encoded)
    # A larger batch runs a second time, with a graph, instead of staying in memory.
    in_memory = tokens <= pooler.kept

    def forward(number: int) -> Tensor:
        report()
        part = parts[number]
        return pooler.pooled([texts[i] for i in part], [encoded[i] for i in part], seed_of(number))

    with torch.set_grad_enabled(in_memory):
        graphs = [forward(number) for number in range(len(parts))]
    vectors = torch.empty(len(texts), graphs[0].shape[1], device=graphs[0].device)
    for part, graph in zip(parts, graphs, strict=True):
        vectors[part] = graph.detach().float()
    loss = loss_of(vectors.requires_grad_(True))
    loss.backward()
    assert vectors.grad is not None
    for number, part in enumerate(parts):
        graph = graphs[number] if in_memory else forward(number)
        graph.backward(vectors.grad[part].to(graph.dtype))
    return float(loss.detach()), tokens
