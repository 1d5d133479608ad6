"""A training's folder: its weights, its information, and its checkpoint.

``run.json`` is written last, so a folder that has it is whole::

    run.json         the run's information: backbone, design, recipe, data, versions
    adapter/         LoRA as peft saves it, where the backbone was trained
    head.safetensors the trainable head, where the design has one, perhaps as int8
    steps.safetensors the design's fitted steps, where it has some
    history.jsonl    a line a step
    checkpoint.safetensors  weights and optimiser while the training is under way
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, cast

from pydantic import BaseModel, ConfigDict, Field
from safetensors import SafetensorError

from embedlab.catalogue import CATALOGUE
from embedlab.errors import EmbedLabError
from embedlab.files import disk_errors, write_text
from embedlab.models.design import Design, DesignText
from embedlab.models.pooling import HeadSize
from embedlab.validation import validated

if TYPE_CHECKING:
    from embedlab.models.backbone import Backbone

RUN_FILE, STEPS_FILE = "run.json", "steps.safetensors"
Dtype = Literal["float32", "bfloat16"]

#: An uploaded run may hold any number: none is larger than can be shown and added.
_Whole = Annotated[int, Field(ge=-(10**18), le=10**18)]
_Count = Annotated[int, Field(ge=0, le=10**18)]
_Number = Annotated[float, Field(ge=-1e18, le=1e18, allow_inf_nan=False)]
#: A score and the ends of its 95 % interval, None where it is undefined.
_Interval = tuple[_Number | None, _Number | None, _Number | None]
_UNDEFINED: _Interval = (None, None, None)


class _Part(BaseModel):
    """A part of ``run.json``; what older versions did not record has a default."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class BackboneInfo(_Part):
    """The backbone a run was trained from; ``id`` is what :func:`load_backbone` takes."""

    id: str
    key: str = ""
    source: str = ""
    note: str = ""
    dtype: Dtype = "float32"
    max_length: Annotated[int, Field(ge=1, le=10**9)] | None = None


class PromptInfo(_Part):
    """The prompts a run was trained with."""

    query: str = ""
    document: str = ""


class DataInfo(_Part):
    """The pairs a run was trained on, as :attr:`embedlab.data.pairs.PairSet.facts` has them.

    ``removed`` are the pairs left out because an evaluation corpus has them; ``in_domain`` names
    the evaluation corpora of the same source.
    """

    id: str = ""
    title: str = ""
    source: str = ""
    licence: str = ""
    pairs: _Count | None = None
    sha256: str = ""
    removed: _Count = 0
    in_domain: tuple[str, ...] = ()


class TaskChange(_Part):
    """A task's score before and after the training."""

    task: str
    measure: str
    n: _Count
    before: _Interval
    after: _Interval
    difference: _Interval = _UNDEFINED
    separable: bool | None = None


class StoredInfo(_Part):
    """How a run's weights were made smaller, and the points of ``task`` that it cost."""

    adapter: str
    head: str = ""
    task: str
    loss: _Number


class RunInfo(_Part):
    """The content of ``run.json``: everything needed to train the run again.

    ``recipe`` holds plain values and is no :class:`embedlab.training.recipe.Recipe`: it may be of
    an older version, and is shown, not run. ``failed`` is the reason of an early end, or empty.
    ``without_mntp`` are the scores of the same training without its MNTP steps.
    """

    format: Literal[1]
    name: str
    backbone: BackboneInfo
    design: DesignText
    prompts: PromptInfo = PromptInfo()
    head: HeadSize | None
    mode: str = ""
    recipe: dict[str, str | bool | _Whole | _Number | None] = {}
    data: DataInfo = DataInfo()
    seed: _Whole | None = None
    steps: _Count | None = None
    failed: str = ""
    seconds: _Number | None = None
    versions: dict[str, str] = {}
    before_after: tuple[TaskChange, ...] = ()
    without_mntp: tuple[TaskChange, ...] = ()
    stored: StoredInfo | None = None

    @property
    def trained_design(self) -> Design:
        """The design that was trained, prompts included."""
        design = Design.parse(self.design)
        # Runs of earlier versions have their prompts beside the design alone.
        return replace(
            design,
            query_prompt=design.query_prompt or self.prompts.query,
            document_prompt=design.document_prompt or self.prompts.document,
        )


def resolved_id(backbone_id: str) -> str:
    """What a run stores of its backbone: a folder by its whole path, everything else as it is."""
    if backbone_id in CATALOGUE or not Path(backbone_id).is_dir():
        return backbone_id
    return str(Path(backbone_id).resolve())


def backbone_info(backbone: Backbone, backbone_id: str) -> BackboneInfo:
    """What a run keeps of its backbone, and the id by which it is loaded again."""
    return BackboneInfo(
        id=resolved_id(backbone_id),
        key=backbone.key,
        source=backbone.source,
        note=backbone.note,
        dtype=cast("Dtype", str(backbone.dtype).removeprefix("torch.")),
        max_length=backbone.max_length,
    )


def untrained_info(backbone: Backbone, design: Design, backbone_id: str) -> RunInfo:
    """The information of a design on a backbone as it was loaded: nothing was trained."""
    return RunInfo(
        format=1,
        name=f"{backbone.name} {design.name}",
        backbone=backbone_info(backbone, backbone_id),
        design=str(design),
        prompts=PromptInfo(query=design.query_prompt, document=design.document_prompt),
        head=None,
    )


def write_run_info(folder: Path, run_info: RunInfo) -> None:
    """Write ``run.json``.

    Raises:
        EmbedLabError: the disk is full or the folder cannot be written.
    """
    content = json.dumps(run_info.model_dump(mode="json"), indent=2, ensure_ascii=False)
    with disk_errors(folder.name):
        write_text(folder / RUN_FILE, content + "\n")


def read_run_info(folder: Path) -> RunInfo:
    """Read and check ``run.json``.

    Raises:
        EmbedLabError: it is missing, damaged, or of another format.
    """
    try:
        content = json.loads((folder / RUN_FILE).read_text(encoding="utf-8"))
        run_info = validated(RunInfo, content)
        run_info.model_dump_json()  # refuses what could not be written again: half a character
        return run_info
    except (OSError, ValueError, RecursionError) as error:
        reason = f" ({str(error).rstrip('.')})" if isinstance(error, EmbedLabError) else ""
        raise EmbedLabError(
            f"The folder {folder.name!r} holds no run of EmbedLab, or a damaged one{reason}; "
            "choose a folder that `embedlab train` wrote."
        ) from error


def add_scores(folder: Path, changes: tuple[TaskChange, ...]) -> RunInfo:
    """Write scores before and after the training into the folder of a finished run.

    Returns:
        The new content of ``run.json``.
    """
    run_info = read_run_info(folder).model_copy(update={"before_after": changes})
    write_run_info(folder, run_info)
    return run_info


def load_run(folder: Path, backbone: Backbone) -> Backbone:
    """The trained backbone that a run's folder describes, on the one that it was trained from.

    Raises:
        EmbedLabError: no run is there, it belongs to another backbone, or it is damaged.
    """
    from safetensors.torch import load_file

    from embedlab.models.adapter import load_adapter, with_adapter
    from embedlab.models.quantised import restored

    run_info = read_run_info(folder)
    design = run_info.trained_design
    if (folder / "adapter").is_dir():
        adapter = load_adapter(backbone, folder / "adapter")
        trained = with_adapter(backbone, adapter, run_info.name)
    else:
        trained = backbone.sibling(run_info.name)
    if design.trainable:
        try:
            if run_info.head is None:
                raise ValueError("no size of the head")
            head = backbone.new_head(design, run_info.head)
            head.load_state_dict(restored(load_file(folder / "head.safetensors")))
        except (OSError, ValueError, SafetensorError, RuntimeError) as error:
            raise EmbedLabError(
                f"The head of {run_info.name[:60]!r} does not fit {backbone.name}, or its file is "
                "damaged; choose the backbone it was trained on."
            ) from error
        head.trained = True
        trained.install(design, head.to(backbone.here))
    return trained
