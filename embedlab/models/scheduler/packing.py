"""Tensors as one array of bytes, to cross a process's border.

``multiprocessing`` sends every tensor through a file descriptor of its own, which stays open as
long as the tensor lives: a corpus would exhaust them. One array a call is copied and done with.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import Tensor

    from embedlab.models.states import TextStates


class Packed(NamedTuple):
    """n tensors: their bytes one after the other, and the type and the shape of each."""

    data: NDArray[np.uint8]
    kinds: list[tuple[str, tuple[int, ...]]]


def pack(tensors: Sequence[Tensor]) -> Packed:
    """Tensors of any type and device in one array."""
    import torch

    parts = [t.detach().cpu().contiguous().reshape(-1).view(torch.uint8) for t in tensors]
    data = torch.cat(parts).numpy() if parts else np.empty(0, np.uint8)
    return Packed(data, [(str(t.dtype).removeprefix("torch."), tuple(t.shape)) for t in tensors])


def unpack(packed: Packed) -> list[Tensor]:
    """The tensors again, on the CPU, each with memory of its own."""
    import torch

    tensors, start = [], 0
    for name, shape in packed.kinds:
        tensor = torch.empty(shape, dtype=getattr(torch, name))
        end = start + tensor.nbytes
        if tensor.nbytes:
            part = torch.from_numpy(packed.data[start:end].copy())
            tensor = part.view(tensor.dtype).view(shape)
        tensors.append(tensor)
        start = end
    return tensors


class PackedStates(NamedTuple):
    """The states of n texts: for each its plain values, with None for a tensor, and the tensors."""

    rows: list[dict[str, Any]]
    names: list[list[str]]
    tensors: Packed


def pack_states(states: Sequence[TextStates]) -> PackedStates:
    """The states of many texts in one array."""
    import torch

    rows, names, tensors = [], [], []
    for each in states:
        row = {field.name: getattr(each, field.name) for field in fields(each)}
        here = [name for name, value in row.items() if isinstance(value, torch.Tensor)]
        tensors += [row[name] for name in here]
        rows.append(row | dict.fromkeys(here))
        names.append(here)
    return PackedStates(rows, names, pack(tensors))


def unpack_states(packed: PackedStates) -> list[TextStates]:
    """The states again, on the CPU."""
    from embedlab.models.states import TextStates

    tensors = iter(unpack(packed.tensors))
    return [
        TextStates(**row | {name: next(tensors) for name in here})
        for row, here in zip(packed.rows, packed.names, strict=True)
    ]
