"""The owner of models whose GPU is lent by the call (ZeroGPU).

A call runs in a worker: a process that was forked from this one, maybe long ago, in which the
weights are on the GPU; here they are not, and reading them gives zeros. So a call takes values and
returns values: which backbone, the adapter's weights, token ids; and one array back. A call belongs
to the visitor in whose request it is made, who pays for it: it shares nothing with other visitors,
and while it waits for a GPU it holds nothing that others need.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple, NoReturn, TypeVar, cast

from embedlab import gpu
from embedlab.errors import EmbedLabError
from embedlab.models.scheduler.direct import Direct
from embedlab.models.scheduler.owner import Model, TextPass, TokenPass
from embedlab.models.scheduler.packing import (
    Packed,
    PackedStates,
    pack,
    pack_states,
    unpack,
    unpack_states,
)
from embedlab.progress import no_progress

if TYPE_CHECKING:
    from torch import Tensor

    from embedlab.models.adapter import AdapterValues
    from embedlab.models.backbone import Backbone
    from embedlab.models.states import Encoded, TextStates
    from embedlab.progress import Progress

T = TypeVar("T")
R = TypeVar("R")

#: What a call asks for, in seconds and tokens a second: the worker's start, and the passes.
START_SECONDS, TOKENS_PER_SECOND = 5, 20_000
#: Passes whose tokens are kept; they are of short texts.
MOST_TOKEN_PASSES = 8
#: Adapted models that a worker keeps.
MOST_BUILT = 8

#: The backbones on the lent GPU, by their keys. All are here before the first worker is forked, so
#: that each worker knows them all.
_OFFERED: dict[str, Backbone] = {}
#: In a worker: what it has built, by the backbone's key and the adapter's digest.
_BUILT: dict[tuple[str, str], Backbone] = {}


class Place(NamedTuple):
    """A model as a value: the key of its backbone, and its adapter's weights."""

    key: str
    adapter: AdapterValues | None

    @classmethod
    def of(cls, model: Model) -> Place:
        """Of a backbone that is offered, or of one with an adapter on it."""
        from embedlab.models.adapter import AdapterValues

        backbone = cast("Backbone", model)
        adapter = None if backbone.adapter is None else AdapterValues.of(backbone.adapter)
        return cls(backbone.base_key, adapter)


class Lent:
    """See :class:`..owner.Owner`; one for all backbones of the process."""

    def __init__(self) -> None:
        self._waiting = 0
        self._tokens: dict[tuple[str, str], Tensor] = {}
        self._guard = threading.Lock()

    def __len__(self) -> int:
        return self._waiting

    def offer(self, backbone: Backbone) -> None:
        """Become the owner of a backbone whose weights were put on the GPU by the main thread."""
        _OFFERED[backbone.key] = backbone
        backbone.owner = self

    def run(
        self, passes: Sequence[TextPass], progress: Progress, label: str
    ) -> Iterator[tuple[str, TextStates]]:
        """The states of texts, all in one call."""
        passes = [each for each in passes if each.texts]
        if not passes:
            return
        progress(0, sum(len(each.texts) for each in passes), f"{label}, on a lent GPU")
        values = [
            (Place.of(model), list(texts.values()), attention) for model, texts, attention in passes
        ]
        names = [name for each in passes for name in each.texts]
        yield from zip(names, unpack_states(self._called(_run_texts, values)), strict=True)

    def tokens(self, passes: Sequence[TokenPass]) -> list[Tensor]:
        """Every token of every layer, for each of the passes, all in one call.

        The last ones are kept, so that those of an action can be asked for together first.
        """
        keys = [(each.model.key, repr(each[1:])) for each in passes]
        with self._guard:
            here = {key: self._tokens[key] for key in keys if key in self._tokens}
        missing = {k: each for k, each in zip(keys, passes, strict=True) if k not in here}
        if missing:
            values = [(Place.of(each.model), *each[1:]) for each in missing.values()]
            here |= zip(missing, unpack(self._called(_run_tokens, values)), strict=True)
        with self._guard:
            self._tokens |= here
            while len(self._tokens) > MOST_TOKEN_PASSES:
                self._tokens.pop(next(iter(self._tokens)))
        return [here[key] for key in keys]

    def call(self, function: Callable[[], T]) -> T:
        """What the function returns; in this process no pass runs that it could disturb."""
        return function()

    def advance(self, steps: Iterator[T]) -> NoReturn:
        """A long computation would ask for the GPU at every item.

        Raises:
            EmbedLabError: always; a training is one call, see :mod:`embedlab.lab.lent_training`.
        """
        raise EmbedLabError("The GPU is lent by the call here; start the training from the page.")

    def hand_over(self) -> None:
        """No computation of this process uses the model."""

    def _called(self, function: Callable[[list[T]], R], values: list[T]) -> R:
        with self._guard:
            self._waiting += 1
        try:
            return function(values)
        finally:
            with self._guard:
                self._waiting -= 1


#: The one of this process.
LENT_OWNER = Lent()

# In a worker


def here(place: Place) -> Backbone:
    """The model that a value names, for this process alone."""
    key = place.key, place.adapter.digest if place.adapter else ""
    if key not in _BUILT:
        while len(_BUILT) >= MOST_BUILT:
            _BUILT.pop(next(iter(_BUILT)))
        model = _OFFERED[place.key].in_own_process()
        _BUILT[key] = place.adapter.on(model) if place.adapter else model
    return _BUILT[key]


TextValues = tuple[Place, list["Encoded"], str]
TokenValues = tuple[Place, list[list[int]], list[list[int]], str, bool]


def _seconds_of_texts(values: list[TextValues]) -> int:
    tokens = sum(len(text.ids) for _, texts, _ in values for text in texts)
    return START_SECONDS + math.ceil(tokens / TOKENS_PER_SECOND)


@gpu.on_gpu(_seconds_of_texts)
def _run_texts(values: list[TextValues]) -> PackedStates:
    """The states of all texts, in their order."""
    passes = [
        TextPass(here(place), {f"{n}/{i}": text for i, text in enumerate(texts)}, attention)
        for n, (place, texts, attention) in enumerate(values)
    ]
    states = dict(Direct().run(passes, no_progress, ""))
    return pack_states([states[name] for each in passes for name in each.texts])


@gpu.on_gpu(lambda values: START_SECONDS)
def _run_tokens(values: list[TokenValues]) -> Packed:
    return pack(Direct().tokens([TokenPass(here(each[0]), *each[1:]) for each in values]))
