"""The ``embedlab`` command: parse, call, print. Results go to stdout, everything else to stderr."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from embedlab import __version__
from embedlab.cli.atlas import atlas
from embedlab.cli.check import check
from embedlab.cli.compare import compare
from embedlab.cli.designs import designs
from embedlab.cli.embed import embed
from embedlab.cli.file_designs import QueryVectorsOption, with_vectors
from embedlab.cli.fit import fit
from embedlab.cli.import_weights import import_weights
from embedlab.cli.options import (
    DESIGN_HELP,
    NO_LIMIT,
    BackboneOption,
    EncodingOption,
    ModelOption,
    SplitOption,
    TextColumnOption,
    lab_design,
    model_and_base,
)
from embedlab.cli.prepare import prepare
from embedlab.cli.read import corpus_by_name, read
from embedlab.cli.study import study
from embedlab.cli.training import export, train
from embedlab.cli.worksheet import worksheet
from embedlab.errors import EmbedLabError
from embedlab.progress import Progress
from embedlab.terminal import DEBUG, guarded, progress_bar, say, table
from embedlab.text import printable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from embedlab.analysis.comparison import Embedded, Hit
    from embedlab.analysis.metrics import RetrievalScores
    from embedlab.assets import AssetStatus
    from embedlab.data.corpus import Corpus
    from embedlab.lab.lab import Lab

FILE_HELP = "; or 'file: vectors.npy', vectors of any model, a row a text"

app = typer.Typer(
    help="See what attention and pooling do to the text embeddings of a decoder-only LLM.",
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)

for command in (read, embed, train, fit, export, study, check, compare, atlas, prepare, worksheet):
    app.command()(command)
app.command("import")(import_weights)
app.add_typer(designs, name="designs")


def main() -> None:
    """The entry point."""
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="replace")  # type: ignore[union-attr]
    app(prog_name="embedlab")


def _version(requested: bool) -> None:
    if requested:
        typer.echo(f"embedlab {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks.")] = False,
) -> None:
    if debug:
        os.environ[DEBUG] = "1"


@app.command()
@guarded
def serve(
    config: Annotated[
        Path | None,
        typer.Option(help="default: spaces_config.yaml in this folder, else EmbedLab's own"),
    ] = None,
    host: Annotated[str | None, typer.Option(help="address to listen on")] = None,
    port: Annotated[int | None, typer.Option(min=1, max=65535)] = None,
) -> None:
    """Open the workbench in a browser: what `python app.py` does."""
    from embedlab.ui.app import launch

    launch(config, host, port)


@app.command()
@guarded
def assets(
    names: Annotated[list[str] | None, typer.Argument(metavar="[NAME]...")] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Fetch all that need no terms accepted.")
    ] = False,
    only_list: Annotated[bool, typer.Option("--list", help="Show what there is.")] = False,
) -> None:
    """Fetch weights and corpora for a room without network."""
    from embedlab import assets as store
    from embedlab.models.trained_designs import trained_designs, verify

    designs_there = trained_designs()
    for name in dict.fromkeys(names or []):
        if name in designs_there:
            verify(designs_there[name].folder)
            typer.echo(f"{name}: ready, it comes with EmbedLab")
    others_named = [name for name in dict.fromkeys(names or []) if name not in designs_there]
    if names and not others_named and not everything and not only_list:
        return
    chosen = [store.status(name) for name in others_named]
    if everything:
        others = [status for status in store.listing() if status not in chosen]
        for status in others:
            if status.asset.terms:
                say(f"{status.asset.id} is left out: {status.asset.terms} Name it to fetch it.")
        chosen += [status for status in others if not status.asset.terms]
    if only_list or not chosen:
        typer.echo(_asset_table(store.listing()))
        return
    for status in chosen:
        if status.asset.terms:
            say(status.asset.terms)
        with progress_bar() as progress:
            _make_ready(status, progress)
        now = store.status(status.asset.id)
        typer.echo(f"{now.asset.id}: ready, {_megabytes(now.on_disk)} in {now.path}")


def _make_ready(status: AssetStatus, progress: Progress) -> None:
    from embedlab import assets as store

    asset_id = status.asset.id
    if status.present:
        try:
            store.verify(asset_id, progress)
        except EmbedLabError as error:
            say(f"{error} Fetching it now.")
    folder = store.fetch(asset_id, progress)
    if any(folder.rglob("*.gguf")):
        from embedlab.models.loading import load_backbone

        load_backbone(asset_id, progress=progress)  # converts it, and shows that it works


def _asset_table(rows: list[AssetStatus]) -> str:
    from embedlab.models.trained_designs import trained_designs

    header = ("id", "kind", "present", "on disk", "download", "licence", "source")
    cells = [
        (
            row.asset.id,
            row.asset.kind,
            "yes" if row.present else "no",
            _megabytes(row.on_disk) if row.present else "",
            _megabytes(row.asset.size),
            row.asset.licence,
            row.asset.source,
        )
        for row in rows
    ]
    for each in trained_designs().values():
        what = f"{each.design.name} trained on {each.backbone_id}"
        cells.append((each.id, "design", "yes", _megabytes(each.size), "", each.licence, what))
    return table(header, cells, right=("on disk", "download"))


def _megabytes(size: int) -> str:
    return f"{size / 1e6:,.1f} MB"


@app.command()
@guarded
def search(
    corpus: Annotated[
        str,
        typer.Argument(metavar="CORPUS", help="a built-in corpus, a file, a folder or a zip"),
    ],
    design: Annotated[
        list[str], typer.Option("--design", help=f"{DESIGN_HELP}{FILE_HELP}; give two")
    ],
    query: Annotated[
        str | None,
        typer.Argument(help="what to look for; without it, the corpus's own queries are scored"),
    ] = None,
    k: Annotated[int, typer.Option("-k", help="results to show")] = 10,
    sample: Annotated[
        int | None,
        typer.Option(help="texts to search; default: a few hundred of a corpus, all of a file"),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="which texts a sample takes")] = 0,
    backbone: ModelOption = None,
    text_column: TextColumnOption = None,
    encoding: EncodingOption = "",
    split: SplitOption = "",
    query_vectors: QueryVectorsOption = None,
    index: Annotated[
        Path | None,
        typer.Option(
            help="a folder that keeps search indexes; above 100,000 texts one is made, and opened "
            "again from there by memory map"
        ),
    ] = None,
) -> None:
    """Rank a corpus for a query under one design or two, or score designs by its own queries."""
    from embedlab.lab.config import BackboneEntry, Config, Limits
    from embedlab.lab.lab import Lab
    from embedlab.models.design import NATIVE, Design

    if query is not None and len(design) > 2:
        raise EmbedLabError(f"{len(design)} designs were given; give one or two.")
    # Checked before the backbone is loaded, which takes seconds.
    if k < 1:
        raise EmbedLabError(f"k is {k}; ask for at least 1 result.")
    if query is not None and not query.strip():
        raise EmbedLabError("The query is empty; write what you are looking for.")
    for text in design:
        if text != NATIVE:
            Design.parse(text)
    model, base = model_and_base(backbone)
    # There are no other users to protect on the user's own machine.
    limits = Limits(max_texts=NO_LIMIT, max_results=NO_LIMIT)
    how = {"text_column": text_column, "encoding": encoding, "split": split}
    lab = Lab(Config(backbones=(BackboneEntry(id=model, base=base or ""),), limits=limits))
    lab.index_folder = index
    with progress_bar() as progress:
        written = list(design)

        def with_files(whole: Corpus) -> Corpus:
            with_them, written[:] = with_vectors(whole, design, query_vectors)
            return with_them

        texts = corpus_by_name(lab, corpus, how, sample, seed, progress, with_files)
        if query is None and not any(texts.relevant):
            raise EmbedLabError(
                f"{texts.title[:60]!r} has no queries with known answers; write a query behind it."
            )
        designs = [lab_design(text, lab, progress) for text in written]
        sides = [lab.embedded(texts, each, progress=progress) for each in designs]
        if query is None:
            for side in sides:
                if side.design.file:  # says which queries have no vector
                    lab.query_vectors(side, progress)
            scores = [lab.retrieval_scores(side, progress=progress) for side in sides]
        else:
            lists = lab.retrieve(query, sides[0], sides[-1], k, progress)
            searched_by = [lab.index(side, progress) for side in sides]
    typer.echo(f"{texts.title} · {texts.size_note} texts · {model}")
    if query is None:
        typer.echo(_score_table(lab, sides, scores))
        return
    for letter, side, hits, by in zip("AB", sides, lists, searched_by, strict=False):
        typer.echo(f"\n{_heading(lab, letter if len(sides) > 1 else '', side)}")
        if by is not None:
            typer.echo(str(by.facts))
        typer.echo(_ranking(hits, moves=len(sides) > 1))


def _heading(lab: Lab, letter: str, side: Embedded) -> str:
    notes = []
    if side.design.trainable and not lab.backbone().head(side.design).trained:
        notes.append("untrained (random)")
    if side.truncated:
        notes.append(f"{side.truncated:,} of {len(side):,} texts truncated")
    return " · ".join([f"{letter}  {side.design}".strip(), *notes])


def _score_table(
    lab: Lab, sides: Sequence[Embedded], scores: Sequence[RetrievalScores | None]
) -> str:
    """nDCG, MRR and recall over the corpus's own queries, a line for each design."""
    from embedlab.render.html import points

    rows = [
        (
            _heading(lab, "", side),
            f"{of.n_queries:,}",
            *(points(value) for value in (of.ndcg_10, of.mrr_10, of.recall_10)),
        )
        for side, of in zip(sides, scores, strict=True)
        if of is not None
    ]
    header = ("design", "queries", "nDCG@10", "MRR@10", "recall@10")
    return table(header, rows, right=header[1:])


def _ranking(hits: list[Hit], *, moves: bool) -> str:
    """One line for each hit: rank, cosine × 100, move between the designs, relevance, text."""
    # A long text is cut to the line on a terminal, and whole in a pipe.
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    lines = []
    for hit in hits:
        relevant = {None: "", True: "+ ", False: "  "}[hit.relevant]
        moved = f"{_move(hit.move):>5}  " if moves else ""
        start = f"{hit.rank:>3}  {100 * hit.score:5.1f}  {moved}{relevant}"
        lines.append((start + printable(hit.text))[:width])
    if any(hit.relevant is not None for hit in hits):
        lines.append("+ marks relevant texts.")
    return "\n".join(lines)


def _move(move: int | None) -> str:
    if move is None:
        return "new"
    return f"{move:+d}" if move else "="


@app.command()
@guarded
def bench(
    texts: Annotated[int, typer.Option(min=8, help="short texts to embed")] = 2000,
    words: Annotated[int, typer.Option(min=2, help="words in a short text, on average")] = 12,
    what: Annotated[
        str,
        typer.Option(
            help="products, presets, heads, switch, designs, index, sentence-transformers, "
            "training or all"
        ),
    ] = "all",
    backbone: BackboneOption = "smollm2-135m",
) -> None:
    """Measure the speed of this machine."""
    from embedlab.cli.bench import measure

    with progress_bar() as progress:
        machine, figures = measure(what, texts, words, backbone, progress)
    typer.echo(machine)
    rows = [(figure.what, figure.shown, figure.aim) for figure in figures]
    typer.echo(table(("figure", "measured", "aim"), rows, right=("measured",)))
