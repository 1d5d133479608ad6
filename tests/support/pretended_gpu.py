"""A GPU that is not there: CPU tensors that say they are on ``cuda:0``, and every mixture raises.

A tag on the *storage* says where a tensor is, so that views, detached tensors and gradients inherit
it. A ``TorchDispatchMode`` sees every call below autograd, those of C++ composites, of a backward
pass and of the optimisers included. It checks what a CUDA build checks, runs the call on the CPU,
and tags what comes out. The numbers are real: a run can be compared with the CPU's to the last bit.
"""

from __future__ import annotations

import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType, SimpleNamespace
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_iter

aten = torch.ops.aten
CUDA, CPU = torch.device("cuda", 0), torch.device("cpu")
_TAG = "_on_pretended_gpu"
_real = {name: getattr(Tensor, name) for name in ("numpy", "__array__", "__deepcopy__")}
_real_device = Tensor.device.__get__  # type: ignore[attr-defined]
#: Copies between devices are what these are for.
_COPIES = {
    aten.copy_.default,
    aten._to_copy.default,
    aten.set_.source_Storage,
    aten.set_.source_Storage_storage_offset,
    aten.set_.source_Tensor,
}
#: A CPU tensor of no dimension may join those of a GPU, but not where a kernel reads its address.
_STRICT = tuple(
    f"aten::{name}"
    for name in (
        *("_fused_", "cat", "stack", "embedding", "mm", "bmm", "addmm", "baddbmm"),
        *("index_select", "gather", "scatter"),
    )
)
_INDEXING = {
    f"aten::{name}"
    for name in ("index", "_unsafe_index", "index_put_", "index_put", "_index_put_impl_")
}
#: Calls that wait until the GPU is done.
_SYNCS = {
    aten._local_scalar_dense.default: "item",
    aten.nonzero.default: "nonzero",
    aten.is_nonzero.default: "bool",
    aten.equal.default: "equal",
    aten.masked_select.default: "masked_select",
}


class Mixed(RuntimeError):
    """Tensors of the CPU and of the GPU in one call."""


class _Thread(threading.local):
    #: A copy between the devices is under way.
    crossing = False
    #: The Python call names no device, and has a tensor of the GPU to take it from.
    implied = False


_here = _Thread()


def on_gpu(tensor: Tensor) -> bool:
    """Whether a tensor is on the pretended GPU."""
    with torch._C.DisableTorchFunction():
        try:
            return getattr(tensor.untyped_storage(), _TAG, False)
        except (RuntimeError, NotImplementedError):
            return False


def put_on_gpu(tensor: Tensor) -> Tensor:
    """Tag a tensor's storage."""
    with torch._C.DisableTorchFunction():
        setattr(tensor.untyped_storage(), _TAG, True)
    return tensor


class PretendedGpu(TorchDispatchMode):
    """Checks and tags; ``syncs`` and ``moves`` count by the line of EmbedLab that caused them."""

    def __init__(self) -> None:
        super().__init__()
        self.syncs: Counter[str] = Counter()
        self.moves: Counter[str] = Counter()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        tensors = [t for t in tree_iter((args, kwargs)) if isinstance(t, Tensor)]
        where = [on_gpu(t) for t in tensors]
        target = self._asked_for(tensors, kwargs)
        if func not in _COPIES:
            _check(func, args, kwargs, tensors, where)
        self._count(func, where, target)
        known = {t.untyped_storage()._cdata for t in tensors}
        if func is aten.histc.default and not args[0].is_floating_point():
            # A GPU counts whole numbers too.
            out = func(args[0].double(), *args[1:], **kwargs).type(args[0].dtype)
        else:
            out = func(*args, **kwargs)
        if target is None:
            target = bool(where and where[0]) if func in _COPIES else any(where)
        for t in tree_iter(out):
            if isinstance(t, Tensor) and target and t.untyped_storage()._cdata not in known:
                put_on_gpu(t)
        return out

    def _asked_for(self, tensors: list[Tensor], kwargs: dict[str, Any]) -> bool | None:
        """Whether the result is to be on the GPU; None where the arguments say it."""
        if kwargs.get("device") is None:
            return None
        target = torch.device(kwargs["device"]).type == "cuda"
        kwargs["device"] = CPU
        if not target and not _here.crossing and _here.implied:
            # Nobody asked for the CPU: C++ made a tensor with the options of another one.
            return None if tensors else True
        return target

    def _count(self, func: Any, where: list[bool], target: bool | None) -> None:
        if func in _SYNCS and any(where):
            self.syncs[f"{_SYNCS[func]} {_caller()}"] += 1
        to = where[0] if func is aten.copy_.default else target
        of = where[1] if func is aten.copy_.default else where[0] if where else None
        if func in (aten.copy_.default, aten._to_copy.default) and to is not None and to != of:
            self.moves[f"{'cpu>gpu' if to else 'gpu>cpu'} {_caller()}"] += 1


def _check(func: Any, args: Any, kwargs: Any, tensors: list[Tensor], where: list[bool]) -> None:
    name = func._schema.name
    generator = kwargs.get("generator")
    if generator is not None and where and where[0] and generator.device.type == "cpu":
        raise Mixed(f"{name}: Expected a 'cuda' device type for generator but found 'cpu'")
    if name in _INDEXING:
        itself = on_gpu(args[0])
        if any(index is not None and on_gpu(index) and not itself for index in args[1]):
            raise Mixed(f"{name}: indices should be on the same device as the indexed tensor")
        if "put" in name and args[2].ndim and on_gpu(args[2]) != itself:
            raise Mixed(f"{name}: Expected all tensors to be on the same device")
        return
    strict = name.startswith(_STRICT)
    seen = {w for t, w in zip(tensors, where, strict=True) if strict or t.ndim > 0}
    scalars = [w for t, w in zip(tensors, where, strict=True) if t.ndim == 0]
    # A scalar of the GPU does not join tensors of the CPU.
    if len(seen) > 1 or (not strict and seen == {False} and any(scalars)):
        shapes = [
            (tuple(t.shape), "gpu" if w else "cpu") for t, w in zip(tensors, where, strict=True)
        ]
        raise Mixed(f"{name}: Expected all tensors to be on the same device, but found {shapes}")


def _caller() -> str:
    frame: FrameType | None = sys._getframe()
    while frame is not None:
        if "/embedlab/" in frame.f_code.co_filename:
            return f"{frame.f_code.co_filename.rpartition('/')[2]}:{frame.f_lineno}"
        frame = frame.f_back
    return "elsewhere"


class _Calls(TorchFunctionMode):
    """Notes whether the Python call under way names a device."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs, before = kwargs or {}, _here.implied
        named = kwargs.get("device") is not None or func in (Tensor.to, Tensor.cpu)
        tensors = (t for t in tree_iter((args, kwargs)) if isinstance(t, Tensor))
        _here.implied = not named and not _here.crossing and any(map(on_gpu, tensors))
        try:
            return func(*args, **kwargs)
        finally:
            _here.implied = before


class _Move(torch.autograd.Function):
    """A copy to the other device; its gradient goes back, which C++ would not know."""

    @staticmethod
    def forward(ctx: Any, tensor: Tensor, device: Any, dtype: Any) -> Tensor:  # type: ignore[override]
        ctx.back = tensor.device, tensor.dtype
        return _copied(tensor, device, dtype)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Any:  # type: ignore[override]
        return _copied(gradient, *ctx.back), None, None


def _copied(tensor: Tensor, device: Any, dtype: Any, **more: Any) -> Tensor:
    before, _here.crossing = _here.crossing, True
    try:
        return aten._to_copy(tensor, dtype=dtype, device=_indexed(device), **more)
    finally:
        _here.crossing = before


def _indexed(device: Any) -> Any:
    if isinstance(device, str) and device == "cuda":
        return "cuda:0"
    if isinstance(device, torch.device) and device.type == "cuda" and device.index is None:
        return CUDA
    return device


def _to(self: Tensor, *args: Any, **kwargs: Any) -> Tensor:
    args = tuple(_indexed(each) for each in args)
    kwargs = {name: _indexed(value) for name, value in kwargs.items()}
    if args and isinstance(args[0], Tensor):
        args = (args[0].device, args[0].dtype, *args[1:])
    copy = kwargs.pop("copy", False) or any(each is True for each in args[2:3])
    device, dtype, non_blocking, layout = torch._C._nn._parse_to(*args, **kwargs)
    device, dtype = device or self.device, dtype or self.dtype
    if device.type == self.device.type and dtype == self.dtype and not copy:
        return self
    moves = device.type != self.device.type
    if moves and self.requires_grad and torch.is_grad_enabled():
        return _Move.apply(self, _indexed(device), dtype)
    more = {} if layout is None else {"memory_format": layout}
    return _copied(self, device, dtype, non_blocking=non_blocking, **more)


def _leaving(name: str) -> Any:
    def refuse(self: Tensor, *args: Any, **kwargs: Any) -> Any:
        if on_gpu(self):
            raise TypeError(
                "can't convert cuda:0 device type tensor to numpy. Use Tensor.cpu() to copy the "
                "tensor to host memory first."
            )
        return _real[name](self, *args, **kwargs)

    return refuse


def _deep_copied(self: Tensor, memo: Any) -> Tensor:
    new = _real["__deepcopy__"](self, memo)
    return put_on_gpu(new) if on_gpu(self) else new


_TENSOR = {
    "device": property(lambda t: CUDA if on_gpu(t) else _real_device(t)),
    "is_cuda": property(on_gpu),
    "to": _to,
    "cuda": lambda self, *args, **kwargs: _to(self, CUDA),
    "cpu": lambda self, *args, **kwargs: _to(self, CPU),
    "numpy": _leaving("numpy"),
    "__array__": _leaving("__array__"),
    "__deepcopy__": _deep_copied,
}
_PROPERTIES = SimpleNamespace(
    name="pretended", total_memory=80 * 2**30, major=9, minor=0, multi_processor_count=60
)
_MODULE = {
    "is_available": lambda: True,
    "is_initialized": lambda: True,
    "is_current_stream_capturing": lambda: False,
    "device_count": lambda: 1,
    "current_device": lambda: 0,
    "_lazy_init": lambda: None,
    "synchronize": lambda *args: None,
    "empty_cache": lambda: None,
    "get_rng_state": lambda *args: torch.get_rng_state(),
    "set_rng_state": lambda *args: None,
    "manual_seed_all": lambda seed: None,
    "get_device_name": lambda *args: "pretended",
    "get_device_properties": lambda *args: _PROPERTIES,
    "get_device_capability": lambda *args: (9, 0),
    "is_bf16_supported": lambda *args: True,
}


@contextmanager
def pretended_gpu() -> Iterator[PretendedGpu]:
    """Within it there is a GPU, also in the threads that start within it."""
    mode = PretendedGpu()
    run = threading.Thread.run

    def entered(self: threading.Thread) -> None:
        with _within(mode):
            run(self)

    replaced = [
        *((Tensor, name, value) for name, value in _TENSOR.items()),
        *((torch.cuda, name, value) for name, value in _MODULE.items()),
        (threading.Thread, "run", entered),
    ]
    before = [(owner, name, owner.__dict__.get(name, _NOTHING)) for owner, name, _ in replaced]
    for owner, name, value in replaced:
        setattr(owner, name, value)
    try:
        with _within(mode):
            yield mode
    finally:
        for owner, name, old in before:
            if old is _NOTHING:
                delattr(owner, name)
            else:
                setattr(owner, name, old)


_NOTHING = object()


@contextmanager
def _within(mode: PretendedGpu) -> Iterator[None]:
    """The modes are a thread's own."""
    lifts = torch._C._only_lift_cpu_tensors()
    torch._C._set_only_lift_cpu_tensors(True)
    try:
        with mode, _Calls():
            yield
    finally:
        torch._C._set_only_lift_cpu_tensors(lifts)
