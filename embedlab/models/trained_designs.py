"""Trained designs: folders of runs that ship with EmbedLab, each with a manifest of its files.

A folder is one design: what :mod:`embedlab.models.run_folder` describes, a card (``README.md``) and
``manifest.json``. What is not there is not offered.
"""

from __future__ import annotations

import functools
import logging
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from embedlab import resources
from embedlab.catalogue import CATALOGUE
from embedlab.errors import EmbedLabError
from embedlab.files import write_json
from embedlab.models.design import Design
from embedlab.models.run_folder import RunInfo, read_run_info
from embedlab.packages import sha256_of

MANIFEST, CARD = "manifest.json", "README.md"
#: The most bytes of one file, and of all designs together.
MOST_FILE, MOST_ALL = 9 * 10**6, 40 * 10**6

log = logging.getLogger("embedlab")


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
    bytes: Annotated[int, Field(ge=0)]
    sha256: Annotated[str, Field(pattern=r"[0-9a-f]{64}")]


class Manifest(BaseModel):
    """The files of a folder by their names, each with its length and hash."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    files: dict[str, _File]


@dataclass(frozen=True, kw_only=True)
class TrainedDesign:
    """A design with weights that were trained for it; :func:`load_backbone` takes its ``id``."""

    id: str
    folder: Path
    run_info: RunInfo

    @property
    def design(self) -> Design:
        """The design that was trained."""
        return self.run_info.trained_design

    @property
    def backbone_id(self) -> str:
        """What it was trained from."""
        return self.run_info.backbone.id

    @property
    def licence(self) -> str:
        """The backbone's; of the texts that it learned from, the card says more."""
        pinned = CATALOGUE.get(self.backbone_id)
        return pinned.licence if pinned else "see its card"

    @property
    def size(self) -> int:
        """Bytes of its files."""
        return sum(path.stat().st_size for path in _files(self.folder).values())


def trained_designs(folder: Path | None = None) -> dict[str, TrainedDesign]:
    """Those in a folder by id, by default those that ship; a damaged one is left out and logged."""
    return _read(folder or resources.DESIGNS)


@functools.cache
def _read(folder: Path) -> dict[str, TrainedDesign]:
    designs = {}
    for each in whole_folders(folder):
        try:
            run_info = read_run_info(each)
            designs[each.name] = TrainedDesign(id=each.name, folder=each, run_info=run_info)
        except EmbedLabError as error:
            log.warning("a trained design is left out: %s", error)
    return designs


def whole_folders(folder: Path) -> list[Path]:
    """The folders in it that have a manifest and were not left by a process that was killed."""
    found = (path.parent for path in sorted(folder.glob(f"*/{MANIFEST}")))
    return [each for each in found if each.suffix != ".partial"]


def trained_on(backbone_id: str) -> list[TrainedDesign]:
    """The trained designs of a backbone."""
    return [each for each in trained_designs().values() if each.backbone_id == backbone_id]


def trained_as(backbone_id: str, design: Design) -> str:
    """The id of the weights that were trained for a design on this backbone, or nothing.

    Steps behind the pooling do not count: they are applied to what the weights give.
    """
    if design.file:
        return ""
    plain = str(replace(design, steps=()))
    found = (each.id for each in trained_on(backbone_id) if str(each.design) == plain)
    return next(found, "")


def write_manifest(folder: Path) -> None:
    """Write down every file of a folder; it is the last file that is written."""
    files = {
        name: {"bytes": path.stat().st_size, "sha256": sha256_of(path)}
        for name, path in _files(folder).items()
    }
    write_json(folder / MANIFEST, {"files": files})


def verify(folder: Path) -> None:
    """Compare a trained design with its manifest.

    Raises:
        EmbedLabError: there is none, a file is missing, damaged, too large or not listed.
    """
    again = "fetch it again, or train it with `embedlab designs train`."
    try:
        listed = Manifest.model_validate_json((folder / MANIFEST).read_bytes()).files
    except (OSError, ValidationError) as error:
        raise EmbedLabError(
            f"The trained design {folder.name!r} has no manifest, or a damaged one; {again}"
        ) from error
    there = _files(folder)
    for name in sorted(listed.keys() | there.keys()):
        path = there.get(name)
        if path is None:
            what = "is missing"
        elif name not in listed:
            what = "is not in the manifest"
        elif path.stat().st_size > MOST_FILE:
            what = f"has more than {MOST_FILE // 10**6} MB"
        elif path.stat().st_size != listed[name].bytes or sha256_of(path) != listed[name].sha256:
            what = "is damaged"
        else:
            continue
        raise EmbedLabError(f"{name[:80]!r} of the trained design {folder.name!r} {what}; {again}")


def _files(folder: Path) -> dict[str, Path]:
    """All files but the manifest, by their names within the folder."""
    return {
        path.relative_to(folder).as_posix(): path
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path != folder / MANIFEST
    }
