"""The gradient of a loss over a whole batch, a micro-batch at a time (GradCache, arXiv 2101.06983).

The loss needs every vector of the batch, a graph only its own micro-batch. So the loss's gradient
is taken with respect to the vectors, and then each micro-batch gets its rows of it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from embedlab.training.passes import Pooler, PromptedText
from embedlab.training.processes import ALONE, Processes


def backward(
    pooler: Pooler,
    texts: Sequence[PromptedText],
    loss_of: Callable[[Tensor], Tensor],
    seed_of: Callable[[int], int],
    report: Callable[[], None],
    processes: Processes = ALONE,
) -> tuple[float, int]:
    """Accumulate the gradient of a loss over n texts' vectors; returns the loss and the tokens.

    Of several processes each accumulates the part of the gradient that its share of the texts has.

    Args:
        pooler: makes the vectors.
        texts: n texts, the same in every process.
        loss_of: the loss of the vectors, (n, d).
        seed_of: the dropout's seed in a micro-batch, by its number; the same at both passes.
        report: called before every pass; may raise to stop.
        processes: those that compute the vectors.
    """
    encoded = pooler.encode(texts)
    lengths = [len(e.ids) for e in encoded]
    shares = processes.shares(lengths)
    own = shares[processes.rank]
    # Numbers within this process's share; alone, it has all.
    parts = pooler.parts([encoded[i] for i in own]) if own else []
    # A larger batch runs a second time, with a graph, instead of staying in memory.
    in_memory = sum(lengths[i] for i in own) <= pooler.kept

    def forward(number: int) -> Tensor:
        report()
        part = [own[k] for k in parts[number]]
        seed = seed_of(processes.number(number))
        return pooler.pooled([texts[i] for i in part], [encoded[i] for i in part], seed)

    with processes.together(), torch.set_grad_enabled(in_memory):
        graphs = [forward(number) for number in range(len(parts))]
    # A process without a text of a small batch made no vector to ask.
    like = graphs[0] if graphs else torch.empty(0, pooler.vector_size, device=processes.device)
    rows = torch.empty(len(own), like.shape[1], device=like.device)
    for part, graph in zip(parts, graphs, strict=True):
        rows[part] = graph.detach().float()
    vectors = processes.gather(rows, shares).requires_grad_(True)
    loss = loss_of(vectors)
    loss.backward()
    assert vectors.grad is not None
    gradient = vectors.grad[own]
    with processes.together():
        for number, part in enumerate(parts):
            graph = graphs[number] if in_memory else forward(number)
            graph.backward(gradient[part].to(graph.dtype))
    return float(loss.detach()), sum(lengths)
