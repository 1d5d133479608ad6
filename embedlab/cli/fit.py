"""``embedlab fit``: fit a design's steps on texts, once, for all that is embedded later."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from embedlab.cli.options import BackboneOption, DeviceOption, DtypeOption
from embedlab.errors import EmbedLabError
from embedlab.terminal import guarded, progress_bar

if TYPE_CHECKING:
    from embedlab.data.corpus import Corpus
    from embedlab.progress import Progress

#: The largest file in MB.
MOST_MB = 500
#: Texts of a built-in corpus that steps are fitted on.
FIT_TEXTS = 2000


@guarded
def fit(
    source: Annotated[
        str, typer.Argument(metavar="CORPUS", help="a built-in corpus or a file of documents")
    ],
    design: Annotated[
        str, typer.Option("--design", help="with steps, such as causal/last+centre?template=topic")
    ],
    out: Annotated[Path, typer.Option(help="the file for the fitted steps, .safetensors")],
    backbone: BackboneOption = "smollm2-135m",
    device: DeviceOption = "auto",
    dtype: DtypeOption = "auto",
) -> None:
    """Fit the steps of a design on documents, for `embedlab embed --steps` and `export --steps`."""
    from embedlab.models.design import Design
    from embedlab.models.embedding import fit as fit_on
    from embedlab.models.loading import load_backbone
    from embedlab.models.state_cache import StateCache

    chosen = Design.parse(design)
    if not chosen.fitted:
        raise EmbedLabError(
            f"{chosen} has no step to fit; add +centre, +whiten, +abtt2 or +int8 to it."
        )
    if out.suffix != ".safetensors":
        raise EmbedLabError(f"{out.name[-60:]!r} has another ending; write to a .safetensors file.")
    with progress_bar() as progress:
        documents = documents_of(source, progress)
        loaded = load_backbone(backbone, device, dtype, cache=StateCache(0), progress=progress)
        named = f"{documents.title}, {len(documents.texts):,} texts"
        steps = fit_on(documents.texts, chosen, loaded, source=named, progress=progress)
    steps.save(out)
    typer.echo(f"{out}: the steps of {chosen}, fitted on {steps.source}, {loaded.name}")


def documents_of(source: str, progress: Progress) -> Corpus:
    """A built-in corpus, at most :data:`FIT_TEXTS` of its texts, or all texts of a file.

    Raises:
        EmbedLabError: it is neither, or cannot be read.
    """
    from embedlab.cli.read import read_texts
    from embedlab.data.corpora import CORPORA, load_corpus

    if source in CORPORA:
        corpus = load_corpus(source, progress)
        return corpus if len(corpus.texts) <= FIT_TEXTS else corpus.sample(FIT_TEXTS, seed=0)
    path = Path(source)
    if not path.is_file():
        raise EmbedLabError(
            f"{source[-80:]!r} is neither a file nor a built-in corpus; the corpora are "
            f"{', '.join(CORPORA)}."
        )
    return read_texts(path, max_mb=MOST_MB)
