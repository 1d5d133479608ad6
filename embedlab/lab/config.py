"""The configuration of one deployment: the models behind spaces_config.yaml."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from embedlab import gpu
from embedlab.child_process import Bounds
from embedlab.data.corpora import CORPORA
from embedlab.errors import EmbedLabError, check_known
from embedlab.models.design import DesignText
from embedlab.resources import DEFAULT_CONFIG, LENT_GPU_CONFIG
from embedlab.validation import validated
from embedlab.yaml_files import ListOf, YamlModel, read_yaml

AtLeastOne = Annotated[int, Field(ge=1)]


class BackboneEntry(YamlModel):
    """A backbone that the deployment offers: a pinned id, a folder, a Hub name or a run.

    ``base`` is the backbone of a run, where it has moved since the training.

    ``hardware`` is ``cpu`` (runs anywhere) or ``gpu`` (too slow without one). ``opt_in`` backbones
    are listed with their terms and are never selected automatically.
    """

    id: str
    title: str = ""
    base: str = ""
    hardware: Literal["cpu", "gpu"] = "cpu"
    opt_in: bool = False
    max_length: Annotated[int, Field(ge=8)] = 512


class Limits(YamlModel):
    """Upper bounds on one user's requests and on the deployment's caches; 1 MB is 10⁶ bytes.

    ``max_texts`` bounds what a model embeds at once; of vectors that were made elsewhere
    ``max_prepared_mb`` bounds the memory that one visitor's take as float32, and with it the texts.
    ``max_read_mb`` and ``max_read_seconds`` bound the process that reads an upload; Python and its
    libraries reserve 400 MB of that address space before they read anything.
    """

    max_texts: AtLeastOne = 5000
    max_prepared_mb: AtLeastOne = 200
    max_text_chars: AtLeastOne = 2_000_000
    max_upload_mb: AtLeastOne = 50
    max_read_mb: Annotated[int, Field(ge=500)] = 3000
    max_read_seconds: AtLeastOne = 60
    max_heatmap_texts: AtLeastOne = 60
    max_results: AtLeastOne = 100
    max_designs: AtLeastOne = 80
    max_prompt_chars: AtLeastOne = 500
    state_cache_mb: AtLeastOne = 4000
    state_disk_mb: Annotated[int, Field(ge=0)] = 1000
    max_backbones: AtLeastOne = 2
    max_users: AtLeastOne = 40
    max_work_minutes: AtLeastOne = 10
    vectors_mb: AtLeastOne = 500
    max_train_steps: AtLeastOne = 2000
    max_train_minutes: AtLeastOne = 30
    max_waiting_runs: AtLeastOne = 8
    max_runs: AtLeastOne = 24
    keep_runs_minutes: AtLeastOne = 120

    @property
    def reading(self) -> Bounds:
        """What the process that reads an upload may use."""
        return Bounds(memory=self.max_read_mb * 10**6, seconds=self.max_read_seconds)


class Defaults(YamlModel):
    """The choices that the page opens with.

    A large corpus starts with ``sample`` texts, or with fewer if they are long: about
    ``sample_chars`` characters in total.
    """

    corpus: str = "senses"
    design_a: DesignText = "causal/eos"
    design_b: DesignText = "causal/mean_last+filter1.5+centre?template=topic"
    sample: Annotated[int, Field(ge=2)] = 400
    sample_chars: AtLeastOne = 40_000
    seed: Annotated[int, Field(ge=0)] = 0
    n_neighbors: Annotated[int, Field(ge=2)] = 15
    min_dist: Annotated[float, Field(ge=0)] = 0.1


class Agents(YamlModel):
    """What is served to agents, over MCP.

    ``serve`` is ``auto`` (where the package ``mcp`` is installed), always or never. ``training``
    lets agents train, up to ``max_train_steps`` steps at a time; all limits on trainings hold too.
    """

    serve: Literal["auto", "always", "never"] = "auto"
    training: bool = False
    max_train_steps: AtLeastOne = 40


class Config(YamlModel):
    """A deployment: the backbones and corpora it offers, its defaults and its limits.

    ``default_backbone`` is one of the ids, or ``auto``: the first ``gpu`` entry where there is a
    GPU and a model hub in reach, else the first ``cpu`` entry that is not opt-in. ``lessons`` is a
    folder of the deployment's own lessons, beside the config where the path is relative.
    """

    default_backbone: str = "auto"
    backbones: ListOf[BackboneEntry] = (BackboneEntry(id="smollm2-135m"),)
    corpora: ListOf[str] = tuple(CORPORA)
    lessons: str = ""
    defaults: Defaults = Defaults()
    limits: Limits = Limits()
    mcp: Agents = Agents()

    @model_validator(mode="after")
    def _names_what_it_offers(self) -> Self:
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
        return self

    def backbone(self, backbone_id: str) -> BackboneEntry:
        """The entry with this id.

        Raises:
            EmbedLabError: this deployment does not offer it; the message lists the ids it offers.
        """
        check_known(backbone_id, "a backbone offered here", [e.id for e in self.backbones])
        return next(entry for entry in self.backbones if entry.id == backbone_id)


def default_config() -> Path:
    """The configuration of a deployment that names none.

    That in the working folder, else the one that ships; each in two profiles, of which the second
    is for a GPU that is lent by the call.
    """
    shipped = LENT_GPU_CONFIG if gpu.LENT else DEFAULT_CONFIG
    here = Path(shipped.name)
    return here if here.exists() else shipped


def load_config(path: Path) -> Config:
    """Read and check a spaces_config.yaml.

    Raises:
        EmbedLabError: the file cannot be read, a key is unknown, or a value is not accepted.
    """
    config = validated(Config, read_yaml(path, "a spaces_config.yaml"), path.name)
    own = str(path.parent / config.lessons) if config.lessons else ""
    return config.model_copy(update={"lessons": own})
