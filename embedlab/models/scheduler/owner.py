"""What everybody sees of a model's owner."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Protocol, TypeVar

if TYPE_CHECKING:
    from embedlab.models.states import Encoded, TextStates
    from embedlab.progress import Progress

T = TypeVar("T")


class Model(Protocol):
    """What an owner calls: a backbone, with or without an adapter.

    Two models with equal ``key`` compute the same, so that their texts may share a batch.
    """

    key: str

    @property
    def token_budget(self) -> int:
        """The most tokens in one batch."""

    def run_batch(self, batch: list[Encoded], attention: str) -> list[TextStates]:
        """One pass; the states of each text on the CPU."""


class Owner(Protocol):
    """The one that calls a model; everybody else asks it, from any thread."""

    def __len__(self) -> int:
        """How many requests wait or are under way."""

    def run(
        self,
        model: Model,
        texts: Mapping[str, Encoded],
        attention: str,
        progress: Progress,
        label: str,
    ) -> Iterator[tuple[str, TextStates]]:
        """The states of texts, each run once, as they come.

        Args:
            model: the owner's model, or the same with an adapter on it.
            texts: the texts to run, by name.
            attention: the mode of the pass.
            progress: called with texts done and texts in all; may raise to cancel.
            label: the progress's description.

        Raises:
            Exception: what the model raised for a batch with one of these texts.
        """

    def call(self, function: Callable[[], T]) -> T:
        """What a short function returns that needs the model for itself."""

    def advance(self, steps: Iterator[T]) -> Iterator[T]:
        """The items of a long computation that uses the model, such as a training's steps.

        Each item is computed when it is asked for, between other people's work. Within an item,
        :meth:`hand_over` lets others go first. Who stops waiting for an item ends the computation:
        ``Cancelled`` is raised in it at its next hand-over.
        """

    def hand_over(self) -> None:
        """Called by a long computation where others may go first; does nothing elsewhere."""
