"""``embedlab prepare``: the vectors and maps that the page shows before its model is there."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from embedlab.terminal import guarded, progress_bar


@guarded
def prepare(
    backbone: Annotated[str, typer.Option(help="a pinned backbone")] = "smollm2-135m",
    corpus: Annotated[str, typer.Option(help="a built-in corpus, all of its texts")] = "senses",
    out: Annotated[
        Path | None, typer.Option(help="a folder; by default the one that comes with EmbedLab")
    ] = None,
) -> None:
    """Prepare a corpus under all presets: vectors in half precision, maps, words; in float32."""
    from embedlab.lab.config import BackboneEntry, Config
    from embedlab.lab.lab import Lab
    from embedlab.lab.prepared_file import write_prepared
    from embedlab.lab.preparing import designs_to_prepare
    from embedlab.lab.preparing import prepare as prepared
    from embedlab.models.loading import load_backbone
    from embedlab.resources import PREPARED

    lab = Lab(Config(backbones=(BackboneEntry(id=backbone),)))
    path = (out or PREPARED) / f"{backbone}-{corpus}.safetensors"
    with progress_bar() as progress:
        loaded = load_backbone(backbone, "cpu", "float32", cache=lab.states, progress=progress)
        lab.models.put(backbone, loaded)
        texts = lab.whole(corpus, progress)
        designs = designs_to_prepare(lab.config)
        write_prepared(path, *prepared(lab, backbone, texts, designs, progress))
    typer.echo(
        f"{path}: {texts.title}, {len(texts.texts):,} texts under {len(designs)} designs of "
        f"{backbone}, {path.stat().st_size / 1e6:.1f} MB"
    )
