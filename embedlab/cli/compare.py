"""``embedlab compare``: every design on a corpus, with intervals, and an answer in words."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from embedlab.cli.file_designs import QueryVectorsOption, with_vectors
from embedlab.cli.options import (
    NO_LIMIT,
    EncodingOption,
    LabelColumnOption,
    ModelOption,
    SplitOption,
    TextColumnOption,
    design_of,
    designs_in,
    model_and_base,
)
from embedlab.cli.read import corpus_by_name
from embedlab.errors import EmbedLabError, check_known
from embedlab.files import write_text
from embedlab.terminal import guarded, print_table, progress_bar, say
from embedlab.text import printable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from embedlab.analysis.leaderboard import Ranking
    from embedlab.data.corpus import Corpus
    from embedlab.lab.lab import Lab
    from embedlab.lab.leaderboard import Table
    from embedlab.models.design import Design
    from embedlab.progress import Progress
    from embedlab.render.leaderboard import Line


@guarded
def compare(
    corpus: Annotated[
        str,
        typer.Argument(metavar="FILE", help="a file, a folder, a zip, or a built-in corpus"),
    ],
    design: Annotated[
        list[str] | None,
        typer.Option(
            "--design",
            "--designs",
            help="a design, or several with commas; may be repeated; default: all presets, "
            "templates, steps, layers of interest, and MiniLM",
        ),
    ] = None,
    kind: Annotated[
        list[str] | None,
        typer.Option(help="presets, steps, layers, templates or yardstick; may be repeated"),
    ] = None,
    trained: Annotated[
        list[str] | None,
        typer.Option(help="the folder of a run, compared under its own design; may be repeated"),
    ] = None,
    query_vectors: QueryVectorsOption = None,
    by: Annotated[
        str,
        typer.Option(help="the measure to rank by, such as ndcg_10 or knn_accuracy"),
    ] = "",
    sample: Annotated[
        int | None,
        typer.Option(help="texts to compare on; default: a few hundred of a corpus, all of a file"),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="which texts a sample takes")] = 0,
    out: Annotated[
        Path | None, typer.Option(help="also write the table: designs.csv or designs.json")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    backbone: ModelOption = None,
    text_column: TextColumnOption = None,
    label_column: LabelColumnOption = None,
    encoding: EncodingOption = "",
    split: SplitOption = "",
) -> None:
    """Compare every design on your texts: scores with intervals, and which one to take."""
    from embedlab.lab.entries import entries_for
    from embedlab.lab.leaderboard import leaderboard, ranking

    kinds = _kinds(kind, design)
    written = [each for text in design or () for each in designs_in(text)]
    _check_early(written, by, out)
    lab = _lab(backbone, trained or ())
    how = {"text_column": text_column, "label_column": label_column}
    how |= {"encoding": encoding, "split": split}

    def with_files(whole: Corpus) -> Corpus:
        with_them, written[:] = with_vectors(whole, list(written), query_vectors)
        return with_them

    with progress_bar() as progress:
        texts = corpus_by_name(lab, corpus, how, sample, seed, progress, with_files)
        on = lab.backbone(progress=progress)
        request = entries_for(
            lab,
            texts,
            kinds=kinds,
            designs=[design_of(text, on) for text in written],
            also=_trained(lab, trained or (), progress),
            seed=seed,
            progress=progress,
        )
        *_, table = leaderboard(lab, request, progress)
        if by:
            check_known(by, "a measure of these texts", table.measures)
        ranked = ranking(lab, table, by or table.first_measure, progress)
    _give(table, ranked, out, as_json=as_json)


def _kinds(kind: Sequence[str] | None, design: Sequence[str] | None) -> list[str]:
    """The kinds of designs: all, unless some kinds or designs are named."""
    from embedlab.analysis.contestants import KINDS

    offered = [name for name in KINDS if name != "trained"]  # these are named one by one
    for name in kind or ():
        check_known(name, "a kind of design", offered)
    return list(kind or ([] if design else offered))


def _check_early(designs: Sequence[str], by: str, out: Path | None) -> None:
    """Refuse what can be refused before a backbone is loaded, which takes seconds."""
    from embedlab.analysis.leaderboard import MEASURES
    from embedlab.models.design import NATIVE, Design

    for text in designs:
        if text != NATIVE:
            Design.parse(text)
    if by:
        check_known(by, "a measure", MEASURES)
    if out is not None and out.suffix.lower() not in (".csv", ".json"):
        raise EmbedLabError(f"{out.name!r} is neither .csv nor .json; name the file one of them.")


def _lab(backbone: list[str] | None, runs: Sequence[str]) -> Lab:
    """A Lab with the model and the runs; on one's own machine are no other users to protect."""
    from embedlab.lab.config import BackboneEntry, Config, Limits
    from embedlab.lab.lab import Lab

    model, base = model_and_base(backbone)
    limits = Limits(max_texts=NO_LIMIT, max_designs=NO_LIMIT, max_work_minutes=NO_LIMIT)
    models = (BackboneEntry(id=model, base=base or ""), *(BackboneEntry(id=run) for run in runs))
    return Lab(Config(backbones=models, default_backbone=model, limits=limits))


def _trained(lab: Lab, runs: Sequence[str], progress: Progress) -> list[tuple[Design, str]]:
    """Each run's own design with the id of its model."""
    from embedlab.models.run_folder import read_run_info

    designs = [(run, read_run_info(Path(run)).design) for run in runs]
    return [(design_of(text, lab.backbone(run, progress)), run) for run, text in designs]


def _give(table: Table, ranked: Ranking, out: Path | None, *, as_json: bool) -> None:
    """Print the answer and the table, or all of it as JSON, and write the file."""
    from embedlab.analysis.leaderboard import MEASURES, answer
    from embedlab.render import leaderboard as render

    request, words = table.request, answer(ranked, len(table.request.corpus.texts))
    if out is not None or as_json:
        found = _found(table, ranked, words)
    if out is not None:
        _write(out, found, ranked, table)
    if as_json:
        typer.echo(json.dumps(found, indent=2, ensure_ascii=False))
        return
    typer.echo("\n".join(words) + "\n")
    lines = render.lines_of(ranked, table.measures)
    best = next((line.number for line in lines if line.best), None)
    print_table(*_cells(ranked, table.measures, lines), best)
    typer.echo(
        f"{request.corpus.title} · {request.corpus.size_note} texts · {request.backbone.name} · "
        f"{len(table.rows)} rows from {request.passes} passes in {table.seconds:.0f} s · "
        f"ranked by {MEASURES[ranked.measure]}, 95 % bootstrap intervals"
    )
    for name, reason in table.left_out:
        say(f"not in the table: {name}: {reason}")


def _found(table: Table, ranked: Ranking, words: Sequence[str]) -> dict[str, Any]:
    """The whole result as plain values."""
    from embedlab.render.leaderboard import as_json

    return {
        "corpus": table.request.corpus.title,
        "texts": len(table.request.corpus.texts),
        "backbone": table.request.backbone.name,
        "seconds": round(table.seconds, 1),
        "passes": table.request.passes,
        **as_json(ranked, table.measures, table.agreement, words),
        "left_out": [{"design": name, "reason": reason} for name, reason in table.left_out],
    }


def _write(out: Path, found: dict[str, Any], ranked: Ranking, table: Table) -> None:
    from embedlab.render.csv_table import csv_table
    from embedlab.render.leaderboard import csv_rows

    if out.suffix.lower() == ".json":
        text = json.dumps(found, indent=2, ensure_ascii=False) + "\n"
    else:
        text = csv_table(*csv_rows(ranked, table.measures), verbatim=True)
    write_text(out, text)
    say(f"{out} has the whole table.")


def _cells(
    ranked: Ranking, measures: Sequence[str], lines: Sequence[Line]
) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """A header and rows for people, the leading measure with its interval."""
    from embedlab.analysis.leaderboard import FRACTIONS, MEASURES

    order = [ranked.measure, *(m for m in measures if m != ranked.measure)]
    heads = [MEASURES[m] + (" ×100" if m in FRACTIONS else "") for m in order]
    header = ("#", "design", *heads, "to the best", "", "passes", "seconds", "dim")
    rows = [
        (
            str(line.number),
            printable(line.row.name) + (f" ({line.note})" if line.note else ""),
            *(f"{value} [{ends}]" if ends else value for value, ends in line.cells),
            line.difference,
            line.verdict,
            str(line.row.cost.passes),
            line.seconds,
            f"{line.row.cost.dimension:,}",
        )
        for line in lines
    ]
    return header, rows
