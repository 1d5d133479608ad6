"""What one deployment offers: frozen dataclasses for spaces_config.yaml."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from pathlib import Path

from embedlab.errors import EmbedLabError
from embedlab.models.design import Design
from embedlab.yaml_files import build, list_of, mapping, read_yaml


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
    max_work_minutes: int = 10
    vectors_mb: int = 500
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
    raw = read_yaml(path, "a spaces_config.yaml")
    values = dict(mapping(raw, path.name))
    for name, kind in (("defaults", Defaults), ("limits", Limits)):
        if name in values:
            values[name] = build(kind, values[name], name)
    if "backbones" in values:
        entries = list_of(values["backbones"], "backbones")
        values["backbones"] = tuple(
            build(BackboneEntry, entry, f"backbones[{i}]") for i, entry in enumerate(entries)
        )
    if "corpora" in values:
        values["corpora"] = tuple(map(str, list_of(values["corpora"], "corpora")))
    return build(Config, values, path.name)
