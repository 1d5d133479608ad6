"""``embedlab check`` on the shapes of models, and runs whose backbone has moved."""

from __future__ import annotations

import json

import numpy as np
import pytest
from support.command_line import run
from support.models import (
    character_tokenizer,
    embedding_folder,
    model_folder,
    tiny_backbone,
    tiny_model,
)
from support.runs import saved_run, trained

from embedlab import Design, embed, load_backbone
from embedlab.lab.model_check import check_model
from embedlab.models.attention import PROBED

TEN = (
    *("llama", "qwen2", "qwen3", "mistral", "gemma3_text", "gpt2"),
    *("phi3", "olmo2", "smollm3", "gpt_neox"),
)


@pytest.mark.parametrize("architecture", TEN)
def test_ten_architectures(architecture):
    checked = check_model(tiny_backbone(architecture), "tiny")
    assert checked.attention == dict.fromkeys(PROBED, "")
    assert checked.model_type == architecture and checked.architecture.endswith("Model")
    assert checked.end_token.token == "</s>" and not checked.end_token.by_tokenizer
    assert checked.exports == {"adapter": "", "sentence-transformers": ""}
    assert not checked.cosines and not checked.native.design


@pytest.fixture
def embedding_model(tmp_path):
    """Ends texts itself with a token that is not its EOS, and pools the last token."""
    tokenizer = character_tokenizer("$A <end>")
    plain = model_folder(tmp_path / "plain", tiny_model("qwen3", vocabulary=128), tokenizer)
    prompts = {"query": "query: ", "sts": "same: "}
    return embedding_folder(tmp_path / "whole", plain, "lasttoken", prompts=prompts)


def test_the_page_and_the_json_say_the_same(embedding_model):
    options = ("--device", "cpu", "--dtype", "float32")
    code, page, _ = run("check", embedding_model, *options)
    assert code == 0
    for part in (
        "Qwen3Model (qwen3), 4 layers, d 32",
        "obeyed: every layer looks both ways",
        "'<end>' (id 4), added by the tokenizer itself; its eos_token is '<eos>'",
        "causal/eos, query prompt 'query: '",
        "other prompts: sts",
        "no: An adapter needs its backbone",
        "its head is untrained",
    ):
        assert part in page
    code, text, _ = run("check", embedding_model, "--json", *options)
    checked = json.loads(text)
    assert checked["native"]["design"] == "causal/eos+native?query=query%3A%20"
    assert checked["end_token"]["ids"] == [4]
    by_design = {row["design"]: row for row in checked["cosines"]}
    assert by_design["causal/eos"]["mean"] == pytest.approx(1, abs=1e-5)
    assert by_design["causal/mean"]["mean"] < 0.9
    assert by_design["bidirectional/last_layer_trainable"]["mean"] is None


def test_wrong_poolings_are_compared_behind_the_dense_layers(tmp_path):
    plain = model_folder(tmp_path / "plain", tiny_model("qwen3", vocabulary=128))
    whole = embedding_folder(tmp_path / "whole", plain, "mean", dense=(16,))
    checked = check_model(load_backbone(whole, device="cpu", dtype="float32"), str(whole))
    means = {row.design: row.mean for row in checked.cosines}
    # The mean differs in the end token alone, which the files do not have.
    assert 0.5 < means["causal/mean"] < 1
    assert means["causal/mean"] > means["causal/eos"]


def test_native_by_its_name_embeds_as_the_files_say(embedding_model, tmp_path):
    texts, out = tmp_path / "texts.txt", tmp_path / "vectors.npy"
    texts.write_text("a bank\nthe river\n")
    options = ("--out", out, "--device", "cpu", "--dtype", "float32")
    code, _, errors = run(
        "embed", texts, "--design", "native", "--backbone", embedding_model, *options
    )
    assert code == 0, errors
    backbone = load_backbone(embedding_model, device="cpu", dtype="float32")
    expected = embed(["a bank", "the river"], backbone.native.design, backbone)
    np.testing.assert_allclose(np.load(out), expected, atol=1e-5)


@pytest.fixture
def moved(tmp_path):
    """A run of a folder that is somewhere else by now: the run, and where the folder is."""
    base = model_folder(tmp_path / "old" / "base", tiny_model("llama", vocabulary=128))
    backbone = load_backbone(base, device="cpu", dtype="float32")
    folder = saved_run(tmp_path / "run", trained(backbone), Design.parse("causal/eos"))
    info = json.loads((folder / "run.json").read_text())
    info["backbone"] |= {"id": str(base), "source": "local folder"}
    (folder / "run.json").write_text(json.dumps(info))
    (tmp_path / "old").rename(tmp_path / "new")
    return folder, tmp_path / "new" / "base"


def test_a_run_says_how_to_point_it_to_a_backbone_that_has_moved(moved, tmp_path):
    folder, base = moved
    texts = tmp_path / "texts.txt"
    texts.write_text("a bank\n")
    options = ("--device", "cpu", "--dtype", "float32")
    embedding = ("embed", texts, "--design", "causal/eos", "--out", tmp_path / "v.npy", *options)
    for command, again in (
        (("check", folder, *options), ("--backbone", base)),
        ((*embedding, "--backbone", folder), ("--backbone", base)),
    ):
        code, _, errors = run(*command)
        assert code == 2 and "add --backbone" in errors and "old/base" in errors
        code, _, errors = run(*command, *again)
        assert code == 0, errors
    code, _, errors = run("export", folder, *options)
    assert code == 2 and "add --backbone" in errors
    code, _, errors = run(*embedding, *("--backbone", folder) * 3)
    assert code == 2 and "3 times" in errors
