"""Options that several commands have."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from embedlab.errors import EmbedLabError, check_known

if TYPE_CHECKING:
    from embedlab.lab.lab import Lab
    from embedlab.models.backbone import Backbone
    from embedlab.models.design import Design
    from embedlab.progress import Progress

DESIGN_HELP = (
    "attention/pooling[@layer][+step…][?template=…], such as causal/mean@11 or "
    "causal/last+centre?template=topic, or M1 … M5, or native: the design of an embedding "
    "model's own files"
)
#: A comma between two designs, not one inside of a template.
_BETWEEN = re.compile(r",\s*(?=M[1-5]\b|native\b|file:|[a-z_]+(?:>\d+)?/)")
#: Rows or results without a limit: on the user's own machine only the size of a file counts.
NO_LIMIT = 10**9

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
TextColumnOption = Annotated[
    str | None,
    typer.Option(help="the column of a file's texts, or two as 'title + text'; default: guessed"),
]
LabelColumnOption = Annotated[
    str | None, typer.Option(help="the column of a file's labels, '' for none; default: guessed")
]
EncodingOption = Annotated[
    str, typer.Option(help="of a text file, such as utf-8 or cp1252; default: found out")
]
SplitOption = Annotated[
    str,
    typer.Option(help="whose judgements to use, such as dev; default: test's, if there are some"),
]
AnchorOption = Annotated[str, typer.Option(help="a file's column of anchors; default: by its name")]
PositiveOption = Annotated[
    list[str] | None, typer.Option(help="a file's column of positives; may be repeated")
]
NegativeOption = Annotated[
    list[str] | None, typer.Option(help="a file's column of hard negatives; may be repeated")
]
KeepOption = Annotated[
    str,
    typer.Option(
        help="which rows of a labelled file are pairs: 'label=entailment', 'score>=4', or 'all'"
    ),
]
EngineOption = Annotated[
    str, typer.Option(help="what computes: local, or ray, a cluster or this machine's cores")
]
AddressOption = Annotated[
    str, typer.Option(help="of a Ray cluster, host:port; default: one is started here")
]
WorkersOption = Annotated[
    int, typer.Option(min=0, help="with --engine ray; default: as many as fit")
]
GpusOption = Annotated[
    float, typer.Option(min=0, help="with --engine ray, for each worker; may be 0.5")
]
ENGINES = ("local", "ray")


def check_engine(engine: str, address: str, workers: int, gpus_per_worker: float) -> None:
    """Refuse an unknown engine, and options of Ray without it.

    Raises:
        EmbedLabError: the message says what to add.
    """
    check_known(engine, "an engine", ENGINES)
    if engine == "local" and (address or workers or gpus_per_worker):
        raise EmbedLabError(
            "--address, --workers and --gpus-per-worker are for --engine ray; add it, or leave "
            "them out."
        )


@contextmanager
def answered() -> Iterator[None]:
    """Where it is asked which rows of a file belong together, say how a command answers."""
    from embedlab.data.keep import EVERY_ROW, KeepNeeded

    try:
        yield
    except KeepNeeded as question:
        raise EmbedLabError(
            f'{question} Answer with --keep "{question.proposal or EVERY_ROW}".'
        ) from question


def designs_in(text: str) -> list[str]:
    """The designs of a list with commas, as they are written."""
    return _BETWEEN.split(text.strip())


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


def lab_design(text: str, lab: Lab, progress: Progress) -> Design:
    """As :func:`design_of`, of the Lab's default backbone, which vectors from files do not need."""
    from embedlab.models.design import FILE, Design

    if text.strip().lower().startswith(FILE):
        return Design.parse(text)
    return design_of(text, lab.backbone(progress=progress))


def design_of(text: str, backbone: Backbone) -> Design:
    """A design by its name, or ``native``: that of the backbone's own files.

    Raises:
        EmbedLabError: there is no such design.
    """
    from embedlab.models.design import NATIVE, Design

    return backbone.native_design() if text == NATIVE else Design.parse(text)
