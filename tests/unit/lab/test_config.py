"""spaces_config.yaml: the shipped one loads, and what is wrong in one is said."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from embedlab import Design, EmbedLabError
from embedlab.child_process import Bounds
from embedlab.data.corpora import CORPORA
from embedlab.data.readers import read_upload
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
        ("limits: {max_read_mb: 100}", "max_read_mb is 100; it must be at least 500"),
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


def test_the_limits_say_what_reading_an_upload_may_use(tmp_path):
    limits = load_config(
        written(tmp_path, "limits: {max_read_mb: 700, max_read_seconds: 5}")
    ).limits
    assert limits.reading == Bounds(memory=700 * 10**6, seconds=5)
    path = tmp_path / "t.csv"
    path.write_bytes(b"text,label\n" + b"some words,a\n" * 3_000_000)
    with pytest.raises(EmbedLabError, match=r"more than 0\.7 GB of memory or 1 s\. Choose"):
        bounds = Bounds(memory=limits.reading.memory, seconds=1)
        read_upload(path, max_bytes=10**8, max_texts=10**7, bounds=bounds)


def test_a_missing_file_is_said(tmp_path):
    with pytest.raises(EmbedLabError, match=r"'nowhere.yaml' cannot be read"):
        load_config(tmp_path / "nowhere.yaml")


def test_a_backbone_that_is_not_offered_is_refused_with_those_that_are():
    with pytest.raises(EmbedLabError, match=r"'gpt-9' is not a backbone offered here.*smollm2"):
        Config().backbone("gpt-9")
