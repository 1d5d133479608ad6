"""The processes that train together, as ``accelerate launch`` or ``torchrun`` starts them.

All of them run the same training from the same seeds. Of the texts of a batch each computes its
share; the vectors are gathered, so that every text is a candidate of every anchor, and each process
takes the loss over all of them. The gradients of the shares add up to the gradient of the whole.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import signal
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch import distributed as dist

from embedlab.errors import EmbedLabError


@dataclass(frozen=True, kw_only=True)
class Processes:
    """This process among those that train together; by default it is alone.

    ``device`` is where this one computes, for those that are several.
    """

    rank: int = 0
    count: int = 1
    device: torch.device | None = None

    @property
    def main(self) -> bool:
        """Whether this is the one that prints and writes."""
        return self.rank == 0

    def shares(self, lengths: Sequence[int]) -> list[list[int]]:
        """Which of n texts each process computes, of about as many tokens each."""
        if self.count == 1:
            return [list(range(len(lengths)))]
        longest_first = sorted(range(len(lengths)), key=lambda i: (-lengths[i], i))
        return [sorted(longest_first[rank :: self.count]) for rank in range(self.count)]

    def number(self, part: int) -> int:
        """A number for this process's micro-batch ``part`` that no other process's has."""
        return part * self.count + self.rank

    def gather(self, rows: Tensor, shares: Sequence[Sequence[int]]) -> Tensor:
        """(n, d) of all texts, from (k, d) of this process's share in its order."""
        if self.count == 1:
            return rows
        padded = rows.new_zeros(max(map(len, shares)), rows.shape[1])
        padded[: len(rows)] = rows
        parts = [torch.empty_like(padded) for _ in shares]
        with self._reachable():
            dist.all_gather(parts, padded)
        whole = rows.new_empty(sum(map(len, shares)), rows.shape[1])
        for part, share in zip(parts, shares, strict=True):
            whole[list(share)] = part[: len(share)]
        return whole

    def sum(self, value: float) -> float:
        """The sum of every process's value."""
        if self.count == 1:
            return value
        total = torch.tensor(value, dtype=torch.float32, device=self.device)
        self._reduce(total)
        return float(total)

    def add_gradients(self, parameters: Sequence[Tensor]) -> None:
        """Give every process the sum of all gradients; one that none has stays None."""
        if self.count == 1:
            return
        there = torch.tensor([p.grad is not None for p in parameters], device=self.device).int()
        self._reduce(there)
        for parameter, holders in zip(parameters, there.tolist(), strict=True):
            if holders:
                own = parameter.grad
                total = torch.zeros_like(parameter) if own is None else own.float()
                self._reduce(total)
                parameter.grad = total.to(parameter.dtype)

    @torch.no_grad()
    def same_weights(self, parameters: Sequence[Tensor]) -> None:
        """Give every process the main one's weights."""
        for parameter in parameters if self.count > 1 else ():
            with self._reachable():
                dist.broadcast(parameter, 0)

    @contextmanager
    def together(self) -> Iterator[None]:
        """Where the memory of one does not hold the work inside, all raise OutOfMemoryError."""
        if self.count == 1:
            yield
            return
        error: torch.OutOfMemoryError | None = None
        try:
            yield
        except torch.OutOfMemoryError as own:
            error = own
        if self.sum(float(error is not None)):
            raise error or torch.OutOfMemoryError("another process has too little memory")

    def check_same(self, values: Mapping[str, Any]) -> None:
        """Refuse to train where the processes do not mean the same training.

        Raises:
            EmbedLabError: it names the first value that differs.
        """
        for name, value in values.items() if self.count > 1 else ():
            digest = hashlib.sha256(repr(value).encode()).digest()
            own = torch.tensor(int.from_bytes(digest[:7], "big"), device=self.device)
            lowest, highest = own.clone(), own.clone()
            self._reduce(lowest, dist.ReduceOp.MIN)
            self._reduce(highest, dist.ReduceOp.MAX)
            if int(lowest) != int(highest):
                raise EmbedLabError(
                    f"The {self.count} processes do not train the same: their {name} differs. Give "
                    "all of them the same command, the same files, and a folder that they share."
                )

    def chosen_by_main(self, choice: str, choices: Sequence[str]) -> str:
        """The main process's choice among ``choices``, where each could take another."""
        if self.count == 1:
            return choice
        index = torch.tensor(choices.index(choice), device=self.device)
        with self._reachable():
            dist.broadcast(index, 0)
        return choices[int(index)]

    def part(self) -> None:
        """Leave the group; what follows is each process's own."""
        if self.count > 1 and dist.is_initialized():
            dist.destroy_process_group()

    def _reduce(self, tensor: Tensor, how: Any = dist.ReduceOp.SUM) -> None:
        with self._reachable():
            dist.all_reduce(tensor, how)

    @contextmanager
    def _reachable(self) -> Iterator[None]:
        try:
            yield
        except RuntimeError as error:
            _ENDING.set()
            raise ProcessLost(
                f"One of the {self.count} processes of this training ended or cannot be reached, "
                "so the others stopped; its own last lines say why. The same command goes on from "
                "the last checkpoint."
            ) from error


class ProcessLost(EmbedLabError):
    """Another process of the same training is gone."""


#: Nobody else trains.
ALONE = Processes()
#: Set once this process is on its way out, which a second reason to end must not cut short.
_ENDING = threading.Event()


def started(device: str = "auto") -> Processes:
    """This process among those that a launcher started; alone where none did.

    Args:
        device: ``cpu`` keeps all on the processor; else each takes a GPU where there are some.

    Raises:
        EmbedLabError: accelerate is not installed, or the others cannot be reached.
    """
    count = os.environ.get("WORLD_SIZE", "1")
    if count == "1":
        return ALONE
    if importlib.util.find_spec("accelerate") is None:
        raise EmbedLabError(
            f"Training in {count[:9]} processes needs accelerate, which is not installed: "
            'pip install "accelerate>=1.4".'
        )
    from accelerate import PartialState

    if device not in ("auto", "cpu", "cuda"):
        raise EmbedLabError(
            f"Of several processes each takes a GPU of its own, so {device[:20]!r} cannot be "
            "theirs; use auto, cuda or cpu."
        )
    try:
        state = PartialState(cpu=device == "cpu")
    except (RuntimeError, ValueError, OSError) as error:
        raise EmbedLabError(
            f"The {count[:9]} processes of this training did not find each other; check the "
            "launcher's address and port, and that all were started."
        ) from error
    # A launcher ends the others with this signal once one is gone; to them it is like ^C.
    signal.signal(signal.SIGTERM, _interrupt)
    return Processes(rank=state.process_index, count=state.num_processes, device=state.device)


def _interrupt(*_: Any) -> None:
    if not _ENDING.is_set():
        _ENDING.set()
        raise KeyboardInterrupt
