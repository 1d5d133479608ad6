"""What one deployment offers: frozen dataclasses for spaces_config.yaml."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, TypeVar

import yaml

from embedlab.design import Design
from embedlab.errors import EmbedLabError

T = TypeVar("T")


def _at_least(owner: object, **least: float) -> None:
    for name, low in least.items():
        if getattr(owner, name) < low:
            raise EmbedLabError(f"{name} is {getattr(owner, name)!r}; it must be at least {low}.")


@dataclass(frozen=True, kw_only=True)
class BackboneEntry:
    """One backbone on offer: a pinned id, a folder or a Hub name, and where it belongs.

    ``hardware`` is ``cpu`` (runs anywhere) or ``gpu`` (too slow without one). ``opt_in`` backbones
    are listed with their terms and never chosen by themselves.
    """

    id: str
    title: str = ""
    hardware: str = "cpu"
    opt_in: bool = False
    max_length: int = 512

    def __post_init__(self) -> None:
        if self.hardware not in ("cpu", "gpu"):
            raise EmbedLabError(f"hardware is {self.hardware!r}; use 'cpu' or 'gpu'.")
        _at_least(self, max_length=8)


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What one user may ask of this deployment, and what it keeps. Sizes in MB are 10⁶ bytes."""

    max_texts: int = 5000
    max_text_chars: int = 2_000_000
    max_upload_mb: int = 50
    max_heatmap_texts: int = 60
    max_results: int = 100
    max_prompt_chars: int = 500
    state_cache_mb: int = 4000
    state_disk_mb: int = 1000
    max_backbones: int = 2
    max_users: int = 40
    max_train_steps: int = 2000
    max_train_minutes: int = 30
    max_waiting_runs: int = 8
    max_runs: int = 24
    keep_runs_minutes: int = 120

    def __post_init__(self) -> None:
        for item in fields(self):
            _at_least(self, **{item.name: 0 if item.name == "state_disk_mb" else 1})


@dataclass(frozen=True, kw_only=True)
class Defaults:
    """What the first view shows.

    A large corpus starts with ``sample`` texts, or fewer where they are long: about
    ``sample_chars`` characters.
    """

    corpus: str = "senses"
    design_a: str = "causal/eos"
    design_b: str = "bidirectional/mean"
    sample: int = 400
    sample_chars: int = 40_000
    seed: int = 0
    n_neighbors: int = 15
    min_dist: float = 0.1

    def __post_init__(self) -> None:
        Design.parse(self.design_a)
        Design.parse(self.design_b)
        _at_least(self, sample=2, sample_chars=1, seed=0, n_neighbors=2, min_dist=0)


@dataclass(frozen=True, kw_only=True)
class Config:
    """A deployment: backbones and corpora on offer, defaults, limits.

    ``default_backbone`` is one of the ids, or ``auto``: the first ``gpu`` entry where there is a
    GPU and a model hub in reach, else the first ``cpu`` entry that is not opt-in.
    """

    default_backbone: str = "auto"
    backbones: tuple[BackboneEntry, ...] = (BackboneEntry(id="smollm2-135m"),)
    corpora: tuple[str, ...] = ("senses", "stsb", "boolq", "semanlink", "trec", "sms-spam", "bbc")
    defaults: Defaults = field(default_factory=Defaults)
    limits: Limits = field(default_factory=Limits)

    def __post_init__(self) -> None:
        ids = [entry.id for entry in self.backbones]
        if not any(e.hardware == "cpu" and not e.opt_in for e in self.backbones):
            raise EmbedLabError("backbones needs at least one entry for a CPU that is not opt-in.")
        if self.default_backbone not in ("auto", *ids):
            raise EmbedLabError(
                f"default_backbone is {self.default_backbone!r}; use 'auto' or one of "
                f"{', '.join(ids)}."
            )
        if self.defaults.corpus not in self.corpora:
            raise EmbedLabError(
                f"defaults.corpus is {self.defaults.corpus!r}; use one of "
                f"{', '.join(self.corpora)}."
            )

    def backbone(self, backbone_id: str) -> BackboneEntry:
        """The entry under this id.

        Raises:
            EmbedLabError: this deployment does not offer it; the message lists what it does.
        """
        for entry in self.backbones:
            if entry.id == backbone_id:
                return entry
        raise EmbedLabError(
            f"{str(backbone_id)[:80]!r} is not a backbone offered here; use one of "
            f"{', '.join(entry.id for entry in self.backbones)}."
        )


def load_config(path: Path) -> Config:
    """Read and check a spaces_config.yaml.

    Raises:
        EmbedLabError: the file cannot be read, a key is unknown, or a value is not acceptable.
    """
    try:
        raw = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except OSError as error:
        raise EmbedLabError(
            f"The configuration {path.name!r} cannot be read; give the path of a "
            "spaces_config.yaml."
        ) from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise EmbedLabError(f"{path.name} is not valid YAML: {error}") from error
    values = dict(_mapping(raw, path.name))
    for name, kind in (("defaults", Defaults), ("limits", Limits)):
        if name in values:
            values[name] = _build(kind, values[name], name)
    if "backbones" in values:
        entries = _list(values["backbones"], "backbones")
        values["backbones"] = tuple(
            _build(BackboneEntry, entry, f"backbones[{i}]") for i, entry in enumerate(entries)
        )
    if "corpora" in values:
        values["corpora"] = tuple(map(str, _list(values["corpora"], "corpora")))
    return _build(Config, values, path.name)


def _build(kind: type[T], raw: Any, where: str) -> T:
    values = _mapping(raw, where)
    known = {item.name: item for item in fields(kind)}  # type: ignore[arg-type]
    for key, value in values.items():
        if key not in known:
            raise EmbedLabError(f"{where}: unknown key {key!r}; known are {', '.join(known)}.")
        wanted = {"int": int, "str": str, "bool": bool, "float": (int, float)}.get(
            str(known[key].type)
        )
        wrong_bool = isinstance(value, bool) and wanted is not bool
        if wanted is not None and (wrong_bool or not isinstance(value, wanted)):  # type: ignore[arg-type]
            raise EmbedLabError(f"{where}: {key} is {value!r}; it must be {known[key].type}.")
    try:
        return kind(**values)
    except EmbedLabError as error:
        raise EmbedLabError(f"{where}: {error}") from error
    except TypeError as error:
        raise EmbedLabError(f"{where}: {error}.") from error


def _mapping(raw: Any, where: str) -> Mapping[str, Any]:
    if not isinstance(raw, Mapping):
        raise EmbedLabError(f"{where} is {raw!r}; it must be a list of 'key: value' lines.")
    return raw


def _list(raw: Any, where: str) -> list[Any]:
    if not isinstance(raw, list):
        raise EmbedLabError(f"{where} is {raw!r}; it must be a list.")
    return raw
