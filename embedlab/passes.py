"""Differentiable passes for training: texts to pooled vectors, a micro-batch at a time.

What is frozen is computed once: the whole backbone when only a head is trained, the lower layers
when only the upper ones are.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Protocol

import torch
from torch import Tensor

from embedlab.adapters import SplitModel, seeded
from embedlab.backbone import Backbone, Encoded
from embedlab.batching import batches
from embedlab.design import Design
from embedlab.packing import Packer
from embedlab.pooling import POOLINGS, Pooling
from embedlab.recipe import Recipe
from embedlab.states import HiddenStates, TextStates, summarise

#: Bytes of lower layers' states that are kept while the upper layers train.
LOWER_BYTES = 2 * 10**9


class Pass(Protocol):
    """Hidden states of a micro-batch, with a gradient where something below is trained."""

    packer: Packer

    def states(self, batch: Sequence[Encoded]) -> HiddenStates:
        """Of n texts; the caller holds the backbone's lock."""


class WholePass:
    """The whole adapted backbone."""

    def __init__(self, trained: Backbone, design: Design) -> None:
        self.trained, self.attention = trained, design.attention
        self.packer = Packer(trained, design.attention)
        reads = POOLINGS[design.pooling].reads_layer
        #: The layers whose states are summarised; a gradient of nothing costs time too.
        self.layers = [design.layer] if reads else list(range(trained.num_layers + 1))

    def states(self, batch: Sequence[Encoded]) -> HiddenStates:
        """See :class:`Pass`."""
        layout = self.packer.layout(batch)
        hidden = self.packer.states(layout)
        found = summarise([layout.unpack(hidden[layer]) for layer in self.layers], layout.real)
        bank = found.new_zeros(len(batch), 4, len(hidden), found.shape[-1])
        bank[:, :, self.layers] = found
        return _rows(bank, layout.unpack(hidden[-1]), batch, self.attention)


class UpperPass:
    """The adapted upper layers, on what the frozen layers below left behind the first time."""

    def __init__(self, trained: Backbone, attention: str, k: int) -> None:
        self.trained, self.attention = trained, attention
        self.packer, self.model = Packer(trained, attention), SplitModel(trained, k)
        self._kept: OrderedDict[tuple[int, ...], tuple[Tensor, Tensor]] = OrderedDict()
        self._bytes = 0

    def states(self, batch: Sequence[Encoded]) -> HiddenStates:
        """See :class:`Pass`."""
        lower = self._lower(batch)
        layout = self.packer.layout(batch)
        tokens = layout.pack([t for t, _ in lower])
        hidden = self.packer.states(layout, self.model.upper, inputs_embeds=tokens)
        unpacked = [layout.unpack(h) for h in hidden]
        below = torch.stack([bank for _, bank in lower]).to(self.trained.device)
        bank = torch.cat([below, summarise(unpacked, layout.real)], dim=2)
        return _rows(bank, unpacked[-1], batch, self.attention)

    @torch.no_grad()
    def _lower(self, batch: Sequence[Encoded]) -> list[tuple[Tensor, Tensor]]:
        """Layer ``cut``'s tokens (T, d), and the bank (4, cut, d) of the layers below, a text."""
        missing = [e for e in batch if e.ids not in self._kept]
        if missing:
            layout = self.packer.layout(missing)
            hidden = self.packer.states(layout, self.model.lower)
            unpacked = [layout.unpack(h) for h in hidden]
            banks = summarise(unpacked[:-1], layout.real).cpu()
            for row, encoded in enumerate(missing):
                tokens = unpacked[-1][row, : len(encoded.ids)].cpu().clone()
                self._keep(encoded.ids, (tokens, banks[row].clone()))
        found = [self._kept[e.ids] for e in batch]
        while self._bytes > LOWER_BYTES and self._kept:
            self._bytes -= sum(t.nbytes for t in self._kept.popitem(last=False)[1])
        return found

    def _keep(self, key: tuple[int, ...], value: tuple[Tensor, Tensor]) -> None:
        if key not in self._kept:
            self._bytes += sum(t.nbytes for t in value)
        self._kept[key] = value


class Pooler:
    """Texts to pooled vectors under a design, for training: (n, d), not normalised."""

    def __init__(self, backbone: Backbone, design: Design, recipe: Recipe, head: Pooling | None):
        self.backbone, self.design, self.recipe = backbone, design, recipe
        self.pooling = POOLINGS[design.pooling]() if head is None else head
        self.source: Pass | None = None  # the untouched backbone's cache
        if recipe.mode == "lora":
            self.source = WholePass(backbone, design)
        elif recipe.mode == "top_layers":
            self.source = UpperPass(backbone, design.attention, recipe.top_layers)

    def encode(self, texts: Sequence[tuple[str, bool]]) -> list[Encoded]:
        """Token ids of (text, is it a query) rows, with their prompts."""
        prompts = {True: self.design.query_prompt, False: self.design.document_prompt}
        encoded: list[Encoded | None] = [None] * len(texts)
        for query in (True, False):
            rows = [i for i, (_, asked) in enumerate(texts) if asked is query]
            found = self.backbone.encode([texts[i][0] for i in rows], prompts[query])
            for i, one in zip(rows, found, strict=True):
                encoded[i] = one
        return [one for one in encoded if one is not None]

    def parts(self, encoded: Sequence[Encoded]) -> list[list[int]]:
        """Indices of the texts in micro-batches."""
        lengths = [len(e.ids) for e in encoded]
        most = min(self.recipe.micro_tokens, self.backbone.token_budget)
        if self.source is None:
            return list(batches(lengths, most))
        return self.source.packer.parts(lengths, most)

    def pooled(
        self, batch: Sequence[tuple[str, bool]], encoded: Sequence[Encoded], seed: int
    ) -> Tensor:
        """(n, d) of a micro-batch; dropout is a function of ``seed``."""
        if self.source is None:
            return self.pooling(self._kept(batch), self.design.layer, self.design.skip_first)
        with self.turn(), seeded(self.backbone, seed):
            states = self.source.states(encoded)
            return self.pooling(states, self.design.layer, self.design.skip_first)

    def turn(self) -> AbstractContextManager[object]:
        """The backbone's lock where a pass is made: others get their turn between two of them."""
        return nullcontext() if self.source is None else self.backbone.lock.later()

    def _kept(self, batch: Sequence[tuple[str, bool]]) -> HiddenStates:
        """Of the untouched backbone, from its cache."""
        rows: list[TextStates | None] = [None] * len(batch)
        for query in (True, False):
            prompt = self.design.query_prompt if query else self.design.document_prompt
            chosen = [i for i, (_, asked) in enumerate(batch) if asked is query]
            if chosen:
                texts = [batch[i][0] for i in chosen]
                found = self.backbone.states(texts, self.design.attention, prompt)
                for i, row in zip(chosen, found.rows, strict=True):
                    rows[i] = row
        return HiddenStates(tuple(r for r in rows if r is not None), self.design.attention)


def _rows(bank: Tensor, last: Tensor, batch: Sequence[Encoded], attention: str) -> HiddenStates:
    rows = []
    for i, encoded in enumerate(batch):
        tokens = None if attention == "causal" else last[i, : len(encoded.ids)]
        rows.append(TextStates(bank[i], tokens, len(encoded.ids), encoded.truncated))
    return HiddenStates(tuple(rows), attention)
