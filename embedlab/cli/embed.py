"""``embedlab embed``: one design of a file, or many designs of any number of texts."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from embedlab.cli.options import (
    DESIGN_HELP,
    AddressOption,
    DeviceOption,
    DtypeOption,
    EncodingOption,
    EngineOption,
    GpusOption,
    LabelColumnOption,
    ModelOption,
    SplitOption,
    TextColumnOption,
    WorkersOption,
    check_engine,
    design_of,
    designs_in,
    model_and_base,
)
from embedlab.cli.read import read_texts
from embedlab.errors import EmbedLabError, check_known
from embedlab.terminal import guarded, progress_bar, say

if TYPE_CHECKING:
    from embedlab.models.steps import FittedSteps
    from embedlab.stream.inputs import Source
    from embedlab.stream.order import Order
    from embedlab.stream.run import Engine, Result

#: The exit code of a run that ended and left some of its input out.
INCOMPLETE = 3


@guarded
def embed(
    inputs: Annotated[
        list[str],
        typer.Argument(
            metavar="INPUT...",
            help="txt, csv, jsonl or parquet, or a folder or zip; with --designs any number of "
            "files, folders, globs and Hub data sets",
        ),
    ],
    out: Annotated[
        Path, typer.Option(help="vectors.parquet or vectors.npy; with --designs a folder")
    ],
    design: Annotated[str, typer.Option("--design", help=DESIGN_HELP)] = "",
    designs: Annotated[
        str,
        typer.Option(help="several with commas: any number of texts, one pass for all of them"),
    ] = "",
    backbone: ModelOption = None,
    text_column: TextColumnOption = None,
    label_column: LabelColumnOption = None,
    id_column: Annotated[
        str | None, typer.Option(help="with --designs: the column of ids, '' for none")
    ] = None,
    encoding: EncodingOption = "",
    split: SplitOption = "",
    query: Annotated[
        bool,
        typer.Option(
            "--query", help="Use the query prompt; of a corpus with queries, embed these."
        ),
    ] = False,
    steps: Annotated[
        list[Path] | None,
        typer.Option(
            help="from `embedlab fit`; default: fitted on INPUT; may be repeated with --designs"
        ),
    ] = None,
    device: DeviceOption = "auto",
    dtype: DtypeOption = "auto",
    max_mb: Annotated[
        int, typer.Option(min=1, help="largest INPUT, in MB; with --designs there is no limit")
    ] = 50,
    with_text: Annotated[
        bool, typer.Option("--with-text", help="With --designs: write the texts, too.")
    ] = False,
    numbers: Annotated[
        str, typer.Option(help="with --designs: float32 or float16, of the vectors written")
    ] = "float32",
    part_texts: Annotated[
        int, typer.Option(min=1, help="with --designs: texts in a part, which is whole or absent")
    ] = 4_000,
    fit_texts: Annotated[
        int, typer.Option(min=2, help="with --designs: texts that steps are fitted on")
    ] = 2_000,
    engine: EngineOption = "local",
    address: AddressOption = "",
    workers: WorkersOption = 0,
    gpus_per_worker: GpusOption = 0.0,
) -> None:
    """Embed texts: a file under one design, or any number of them under many with --designs.

    With --design the vectors of a file are written with ids, labels and row numbers. With --designs
    the inputs are read as a stream and OUT is a folder of parts; a run that was stopped goes on by
    the same command, and one that left something out exits with 3.
    """
    if bool(design) == bool(designs):
        raise EmbedLabError(
            "Give one --design for a file of vectors, or --designs for a folder of them."
        )
    if design:
        if len(inputs) > 1:
            raise EmbedLabError(
                f"{len(inputs)} inputs were given; --design reads one. Use --designs for several."
            )
        if len(steps or ()) > 1 or engine != "local" or with_text or id_column is not None:
            raise EmbedLabError(
                "Several --steps, --engine, --with-text and --id-column are for --designs; leave "
                "them out."
            )
        _one_design(
            Path(inputs[0]),
            design,
            out,
            backbone=backbone,
            reading={
                "text_column": text_column,
                "label_column": label_column,
                "max_mb": max_mb,
                "encoding": encoding,
                "split": split,
            },
            query=query,
            steps=steps[0] if steps else None,
            device=device,
            dtype=dtype,
        )
        return
    if label_column is not None:
        raise EmbedLabError("--label-column is for --design; with --designs leave it out.")
    check_known(numbers, "a kind of numbers", ("float32", "float16"))
    chosen = _engine(engine, address, workers, gpus_per_worker)
    order, sources = _order(
        inputs,
        out,
        designs_in(designs),
        precision=None if dtype == "auto" else chosen.precision(dtype, device),
        usual_precision=chosen.precision("auto", device),
        text_column=text_column,
        id_column=id_column,
        split=split,
        backbone=backbone,
        encoding=encoding,
        query=query,
        numbers=numbers,
        with_text=with_text,
        part_texts=part_texts,
        fit_texts=fit_texts,
    )
    _many_designs(order, sources, out, chosen, device, steps or [])


def _engine(name: str, address: str, workers: int, gpus: float) -> Engine:
    from embedlab.stream.run import LocalEngine

    check_engine(name, address, workers, gpus)
    if name == "local":
        return LocalEngine()
    from embedlab.stream.on_ray import RayEngine

    return RayEngine(address=address, workers=workers, gpus_per_worker=gpus)


def _order(
    inputs: list[str],
    out: Path,
    designs: list[str],
    *,
    precision: str | None,
    usual_precision: str,
    text_column: str | None,
    id_column: str | None,
    split: str,
    backbone: list[str] | None,
    **settings: Any,
) -> tuple[Order, list[Source]]:
    """What the run is; ``settings`` are the other fields of an order.

    A run that goes on keeps the columns and the precision that were found when it began.
    """
    from embedlab.models.design import NATIVE, Design
    from embedlab.stream.folder import RunFolder
    from embedlab.stream.inputs import sources_of
    from embedlab.stream.order import Order
    from embedlab.stream.texts import find_columns

    model, base = model_and_base(backbone)
    for text in designs:  # checked before the backbone is loaded, which takes seconds
        if text != NATIVE:
            Design.parse(text)
    sources, notes = sources_of(inputs, out, split)
    for note in notes:
        say(note)
    before = RunFolder(out).manifest()
    known = None if before is None else before.order
    if known is not None and id_column is None:
        columns = replace(known.columns, text=text_column or known.text_column)
    else:
        text_column = known.text_column if known and text_column is None else text_column
        columns = find_columns(sources, text_column, id_column, settings["encoding"])
    order = Order.model_validate(
        {
            "inputs": tuple(inputs),
            "sources": tuple(source.name for source in sources),
            "text_column": columns.text,
            "id_column": columns.id,
            "id_required": columns.id_named,
            "designs": tuple(designs),
            "backbone": model,
            "base": base or "",
            "dtype": precision or (known.dtype if known else usual_precision),
            **settings,
        }
    )
    if known is None:
        ids = f"ids from {columns.id!r}" if columns.id else "no ids"
        say(f"{len(sources):,} inputs, texts from {columns.text!r}, {ids}")
    return order, sources


def _many_designs(
    order: Order,
    sources: list[Source],
    out: Path,
    engine: Engine,
    device: str,
    steps: list[Path],
) -> None:
    from embedlab.models.steps import FittedSteps
    from embedlab.stream.run import run

    given = [FittedSteps.load(path) for path in steps]
    drawn = sys.stderr.isatty()
    with progress_bar() as progress:
        result = run(
            order,
            sources,
            out,
            engine,
            device=device,
            given=given,
            progress=progress,
            say=None if drawn else say,
        )
    manifest = result.manifest
    typer.echo(
        f"{out}: {result.texts:,} rows in {result.parts:,} parts, "
        f"{len(manifest.columns)} designs, {manifest.backbone_name}"
    )
    for line in _notes(result):
        say(line)
    if not result.complete:
        raise typer.Exit(INCOMPLETE)


#: Sources that are named one by one.
_NAMED = 20


def _notes(result: Result) -> list[str]:
    """What else there is to say at the end of a run."""
    lines = []
    if result.embedded_now:
        lines.append(f"{result.embedded_now:,} texts now, {result.rate:,.3g} a second.")
    lines.append(f"{result.truncated:,} of {result.texts:,} texts were truncated.")
    if result.manifest.fitted_on:
        lines.append(f"Steps were fitted on {result.manifest.fitted_on}.")
    reasons: dict[str, int] = {}
    for record in result.records:
        for reason, count in record.left_out.items():
            reasons[reason] = reasons.get(reason, 0) + count
    for reason, count in reasons.items():
        lines.append(f"{count:,} row{'s were' if count != 1 else ' was'} left out: {reason}.")
    if mended := sum(record.mended for record in result.records):
        lines.append(f"{mended:,} texts hold bytes that are no text, read as �.")
    if result.duplicates.ids:
        examples = ", ".join(repr(text[:40]) for text in result.duplicates.examples)
        lines.append(
            f"{result.duplicates.ids:,} ids stand for more than one row, such as {examples}; all "
            "rows are there, told apart by file and row."
        )
    if result.problems:
        lines.append(f"{result.problems:,} texts have no vectors; their column 'problem' says why.")
    failed = result.failed
    lines += [f"{record.name} {record.error}." for record in failed[:_NAMED]]
    if failed:
        lines.append(
            f"{len(failed):,} of {len(result.records):,} inputs could not be read to their end; "
            "the others are done. Mend them and give the same command again."
        )
    return lines


def _one_design(
    source: Path,
    design: str,
    out: Path,
    *,
    backbone: list[str] | None,
    reading: dict[str, Any],
    query: bool,
    steps: Path | None,
    device: str,
    dtype: str,
) -> None:
    """A file under one design into a file of vectors."""
    from embedlab.cli.vector_files import check_target, save_vectors
    from embedlab.data.corpus import Corpus
    from embedlab.models.design import NATIVE, Design
    from embedlab.models.embedding import embed_in_chunks
    from embedlab.models.loading import load_backbone
    from embedlab.models.state_cache import StateCache

    model, base = model_and_base(backbone)
    if design != NATIVE:
        Design.parse(design)  # checked before the backbone is loaded, which takes seconds
    fitted = _given(steps)
    if query and fitted is None and design != NATIVE and Design.parse(design).fitted:
        raise EmbedLabError(
            f"The steps of {design} are never fitted on queries; fit them on documents with "
            "`embedlab fit` and give the file with --steps."
        )
    check_target(out)
    if out.exists() and source.exists() and out.samefile(source):
        raise EmbedLabError(f"{out.name!r} is the input itself; write to another file.")
    corpus = read_texts(source, **reading)
    if query and corpus.queries:
        corpus = Corpus(id="own", title=corpus.title, texts=corpus.queries, ids=corpus.query_ids)
    with progress_bar() as progress:
        # Every text is embedded once, so a cache would only take memory.
        loaded = load_backbone(
            model, device, dtype, base=base, cache=StateCache(0), progress=progress
        )
        chosen = design_of(design, loaded)
        vectors, truncated = embed_in_chunks(
            corpus.texts, chosen, loaded, query=query, fit=fitted, progress=progress
        )
    metadata = {"design": str(chosen), "backbone": loaded.name, "prompt": "query" if query else ""}
    save_vectors(out, vectors, corpus, metadata)
    typer.echo(f"{out}: {len(vectors):,} × {vectors.shape[1]}, {chosen}, {loaded.name}")
    say(f"{truncated:,} of {len(vectors):,} texts were truncated.")
    if chosen.fitted:
        on = f"these {len(vectors):,} texts" if fitted is None else fitted.source
        say(f"Its steps were fitted on {on}.")
    if chosen.trainable and not loaded.head(chosen).trained:
        say(f"The head of {chosen.name} is untrained (random).")


def _given(steps: Path | None) -> FittedSteps | None:
    from embedlab.models.steps import FittedSteps

    return None if steps is None else FittedSteps.load(steps)
