"""Options that several commands have."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from embedlab.errors import EmbedLabError

if TYPE_CHECKING:
    from embedlab.models.backbone import Backbone
    from embedlab.models.design import Design

BackboneOption = Annotated[
    str, typer.Option(help="a pinned backbone's id, a folder, or a Hugging Face Hub name")
]
#: A run may be followed by the folder of its backbone.
ModelOption = Annotated[
    list[str] | None,
    typer.Option(
        "--backbone",
        help="a pinned backbone's id (default: smollm2-135m), a folder, a Hugging Face Hub name, "
        "or a run; given twice, a run and the folder of its backbone, where that has moved",
    ),
]
DeviceOption = Annotated[str, typer.Option(help="auto, cpu or cuda")]
DtypeOption = Annotated[str, typer.Option(help="auto, float32 or bfloat16")]


def model_and_base(backbone: Sequence[str] | None) -> tuple[str, str | None]:
    """What ``--backbone`` names: a model, and the backbone of a run where it was given twice.

    Raises:
        EmbedLabError: it was given more often.
    """
    backbone = backbone or ["smollm2-135m"]
    if len(backbone) > 2:
        raise EmbedLabError(
            f"--backbone was given {len(backbone)} times; give a model, or a run and its backbone."
        )
    return backbone[0], (backbone[1] if len(backbone) == 2 else None)


def design_of(text: str, backbone: Backbone) -> Design:
    """A design by its name, or ``native``: that of the backbone's own files.

    Raises:
        EmbedLabError: there is no such design.
    """
    from embedlab.models.design import NATIVE, Design

    return backbone.native_design() if text == NATIVE else Design.parse(text)
