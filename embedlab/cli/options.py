"""Options that several commands have."""

from __future__ import annotations

from typing import Annotated

import typer

BackboneOption = Annotated[
    str, typer.Option(help="a pinned backbone's id, a folder, or a Hugging Face Hub name")
]
DeviceOption = Annotated[str, typer.Option(help="auto, cpu or cuda")]
DtypeOption = Annotated[str, typer.Option(help="auto, float32 or bfloat16")]
