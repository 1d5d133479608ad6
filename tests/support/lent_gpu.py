"""ZeroGPU without a GPU: the real package ``spaces``, and a platform of our own.

``python lent_gpu.py PLATFORM_PORT CONFIG`` serves the application as ``python app.py`` does on such
a Space. The package patches torch, packs weights, forks workers and passes values as it does there;
the platform is a small server in the same process, and the GPU in the workers is a pretended one.
The server also tells what was asked for (``GET /calls``) and does as it is told (``POST /behave``).
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import tempfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlparse


class Platform:
    """What the platform was asked for, and how it is to answer."""

    def __init__(self) -> None:
        #: ``/schedule``: seconds asked for, and whether the request came with a visitor's token.
        self.calls: list[dict[str, Any]] = []
        self.workers: list[int] = []
        #: ``quota``: nobody has any left. ``idle``: a worker is kept for the next call, else it is
        #: ended before. ``hold``: another thread has the backbones' locks as a worker is forked.
        self.quota = self.idle = self.hold = False

    def answer(self, path: str, query: dict[str, str]) -> tuple[int, dict[str, Any]]:
        """The status and the body of a request."""
        if path == "/behave":
            self.quota, self.idle, self.hold = (
                query.get(name) == "1" for name in ("quota", "idle", "hold")
            )
        if path == "/calls":
            return 200, {"calls": self.calls, "workers": self.workers, "files": _open_files()}
        if path == "/allow":
            self.workers.append(int(query["pid"]))
        if path == "/schedule":
            seconds = int(query["durationSeconds"])
            self.calls.append({"seconds": seconds, "visitor": query.get("token", "")})
            if self.quota:
                return 429, {"left": 3, "wait": "PT3H"}
            if self.hold:
                _hold_locks(2.0)
            if not self.idle:
                self._end_workers()
            number = len(self.calls)
            return 200, {
                "idle": self.idle,
                "nvidiaIndex": 0,
                "nvidiaUUID": "GPU-pretended",
                "allowToken": f"token-{number}",
            }
        return 200, {}

    def _end_workers(self) -> None:
        while self.workers:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.workers.pop(), signal.SIGKILL)


def _hold_locks(seconds: float) -> None:
    """Take the backbones' and the cache's locks, and give them back after a while."""
    from embedlab.models.scheduler import lent

    locks = [lock for b in lent._OFFERED.values() for lock in (b._guard, b.cache._lock)]
    held = [lock for lock in dict.fromkeys(locks) if lock.acquire(timeout=1)]
    threading.Timer(seconds, lambda: [lock.release() for lock in held]).start()


def _open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def _handler(platform: Platform) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *args: Any) -> None:
            pass

        def do_GET(self) -> None:
            self.do_POST()

        def do_POST(self) -> None:
            url = urlparse(self.path)
            self.rfile.read(int(self.headers.get("content-length") or 0))
            query = {name: values[0] for name, values in parse_qs(url.query).items()}
            status, answer = platform.answer(url.path, query)
            body = json.dumps(answer).encode()
            self.send_response(status)
            if status == 429:
                self.send_header("X-Approve-Result", "quota-exceeded")
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    return Handler


def start(port: int) -> None:
    """Make this process a Space with ZeroGPU; before anything imports torch or ``spaces``."""
    server = ThreadingHTTPServer(("127.0.0.1", port), _handler(Platform()))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    folder = Path(tempfile.mkdtemp(prefix="lent-gpu-"))
    (folder / "cgroup").write_text("0::/lent\n")
    os.environ.update(
        SPACES_ZERO_GPU="1",
        SPACES_ZERO_DEVICE_API_URL=f"http://127.0.0.1:{port}",
        ZEROGPU_PROC_SELF_CGROUP_PATH=str(folder / "cgroup"),
        ZEROGPU_OFFLOAD_DIR=str(folder / "tensors"),
        NO_PROXY="*",
    )
    _like_a_cuda_build()
    _with_a_pretended_gpu()


def _like_a_cuda_build() -> None:
    """What torch has when it is built for CUDA; whoever starts CUDA in this process fails."""
    import torch

    def started() -> None:
        raise AssertionError("CUDA was started outside of a call")

    torch.version.cuda = "12.8"  # type: ignore[assignment]
    torch._C._cuda_init = started  # type: ignore[attr-defined]
    torch.cuda._is_in_bad_fork = _not_in_bad_fork  # type: ignore[assignment]
    torch.cuda._lazy_init = lambda: torch._C._cuda_init()  # type: ignore[attr-defined]


def _not_in_bad_fork() -> bool:
    return False


def _with_a_pretended_gpu() -> None:
    """In a worker the weights come onto the pretended GPU instead of a real one."""
    import spaces  # noqa: F401 - patches torch
    import torch
    from spaces.zero import torch as zero
    from spaces.zero.torch import patching

    patching._cuda_init = lambda: None
    within = contextlib.ExitStack()

    def init(uuid: str) -> None:
        from support.pretended_gpu import pretended_gpu

        within.enter_context(pretended_gpu())

    def move(callback: Any = None) -> None:
        from support.pretended_gpu import put_on_gpu

        for fake, original in list(patching.cuda_aliases.items()):
            if original is not None:
                fake.data = put_on_gpu(original.detach().clone())
        for pack in patching.tensor_packs:
            with Path(pack.path()).open("rb") as file:
                small = [entry for batch in pack.batches for entry in batch]
                for tensor, size, padded in small + pack.big_tensors:
                    data = put_on_gpu(_read(torch, tensor, bytearray(file.read(padded))[:size]))
                    for fake in pack.fakes[tensor]:
                        fake.data = data

    zero.init, zero.move = init, move


def _read(torch: Any, tensor: Any, raw: bytearray) -> Any:
    if not raw:
        return torch.empty(tensor.shape, dtype=tensor.dtype)
    storage = torch.frombuffer(raw, dtype=torch.uint8).untyped_storage()
    return torch.empty(0, dtype=tensor.dtype).set_(storage, 0, tensor.shape, tensor.stride())


if __name__ == "__main__":
    start(int(sys.argv[1]))
    from embedlab.ui.app import launch

    launch(Path(sys.argv[2]))
