"""Exports carry templates, steps and newer poolings: sentence-transformers gives the same."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from support.models import tiny_backbone, words
from support.runs import run_info

from embedlab import Backbone, Design, EmbedLabError, embed, fit
from embedlab.export.export_model import export_model
from embedlab.export.sentence_transformers import export_sentence_transformers
from embedlab.models.run_folder import untrained_info
from embedlab.models.steps import FittedSteps

TEXTS = (*words(1, 3, 7, 20, 62, 90, 200), "w1 {text} {0} 東京 w3", " w1  w2 ")
DOCUMENTS = words(*range(2, 22), seed=3)


def tied_backbone() -> Backbone:
    backbone = tiny_backbone(tied=True)
    return Backbone(backbone.model, backbone.tokenizer, name="tiny", max_length=64)


def loaded(folder, own_code: bool):
    from sentence_transformers import SentenceTransformer

    return SentenceTransformer(str(folder), device="cpu", trust_remote_code=own_code)


def exported(design: Design, backbone: Backbone, folder) -> tuple[Any, FittedSteps]:
    steps = fit(DOCUMENTS, design, backbone)
    info = untrained_info(backbone, design, "tiny")
    export_sentence_transformers(backbone, design, info, folder, steps=steps)
    own_code = any(folder.glob("export_*.py"))
    return loaded(folder, own_code), steps


@pytest.mark.parametrize(
    ("text", "own_code"),
    [
        ("causal/last?template=topic", True),
        ("causal/last", True),
        ("causal/eos?query=w9%20{text}%20w2&document=w5%20{text}", True),
        ("bidirectional/mean?template=w3%20{text}%20w8&pool=text", True),
        ("causal/mean?template=echo", True),
        ("causal/last+centre?template=metaeol", True),
        ("causal/eos+filter1.5", False),
        ("bidirectional/mean?template=task-retrieval", False),
        ("causal/mean@1+skip_first+filter2+whiten", True),
        ("causal/mean+abtt2+dim8", False),
        ("causal/rms_mean@1..3", True),
        ("causal/mean@0..4?query=w9%20", True),
        ("bidirectional/mean_last@2", True),
        ("causal/value_mean@1..3+centre", True),
        ("causal/mean+binary", True),
        ("causal/last+filter1.5+centre?template=topic", True),
    ],
)
def test_the_export_gives_the_same_vectors(text, own_code, tmp_path):
    design, backbone = Design.parse(text), tied_backbone()
    model, steps = exported(design, backbone, tmp_path / "out")
    for query, encode in ((False, model.encode_document), (True, model.encode_query)):
        expected = embed(TEXTS, design, backbone, query=query, fit=steps)
        np.testing.assert_allclose(encode(list(TEXTS), batch_size=4), expected, atol=1e-4)
    assert any((tmp_path / "out").glob("export_*.py")) is own_code
    model.save(str(tmp_path / "again"))
    again = loaded(tmp_path / "again", own_code)
    np.testing.assert_array_equal(again.encode_query(["w7 w2"]), model.encode_query(["w7 w2"]))


def test_int8_may_differ_by_one_level_and_no_more(tmp_path):
    design, backbone = Design.parse("causal/mean+int8"), tied_backbone()
    model, steps = exported(design, backbone, tmp_path / "out")
    ours = embed(TEXTS, design, backbone, fit=steps)
    difference = np.abs(model.encode_document(list(TEXTS)) - ours)
    assert 0 < steps.rounding < 0.1
    assert difference.max() <= steps.rounding and (difference > 1e-4).mean() < 0.01


def test_the_stored_folder_of_a_backbone_is_the_whole_path(tmp_path, monkeypatch):
    (tmp_path / "model").mkdir()
    monkeypatch.chdir(tmp_path)
    backbone, design = tied_backbone(), Design.parse("causal/mean")
    assert untrained_info(backbone, design, "model").backbone.id == str(tmp_path / "model")
    assert untrained_info(backbone, design, "some/name").backbone.id == "some/name"


@pytest.mark.parametrize("architecture", ["llama", "gemma3_text"])
@pytest.mark.parametrize(
    "text",
    [
        "rerouted/mean?band=2..3&bias=0.5",
        "rerouted/mean_last+centre?template=kv",
        "rerouted/eos?query=w9%20",
        "bidirectional>2/mean",
        "bidirectional>1/mean_last?template=echo",
    ],
)
def test_attention_that_differs_from_layer_to_layer(architecture, text, tmp_path):
    design, backbone = Design.parse(text), tiny_backbone(architecture, tied=True)
    model, steps = exported(design, backbone, tmp_path / "out")
    for query, encode in ((False, model.encode_document), (True, model.encode_query)):
        expected = embed(TEXTS, design, backbone, query=query, fit=steps)
        np.testing.assert_allclose(encode(list(TEXTS), batch_size=4), expected, atol=1e-4)
    model.save(str(tmp_path / "again"))
    again = loaded(tmp_path / "again", own_code=True)
    np.testing.assert_array_equal(again.encode_query(["w7 w2"]), model.encode_query(["w7 w2"]))


def test_templates_that_end_differently_are_refused(tmp_path):
    design = Design.parse("causal/mean?query=w1%20{text}&document=w2%20")
    with pytest.raises(EmbedLabError, match="templates of one kind"):
        exported(design, tied_backbone(), tmp_path / "out")


def test_steps_that_were_not_fitted_are_refused(tmp_path):
    backbone = tied_backbone()
    design = Design.parse("causal/mean+centre")
    info = run_info(backbone, replace(design, steps=()))
    with pytest.raises(EmbedLabError, match="have not been fitted"):
        export_model(backbone, design, info, tmp_path / "run", tmp_path, "sentence-transformers")
