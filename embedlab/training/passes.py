"""Differentiable passes for training: texts to pooled vectors, a micro-batch at a time.

What is frozen is computed once: the whole backbone when only a head is trained, the lower layers
when only the upper ones are.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from embedlab.models.backbone import Backbone, Encoded
from embedlab.models.design import Design
from embedlab.models.forward import Apart, layer_states
from embedlab.models.head import TrainableHead
from embedlab.models.pooling import POOLINGS
from embedlab.models.scheduler import batches
from embedlab.models.states import HiddenStates, TextStates, summarise
from embedlab.training.lora import SplitModel, seeded
from embedlab.training.recipe import Recipe

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

    def __init__(
        self, backbone: Backbone, design: Design, recipe: Recipe, head: TrainableHead | None
    ) -> None:
        self.backbone, self.design, self.recipe = backbone, design, recipe
        self.pooling = POOLINGS[design.pooling] if head is None else head
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


#: Largest relative difference between a text's states packed and alone.
SAME = 1e-3


@dataclass(frozen=True, eq=False)
class Layout:
    """How n texts of at most T tokens lie in a pass of R rows of N tokens.

    ``ids`` and ``positions`` are (R, N); ``mask`` is what the model takes, (R, N), or (n, 1, T, T)
    where attention takes the row ``apart``; ``place`` (n, T) says where each text's tokens are
    among the R · N, and ``real`` (n, T) which of those are tokens and not filling.
    """

    ids: Tensor
    positions: Tensor
    mask: Tensor
    place: Tensor
    real: Tensor
    apart: Apart | None = None

    def states(self, model: Any, attention: str, **inputs: Tensor) -> tuple[Tensor, ...]:
        """See :func:`embedlab.models.forward.layer_states`; by default of the texts' ids."""
        given = inputs or {"input_ids": self.ids}
        return layer_states(model, attention, self.mask, self.positions, self.apart, **given)

    def unpack(self, hidden: Tensor) -> Tensor:
        """(R, N, d) to (n, T, d)."""
        return hidden.flatten(0, 1)[self.place]

    def pack(self, tokens: Sequence[Tensor]) -> Tensor:
        """n times (T_i, d), one for each text, to (R, N, d)."""
        rows = torch.zeros(self.ids.numel(), tokens[0].shape[1], dtype=tokens[0].dtype)
        real = self.real.cpu()
        for place, keep, text in zip(self.place.cpu(), real, tokens, strict=True):
            rows[place[keep]] = text
        return rows.view(*self.ids.shape, -1).to(self.ids.device)


def padded(batch: Sequence[Encoded], backbone: Backbone) -> Layout:
    """A row a text, padded right."""
    rows = [list(encoded.ids) for encoded in batch]
    both = backbone.tokenizer.pad({"input_ids": rows}, return_tensors="pt")
    ids, mask = (both[name].to(backbone.device) for name in ("input_ids", "attention_mask"))
    positions = (mask.cumsum(dim=1) - 1).clamp(min=0)
    place = torch.arange(ids.numel(), device=ids.device).view_as(ids)
    return Layout(ids, positions, mask, place, mask.bool())


def packed(batch: Sequence[Encoded], backbone: Backbone, attention: str) -> Layout:
    """All texts in one row, (1, N) with N the sum of their lengths."""
    lengths = torch.tensor([len(encoded.ids) for encoded in batch])
    starts = lengths.cumsum(0) - lengths
    across = torch.arange(int(lengths.max()))
    real = across[None] < lengths[:, None]
    place = (starts[:, None] + across[None]).where(real, torch.tensor(0))
    ids = torch.tensor([token for encoded in batch for token in encoded.ids])
    positions = across.expand(real.shape)[real]
    seen = real[:, None, :].expand(-1, len(across), -1)
    if attention == "causal":
        seen = seen & torch.ones(len(across), len(across), dtype=torch.bool).tril()
    # Additive, which every attention implementation takes.
    mask = torch.zeros(seen.shape, dtype=backbone.dtype)
    mask = mask.masked_fill(~seen, torch.finfo(backbone.dtype).min)[:, None]
    to = backbone.device
    place, real, order = place.to(to), real.to(to), real.flatten().nonzero()[:, 0].to(to)
    apart = Apart(place, order)
    return Layout(ids[None].to(to), positions[None].to(to), mask.to(to), place, real, apart)


class Packer:
    """Lays out micro-batches: packed on a CPU where the architecture lets it, else padded.

    Args:
        backbone: what the passes are made with.
        attention: under which mode.
    """

    def __init__(self, backbone: Backbone, attention: str) -> None:
        self.backbone, self.attention = backbone, attention
        self.packs = backbone.device.type == "cpu" and self._proved()
        self.window = getattr(backbone.config, "sliding_window", None) or backbone.max_length

    def parts(self, lengths: Sequence[int], budget: int) -> list[list[int]]:
        """Indices of n texts in micro-batches of about ``budget`` tokens at most."""
        if not self._fits(lengths):
            return list(batches(lengths, budget))
        # As few rows as hold all texts and evenly full: the longest first into the emptiest.
        rows: list[list[int]] = [[] for _ in range(-(-sum(lengths) // budget))]
        full = [0] * len(rows)
        for i in sorted(range(len(lengths)), key=lambda i: (-lengths[i], i)):
            row = min(range(len(rows)), key=full.__getitem__)
            rows[row].append(i)
            full[row] += lengths[i]
        return [row for row in rows if row]

    def layout(self, batch: Sequence[Encoded]) -> Layout:
        """Of one micro-batch."""
        if self._fits([len(encoded.ids) for encoded in batch]):
            return packed(batch, self.backbone, self.attention)
        return padded(batch, self.backbone)

    def states(self, layout: Layout, model: Any = None, **inputs: Tensor) -> tuple[Tensor, ...]:
        """Every layer's states of a micro-batch, (R, N, d) each; the caller holds the lock.

        Here and in a backward pass through them, who waits goes first between two layers.

        Args:
            layout: as :meth:`layout` gave it.
            model: a part of the backbone's model; by default all of it.
            inputs: ``inputs_embeds`` in place of the texts' ids.
        """
        model = self.backbone.model if model is None else model
        with self._breathing(model):
            hidden = layout.states(model, self.attention, **inputs)
        for layer in hidden:
            if layer.requires_grad:
                layer.register_hook(self._breathe)
        return hidden

    @contextmanager
    def _breathing(self, model: nn.Module) -> Iterator[None]:
        """For this pass alone: the model may serve others later, whose passes do not stop."""
        lists = (part for part in model.modules() if isinstance(part, nn.ModuleList))
        handles = [
            layer.register_forward_pre_hook(self._breathe) for layer in next(lists, nn.ModuleList())
        ]
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()

    def _breathe(self, *_: Any) -> None:
        self.backbone.lock.breathe()

    def _fits(self, lengths: Sequence[int]) -> bool:
        # A mask of ours knows no sliding window: longer texts are left to the library's.
        return self.packs and max(lengths) <= self.window

    @torch.no_grad()
    def _proved(self) -> bool:
        """Whether texts in one row really do not see each other with this architecture."""
        batch = [Encoded((7, 5, 3, 9, 4), False), Encoded((4, 8, 6), False)]
        states: list[Any] = []
        with self.backbone.lock:
            for layout in (
                padded(batch, self.backbone),
                packed(batch, self.backbone, self.attention),
            ):
                try:
                    hidden = self.states(layout)
                except (RuntimeError, ValueError, TypeError, IndexError):
                    return False
                states.append([layout.unpack(h) * layout.real[..., None] for h in hidden])
        return all(
            float((one - other).float().norm() / one.float().norm()) < SAME
            for one, other in zip(*states, strict=True)
        )
