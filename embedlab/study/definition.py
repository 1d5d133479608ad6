"""A study: designs × seeds under one training recipe, measured on the same tasks."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from itertools import product
from pathlib import Path
from typing import Annotated, Any, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from embedlab.analysis.tasks import CATEGORY_MEASURES, STUDY_TASKS, Task
from embedlab.errors import EmbedLabError, check_known
from embedlab.models.design import Design
from embedlab.resources import ASSETS
from embedlab.study.given_models import GivenModel, given_models
from embedlab.study.instructions import check_bare
from embedlab.training.recipe import CUTS, LATER, Recipe, recipe_from
from embedlab.validation import validated
from embedlab.yaml_files import ListOf, YamlModel, read_yaml

#: The studies that come with EmbedLab.
STUDY_PRESETS = ("minutes", "workshop", "paper", "training-free", "seven")

CellKind = Literal["trained", "untrained", "yardstick"]
D = TypeVar("D")
R = TypeVar("R")
Names = TypeVar("Names", tuple[str, ...], dict[str, int])


class Cell(BaseModel, extra="forbid", frozen=True):
    """One model that a study measures: a design trained with one seed, untrained, or a yardstick.

    ``label`` is the name of the design or the yardstick; ``seed`` is None where nothing is trained.
    """

    label: str
    kind: CellKind
    seed: int | None

    @property
    def name(self) -> str:
        """A file name: readable, and different for every cell of a study."""
        digest = hashlib.sha256(self.label.encode()).hexdigest()[:6]
        readable = re.sub(r"[^a-z0-9]+", "-", self.label.lower())[:40].strip("-")
        return f"{readable}-{digest}-{self.kind}" + ("" if self.seed is None else f"-{self.seed}")

    def __str__(self) -> str:
        return f"{self.label}, {self.kind if self.seed is None else f'seed {self.seed}'}"


@dataclass(frozen=True, kw_only=True)
class StudyValues(Generic[D, R]):
    """What a :class:`Study` says, with designs and recipe as they are there or as plain values.

    In a file the recipe stays plain: one of an earlier version may have keys that are gone.
    """

    name: str
    backbone: str
    designs: tuple[D, ...]
    seeds: tuple[int, ...]
    recipe: R | None
    data: str
    keep: str = ""
    untrained: bool
    yardsticks: tuple[str, ...]
    tasks: tuple[Task, ...]
    mteb: tuple[str, ...]
    alpha: float
    against: tuple[str, ...] = ()
    models: tuple[GivenModel, ...] = ()
    instructions: bool = False
    __pydantic_config__ = ConfigDict(extra="forbid")


@dataclass(frozen=True, kw_only=True)
class Study(StudyValues[Design, Recipe]):
    """Which designs are compared, how they are trained and what they are measured on.

    Args:
        name: the title of its report.
        backbone: a pinned id, a folder or a Hub name.
        designs: at least two different ones.
        seeds: of the training; one alone shows no seed variance.
        recipe: how to train; None measures the designs untrained. Under mode ``head`` a design
            without a head stays untrained.
        data: a training set's id, or a csv, json, jsonl or parquet file.
        keep: which rows of a labelled file are pairs, such as label=entailment.
        untrained: whether every trained design is also measured before training.
        yardsticks: models that are measured beside the designs and never trained.
        tasks: what is measured; mteb computes the scores.
        mteb: names of MTEB's own tasks, which need the Hub.
        alpha: the level of the tests, after Holm's correction.
        against: the designs that every other is tested against; by default each is tested against
            each, which many designs make too many tests of.
        models: trained before, of some of these designs; then there is no recipe, and nothing else
            is trained.
        instructions: whether each task's instruction stands before its texts as in the paper's
            evaluation; designs then have no prompts of their own. Nothing is trained with one.

    Raises:
        EmbedLabError: too few designs, repetitions, or nothing to measure.
    """

    def __post_init__(self) -> None:
        if len(self.designs) < 2:
            raise EmbedLabError(
                f"A study compares designs and {self.name!r} names {len(self.designs)}; give at "
                "least two under 'designs', such as [M1, M5]."
            )
        if not self.seeds:
            raise EmbedLabError("'seeds' is empty; give at least one, such as [0, 1, 2].")
        if not (self.tasks or self.mteb):
            raise EmbedLabError("There is nothing to measure; name some 'tasks'.")
        for what, values in (
            ("design", list(map(str, self.designs))),
            ("seed", list(map(str, self.seeds))),
            ("task", [*(task.id for task in self.tasks), *self.mteb]),
        ):
            for value in values:
                if values.count(value) > 1:
                    raise EmbedLabError(f"The {what} {value!r} is given twice; leave one out.")
        for design in self.designs if self.instructions else ():
            check_bare(design)
        for name in self.against:
            check_known(name, "a design of this study", map(str, self.designs))
        if self.recipe is not None:
            for design in self.designs:
                if self.trains(design):
                    self.recipe.check(design)

    def trains(self, design: Design) -> bool:
        """Whether this study has a design trained at all; if so, it is compared as trained."""
        if self.models:
            return str(design) in {model.design for model in self.models}
        return self.recipe is not None and (self.recipe.mode != "head" or design.trainable)

    @cached_property
    def cells(self) -> tuple[Cell, ...]:
        """Everything to measure: all of one seed before the next, the untrained ones first."""
        untrained = [d for d in self.designs if self.untrained or not self.trains(d)]
        return (
            *(Cell(label=name, kind="yardstick", seed=None) for name in self.yardsticks),
            *(Cell(label=str(d), kind="untrained", seed=None) for d in untrained),
            *(
                Cell(label=str(d), kind="trained", seed=seed)
                for seed in self.seeds
                for d in self.designs
                if self.trains(d) and self.has(d, seed)
            ),
        )

    def has(self, design: Design, seed: int) -> bool:
        """Whether there is a model of this seed: every training has one, a given model its own."""
        return not self.models or self.model(str(design), seed) is not None

    def model(self, label: str, seed: int | None) -> str | None:
        """The model that was trained before for a cell, if it is one of those."""
        found = (m.model for m in self.models if (m.design, m.seed) == (label, seed))
        return next(found, None)

    @property
    def asdict(self) -> dict[str, Any]:
        """Plain values, for the study's folder."""
        values = asdict(self)
        values["designs"] = [str(design) for design in self.designs]
        return dict(json.loads(json.dumps(values)))

    @property
    def digest(self) -> str:
        """A hash of what the study says, whatever its file looked like, in 16 hex digits.

        How a batch is cut for the machine does not enter it.
        """
        values = self.asdict
        if not values["against"]:  # which earlier studies do not name
            del values["against"]
        if self.models:  # weights are what they are, wherever their folder stands
            values["models"] = [(m["design"], m["seed"], m["sha256"]) for m in values["models"]]
        else:
            del values["models"]
        if values["recipe"] is not None:
            recipe = {key: value for key, value in values["recipe"].items() if key not in CUTS}
            # Recipes once had this setting: without its default, older folders would be refused.
            values["recipe"] = {"top_layers": 6} | recipe
            # Likewise with what they did not have yet.
            for name in LATER:
                if recipe[name] == getattr(Recipe, name):
                    del values["recipe"][name]
        for name in ("keep", "instructions"):
            if not values[name]:
                del values[name]
        for task in values["tasks"]:
            for key in ("within", "others"):
                if not task[key]:
                    del task[key]
        return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:16]


def load_study(name_or_path: str, **changes: Any) -> Study:
    """A preset by name, or a study file with the keys of :class:`StudyFile`.

    Args:
        name_or_path: one of :data:`STUDY_PRESETS`, or a path.
        changes: values that replace the file's.

    Raises:
        EmbedLabError: no such file, an unknown key, or a value that is not accepted.
    """
    path = Path(name_or_path)
    if name_or_path in STUDY_PRESETS:
        path = ASSETS / "studies" / f"{name_or_path}.yaml"
    raw = read_yaml(path, f"a study file, or one of {', '.join(STUDY_PRESETS)}")
    return study_from(raw, path.stem, **changes)


def study_from(raw: Any, name: str = "study", **changes: Any) -> Study:
    """A study from the content of a study file; ``name`` is for one that gives itself none.

    Raises:
        EmbedLabError: an unknown key, or a value that is not accepted.
    """
    values = {"name": name} | raw | changes if isinstance(raw, dict) else raw
    return validated(StudyFile, values, name).study()


class TrainingKeys(YamlModel):
    """``training`` in a study file: the data, a recipe's name, and changes to that recipe."""

    model_config = ConfigDict(extra="allow")

    data: str = Field(min_length=1)
    keep: str = ""
    recipe: str = "cpu"


class Grid(YamlModel):
    """``grid`` in a study file: every combination of these becomes a design.

    ``attention`` and ``template`` say which passes are made, ``pooling`` and ``steps`` which heads
    read them. ``last`` without a template is ``eos``. A filter behind ``value_mean``, which has
    other dimensions, is left out.
    """

    attention: ListOf[str] = ("causal",)
    template: ListOf[str] = ("",)
    pooling: ListOf[str] = ("mean",)
    steps: ListOf[str] = ("",)

    def designs(self) -> Iterator[Design]:
        """Pass by pass, so that what one pass left is still there for all its heads."""
        for attention, template in product(self.attention, self.template):
            for pooling, steps in product(self.pooling, self.steps):
                if pooling.startswith("value_mean") and "+filter" in steps:
                    continue
                ended = "eos" if pooling == "last" and not template else pooling
                options = f"?template={template}" if template else ""
                yield Design.parse(f"{attention}/{ended}{steps}{options}")


class StudyFile(YamlModel):
    """A study as its file describes it; the keys are those of :class:`Study` but for a few.

    ``training`` holds the recipe and its data: ``{data: stsb-train, recipe: cpu, steps: 40}``.
    ``tasks`` are keys of :data:`~embedlab.analysis.tasks.STUDY_TASKS`. ``sizes`` gives, by
    category, the number of pairs, queries, texts or summarised texts of a task (0: all), and
    ``words`` how many opening words of every text are read (0: all). ``models`` are trained designs
    by their ids, folders of runs, or ``all`` for those of the backbone that ship: the study
    measures these, and has no ``training``; their designs need not be named.
    """

    # Earlier versions took ``name: 2024`` too.
    name: str = Field(strict=False, coerce_numbers_to_str=True)
    backbone: str = "smollm2-135m"
    designs: ListOf[str] = ()
    grid: Grid | None = None
    seeds: ListOf[Annotated[int, Field(ge=0, lt=2**31)]] = (0,)
    training: TrainingKeys | None = None
    untrained: bool = False
    yardsticks: ListOf[Literal["minilm"]] = ()
    tasks: ListOf[str] = tuple(STUDY_TASKS)
    sizes: dict[str, Annotated[int, Field(ge=0)]] = Field(default_factory=dict)
    words: Annotated[int, Field(ge=0)] = 0
    mteb: ListOf[str] = ()
    alpha: Annotated[float, Field(gt=0, lt=1)] = 0.05
    against: ListOf[str] = ()
    models: ListOf[str] = ()
    instructions: bool = False

    @field_validator("sizes", "tasks")
    @classmethod
    def _are_known(cls, names: Names, info: ValidationInfo) -> Names:
        known = CATEGORY_MEASURES if info.field_name == "sizes" else STUDY_TASKS
        for name in names:
            check_known(name, "known", known)
        return names

    def study(self) -> Study:
        """The study itself: designs parsed, tasks at their sizes, the recipe complete.

        Raises:
            EmbedLabError: a design, recipe or combination that is not accepted.
        """
        values = self.model_dump(exclude={"training", "sizes", "words", "grid"})
        grid = () if self.grid is None else self.grid.designs()
        models = given_models(self.models, self.backbone)
        if self.models and self.training:
            raise EmbedLabError("'models' were trained already; leave 'training' out, or them.")
        named = (*map(Design.parse, self.designs), *grid)
        trained = (Design.parse(model.design) for model in models)
        values["designs"] = named + tuple(d for d in dict.fromkeys(trained) if d not in named)
        values["models"] = models
        if models:
            values["seeds"] = tuple(sorted({model.seed for model in models}))
        values["against"] = tuple(str(Design.parse(text)) for text in self.against)
        values["tasks"] = tuple(self._sized(t) for name in self.tasks for t in STUDY_TASKS[name])
        if (training := self.training) is None:
            return Study(**values, recipe=None, data="")
        recipe = recipe_from(training.recipe, **(training.model_extra or {}))
        return Study(**values, recipe=recipe, data=training.data, keep=training.keep)

    def _sized(self, task: Task) -> Task:
        size = self.sizes.get(task.category, task.size)
        if task.category == "Reranking":
            return replace(task, queries=size, words=self.words)
        if task.category != "Retrieval":
            return replace(task, size=size, words=self.words)
        # ``size`` counts queries there; twice as many texts make them distractors enough.
        return replace(task, size=2 * size, queries=size, words=self.words)
