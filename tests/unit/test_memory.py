"""How many of malloc's pools a process with many threads has, as glibc itself counts them."""

from __future__ import annotations

import ctypes
import subprocess
import sys

import pytest

PROGRAM = """
import ctypes, sys, threading
from embedlab.memory import share_freed_memory

if sys.argv[1] == "shared":
    share_freed_memory()
together = threading.Barrier(8)

def hold():
    together.wait()
    held = [bytearray(100_000) for _ in range(50)]
    together.wait()

threads = [threading.Thread(target=hold) for _ in range(8)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
libc = ctypes.CDLL(None)
libc.fopen.restype = ctypes.c_void_p
stream = libc.fopen(sys.argv[2].encode(), b"w")
libc.malloc_info(0, ctypes.c_void_p(stream))
libc.fclose(ctypes.c_void_p(stream))
"""


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "malloc_info"), reason="glibc alone has pools")
def test_threads_share_two_pools(tmp_path, monkeypatch):
    monkeypatch.delenv("MALLOC_ARENA_MAX", raising=False)
    pools = {}
    for how in ("alone", "shared"):
        report = tmp_path / how
        subprocess.run([sys.executable, "-c", PROGRAM, how, str(report)], check=True)
        pools[how] = report.read_text().count("<heap nr=")
    assert pools["shared"] <= 2 < pools["alone"]
