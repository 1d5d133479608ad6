"""``embedlab import``: the weights of the paper's authors as a run of ours."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from embedlab.cli.options import DeviceOption, DtypeOption
from embedlab.errors import EmbedLabError
from embedlab.terminal import guarded, progress_bar


@guarded
def import_weights(
    folder: Annotated[
        Path, typer.Argument(help="a PEFT adapter, and attn_pool.pt where the design has a head")
    ],
    design: Annotated[str, typer.Option(help="M1 … M5, which the files do not say")],
    out: Annotated[Path, typer.Option(help="the run's folder, a new one")],
    backbone: Annotated[
        str, typer.Option(help="that it was trained on; default: what the adapter names")
    ] = "",
    device: DeviceOption = "auto",
    dtype: DtypeOption = "auto",
) -> None:
    """Make the weights of the paper's authors a model that every other command takes."""
    from embedlab.models.authors_weights import base_of
    from embedlab.models.authors_weights import import_weights as imported
    from embedlab.models.design import Design
    from embedlab.models.loading import load_backbone

    parsed = Design.parse(design)
    if out.exists():
        raise EmbedLabError(f"{out.name!r} exists already; choose another folder.")
    backbone_id = backbone or base_of(folder)
    with progress_bar() as progress:
        loaded = load_backbone(backbone_id, device, dtype, progress=progress)
        info = imported(folder, parsed, loaded, backbone_id, out)
    size = info.head
    head = (
        ""
        if size is None
        else (f", its head {size.latents} latents and {size.heads} heads of {size.head_dim}")
    )
    typer.echo(f"{out}: {parsed.name} on {loaded.name}{head}")
