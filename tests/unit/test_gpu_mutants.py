"""Does the suite on the pretended GPU notice what it is for? Deliberate faults, one at a time.

``python -m pytest -n 0 -m slow tests/unit/test_gpu_mutants.py`` puts each into a copy of the
package and runs ``test_on_a_gpu.py`` there, which has to fail. A fault that makes no difference on
a GPU (an index that may be on the CPU, a copy to where a tensor is already) is not among them.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

#: What is put in place of what, in which file, and the tests that should notice.
MUTANTS = {
    "a batch stays on the CPU": (
        "models/backbone.py",
        'return_tensors="pt").to(self.device)',
        'return_tensors="pt")',
        "vectors",
    ),
    "a bank stays on the GPU": (
        "models/states.py",
        "summarise(hidden, mask, eps).cpu(), mean",
        "summarise(hidden, mask, eps), mean",
        "kept",
    ),
    "tokens stay on the GPU": ("models/states.py", "hidden[-1].cpu()", "hidden[-1]", "kept"),
    "a bank is a view of its batch": (
        "models/states.py",
        "            bank[i].clone()",
        "            bank[i]",
        "kept",
    ),
    "a bank is fetched text by text": (
        "models/states.py",
        "summarise(hidden, mask, eps).cpu(), mean",
        "[row.cpu() for row in summarise(hidden, mask, eps)], mean",
        "waits",
    ),
    "a probed text stays on the CPU": (
        "models/backbone.py",
        "torch.tensor(rows, device=self.device)",
        "torch.tensor(rows)",
        "views or kept",
    ),
    "probed states stay on the GPU": (
        "models/backbone.py",
        "torch.stack(runner.hidden_states(ids, real, attention)).cpu()",
        "torch.stack(runner.hidden_states(ids, real, attention))",
        "kept or views",
    ),
    "the mask of a pass goes to the CPU": (
        "models/states.py",
        "mask = mask.to(hidden_states[0].device, torch.int64)",
        'mask = mask.to("cpu", torch.int64)',
        "vectors",
    ),
    "what a head reads stays on the CPU": (
        "models/head.py",
        "x = x.to(self.latents.device)",
        "x = x.clone()",
        "vectors",
    ),
    "a head's mask stays on the CPU": (
        "models/head.py",
        "None if mask is None else mask.to(x.device)",
        "mask",
        "vectors",
    ),
    "a head's attention stays on the GPU": (
        "models/head.py",
        ".mean(dim=2).cpu()",
        ".mean(dim=2)",
        "views",
    ),
    "a digest is taken on the GPU": (
        "models/head.py",
        "tensors[name].detach().cpu()",
        "tensors[name].detach()",
        "learns",
    ),
    "a head's vectors stay on the GPU": (
        "models/embedding.py",
        "head(states.take(batch)).cpu()",
        "head(states.take(batch))",
        "vectors",
    ),
    "a backbone is not moved": (
        "models/loading.py",
        "made(loaded.model if lent else _moved(loaded.model, where, name))",
        "made(loaded.model)",
        "kept",
    ),
    "auto is the CPU": (
        "models/loading.py",
        "torch.cuda.is_available() or gpu.LENT else",
        "gpu.LENT else",
        "kept",
    ),
    "the attention probe's text stays on the CPU": (
        "models/probe.py",
        "torch.tensor(values, device=backbone.device)",
        "torch.tensor(values)",
        "vectors",
    ),
    "the attention probe's weights stay on the CPU": (
        "models/probe.py",
        "device=above.device, ",
        "",
        "vectors",
    ),
    "a training batch stays on the CPU": (
        "training/passes.py",
        "(both[name].to(backbone.device) for",
        "(both[name] for",
        "learns",
    ),
    "where tokens lie stays on the CPU": (
        "training/passes.py",
        "torch.arange(ids.numel(), device=ids.device)",
        "torch.arange(ids.numel())",
        "learns",
    ),
    "a new head stays on the CPU": (
        "training/training.py",
        "self.head = backbone.new_head(design, seed=recipe.seed).to(backbone.here)",
        "self.head = backbone.new_head(design, seed=recipe.seed)",
        "learns",
    ),
    "a score is taken on both": (
        "training/training.py",
        "pooled.float().cpu()",
        "pooled.float()",
        "learns",
    ),
    "cached gradients are on the CPU": (
        "training/grad_cache.py",
        ", device=graphs[0].device)",
        ")",
        "learns",
    ),
    "targets of the loss are on the CPU": (
        "training/losses.py",
        "torch.arange(n, device=scores.device)",
        "torch.arange(n)",
        "learns",
    ),
    "equal texts are marked on the CPU": (
        "training/losses.py",
        "masked.to(scores.device)",
        "masked",
        "learns",
    ),
    "the diagonal is on the CPU": (
        "training/losses.py",
        "dtype=torch.bool, device=scores.device)",
        "dtype=torch.bool)",
        "learns",
    ),
    "masked tokens' targets stay on the CPU": (
        "training/mntp.py",
        "targets.to(logits.device)",
        "targets",
        "learns",
    ),
    "masked tokens are looked up one by one": (
        "training/mntp.py",
        "where = layout.token_index[rows.to(states.device), before.to(states.device)]",
        "where = [int(layout.token_index[r, t]) for r, t in zip(rows, before)]",
        "bounded",
    ),
    "a resumed optimiser is on the CPU": (
        "training/checkpoints.py",
        "tensors[key].to(parameter.device)",
        "tensors[key]",
        "resumes",
    ),
    "the last finite weights are on the CPU": (
        "training/checkpoints.py",
        'tensors[f"good.{i}"].to(parameter.device)',
        'tensors[f"good.{i}"]',
        "resumes",
    ),
    "weights are kept on the CPU after each step": (
        "training/optimiser.py",
        "p.detach().clone() for p in self.parameters",
        "p.detach().cpu().clone() for p in self.parameters",
        "bounded",
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", MUTANTS)
def test_a_fault_is_noticed(name, tmp_path):
    file, old, new, tests = MUTANTS[name]
    shutil.copytree(ROOT / "embedlab", tmp_path / "embedlab")
    path = tmp_path / "embedlab" / file
    text = path.read_text(encoding="utf-8")
    assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times in {file}: write it anew"
    path.write_text(text.replace(old, new), encoding="utf-8")
    suite = ROOT / "tests" / "real" / "test_on_a_gpu.py"
    options = ["-q", "-x", "-n", "0", "-p", "no:cacheprovider", "-k", tests]
    run = subprocess.run(
        [sys.executable, "-m", "pytest", *options, str(suite)],
        env=os.environ | {"PYTHONPATH": str(tmp_path)},
        cwd=ROOT / "tests",
        capture_output=True,
        text=True,
        timeout=600,
    )
    # 1: tests were run and one failed; anything else would prove nothing.
    assert run.returncode == 1, run.stdout[-2000:] + run.stderr[-1000:]
    assert "Mixed" in run.stdout or "Error" in run.stdout
