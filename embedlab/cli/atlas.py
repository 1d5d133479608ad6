"""``embedlab atlas``: texts with their maps, neighbours and vectors for Embedding Atlas."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from embedlab.cli.file_designs import with_vectors
from embedlab.cli.options import (
    NO_LIMIT,
    EncodingOption,
    LabelColumnOption,
    ModelOption,
    SplitOption,
    TextColumnOption,
    lab_design,
    model_and_base,
)
from embedlab.cli.read import corpus_by_name
from embedlab.errors import EmbedLabError
from embedlab.terminal import guarded, progress_bar

if TYPE_CHECKING:
    from embedlab.data.corpus import Corpus


@guarded
def atlas(
    corpus: Annotated[
        str, typer.Argument(metavar="CORPUS", help="a built-in corpus, a file, a folder or a zip")
    ],
    design: Annotated[
        list[str],
        typer.Option("--design", help="a design, or two; also 'file: vectors.npy'"),
    ],
    out: Annotated[Path, typer.Option(help="such as map.parquet")],
    sample: Annotated[
        int | None,
        typer.Option(help="texts to write; default: a few hundred of a corpus, all of a file"),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="of the sample, the map and the clusters")] = 0,
    backbone: ModelOption = None,
    text_column: TextColumnOption = None,
    label_column: LabelColumnOption = None,
    encoding: EncodingOption = "",
    split: SplitOption = "",
) -> None:
    """Write a parquet file that Embedding Atlas opens: texts, labels, map, neighbours, vectors."""
    from embedlab.analysis.clusters import Clustering
    from embedlab.cli.vector_files import check_target
    from embedlab.export.atlas import atlas_command
    from embedlab.lab.atlas import atlas_file
    from embedlab.lab.config import BackboneEntry, Config, Limits
    from embedlab.lab.lab import Lab

    if len(design) > 2:
        raise EmbedLabError(f"{len(design)} designs were given; give one or two.")
    if out.suffix.lower() != ".parquet":
        raise EmbedLabError(f"{out.name[-60:]!r} is not .parquet; Embedding Atlas reads parquet.")
    check_target(out)
    how = {
        "text_column": text_column,
        "label_column": label_column,
        "encoding": encoding,
        "split": split,
    }
    model, base = model_and_base(backbone)
    limits = Limits(max_texts=NO_LIMIT)
    lab = Lab(Config(backbones=(BackboneEntry(id=model, base=base or ""),), limits=limits))
    written = list(design)

    def with_files(whole: Corpus) -> Corpus:
        with_them, written[:] = with_vectors(whole, design)
        return with_them

    with progress_bar() as progress:
        texts = corpus_by_name(lab, corpus, how, sample, seed, progress, with_files)
        designs = [lab_design(text, lab, progress) for text in written]
        sides = [lab.embedded(texts, each, progress=progress) for each in designs]
        maps = lab.maps(sides[0], sides[-1], seed=seed, compile_umap=True, progress=progress)
        atlas_file(lab, out, sides, maps, Clustering(seed=seed), progress)
    typer.echo(f"{out}: {len(texts.texts):,} texts, map by {maps.method}. Open it with")
    for letter, _ in zip("ab", sides, strict=False):
        typer.echo(atlas_command(str(out), letter))
