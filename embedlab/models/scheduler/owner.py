"""What everybody sees of a model's owner."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeVar

if TYPE_CHECKING:
    from torch import Tensor

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

    def run_tokens(
        self, input_ids: list[list[int]], mask: list[list[int]], attention: str, precise: bool
    ) -> Tensor:
        """One pass; every token of every layer on the CPU."""


class TextPass(NamedTuple):
    """Texts, by name, that need their states from a model under an attention mode."""

    model: Model
    texts: Mapping[str, Encoded]
    attention: str


class TokenPass(NamedTuple):
    """A padded batch of short texts that needs all its tokens, see :meth:`Model.run_tokens`."""

    model: Model
    input_ids: list[list[int]]
    mask: list[list[int]]
    attention: str
    precise: bool = False


class Owner(Protocol):
    """The one that calls a model; everybody else asks it, from any thread."""

    def __len__(self) -> int:
        """How many requests wait or are under way."""

    def run(
        self, passes: Sequence[TextPass], progress: Progress, label: str
    ) -> Iterator[tuple[str, TextStates]]:
        """The states of texts by name, each run once, as they come.

        Args:
            passes: what is needed, of models of this owner; no name twice.
            progress: called with texts done and texts in all; may raise to cancel.
            label: the progress's description.

        Raises:
            Exception: what a model raised for a batch with one of these texts.
        """

    def tokens(self, passes: Sequence[TokenPass]) -> list[Tensor]:
        """For each pass (L + 1, n, T, d), every token of every layer."""

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
