"""The owner of a model in a process that works for one caller alone: it just calls the model."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, TypeVar

from embedlab.errors import EmbedLabError
from embedlab.models.scheduler.batches import batches, forward_of, run_in_halves

if TYPE_CHECKING:
    from torch import Tensor

    from embedlab.models.scheduler.owner import TextPass, TokenPass
    from embedlab.models.states import TextStates
    from embedlab.progress import Progress

T = TypeVar("T")


class Direct:
    """See :class:`..owner.Owner`; nobody else waits."""

    def __len__(self) -> int:
        return 0

    def run(
        self, passes: Sequence[TextPass], progress: Progress, label: str
    ) -> Iterator[tuple[str, TextStates]]:
        """The states of texts, batch by batch."""
        done, total = 0, sum(len(each.texts) for each in passes)
        for model, texts, attention in passes:
            names, lengths = list(texts), [len(text.ids) for text in texts.values()]
            for batch in batches(lengths, model.token_budget):
                progress(done, total, label)
                chosen = [names[i] for i in batch]
                forward = forward_of(model, attention)
                results = run_in_halves(forward, [texts[name] for name in chosen])
                for name, result in zip(chosen, results, strict=True):
                    if isinstance(result, EmbedLabError):
                        raise result
                    yield name, result
                done += len(chosen)

    def tokens(self, passes: Sequence[TokenPass]) -> list[Tensor]:
        """Every token of every layer, for each of the passes."""
        return [
            model.run_tokens(ids, mask, attention, precise)
            for model, ids, mask, attention, precise in passes
        ]

    def call(self, function: Callable[[], T]) -> T:
        """What the function returns."""
        return function()

    def advance(self, steps: Iterator[T]) -> Iterator[T]:
        """The items themselves."""
        return steps

    def hand_over(self) -> None:
        """There is nobody to hand over to."""
