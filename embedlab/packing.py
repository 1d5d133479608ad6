"""Texts side by side in one row, without padding, for training on a CPU.

A batch of pairs has texts of very different lengths, so padding would double the work, and cutting
it by length leaves batches too small to keep a processor busy. In a packed row every text sees only
itself and counts its positions from 0. Only attention is padded: it costs little on short texts,
and a block-diagonal mask over the whole row would cost the square of the row.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from embedlab.attending import Apart, layer_states
from embedlab.backbone import Backbone, Encoded
from embedlab.batching import batches

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
        """See :func:`embedlab.attending.layer_states`; by default of the texts' ids."""
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
