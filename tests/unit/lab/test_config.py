"""spaces_config.yaml: the shipped one loads, and what is wrong in one is said."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from embedlab import Design, EmbedLabError
from embedlab.data.corpora import CORPORA
from embedlab.lab.config import Config, Limits, load_config

SHIPPED = Path(__file__).resolve().parents[3] / "spaces_config.yaml"


def written(folder: Path, text: str) -> Path:
    path = folder / "spaces_config.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_the_shipped_configuration_loads():
    config = load_config(SHIPPED)
    assert set(config.corpora) <= set(CORPORA)
    assert {"smollm2-135m", "Qwen/Qwen2-0.5B", "mistralai/Mistral-7B-v0.1"} <= {
        entry.id for entry in config.backbones
    }
    assert str(Design.parse(config.defaults.design_a)) == config.defaults.design_a
    assert str(Design.parse(config.defaults.design_b)) == config.defaults.design_b
    assert all(entry.opt_in for entry in config.backbones if "gemma" in entry.id)


def test_the_shipped_file_names_every_limit():
    named = yaml.safe_load(SHIPPED.read_text(encoding="utf-8"))["limits"]
    assert set(named) == set(Limits.model_fields)


def test_an_empty_file_is_the_default(tmp_path):
    assert load_config(written(tmp_path, "")) == Config()


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("colour: red", "unknown key 'colour'; known are default_backbone"),
        ("limits: {max_text: 5}", "limits: unknown key 'max_text'; known are max_texts"),
        ("limits: {max_texts: many}", "limits: max_texts is 'many'; it must be a whole number"),
        ("limits: {max_texts: 0}", "max_texts is 0; it must be at least 1"),
        ("limits: {max_texts: true}", "max_texts is True; it must be a whole number"),
        ("limits: [1, 2]", "limits is .*; it must be"),
        ("defaults: {design_a: causal/nose}", "'nose' is not a known pooling"),
        ("defaults: {design_b: 7}", "design_b is 7; it must be a text"),
        ("defaults: {corpus: moby}", "defaults.corpus is 'moby'; use one of senses"),
        ("defaults: {min_dist: -1}", "min_dist is -1; it must be at least 0"),
        ("default_backbone: gpt-9", "default_backbone is 'gpt-9'; use 'auto' or one of"),
        ("backbones: {id: x}", "backbones is .*; it must be a list"),
        ("backbones: []", "at least one entry for a CPU"),
        ("backbones: [{id: x, hardware: tpu}]", r"backbones\[0\]: hardware is 'tpu'; use 'cpu'"),
        ("backbones: [{title: x}]", r"backbones\[0\]: .*id"),
        ("backbones: [smollm2-135m]", r"backbones\[0\] is 'smollm2-135m'; it must be"),
        ("corpora: senses", "corpora is 'senses'; it must be a list"),
        ("a: [b", "spaces_config.yaml is not valid YAML"),
        ("just words", "it must be a list of 'key: value' lines"),
    ],
)
def test_what_is_wrong_is_said(tmp_path, text, hint):
    with pytest.raises(EmbedLabError, match=hint):
        load_config(written(tmp_path, text))


def test_a_missing_file_is_said(tmp_path):
    with pytest.raises(EmbedLabError, match=r"'nowhere.yaml' cannot be read"):
        load_config(tmp_path / "nowhere.yaml")


def test_a_backbone_that_is_not_offered_is_refused_with_those_that_are():
    with pytest.raises(EmbedLabError, match=r"'gpt-9' is not a backbone offered here.*smollm2"):
        Config().backbone("gpt-9")
