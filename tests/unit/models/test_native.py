"""The design of an embedding model's own files equals sentence-transformers' own vectors."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
from support.models import (
    character_tokenizer,
    embedding_folder,
    model_folder,
    tiny_model,
)

from embedlab import Design, EmbedLabError, embed, load_backbone
from embedlab.export.sentence_transformers import export_sentence_transformers
from embedlab.models.design import NATIVE

TEXTS = ["a bank", "She sat on the bank of the river, and counted boats.", "x", "12 + 30 = 42?"]
PROMPTS = {"query": "Instruct: find.\nQuery:", "document": "text: "}


def load(folder):
    return load_backbone(folder, device="cpu", dtype="float32")


def library(folder):
    from sentence_transformers import SentenceTransformer

    return SentenceTransformer(str(folder), device="cpu", local_files_only=True)


def same_as_the_library(folder, backbone) -> None:
    design, theirs = backbone.native.design, library(folder)
    queries = theirs.encode_query(TEXTS, normalize_embeddings=True)
    documents = theirs.encode_document(TEXTS, normalize_embeddings=True)
    np.testing.assert_allclose(embed(TEXTS, design, backbone, query=True), queries, atol=1e-4)
    np.testing.assert_allclose(embed(TEXTS, design, backbone), documents, atol=1e-4)


@pytest.mark.parametrize(
    ("pooling", "frame", "dense", "words"),
    [
        ("lasttoken", "$A <end>", (), "causal/eos"),
        ("lasttoken", "$A", (), "causal/eos without an end token"),
        ("mean", "$A", (), "causal/mean without an end token"),
        ("mean", "<bos> $A <eos>", (48, 24), "causal/mean, dense layers to 24 dimensions"),
        ("weightedmean", "<bos> $A", (), "causal/weighted_mean without an end token"),
        ("mean_sqrt_len_tokens", "$A <eos>", (), "causal/mean"),
    ],
)
def test_a_folder_that_sentence_transformers_saved(pooling, frame, dense, words, tmp_path):
    model = tiny_model("qwen3", vocabulary=128)
    plain = model_folder(tmp_path / "plain", model, character_tokenizer(frame))
    folder = embedding_folder(
        tmp_path / "whole", plain, pooling, dense=dense, prompts=dict(PROMPTS)
    )
    backbone = load(folder)
    same_as_the_library(folder, backbone)
    prompts = "query prompt 'Instruct: find.\\nQuery:', document prompt 'text: '"
    assert backbone.native.words == f"{words}, {prompts}"
    assert Design.parse(str(backbone.native.design)) == backbone.native.design
    assert embed(TEXTS, backbone.native_design(), backbone).shape == (4, dense[-1] if dense else 32)


@pytest.mark.parametrize("flag", ["is_causal", "use_bidirectional_attention", "a short window"])
def test_a_model_that_its_config_makes_bidirectional(flag, tmp_path):
    """Gemma's own mask keeps its sliding windows, which are shorter than these texts."""
    if flag == "is_causal":
        model = tiny_model("qwen3", vocabulary=128)
        model.config.is_causal = False
    else:
        more = {"sliding_window": 8} if flag == "a short window" else {}
        options = {"use_bidirectional_attention": True, **more}
        model = tiny_model("gemma3_text", vocabulary=128, **options)
    tokenizer = character_tokenizer("$A <eos>")
    plain = model_folder(tmp_path / "plain", model, tokenizer)
    options = {"prompts": {"query": "query: "}, "default_prompt_name": "query"}
    folder = embedding_folder(tmp_path / "whole", plain, "mean", dense=(16,), **options)
    backbone = load(folder)
    assert backbone.native.words == (
        "bidirectional/mean, dense layers to 16 dimensions, prompt 'query: '"
    )
    theirs = library(folder).encode(TEXTS, normalize_embeddings=True)  # with the default prompt
    for query in (False, True):
        ours = embed(TEXTS, backbone.native.design, backbone, query=query)
        np.testing.assert_allclose(ours, theirs, atol=1e-4)
    if flag != "is_causal":
        with pytest.raises(EmbedLabError, match="config makes it bidirectional"):
            embed(TEXTS, Design.parse("causal/eos"), backbone)
    else:
        assert not backbone.refused


def test_an_old_folder(tmp_path):
    """The transformer in 0_Transformer, the pooling's flags one by one, the old names of types."""
    root = tmp_path / "old"
    model = tiny_model("qwen3", vocabulary=128)
    model_folder(root / "0_Transformer", model, character_tokenizer("$A <end>"))
    (root / "0_Transformer" / "sentence_bert_config.json").write_text('{"max_seq_length": 16}')
    (root / "1_Pooling").mkdir()
    flags = {"word_embedding_dimension": 32, "pooling_mode_mean_tokens": True}
    (root / "1_Pooling" / "config.json").write_text(json.dumps(flags))
    paths = {"Transformer": "0_Transformer", "Pooling": "1_Pooling"}
    modules = [
        {"idx": i, "name": str(i), "path": path, "type": f"sentence_transformers.models.{kind}"}
        for i, (kind, path) in enumerate(paths.items())
    ]
    (root / "modules.json").write_text(json.dumps(modules))
    backbone = load(root)
    assert (backbone.native.words, backbone.max_length, backbone.name) == ("causal/mean", 16, "old")
    same_as_the_library(root, backbone)
    assert backbone.states(TEXTS).truncated.any()


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """An embedding model with a dense layer."""
    folder = tmp_path_factory.mktemp("native")
    plain = model_folder(folder / "plain", tiny_model("qwen3", vocabulary=128))
    return embedding_folder(folder / "whole", plain, "mean", dense=(16,))


def changed(folder, name, **values):
    path = folder / name
    content = json.loads(path.read_text()) | values
    path.write_text(json.dumps(content))


@pytest.mark.parametrize(
    ("name", "values", "reason"),
    [
        ("1_Pooling/config.json", {"pooling_mode": "cls"}, "its pooling is cls"),
        ("1_Pooling/config.json", {"pooling_mode": ["mean", "max"]}, "mean and max"),
        ("1_Pooling/config.json", {"pooling_mode": {}}, "damaged at 'pooling_mode"),
        ("2_Dense/config.json", {"activation_function": "os.system"}, "activation 'os.system'"),
        ("2_Dense/config.json", {"in_features": 31}, "takes 31 dimensions and gets 32"),
        ("2_Dense/config.json", {"out_features": 15}, "do not fit its config"),
        ("sentence_bert_config.json", {"do_lower_case": True}, "lower-cased"),
        ("sentence_bert_config.json", {"max_seq_length": -1}, "damaged at 'max_seq_length'"),
        (
            "sentence_bert_config.json",
            {"modality_config": {"message": {"method": "forward"}}},
            "chat template",
        ),
        ("config_sentence_transformers.json", {"prompts": ["x"]}, "damaged at 'prompts'"),
    ],
)
def test_what_is_not_covered_is_said_and_the_model_is_still_a_backbone(
    whole, tmp_path, name, values, reason
):
    folder = shutil.copytree(whole, tmp_path / "copy")
    changed(folder, name, **values)
    backbone = load(folder)
    assert backbone.native is None and reason in backbone.no_native
    assert embed(TEXTS, Design.parse("causal/mean"), backbone).shape == (4, 32)
    with pytest.raises(EmbedLabError, match="has no native design"):
        embed(TEXTS, Design.parse("causal/mean+native"), backbone)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("[]", "names no module"),
        ("{", "modules.json is damaged"),
        ('[{"path": "", "type": "export_pooling.TrainedHead"}]', "code of its own"),
        ('[{"path": "../up", "type": "sentence_transformers.models.Transformer"}]', "outside"),
        ('[{"path": "", "type": "sentence_transformers.models.Transformer"}]', "names Transformer"),
    ],
)
def test_module_lists_that_make_no_native_design(whole, tmp_path, content, reason):
    folder = shutil.copytree(whole, tmp_path / "copy")
    shutil.rmtree(folder / "1_Pooling")
    (folder / "modules.json").write_text(content)
    backbone = load(folder)
    assert backbone.native is None and reason in backbone.no_native


def test_other_dense_weights_are_another_version(whole, tmp_path):
    backbone = load(whole)
    design = backbone.native.design
    assert backbone.version(design) != backbone.version(Design.parse("causal/mean"))


def test_a_plain_backbone_has_no_native_design(tiny):
    with pytest.raises(EmbedLabError, match=r"no native design: its files do not say"):
        tiny.native_design()
    with pytest.raises(EmbedLabError, match="embedlab check"):
        Design.parse(NATIVE)


def test_a_native_design_is_exported_with_its_dense_layers_and_without_an_end_token(
    whole, tmp_path
):
    from support.runs import run_info

    backbone = load(whole)
    design = backbone.native.design
    out = tmp_path / "out"
    export_sentence_transformers(backbone, design, run_info(backbone, design), out)
    np.testing.assert_allclose(
        library(out).encode_document(TEXTS), embed(TEXTS, design, backbone), atol=1e-4
    )
    again = load(out)  # what was exported is an embedding model of the same design
    assert again.native.words == backbone.native.words


def test_a_native_design_is_trained_through_its_dense_layers(whole):
    from embedlab.data.pairs import PairSet
    from embedlab.training.recipe import Recipe
    from embedlab.training.training import Training

    backbone = load(whole)
    anchors = tuple(f"question {i}" for i in range(20))
    positives = tuple(f"answer {i}" for i in range(20))
    pairs = PairSet(id="own", title="own", anchors=anchors, positives=positives)
    recipe = Recipe(steps=2, batch=4, held_out=2, evaluate_every=1, warmup=1)
    training = Training(backbone, backbone.native.design, pairs, recipe)
    steps = list(training.run())
    assert steps[-1].number == 2 and steps[-1].held_out is not None
    trained = training.result()
    vectors = embed(TEXTS, trained.native.design, trained)
    assert vectors.shape == (4, 16)
    assert np.abs(vectors - embed(TEXTS, backbone.native.design, backbone)).max() > 1e-5
