"""Texts side by side in one row, without padding, for training on a CPU.

A batch of pairs has texts of very different lengths, so padding would double the work, and cutting
it by length leaves batches too small to keep a processor busy. In a packed row every text sees only
itself (a block-diagonal mask) and counts its positions from 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from embedlab.backbone import Backbone, Encoded, batches

#: Largest relative difference between a text's states packed and alone.
SAME = 1e-3


@dataclass(frozen=True, eq=False)
class Layout:
    """How n texts lie in a pass of R rows of N tokens.

    ``ids`` and ``positions`` are (R, N); ``mask`` is what the model takes, (R, N) or (R, 1, N, N);
    ``place`` (n, T) says where each text's tokens are among the R · N, and ``real`` (n, T) which of
    those are tokens and not filling.
    """

    ids: Tensor
    positions: Tensor
    mask: Tensor
    place: Tensor
    real: Tensor

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
    text = torch.repeat_interleave(torch.arange(len(batch)), lengths)
    positions = torch.arange(len(ids)) - starts[text]
    seen = text[:, None] == text[None, :]
    if attention == "causal":
        seen &= torch.ones_like(seen).tril()
    # Additive, which every attention implementation takes.
    mask = torch.zeros(seen.shape, dtype=backbone.dtype)
    mask = mask.masked_fill(~seen, torch.finfo(backbone.dtype).min)[None, None]
    parts = (ids[None], positions[None], mask, place, real)
    return Layout(*(part.to(backbone.device) for part in parts))


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
        """Indices of n texts in micro-batches of at most ``budget`` tokens where texts allow it."""
        if not self._fits(lengths):
            return list(batches(lengths, budget))
        # The longest first into the first row with room for it.
        rows: list[list[int]] = []
        room: list[int] = []
        for i in sorted(range(len(lengths)), key=lambda i: (-lengths[i], i)):
            row = next((r for r, free in enumerate(room) if free >= lengths[i]), len(rows))
            if row == len(rows):
                rows.append([])
                room.append(budget)
            rows[row].append(i)
            room[row] -= lengths[i]
        return rows

    def layout(self, batch: Sequence[Encoded]) -> Layout:
        """Of one micro-batch."""
        if self._fits([len(encoded.ids) for encoded in batch]):
            return packed(batch, self.backbone, self.attention)
        return padded(batch, self.backbone)

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
                    hidden = self.backbone.hidden_states(
                        layout.ids, layout.mask, self.attention, layout.positions
                    )
                except (RuntimeError, ValueError, TypeError, IndexError):
                    return False
                states.append([layout.unpack(h) * layout.real[..., None] for h in hidden])
        return all(
            float((one - other).float().norm() / one.float().norm()) < SAME
            for one, other in zip(*states, strict=True)
        )
