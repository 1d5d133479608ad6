"""A set of designs to train with one recipe on one mixture, as a file describes it."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator

from embedlab.catalogue import CATALOGUE
from embedlab.errors import EmbedLabError
from embedlab.models.design import Design
from embedlab.training.recipe import Recipe, recipe_from
from embedlab.training.until_flat import Plateau
from embedlab.validation import validated
from embedlab.yaml_files import ListOf, YamlModel, read_yaml

Whole = Annotated[int, Field(ge=0)]


@dataclass(frozen=True, kw_only=True)
class Job:
    """One training of a set: a design, and whether MNTP comes first.

    ``shipped`` says whether its weights are kept; else it is trained to be compared with.
    """

    id: str
    design: Design
    recipe: Recipe
    shipped: bool = True

    def __str__(self) -> str:
        return f"{self.id}{'' if self.shipped else ', without MNTP'} ({self.design})"


class DesignSet(YamlModel):
    """The designs in the order in which they are trained, and what they are trained on.

    ``mixture`` gives the pairs of each set. Of a set that has more, ``unseen`` pairs are kept for
    the end and scored then, and so are the first ``sts_pairs`` of STS-B's test split. ``recipe``
    holds changes to the recipe ``cpu``; its ``steps`` are the most that are made, since a training
    ends once the held-out curve is flat (``plateau``). ``max_length`` cuts the texts in training
    alone. ``mntp_steps`` come first where attention is bidirectional, and each such design is
    trained once without them.

    ``precision`` is given, not found out: a training that goes on must not change it.
    """

    backbone: str
    precision: Literal["float32", "bfloat16"] = "bfloat16"
    designs: ListOf[str]
    mixture: dict[str, Annotated[int, Field(ge=2)]]
    unseen: Whole = 0
    sts_pairs: Whole = 600
    max_length: Annotated[int, Field(ge=8)] = 512
    mntp_steps: Whole = 0
    recipe: dict[str, Any] = Field(default_factory=dict)
    plateau: Plateau = Plateau()

    @field_validator("plateau", mode="before")
    @classmethod
    def _is_a_plateau(cls, value: Any) -> Any:
        return validated(Plateau, value, "plateau") if isinstance(value, dict) else value

    @field_validator("designs")
    @classmethod
    def _are_designs(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        designs = [Design.parse(name) for name in names]
        if not designs or len(set(map(str, designs))) < len(designs):
            raise EmbedLabError("'designs' needs at least one, and none of them twice.")
        return names

    @property
    def jobs(self) -> tuple[Job, ...]:
        """The trainings in their order, those that are only compared with at the end."""
        shipped, compared = [], []
        for name in self.designs:
            design = Design.parse(name)
            job_id = f"{Path(self.backbone).name}-{_slug(design)}"
            mntp = self.mntp_steps if design.attention == "bidirectional" else 0
            with_mntp = recipe_from("cpu", **(self.recipe | {"mntp_steps": mntp}))
            with_mntp.check(design)
            shipped.append(Job(id=job_id, design=design, recipe=with_mntp))
            if mntp:
                plain = recipe_from("cpu", **(self.recipe | {"mntp_steps": 0}))
                compared.append(Job(id=job_id, design=design, recipe=plain, shipped=False))
        return (*shipped, *compared)

    @property
    def identity(self) -> dict[str, Any]:
        """What must not change while the set is trained: all but the order of the designs."""
        values = self.model_dump(mode="json", exclude={"designs", "plateau"})
        if self.backbone not in CATALOGUE:
            values["backbone"] = Path(self.backbone).name
        designs = sorted(str(Design.parse(name)) for name in self.designs)
        return values | {"designs": designs, "plateau": asdict(self.plateau)}


def read_design_set(path: Path) -> DesignSet:
    """Read and check the file of a set.

    Raises:
        EmbedLabError: no such file, an unknown key, or a value that is not accepted.
    """
    design_set = validated(DesignSet, read_yaml(path, "the file of a set of designs"), path.name)
    _ = design_set.jobs  # a recipe or a design that is not accepted is told here
    return design_set


def _slug(design: Design) -> str:
    """``m5``, ``causal-mean``."""
    return (design.alias or "").lower() or re.sub(r"[^a-z0-9]+", "-", str(design).lower()).strip(
        "-"
    )
