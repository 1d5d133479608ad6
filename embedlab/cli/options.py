"""Options that several commands have."""

from __future__ import annotations

from typing import Annotated

import typer

#: Rows or results without a limit: on the user's own machine only the size of a file counts.
NO_LIMIT = 10**9

BackboneOption = Annotated[
    str, typer.Option(help="a pinned backbone's id, a folder, or a Hugging Face Hub name")
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
