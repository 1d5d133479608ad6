"""Models that were trained before a study: its cells take them instead of training anew."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from embedlab.errors import EmbedLabError
from embedlab.models.run_folder import RUN_FILE, read_run_info, resolved_id
from embedlab.models.trained_designs import trained_designs, trained_on
from embedlab.packages import sha256_of

#: In a study file: every trained design of the study's backbone that ships.
ALL = "all"


@dataclass(frozen=True, kw_only=True)
class GivenModel:
    """A trained design by its id, or the folder of a run; ``sha256`` is of its weights."""

    model: str
    design: str
    seed: int
    sha256: str
    __pydantic_config__ = {"extra": "forbid"}  # noqa: RUF012 - a study's folder holds these


def given_models(names: Sequence[str], backbone_id: str) -> tuple[GivenModel, ...]:
    """The models that a study file names.

    Raises:
        EmbedLabError: there is no such model, it stands on another backbone, or two of them are
            one design with one seed.
    """
    if ALL in names:
        names = [each.id for each in trained_on(backbone_id)]
    models: dict[tuple[str, int], GivenModel] = {}
    for name in names:
        folder = folder_of(name)
        info = read_run_info(folder)
        if info.backbone.id != resolved_id(backbone_id):
            raise EmbedLabError(
                f"The model {folder.name!r} was trained on {info.backbone.id[-60:]!r}, and the "
                f"study's backbone is {backbone_id[-60:]!r}; name models of one backbone."
            )
        design, seed = str(info.trained_design), info.seed or 0
        if (design, seed) in models:
            raise EmbedLabError(
                f"{models[design, seed].model!r} and {name!r} are both {design} with seed {seed}; "
                "leave one out."
            )
        digest = _weights_digest(folder)
        models[design, seed] = GivenModel(model=name, design=design, seed=seed, sha256=digest)
    return tuple(models.values())


def folder_of(name: str) -> Path:
    """The folder of a trained design or a run.

    Raises:
        EmbedLabError: there is none.
    """
    if (design := trained_designs().get(name)) is not None:
        return design.folder
    if not (Path(name) / RUN_FILE).is_file():
        there = ", ".join(trained_designs()) or "none"
        raise EmbedLabError(
            f"{name[-80:]!r} is neither a trained design (there are: {there}) nor the folder of a "
            "run."
        )
    return Path(name)


def shared(values: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The entries that all of several mappings have alike: of recipes, what they have in common."""
    first, *others = values
    return {
        key: value
        for key, value in first.items()
        if all(key in other and other[key] == value for other in others)
    }


def _weights_digest(folder: Path) -> str:
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*.safetensors")):
        digest.update(f"{path.relative_to(folder).as_posix()} {sha256_of(path)}\n".encode())
    return digest.hexdigest()
