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

from embedlab.adapters import UpperPart, seeded
from embedlab.backbone import Backbone, Encoded
from embedlab.design import Design
from embedlab.pooling import POOLINGS, Pooling
from embedlab.recipe import Recipe
from embedlab.states import HiddenStates, TextStates, summarise

#: Bytes of lower layers' states that are kept while the upper layers train.
LOWER_BYTES = 2 * 10**9


class Pass(Protocol):
    """Hidden states of a micro-batch, with a gradient where something below is trained."""

    def states(self, batch: Sequence[Encoded], attention: str) -> HiddenStates:
        """Of n texts; the caller holds the backbone's lock."""


class WholePass:
    """The whole adapted backbone."""

    def __init__(self, trained: Backbone) -> None:
        self.trained = trained

    def states(self, batch: Sequence[Encoded], attention: str) -> HiddenStates:
        """See :class:`Pass`."""
        ids, mask = padded(batch, self.trained)
        hidden = self.trained.hidden_states(ids, mask, attention)
        return _rows(summarise(hidden, mask), hidden[-1], batch, attention)


class UpperPass:
    """The adapted upper layers, on what the frozen layers below left behind the first time."""

    def __init__(self, trained: Backbone, k: int) -> None:
        self.trained, self.upper = trained, UpperPart(trained, k)
        self._kept: OrderedDict[tuple[object, ...], tuple[Tensor, Tensor]] = OrderedDict()
        self._bytes = 0

    def states(self, batch: Sequence[Encoded], attention: str) -> HiddenStates:
        """See :class:`Pass`."""
        lower = self._lower(batch, attention)
        device = self.trained.device
        tokens = torch.nn.utils.rnn.pad_sequence([t for t, _ in lower], batch_first=True).to(device)
        _, mask = padded(batch, self.trained)
        hidden = self.upper.run(tokens, mask, attention)
        below = torch.stack([bank for _, bank in lower]).to(device)
        bank = torch.cat([below, summarise(hidden, mask)], dim=2)
        return _rows(bank, hidden[-1], batch, attention)

    @torch.no_grad()
    def _lower(self, batch: Sequence[Encoded], attention: str) -> list[tuple[Tensor, Tensor]]:
        """Layer ``cut``'s tokens (T, d), and the bank (4, cut, d) of the layers below, a text."""
        cut = self.upper.cut
        missing = [e for e in batch if (attention, e.ids) not in self._kept]
        if missing:
            ids, mask = padded(missing, self.trained)
            with seeded(self.trained, 0):  # whether a text was kept must not show in the dropout
                hidden = self.trained.hidden_states(ids, mask, attention)
            banks = summarise(hidden[:cut], mask).cpu()
            for row, encoded in enumerate(missing):
                tokens = hidden[cut][row, : len(encoded.ids)].cpu().clone()
                self._keep((attention, encoded.ids), (tokens, banks[row].clone()))
        found = [self._kept[attention, e.ids] for e in batch]
        while self._bytes > LOWER_BYTES and self._kept:
            self._bytes -= sum(t.nbytes for t in self._kept.popitem(last=False)[1])
        return found

    def _keep(self, key: tuple[object, ...], value: tuple[Tensor, Tensor]) -> None:
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
            self.source = WholePass(backbone)
        elif recipe.mode == "top_layers":
            self.source = UpperPass(backbone, recipe.top_layers)

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

    def pooled(
        self, batch: Sequence[tuple[str, bool]], encoded: Sequence[Encoded], seed: int
    ) -> Tensor:
        """(n, d) of a micro-batch; dropout is a function of ``seed``."""
        if self.source is None:
            return self.pooling(self._kept(batch), self.design.layer, self.design.skip_first)
        with self.turn(), seeded(self.backbone, seed):
            states = self.source.states(encoded, self.design.attention)
            return self.pooling(states, self.design.layer, self.design.skip_first)

    def turn(self) -> AbstractContextManager[object]:
        """The backbone's lock where a pass is made: others get their turn between two of them."""
        return nullcontext() if self.source is None else self.backbone.lock

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


def padded(batch: Sequence[Encoded], backbone: Backbone) -> tuple[Tensor, Tensor]:
    """Ids and mask, (n, T) each, on the backbone's device."""
    rows = [list(encoded.ids) for encoded in batch]
    both = backbone.tokenizer.pad({"input_ids": rows}, return_tensors="pt")
    return both["input_ids"].to(backbone.device), both["attention_mask"].to(backbone.device)


def _rows(bank: Tensor, last: Tensor, batch: Sequence[Encoded], attention: str) -> HiddenStates:
    rows = []
    for i, encoded in enumerate(batch):
        tokens = None if attention == "causal" else last[i, : len(encoded.ids)]
        rows.append(TextStates(bank[i], tokens, len(encoded.ids), encoded.truncated))
    return HiddenStates(tuple(rows), attention)
