"""Exports of the real backbone."""

from __future__ import annotations

import tempfile
import zipfile
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
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


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("M5", marks=pytest.mark.slow),
        pytest.param("bidirectional/mean", marks=pytest.mark.slow),
        pytest.param("causal/eos", marks=pytest.mark.slow),
    ],
)
def test_the_real_backbone_is_packed_and_gives_its_vectors_without_this_project(
    smollm2, name, tmp_path, monkeypatch
):
    _hide_models_own_code(tmp_path, monkeypatch)
    design = replace(Design.parse(name), document_prompt="Represent: ")
    backbone = trained(smollm2, targets=("q_proj", "v_proj"), spread=0.05)
    if design.trainable:
        random_head(backbone, design)
    texts = CHECK_TEXTS[:4]
    moved = embed(texts, design, backbone) - embed(texts, design, smollm2)
    assert np.abs(moved).max() > 1e-2  # LoRA does something
    assert [text.truncated for text in backbone.encode(CHECK_TEXTS)] == [False] * 4 + [True]
    info = run_info(backbone, design, name="../my <run>")
    with room() as folder:
        out = folder / "new" / "folder"
        path, check = export_model(backbone, design, info, folder, out, "sentence-transformers")
        assert path == out / "my-run-sentence-transformers.zip"
        assert list(out.iterdir()) == [path]
        with zipfile.ZipFile(path) as archive:
            assert {"README.md", "modules.json", "model.safetensors"} <= set(archive.namelist())
    assert check == Check(check.largest_difference, 1e-4, len(CHECK_TEXTS)) and check.ok
    assert 0 < check.largest_difference <= 1e-4


def _hide_models_own_code(folder, monkeypatch):
    """transformers appends such a folder once a process has loaded a model with its own code."""
    (folder / "others" / "transformers_modules").mkdir(parents=True)
    (folder / "others" / "transformers_modules" / "__init__.py").touch()
    monkeypatch.syspath_prepend(folder / "others")


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
