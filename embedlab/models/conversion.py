"""A GGUF file to safetensors in float32, once: later starts take half a second, not thirty.

The library that reads such files reports nothing while it does, so the bar follows what can be
seen of it: the time that its tokenizer usually takes, the tensors it has read, the bytes written.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import torch

from embedlab.files import safetensors_errors
from embedlab.models.libraries import transformers_logging
from embedlab.progress import Progress, no_progress, watched

#: Seconds that the tokenizer and the header usually take: what the bar goes by until tensors come.
_HEADER_SECONDS = 20
#: Bytes of a weight in float32.
_FLOAT32 = 4
#: Counts the tensors that this context's call of transformers reads.
_report: ContextVar[Progress | None] = ContextVar("tensors", default=None)


def convert(gguf: Path, into: Path, progress: Progress = no_progress) -> None:
    """Write a backbone's weights and its tokenizer into a folder.

    Raises:
        OSError: the disk did not take it.
    """
    from transformers import AutoModelForCausalLM, AutoTokenizer

    where = {"pretrained_model_name_or_path": gguf.parent, "gguf_file": gguf.name}
    name = gguf.stem
    with watched(_elapsed(f"reading the tokenizer of {name}, once", _HEADER_SECONDS), progress):
        tokenizer = AutoTokenizer.from_pretrained(**where)
    began = _elapsed(f"reading the weights of {name}, once", _HEADER_SECONDS)
    seen = [began()]

    def tensors(done: int, total: int, what: str) -> None:
        seen[0] = (done, total, f"reading the tensors of {name}, once")

    def now() -> tuple[int, int, str]:
        return seen[0] if seen[0][2].startswith("reading the tensors") else began()

    with watched(now, progress), counting_tensors(tensors):
        model: Any = AutoModelForCausalLM.from_pretrained(**where, dtype=torch.float32)
    # These weights are plain floats now; save_pretrained refuses weights marked as quantised.
    model.hf_quantizer = None
    model.is_quantized = False
    if hasattr(model.config, "quantization_config"):
        del model.config.quantization_config
    size = _FLOAT32 * sum(weight.numel() for weight in model.parameters())

    def written() -> tuple[int, int, str]:
        there = sum(path.stat().st_size for path in into.glob("*") if path.is_file())
        return min(there, size), size, f"writing {name}, once"

    with watched(written, progress), safetensors_errors():
        model.save_pretrained(into)
        tokenizer.save_pretrained(into)


def _elapsed(what: str, seconds: int) -> Callable[[], tuple[int, int, str]]:
    """Progress by the clock, towards the time that something usually takes."""
    start = time.monotonic()

    def now() -> tuple[int, int, str]:
        passed = time.monotonic() - start
        if passed < seconds:
            return int(passed), seconds, what
        return 0, 0, f"{what} (longer than the usual {seconds} s)"

    return now


@contextmanager
def counting_tensors(progress: Progress) -> Iterator[None]:
    """Report the tensors that transformers loads within the block, by this thread alone.

    Versions of transformers without a hook for that report nothing.
    """
    install = getattr(transformers_logging, "set_tqdm_hook", None)
    if install is None:
        yield
        return
    install(_hook)
    token = _report.set(progress)
    try:
        yield
    finally:
        _report.reset(token)


def _hook(factory: Callable[..., Any], args: tuple[Any, ...], options: dict[str, Any]) -> Any:
    """What transformers makes in place of each of its progress bars."""
    report = _report.get()
    if report is None or not args or not hasattr(args[0], "__len__"):
        return factory(*args, **options)
    return _Counted(report, args[0])


class _Counted(transformers_logging.EmptyTqdm):
    """A progress bar that reports how many of its items were taken."""

    def __init__(self, report: Progress, items: Any) -> None:
        super().__init__(items)
        self._report, self._total = report, len(items)

    def __iter__(self) -> Iterator[Any]:
        for done, item in enumerate(self._iterator):
            self._report(done, self._total, "tensors")
            yield item
