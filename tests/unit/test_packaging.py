"""What a hosted Space installs and reads, against the project's own list and files."""

from __future__ import annotations

import tomllib

import yaml
from packaging.requirements import Requirement
from support.serving import ROOT

from embedlab import __version__
from embedlab.catalogue import CATALOGUE
from embedlab.lab.config import load_config
from embedlab.resources import LENT_GPU_CONFIG

#: The platform's list: ZeroGPU runs no other torch and no other Python.
ZEROGPU_TORCH = ("2.8.0", "2.9.1", "2.10.0", "2.11.0")
ZEROGPU_PYTHON = ("3.10", "3.12")


def by_name(lines):
    made = (Requirement(line) for line in lines if line.strip() and not line.startswith("#"))
    return {requirement.name: requirement for requirement in made}


def test_a_space_installs_the_projects_dependencies_with_a_torch_that_zerogpu_has():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    own = by_name(project["dependencies"])
    space = by_name((ROOT / "requirements.txt").read_text().splitlines())
    assert space.keys() - own.keys() == {"spaces"} and not own.keys() - space.keys()
    other = {name for name in own if own[name].specifier != space[name].specifier}
    assert other == {"torch"}
    for version in ZEROGPU_TORCH:
        assert version in own["torch"].specifier and version in space["torch"].specifier
    assert "2.7.1" not in space["torch"].specifier and "2.12.0" not in space["torch"].specifier


def test_the_front_matter_is_one_that_zerogpu_takes():
    _, front, _ = (ROOT / "README.md").read_text().split("---\n", 2)
    matter = yaml.safe_load(front)
    space = by_name((ROOT / "requirements.txt").read_text().splitlines())
    assert matter["python_version"] in ZEROGPU_PYTHON
    assert matter["sdk_version"] in space["gradio"].specifier and space["gradio"].extras == {
        "oauth"
    }
    assert (ROOT / matter["app_file"]).is_file() and len(matter["short_description"]) <= 60
    assert (ROOT / matter["thumbnail"]).is_file()
    assert matter["hf_oauth"] is True and matter["license"] == "apache-2.0"
    # What the profile takes from the hub is there before the first start.
    profile = load_config(LENT_GPU_CONFIG)
    from_hub = {entry.id for entry in profile.backbones if entry.id not in CATALOGUE}
    assert from_hub == set(matter["preload_from_hub"]) and from_hub <= set(matter["models"])
    assert len(profile.backbones) == 2 and __version__
