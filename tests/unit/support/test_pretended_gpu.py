"""The pretended GPU itself: what a CUDA build refuses it refuses, and nothing else."""

from __future__ import annotations

import copy
import threading

import numpy as np
import pytest
import torch
from support.pretended_gpu import CUDA, Mixed, pretended_gpu
from torch.nn import functional as F


@pytest.fixture
def gpu():
    with pretended_gpu() as gpu:
        yield gpu


def there() -> torch.Tensor:
    return torch.ones(2, 3).to("cuda")


HERE = torch.ones(2, 3)

MIXES = {
    "add": lambda: there() + HERE,
    "matrix product": lambda: there() @ HERE.T,
    "a GPU scalar with a CPU tensor": lambda: there().sum() + HERE,
    "cat": lambda: torch.cat([there(), HERE]),
    "stack of scalars": lambda: torch.stack([there().sum(), torch.tensor(1.0)]),
    "a GPU index into a CPU tensor": lambda: torch.ones(3)[torch.tensor([0]).to("cuda")],
    "put": lambda: torch.zeros(2, 3).__setitem__([0], there()[:1]),
    "embedding": lambda: F.embedding(torch.tensor([0]), there()),
    "numpy": lambda: there().numpy(),
    "asarray": lambda: np.asarray(there()),
    "a CPU generator": lambda: there().normal_(generator=torch.Generator()),
    "a module": lambda: torch.nn.Linear(3, 4).to("cuda")(HERE),
    "where": lambda: torch.where(there() > 0, there(), HERE),
    "masked_fill": lambda: there().masked_fill(HERE.bool(), 0.0),
    "attention": lambda: F.scaled_dot_product_attention(
        *(torch.ones(1, 2, 4, 8).to("cuda") for _ in range(3)), attn_mask=torch.zeros(4, 4)
    ),
    "layer norm": lambda: F.layer_norm(there(), (3,), torch.ones(3)),
    "cross entropy": lambda: F.cross_entropy(there(), torch.tensor([0, 1])),
    "a fused step with its count on the CPU": lambda: _fused_step(count_on_cpu=True),
}

USES = {
    "views": lambda: (there().T, there()[0], there().detach(), there() @ there().T),
    "factories": lambda: (
        torch.tensor([1, 2], device="cuda:0"),
        torch.zeros(2, device=there().device),
        there().new_zeros(3),
        torch.empty_like(there()),
        torch.arange(3, device="cuda"),
    ),
    "a CPU scalar": lambda: there() + torch.tensor(1.0),
    "a CPU index": lambda: there()[torch.tensor([0])],
    "a list as index": lambda: there()[[0, 1]],
    "a module": lambda: torch.nn.Linear(3, 4).to("cuda")(there()),
    "a gradient": lambda: _gradient(),
    "a copy": lambda: copy.deepcopy(torch.nn.Linear(3, 4).to("cuda")).weight,
    "a fused step": lambda: _fused_step(count_on_cpu=False),
    "a gradient over a move": lambda: _gradient_over_a_move(),
}


def _gradient() -> torch.Tensor:
    linear = torch.nn.Linear(3, 4).to("cuda")
    linear(there()).pow(2).mean().backward()
    return linear.weight.grad


def _gradient_over_a_move() -> torch.Tensor:
    weights = there().requires_grad_()
    weights.cpu().sum().backward()
    return weights.grad


def _fused_step(count_on_cpu: bool) -> torch.Tensor:
    linear = torch.nn.Linear(3, 4).to("cuda")
    adamw = torch.optim.AdamW(linear.parameters(), fused=True)
    for _ in range(2):
        linear(there()).sum().backward()
        adamw.step()
        if count_on_cpu:
            adamw.state[linear.weight]["step"] = adamw.state[linear.weight]["step"].cpu()
    return adamw.state[linear.weight]["step"]


@pytest.mark.parametrize("name", MIXES)
def test_mixing_devices_is_refused(name, gpu):
    with pytest.raises((Mixed, TypeError)):
        MIXES[name]()


@pytest.mark.parametrize("name", USES)
def test_what_a_gpu_allows_gives_tensors_on_it(name, gpu):
    results = USES[name]()
    for one in results if isinstance(results, tuple) else (results,):
        assert one.device == CUDA and one.is_cuda


def test_numbers_are_those_of_the_cpu_and_what_waits_is_counted(gpu):
    a = torch.randn(4, 5)
    assert torch.equal((a.to("cuda") @ a.to("cuda").T).cpu(), a @ a.T)
    gpu.syncs.clear()
    a.to("cuda").sum().item()
    assert sum(gpu.syncs.values()) == 1
    a.sum().item()
    assert sum(gpu.syncs.values()) == 1
    assert a.to("cuda").cpu().device.type == "cpu"


def test_threads_that_start_inside_have_it_and_afterwards_it_is_gone():
    devices = []
    with pretended_gpu():
        thread = threading.Thread(target=lambda: devices.append(torch.ones(1).cuda().device))
        thread.start()
        thread.join()
        kept = torch.ones(1).to("cuda")
    assert devices == [CUDA]
    assert kept.device.type == torch.ones(1).device.type == "cpu"
    assert torch.Tensor.to.__name__ == "to"
