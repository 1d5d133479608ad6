"""Weights in the authors' layout, drawn at random, give the outputs of the authors' formulas.

The formulas are written here from the description of the method, on the states of the same model:
latents attend over what is read, add what they read, a gated feed-forward, the mean, unit length.
"""

from __future__ import annotations

import json
import os
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from support.command_line import run
from support.models import direct, model_folder, tiny_backbone, tiny_model, tiny_tokenizer, words
from support.runs import trained
from torch.nn import functional as F

from embedlab import Design, embed, load_backbone
from embedlab.errors import EmbedLabError
from embedlab.models.authors_weights import convert_head, import_weights
from embedlab.models.pooling import PAPER_HEAD, HeadSize
from embedlab.models.run_folder import load_run, read_run_info, write_run_info

TEXTS = words(3, 7, 1, 5, seed=5)
D, LAYERS = 32, 4


def authors_head(layers: bool, latents=768, inner=32 * 2048, d=D) -> dict[str, torch.Tensor]:
    """A head's state as their trainer saves it."""
    generator = torch.Generator().manual_seed(3)
    draw = lambda *shape, by=1.0: torch.randn(*shape, generator=generator) * by  # noqa: E731
    state = {"latents": draw(latents, d)}
    if layers:
        state["pos_emb.weight"] = draw(32, d)
    for norm in ("0.norm", "0.norm_context", "1.norm"):
        state[f"cross_attend_blocks.{norm}.weight"] = 1 + draw(d, by=0.2)
        state[f"cross_attend_blocks.{norm}.bias"] = draw(d, by=0.2)
    first, second = "cross_attend_blocks.0.fn", "cross_attend_blocks.1.fn.net"
    state[f"{first}.to_q.weight"] = draw(inner, d, by=0.2)
    state[f"{first}.to_kv.weight"] = draw(2 * inner, d, by=0.2)
    state[f"{first}.to_out.weight"] = draw(d, inner, by=0.02)
    state[f"{second}.0.weight"], state[f"{second}.0.bias"] = draw(8 * d, d, by=0.2), draw(8 * d)
    state[f"{second}.2.weight"], state[f"{second}.2.bias"] = draw(d, 4 * d, by=0.2), draw(d)
    return state


def output(state: dict[str, torch.Tensor], x: torch.Tensor) -> torch.Tensor:
    """The unit vector (d,) of one text of which the head reads X (s, d)."""
    get = lambda name: state[f"cross_attend_blocks.{name}"]  # noqa: E731

    def norm(y, name):
        return F.layer_norm(y, y.shape[-1:], get(f"{name}.weight"), get(f"{name}.bias"))

    if "pos_emb.weight" in state:
        x = x + state["pos_emb.weight"][: len(x)]
    z = state["latents"]
    read, asking = norm(x, "0.norm"), norm(z, "0.norm_context")
    q = asking @ get("0.fn.to_q.weight").T
    keys_and_values = get("0.fn.to_kv.weight")
    half = len(keys_and_values) // 2
    k, v = read @ keys_and_values[:half].T, read @ keys_and_values[half:].T
    of_heads = lambda y: y.view(len(y), 32, -1).transpose(0, 1)  # noqa: E731
    q, k, v = of_heads(q), of_heads(k), of_heads(v)
    weights = torch.softmax(q @ k.mT / q.shape[-1] ** 0.5, dim=-1)
    z = z + (weights @ v).transpose(0, 1).reshape(len(z), -1) @ get("0.fn.to_out.weight").T
    a, g = (norm(z, "1.norm") @ get("1.fn.net.0.weight").T + get("1.fn.net.0.bias")).chunk(2, -1)
    z = z + (a * F.gelu(g)) @ get("1.fn.net.2.weight").T + get("1.fn.net.2.bias")
    return F.normalize(z.mean(dim=0), dim=0)


def read_by(design: Design, states: torch.Tensor) -> torch.Tensor:
    """X of a text whose states are (L + 1, T, d)."""
    causal = design.attention == "causal"
    if design.pooling == "last_layer_trainable":
        return states[-1, -1:] if causal else states[-1]
    return states[1:, -1] if causal else states[1:].mean(dim=1)


def authors_folder(folder: Path, state=None, *, pickled=False) -> Path:
    """What a training of theirs leaves: peft's files, and the head."""
    adapter = trained(tiny_backbone(), spread=0.2).adapter
    adapter.save_pretrained(folder)
    config = json.loads((folder / "adapter_config.json").read_text())
    config |= {"base_model_name_or_path": "mistralai/Mistral-7B-v0.1"}
    config |= {"task_type": "FEATURE_EXTRACTION", "inference_mode": True}
    (folder / "adapter_config.json").write_text(json.dumps(config))
    if pickled:
        weights = load_file(folder / "adapter_model.safetensors")
        (folder / "adapter_model.safetensors").unlink()
        torch.save(weights, folder / "adapter_model.bin")
    if state is not None:
        torch.save(state, folder / "attn_pool.pt")
    return folder


SIZES = [
    HeadSize(latents=24, heads=32, head_dim=16),
    pytest.param(PAPER_HEAD, marks=pytest.mark.slow, id="paper"),
]


@pytest.fixture(scope="module", params=SIZES)
def imported(request, tmp_path_factory):
    """A run of each kind of head, and the state it was made of."""
    root, runs, size = tmp_path_factory.mktemp("authors"), {}, request.param
    for design in map(Design.parse, ("M2", "M3")):
        layers = design.pooling == "multi_layer_trainable"
        state = authors_head(layers, size.latents, size.heads * size.head_dim)
        folder = authors_folder(root / f"{design.alias}-theirs", state)
        info = import_weights(folder, design, tiny_backbone(), "tiny", root / str(design.alias))
        assert info.head == size and info == read_run_info(root / str(design.alias))
        runs[design.pooling] = root / str(design.alias), state
    return runs


@pytest.mark.parametrize("alias", ["M2", "M3", "M4", "M5"])
def test_their_outputs_on_the_same_states(tmp_path, imported, alias):
    design, backbone = Design.parse(alias), tiny_backbone()
    run_folder, state = imported[design.pooling]
    out = shutil.copytree(run_folder, tmp_path / "run")
    assert sorted(p.name for p in out.iterdir()) == ["adapter", "head.safetensors", "run.json"]
    # The files of M2 and M4 are alike, and those of M3 and M5: the design is what was named.
    write_run_info(out, read_run_info(out).model_copy(update={"design": str(design)}))
    loaded = load_run(out, backbone)
    vectors = embed(TEXTS, design, loaded)
    for text, vector in zip(TEXTS, vectors, strict=True):
        states = direct(loaded, text, design.attention)
        with torch.no_grad():
            expected = output(state, read_by(design, states))
        np.testing.assert_allclose(vector, expected.numpy(), atol=1e-5)
    # The adapter counts, too.
    apart = direct(loaded, TEXTS[0], "causal") - direct(tiny_backbone(), TEXTS[0], "causal")
    assert float(apart.abs().max()) > 0.1


@pytest.mark.slow
def test_m1_is_the_adapter_alone_and_may_be_pickled(tmp_path):
    backbone, design = tiny_backbone(), Design.parse("M1")
    folder = authors_folder(tmp_path / "theirs", pickled=True)
    import_weights(folder, design, backbone, "tiny", tmp_path / "run")
    loaded = load_run(tmp_path / "run", backbone)
    expected = F.normalize(direct(loaded, TEXTS[0], "causal")[-1, -1], dim=0)
    np.testing.assert_allclose(embed(TEXTS[:1], design, loaded)[0], expected.numpy(), atol=1e-5)
    theirs = trained(tiny_backbone(), spread=0.2)
    np.testing.assert_allclose(
        embed(TEXTS, design, loaded), embed(TEXTS, design, theirs), atol=1e-6
    )


@pytest.mark.slow
def test_the_command_makes_a_model_and_says_what_it_is(tmp_path):
    model = model_folder(tmp_path / "tiny", tiny_model("llama"), tiny_tokenizer())
    state = authors_head(True, latents=6, inner=64)
    folder = authors_folder(tmp_path / "theirs", {k: v.bfloat16() for k, v in state.items()})
    arguments = ("import", folder, "--design", "M5", "--out", tmp_path / "run")
    code, _, errors = run(*arguments)
    assert code == 2 and "mistralai/Mistral-7B-v0.1" in errors
    code, printed, errors = run(*arguments, "--backbone", model)
    assert code == 0, errors
    assert "6 latents and 32 heads of 2" in printed
    loaded = load_backbone(tmp_path / "run", dtype="float32")
    assert loaded.head(Design.parse("M5")).trained
    code, _, errors = run(*arguments, "--backbone", model)
    assert code == 2 and "exists already" in errors
    with pytest.raises(EmbedLabError, match="embedlab import"):
        load_backbone(folder)


class Evil:
    def __reduce__(self):
        return os.mkdir, ("pwned",)


def _bomb(path: Path) -> None:
    """Ten billion numbers in four bytes."""
    state = authors_head(False, latents=4, inner=64)
    state["latents"] = torch.zeros(1).expand(10**9, D)[:, :1].expand(10**9, D)
    torch.save(state, path)


def _compressed(path: Path) -> None:
    torch.save(authors_head(False, latents=4, inner=64), path)
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)


def _changed(**changes):
    def write(path: Path) -> None:
        state = authors_head(False, latents=4, inner=64)
        for name, value in changes.items():
            full = next(key for key in state if key.endswith(name.replace("__", ".")))
            state.pop(full) if value is None else state.__setitem__(full, value)
        torch.save(state, path)

    return write


HOSTILE = [
    (lambda path: torch.save({"latents": Evil()}, path), "holds other things"),
    (lambda path: torch.save(Evil(), path, _use_new_zipfile_serialization=False), "other things"),
    (lambda path: path.write_bytes(b"PK\x03\x04 half a file"), "could not be read as weights"),
    (lambda path: path.write_bytes(b""), "could not be read as weights"),
    (lambda path: torch.save([1, 2], path), "could not be read as weights"),
    (_bomb, "could not be read as weights"),
    (_compressed, "could not be read as weights"),
    (_changed(latents=torch.full((4, D), float("nan"))), "not finite .'latents'"),
    (_changed(latents=torch.zeros(4, D, dtype=torch.int64)), "could not be read as weights"),
    (_changed(latents=torch.zeros(D)), "authors' layout"),
    (_changed(to_kv__weight=torch.zeros(64, D)), "authors' layout"),
    (_changed(to_out__weight=None), "authors' layout"),
    (lambda path: torch.save(authors_head(False, 4, 40), path), "authors' layout"),
    (lambda path: torch.save(authors_head(True, 4, 64), path), "M3 or M5"),
]


def test_a_head_is_of_the_layers_of_its_backbone(tmp_path):
    path, target = tmp_path / "attn_pool.pt", str(tmp_path / "head.safetensors")
    torch.save(authors_head(True, 4, 64), path)
    with pytest.raises(EmbedLabError, match="an embedding of 32 layers, and the backbone has 33"):
        convert_head(path, target=target, layers=33)
    torch.save(authors_head(False, 4, 64), path)
    with pytest.raises(EmbedLabError, match="M2 or M4"):
        convert_head(path, target=target, layers=32)


@pytest.mark.parametrize(("write", "message"), HOSTILE)
def test_a_hostile_or_malformed_head_ends_in_one_sentence(tmp_path, monkeypatch, write, message):
    """Called here: a case in the child process follows."""
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "attn_pool.pt"
    write(path)
    with pytest.raises(EmbedLabError, match=message) as caught:
        convert_head(path, target=str(tmp_path / "head.safetensors"), layers=0)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "pwned").exists() and not (tmp_path / "head.safetensors").exists()


def test_what_is_refused_leaves_no_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    backbone, out = tiny_backbone(), tmp_path / "run"
    folder = authors_folder(tmp_path / "theirs")

    def refused(design: str, message: str) -> None:
        with pytest.raises(EmbedLabError, match=message):
            import_weights(folder, Design.parse(design), backbone, "tiny", out)
        assert not list(tmp_path.glob("run*"))

    refused("M2", "has no attn_pool.pt")
    refused("causal/mean", "is none of them")
    torch.save({"latents": Evil()}, folder / "attn_pool.pt")
    refused("M2", "holds other things")
    assert not (tmp_path / "pwned").exists()
    (folder / "adapter_model.safetensors").write_bytes(b"half a file")
    refused("M1", "does not fit")
    config = json.loads((folder / "adapter_config.json").read_text())
    for name, value in (("use_dora", True), ("rank_pattern", {"q_proj": 2}), ("bias", "all")):
        (folder / "adapter_config.json").write_text(json.dumps(config | {name: value}))
        refused("M1", f"has {name} = ")
    (folder / "adapter_config.json").write_text("[1")
    refused("M1", "damaged")
