"""Two libraries with an OpenMP runtime each, in processes of their own."""

from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.mark.parametrize("order", ["torch faiss", "faiss torch"])
def test_faiss_and_torch_share_a_process(order):
    # Both wheels bring an OpenMP runtime of their own; on some platforms two crash or hang.
    first, second = order.split()
    code = f"""
import {first}, {second}
import threading, numpy as np, torch
from embedlab.analysis.retrieval import neighbours
v = np.random.default_rng(0).normal(size=(500, 32)).astype("float32")
m = torch.randn(300, 300)
def both():
    for _ in range(5):
        neighbours(v, 10); (m @ m).sum()
threads = [threading.Thread(target=both) for _ in range(4)]
[t.start() for t in threads]; [t.join() for t in threads]
print("fine")
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.stdout.strip() == "fine", done.stderr
