"""A study: designs × seeds under one training recipe, measured on the same tasks.

This module says what a study is; :mod:`embedlab.study.run` runs it, :mod:`embedlab.study.findings`
draws the conclusions.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from embedlab.analysis.tasks import MEASURES, STUDY_TASKS, Task
from embedlab.errors import EmbedLabError
from embedlab.models.design import Design
from embedlab.resources import ASSETS
from embedlab.training.recipe import CUTS, Recipe, recipe_from
from embedlab.yaml_files import list_of, mapping, read_yaml

PRESETS = ("minutes", "workshop", "paper")
#: Models that are measured beside the designs and never trained.
YARDSTICKS = ("minilm",)


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One model to measure: a design as it was trained with one seed, untrained, or a yardstick.

    ``label`` is the design's or the yardstick's name; ``kind`` is ``trained``, ``untrained`` or
    ``yardstick``; the seed is None where nothing is drawn.
    """

    label: str
    kind: str
    seed: int | None = None

    @property
    def name(self) -> str:
        """A file name: readable, and different for every cell of a study."""
        digest = hashlib.sha256(self.label.encode()).hexdigest()[:6]
        readable = re.sub(r"[^a-z0-9]+", "-", self.label.lower())[:40].strip("-")
        return f"{readable}-{digest}-{self.kind}" + ("" if self.seed is None else f"-{self.seed}")

    def __str__(self) -> str:
        return f"{self.label}, {self.kind if self.seed is None else f'seed {self.seed}'}"


@dataclass(frozen=True, kw_only=True)
class Study:
    """What is compared, how it is trained and what it is measured on.

    Args:
        name: what people call it.
        backbone: a pinned id, a folder or a Hub name.
        designs: at least two different ones.
        seeds: of the training; one alone shows no seed variance.
        recipe: how to train; None measures the designs untrained. Under mode ``head`` a design
            without a head stays untrained.
        data: a training set's id, or a csv, jsonl or parquet file.
        untrained: whether every trained design is also measured before training.
        yardsticks: of :data:`YARDSTICKS`.
        tasks: what is measured; mteb computes the scores.
        mteb: names of MTEB's own tasks, which need the Hub.
        alpha: the level of the tests, after Holm's correction.

    Raises:
        EmbedLabError: too few designs, repetitions, or nothing to measure.
    """

    name: str
    backbone: str = "smollm2-135m"
    designs: tuple[Design, ...]
    seeds: tuple[int, ...] = (0,)
    recipe: Recipe | None = None
    data: str = ""
    untrained: bool = False
    yardsticks: tuple[str, ...] = ()
    tasks: tuple[Task, ...] = ()
    mteb: tuple[str, ...] = ()
    alpha: float = 0.05

    def __post_init__(self) -> None:
        if len(self.designs) < 2:
            raise EmbedLabError(
                f"A study compares designs and {self.name!r} names {len(self.designs)}; give at "
                "least two under 'designs', such as [M1, M5]."
            )
        for what, values in (
            ("design", list(map(str, self.designs))),
            ("seed", list(map(str, self.seeds))),
            ("task", list(self.mteb)),
        ):
            for value in values:
                if values.count(value) > 1:
                    raise EmbedLabError(f"The {what} {value!r} is given twice; leave one out.")
        if not self.seeds:
            raise EmbedLabError("'seeds' is empty; give at least one, such as [0, 1, 2].")
        if not all(0 <= seed < 2**31 for seed in self.seeds):
            raise EmbedLabError(f"The seeds are {list(self.seeds)}; use 0 to {2**31 - 1:,}.")
        if not (self.tasks or self.mteb):
            raise EmbedLabError("There is nothing to measure; name some 'tasks'.")
        if not 0 < self.alpha < 1:
            raise EmbedLabError(f"alpha is {self.alpha}; use a number between 0 and 1, as 0.05.")
        if self.recipe is not None:
            for design in self.designs:
                if self.trains(design):
                    self.recipe.check(design)

    def trains(self, design: Design) -> bool:
        """Whether this study trains a design at all."""
        return self.recipe is not None and (self.recipe.mode != "head" or design.trainable)

    @cached_property
    def cells(self) -> tuple[Cell, ...]:
        """Everything to measure: all of one seed before the next, the untrained ones first."""
        untrained = [d for d in self.designs if self.untrained or not self.trains(d)]
        return (
            *(Cell(label=name, kind="yardstick") for name in self.yardsticks),
            *(Cell(label=str(d), kind="untrained") for d in untrained),
            *(
                Cell(label=str(d), kind="trained", seed=seed)
                for seed in self.seeds
                for d in self.designs
                if self.trains(d)
            ),
        )

    def compared(self, design: Design) -> list[Cell]:
        """The cells by which a design is compared: trained where it is trained."""
        kind = "trained" if self.trains(design) else "untrained"
        return [c for c in self.cells if c.label == str(design) and c.kind == kind]

    @property
    def asdict(self) -> dict[str, Any]:
        """Plain values, for the study's folder."""
        values = asdict(self)
        values["designs"] = [str(design) for design in self.designs]
        return dict(json.loads(json.dumps(values)))

    @property
    def digest(self) -> str:
        """Names the study: the same for the same content, whatever its file looked like.

        How a batch is cut for the machine is no part of it.
        """
        said = self.asdict
        said["recipe"] = said["recipe"] and {
            name: value for name, value in said["recipe"].items() if name not in CUTS
        }
        return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()[:16]


def load_study(name_or_path: str, **changes: Any) -> Study:
    """A preset by name, or a study file.

    The file's keys are those of :class:`Study`, with ``training`` for the recipe and its data
    (``{data: stsb-train, recipe: cpu, mode: lora, steps: 40}``), ``tasks`` by their ids, ``sizes``
    by category (the pairs, queries or texts of a task; 0 for all) and ``words``, the opening words
    that are kept of every text (0 for all).

    Args:
        name_or_path: one of :data:`PRESETS`, or a path.
        changes: keys of the file that are to be otherwise.

    Raises:
        EmbedLabError: no such file, an unknown key, or a value that means nothing.
    """
    path = Path(name_or_path)
    if name_or_path in PRESETS:
        path = ASSETS / "studies" / f"{name_or_path}.yaml"
    raw = mapping(read_yaml(path, f"a study file, or one of {', '.join(PRESETS)}"), path.name)
    return study_from({**raw, **changes}, path.stem)


def study_from(raw: Mapping[str, Any], name: str = "study") -> Study:
    """A study out of a mapping as a study file holds it; raises as :func:`load_study`."""
    known = {*Study.__dataclass_fields__, "training", "sizes", "words"} - {"recipe", "data"}
    for key in raw:
        if key not in known:
            raise EmbedLabError(
                f"{name}: unknown key {str(key)[:60]!r}; known are {', '.join(sorted(known))}."
            )
    values = {key: value for key, value in raw.items() if key not in ("training", "sizes", "words")}
    values["name"] = str(raw.get("name", name))
    values["designs"] = tuple(
        Design.parse(str(design)) for design in list_of(raw.get("designs", []), "designs")
    )
    values["tasks"] = _tasks(raw)
    lists: dict[str, type] = {"seeds": int, "yardsticks": str, "mteb": str}
    for key, kind in lists.items():
        if key in raw:
            values[key] = tuple(_typed(v, kind, key) for v in list_of(raw[key], key))
    for yardstick in values.get("yardsticks", ()):
        if yardstick not in YARDSTICKS:
            raise EmbedLabError(f"{yardstick[:60]!r} is no yardstick; use {', '.join(YARDSTICKS)}.")
    single: dict[str, type] = {"backbone": str, "untrained": bool, "alpha": float}
    for key, kind in single.items():
        if key in raw:
            values[key] = _typed(raw[key], kind, key)
    if raw.get("training") is not None:
        training = dict(mapping(raw["training"], "training"))
        values["data"] = str(training.pop("data", ""))
        if not values["data"]:
            raise EmbedLabError("training: give its 'data', such as stsb-train or a file.")
        try:
            values["recipe"] = recipe_from(str(training.pop("recipe", "cpu")), **training)
        except TypeError as error:
            raise EmbedLabError(f"training: {error}.") from error
    return Study(**values)


def _tasks(raw: Mapping[str, Any]) -> tuple[Task, ...]:
    """The tasks named, at the sizes given; a name such as ``stsb`` stands for its twelve parts."""
    sizes = mapping(raw.get("sizes", {}), "sizes")
    for category, size in sizes.items():
        if category not in MEASURES:
            raise EmbedLabError(
                f"sizes: {str(category)[:60]!r} is not a category; use {', '.join(MEASURES)}."
            )
        if _typed(size, int, f"sizes: {category}") < 0:
            raise EmbedLabError(f"sizes: {category} is {size}; use 0 (all) or more.")
    words = _typed(raw.get("words", 0), int, "words")
    chosen: list[Task] = []
    for name in list_of(raw.get("tasks", list(STUDY_TASKS)), "tasks"):
        if not isinstance(name, str) or name not in STUDY_TASKS:
            raise EmbedLabError(
                f"tasks: {str(name)[:60]!r} is not known; use {', '.join(STUDY_TASKS)}."
            )
        for task in STUDY_TASKS[name]:
            size = sizes.get(task.category, task.size)
            queries = size if task.category == "Retrieval" else 0
            size = 2 * size if task.category == "Retrieval" else size
            chosen.append(replace(task, size=size, queries=queries, words=words))
    if len({task.id for task in chosen}) < len(chosen):
        raise EmbedLabError("tasks: a task is given twice; leave one out.")
    return tuple(chosen)


def _typed(value: Any, kind: type, where: str) -> Any:
    right = isinstance(value, (int, float) if kind is float else kind)
    if not right or (isinstance(value, bool) and kind is not bool):
        raise EmbedLabError(f"{where} is {str(value)[:60]!r}; it must be a {_WORDS[kind]}.")
    return value


_WORDS = {int: "whole number", float: "number", str: "text", bool: "yes or no"}
