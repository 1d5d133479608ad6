"""Exports of the real backbone."""

from __future__ import annotations

import tempfile
import zipfile
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from support.runs import random_head, run_info, saved_run, trained

from embedlab import Design, embed, fit, load_corpus
from embedlab.export.archive import open_archive
from embedlab.export.check import CHECK_TEXTS, Check, verify
from embedlab.export.export_model import export_model
from embedlab.export.sentence_transformers import export_sentence_transformers
from embedlab.models.run_folder import untrained_info


@contextmanager
def room():
    """A folder that is gone afterwards: an export of the real backbone takes half a gigabyte."""
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


@pytest.mark.parametrize("name", [pytest.param("bidirectional/mean", marks=pytest.mark.slow), "M5"])
def test_the_real_backbone_in_a_fresh_process_without_this_project(smollm2, name):
    design = replace(Design.parse(name), document_prompt="Represent: ")
    backbone = trained(smollm2, targets=("q_proj", "v_proj"), spread=0.05)
    if design.trainable:
        random_head(backbone, design)
    texts = CHECK_TEXTS[:4]
    expected = embed(texts, design, backbone)
    assert np.abs(expected - embed(texts, design, smollm2)).max() > 1e-2  # LoRA does something
    with room() as folder:
        info = run_info(backbone, design)
        out = export_sentence_transformers(backbone, design, info, folder / "m")
        check = verify(out, expected, texts)
    assert check == Check(check.largest_difference, 1e-4, 4)
    assert 0 < check.largest_difference <= 1e-4


@pytest.mark.slow
@pytest.mark.parametrize(
    "text",
    [
        "causal/last?template=prompteol",
        "causal/last+filter1.5?template=topic",
        "causal/last+filter1.5+centre?template=topic",
        "causal/mean+centre",
        "causal/mean+int8",
        "causal/last?template=metaeol",
        "causal/value_mean@16..30+centre",
        "rerouted/mean_last?template=kv",
        "bidirectional>8/mean",
        "bidirectional/latent_attention",
    ],
)
def test_the_parity_of_designs_after_the_paper(smollm2, text):
    """The figures of docs/method.md: the largest difference of a coordinate of unit vectors."""
    design = Design.parse(text)
    steps = fit(load_corpus("senses").texts, design, smollm2)
    expected = embed(CHECK_TEXTS, design, smollm2, fit=steps)
    with room() as folder:
        info = untrained_info(smollm2, design, "smollm2-135m")
        out = export_sentence_transformers(smollm2, design, info, folder / "m", steps=steps)
        check = verify(out, expected, CHECK_TEXTS, rounding=steps.rounding)
    print(f"{text}: {check.largest_difference:.2g}, at most {check.tolerance:.2g}")
    assert check.ok


def test_exporting_the_real_backbone(smollm2):
    design = Design.parse("causal/eos")
    backbone = trained(smollm2, targets=("q_proj", "v_proj"), spread=0.05)
    info = run_info(backbone, design, name="../my <run>")
    assert backbone.states(CHECK_TEXTS).truncated.tolist() == [False] * 4 + [True]
    with room() as folder:
        out = folder / "new" / "folder"
        path, check = export_model(backbone, design, info, folder, out, "sentence-transformers")
        assert path == out / "my-run-sentence-transformers.zip"
        assert list(out.iterdir()) == [path]
        with zipfile.ZipFile(path) as archive:
            assert {"README.md", "modules.json", "model.safetensors"} <= set(archive.namelist())
    assert check.ok
    assert check.n == len(CHECK_TEXTS)


def test_an_adapter_of_the_real_backbone_is_exported_and_opened_again(smollm2, tmp_path):
    design = Design.parse("M3")
    backbone = trained(smollm2, targets=("q_proj", "v_proj"), spread=0.05)
    random_head(backbone, design)
    run = saved_run(tmp_path / "run", backbone, design)
    info = run_info(backbone, design)
    path, check = export_model(backbone, design, info, run, tmp_path / "out", "adapter")
    assert check.ok
    folder = open_archive(path, tmp_path / "back")
    weights = "adapter/adapter_model.safetensors"
    assert (folder / weights).read_bytes() == (run / weights).read_bytes()
    assert not [p for p in tmp_path.iterdir() if p.name.startswith(".")]


@pytest.fixture
def weights(tmp_path) -> bytes:
    save_file({"lora": torch.ones(2)}, tmp_path / "w")
    return (tmp_path / "w").read_bytes()
