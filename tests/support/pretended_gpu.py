"""A GPU that is not there: CPU tensors that say they are on ``cuda:0``.

The numbers are real, so a run can be compared with the same run on the CPU. A mark on a tensor's
*storage* says where it lives, so that views, detached tensors and gradients inherit it. A dispatch
mode sees every aten call, those inside of composites, backward passes and optimisers too: it raises
where a CUDA build would, and marks what comes out. What a GPU's own kernels compute, in bfloat16 or
in another order of sums, it does not show.
"""

from __future__ import annotations

import threading
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_iter

aten = torch.ops.aten
CUDA, CPU = torch.device("cuda", 0), torch.device("cpu")
_MARK = "_pretended_gpu"
_REAL = {name: getattr(Tensor, name) for name in ("numpy", "__array__", "__deepcopy__")}
_real_device = Tensor.device.__get__

#: These copy between devices: anything goes.
_COPIES = {
    aten.copy_.default,
    aten._to_copy.default,
    aten.set_.source_Storage,
    aten.set_.source_Storage_storage_offset,
    aten.set_.source_Tensor,
}
#: A CPU tensor without dimensions joins the GPU's anywhere but here: the kernels read its address.
_STRICT = tuple(
    f"aten::{name}"
    for name in (
        *("_fused_", "cat", "stack", "embedding", "mm", "bmm", "addmm", "baddbmm"),
        *("index_select", "gather", "scatter"),
    )
)
#: These wait until the GPU is done.
_SYNCS = {
    aten._local_scalar_dense.default: "item",
    aten.nonzero.default: "nonzero",
    aten.is_nonzero.default: "bool",
    aten.equal.default: "equal",
    aten.masked_select.default: "masked_select",
}


class MixedDevices(RuntimeError):
    """What a CUDA build of torch would have refused."""


class _Here(threading.local):
    """Of this thread: whether a copy between devices is under way, and whether a device is implied.

    It is implied where the Python call names none and has a tensor of the GPU to take it from.
    """

    crossing = implied = False


_here = _Here()


def on_gpu(tensor: Tensor) -> bool:
    """Whether a tensor says that it is on the GPU."""
    with torch._C.DisableTorchFunction():
        try:
            return bool(getattr(tensor.untyped_storage(), _MARK, False))
        except (RuntimeError, NotImplementedError):  # a meta tensor has no storage
            return False


def _mark(tensor: Tensor) -> Tensor:
    with torch._C.DisableTorchFunction():
        setattr(tensor.untyped_storage(), _MARK, True)
    return tensor


def _tensors(*values: Any) -> list[Tensor]:
    return [one for one in tree_iter(values) if isinstance(one, Tensor)]


class PretendedGPU(TorchDispatchMode):
    """Checks every call and marks its results; counts what waits for the GPU, by kind and line."""

    def __init__(self) -> None:
        super().__init__()
        self.syncs: Counter[str] = Counter()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        tensors = _tensors(args, kwargs)
        where = [on_gpu(one) for one in tensors]
        to_gpu = None
        if kwargs.get("device") is not None:
            to_gpu = torch.device(kwargs["device"]).type == "cuda"
            kwargs["device"] = CPU
            # C++ makes a tensor with the options of another, and all there are say "cpu".
            if not to_gpu and not _here.crossing and _here.implied:
                to_gpu = None if tensors else True
        if func not in _COPIES:
            _check(func, args, kwargs, tensors, where)
        self._count(func, where, to_gpu)
        known = {one.untyped_storage()._cdata for one in tensors}
        out = func(*args, **kwargs)
        if to_gpu is None:
            sized = [there for one, there in zip(tensors, where, strict=True) if one.ndim]
            to_gpu = any(sized) or any(where)
            if func in _COPIES:
                to_gpu = bool(where and where[0])
        for one in _tensors(out):
            if to_gpu and one.untyped_storage()._cdata not in known:
                _mark(one)
        return out

    def _count(self, func: Any, where: list[bool], to_gpu: bool | None) -> None:
        kind = _SYNCS.get(func) if any(where) else None
        # A copy from the GPU waits for it; one to it does not.
        if func is aten._to_copy.default and where[0] and to_gpu is False:
            kind = "to the CPU"
        if func is aten.copy_.default and where[1] and not where[0]:
            kind = "to the CPU"
        if kind:
            self.syncs[f"{kind} {_caller()}"] += 1


def _check(func: Any, args: Any, kwargs: Any, tensors: list[Tensor], where: list[bool]) -> None:
    """Raise where a CUDA build would."""
    name = func._schema.name
    generator = kwargs.get("generator")
    if generator is not None and where and where[0] and generator.device.type == "cpu":
        raise MixedDevices(f"{name}: Expected a 'cuda' device type for generator but found 'cpu'")
    if name.startswith(("aten::index_put", "aten::_index_put")) or name in (
        "aten::index",
        "aten::_unsafe_index",
    ):
        itself = on_gpu(args[0])
        if any(index is not None and on_gpu(index) and not itself for index in args[1]):
            raise MixedDevices(f"{name}: indices should be on the same device as the tensor (cpu)")
        if "put" in name and args[2].ndim and on_gpu(args[2]) != itself:
            raise MixedDevices(f"{name}: Expected all tensors to be on the same device")
        return
    strict = name.startswith(_STRICT)
    seen = {there for one, there in zip(tensors, where, strict=True) if strict or one.ndim}
    scalars = [there for one, there in zip(tensors, where, strict=True) if not one.ndim]
    # A GPU's tensor without dimensions does not join those of the CPU.
    if len(seen) > 1 or (seen == {False} and any(scalars)):
        shapes = [
            (tuple(one.shape), "cuda" if there else "cpu")
            for one, there in zip(tensors, where, strict=True)
        ]
        raise MixedDevices(
            f"{name}: Expected all tensors to be on the same device, but found at least two "
            f"devices, cuda:0 and cpu! {shapes}"
        )


class _Calls(TorchFunctionMode):
    """Notes for each Python call whether it names a device."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs, before = kwargs or {}, _here.implied
        named = kwargs.get("device") is not None or func in (Tensor.to, Tensor.cpu)
        _here.implied = not (named or _here.crossing) and any(map(on_gpu, _tensors(args, kwargs)))
        try:
            return func(*args, **kwargs)
        finally:
            _here.implied = before


class _Move(torch.autograd.Function):
    """A copy to the other device, whose gradient goes back."""

    @staticmethod
    def forward(ctx: Any, tensor: Tensor, device: Any, dtype: torch.dtype) -> Tensor:
        ctx.back = tensor.device, tensor.dtype
        return _copied(tensor, device, dtype)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Any:
        return _copied(gradient, *ctx.back), None, None


def _copied(tensor: Tensor, device: Any, dtype: torch.dtype, **more: Any) -> Tensor:
    before, _here.crossing = _here.crossing, True
    try:
        return aten._to_copy(tensor, dtype=dtype, device=_numbered(device), **more)
    finally:
        _here.crossing = before


def _numbered(device: Any) -> Any:
    """``cuda`` as ``cuda:0``."""
    named = device == "cuda" or (isinstance(device, torch.device) and device.type == "cuda")
    return CUDA if named else device


def _to(self: Tensor, *args: Any, **kwargs: Any) -> Tensor:
    args, kwargs = tuple(map(_numbered, args)), {n: _numbered(v) for n, v in kwargs.items()}
    if args and isinstance(args[0], Tensor):
        args = (args[0].device, args[0].dtype, *args[1:])
    copy = kwargs.pop("copy", False) or any(one is True for one in args[2:3])
    device, dtype, non_blocking, layout = torch._C._nn._parse_to(*args, **kwargs)
    device, dtype = device or self.device, dtype or self.dtype
    crosses = device.type != self.device.type
    if not crosses and dtype == self.dtype and not copy:
        return self
    if crosses and self.requires_grad and torch.is_grad_enabled():
        return _Move.apply(self, device, dtype)
    more = {} if layout is None else {"memory_format": layout}
    return _copied(self, device, dtype, non_blocking=non_blocking, **more)


def _leaving(name: str) -> Callable[..., Any]:
    def method(self: Tensor, *args: Any, **kwargs: Any) -> Any:
        if on_gpu(self):
            raise TypeError(
                "can't convert cuda:0 device type tensor to numpy. Use Tensor.cpu() to copy the "
                "tensor to host memory first."
            )
        return _REAL[name](self, *args, **kwargs)

    return method


def _deepcopy(self: Tensor, memo: Any) -> Tensor:
    new = _REAL["__deepcopy__"](self, memo)
    return _mark(new) if on_gpu(self) else new


def _caller() -> str:
    for frame in reversed(traceback.extract_stack()):
        if "/embedlab/" in frame.filename:
            return f"{frame.filename.rsplit('/', 1)[1]}:{frame.lineno}"
    return "elsewhere"


_TENSOR = {
    "device": property(lambda tensor: CUDA if on_gpu(tensor) else _real_device(tensor)),
    "is_cuda": property(on_gpu),
    "to": _to,
    "cuda": lambda self, *_, **__: _to(self, CUDA),
    "cpu": lambda self, *_, **__: _to(self, CPU),
    "numpy": _leaving("numpy"),
    "__array__": _leaving("__array__"),
    "__deepcopy__": _deepcopy,
}
_MODULE = {
    "is_available": lambda: True,
    "device_count": lambda: 1,
    "current_device": lambda: 0,
    "_lazy_init": lambda: None,
    "is_initialized": lambda: True,
    "synchronize": lambda *_: None,
    "empty_cache": lambda: None,
    "mem_get_info": lambda *_: (70 * 2**30, 80 * 2**30),
    "get_rng_state": lambda *_: torch.get_rng_state(),
    "set_rng_state": lambda *_: None,
    "manual_seed_all": lambda _: None,
    "get_device_name": lambda *_: "a pretended GPU",
    "get_device_properties": lambda *_: SimpleNamespace(
        name="a pretended GPU", total_memory=80 * 2**30, major=9, minor=0, multi_processor_count=60
    ),
    "get_device_capability": lambda *_: (9, 0),
    "is_bf16_supported": lambda *_: True,
}


@contextmanager
def pretended_gpu() -> Iterator[PretendedGPU]:
    """Inside there is a GPU, in this thread and in those that start inside."""
    gpu, run = PretendedGPU(), threading.Thread.run

    def run_on_it(self: threading.Thread) -> None:
        with _entered(gpu):
            run(self)

    with ExitStack() as patches:
        for owner, changes in ((Tensor, _TENSOR), (torch.cuda, _MODULE)):
            for name, value in changes.items():
                patches.enter_context(patch.object(owner, name, value))
        patches.enter_context(patch.object(threading.Thread, "run", run_on_it))
        patches.enter_context(_entered(gpu))
        yield gpu


@contextmanager
def _entered(gpu: PretendedGPU) -> Iterator[None]:
    # Without this ``torch.tensor(…, device="cuda")`` makes its tensor without asking the mode.
    before = torch._C._only_lift_cpu_tensors()
    torch._C._set_only_lift_cpu_tensors(True)
    try:
        with gpu, _Calls():
            yield
    finally:
        torch._C._set_only_lift_cpu_tensors(before)
