"""``embedlab compare``: every design on a corpus, with intervals, and an answer in words."""

from __future__ import annotations

import json
import re
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

#: A comma between two designs, not one inside of a template.
_BETWEEN = re.compile(r",\s*(?=M[1-5]\b|native\b|file:|[a-z_]+(?:>\d+)?/)")


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
    from embedlab.analysis.leaderboard import MEASURES, answer
    from embedlab.lab.config import BackboneEntry, Config, Limits
    from embedlab.lab.entries import entries_for
    from embedlab.lab.lab import Lab
    from embedlab.render.leaderboard import as_json as plain
    from embedlab.render.leaderboard import lines_of

    kinds = _kinds(kind, design)
    designs = [each for text in design or () for each in _BETWEEN.split(text.strip())]
    _check_early(designs, by, out)
    model, base = model_and_base(backbone)
    # There are no other users to protect on the user's own machine.
    limits = Limits(max_texts=NO_LIMIT, max_designs=NO_LIMIT, max_work_minutes=NO_LIMIT)
    runs = (BackboneEntry(id=run) for run in trained or ())
    models = (BackboneEntry(id=model, base=base or ""), *runs)
    lab = Lab(Config(backbones=models, limits=limits))
    how = {
        "text_column": text_column,
        "label_column": label_column,
        "encoding": encoding,
        "split": split,
    }
    written = list(designs)

    def with_files(whole: Corpus) -> Corpus:
        with_them, written[:] = with_vectors(whole, designs, query_vectors)
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
        table = _computed(lab, request, progress)
        measure = by or table.first_measure
        if by:
            check_known(by, "a measure of these texts", table.measures)
        ranked = _ranked(lab, table, measure, progress)
    words = answer(ranked, len(request.corpus.texts))
    found = {
        "corpus": request.corpus.title,
        "texts": len(request.corpus.texts),
        "backbone": request.backbone.name,
        "seconds": round(table.seconds, 1),
        "passes": request.passes,
        **plain(ranked, table.measures, table.agreement, words),
        "left_out": [{"design": name, "reason": reason} for name, reason in table.left_out],
    }
    if out is not None:
        _write(out, found, ranked, table)
    if as_json:
        typer.echo(json.dumps(found, indent=2, ensure_ascii=False))
        return
    typer.echo("\n".join(words) + "\n")
    lines = lines_of(ranked, table.measures)
    best = next((line.number for line in lines if line.best), None)
    print_table(*_cells(ranked, table.measures, lines), best)
    typer.echo(
        f"{request.corpus.title} · {request.corpus.size_note} texts · {request.backbone.name} · "
        f"{len(table.rows)} rows from {request.passes} passes in {table.seconds:.0f} s · "
        f"ranked by {MEASURES[measure]}, 95 % bootstrap intervals"
    )
    for name, reason in table.left_out:
        say(f"not in the table: {name}: {reason}")
    if out is not None:
        say(f"{out} has the whole table.")


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


def _trained(lab: Lab, runs: Sequence[str], progress: Progress) -> list[tuple[Design, str]]:
    """Each run's own design with the id of its model."""
    from embedlab.models.run_folder import read_run_info

    designs = [(run, read_run_info(Path(run)).design) for run in runs]
    return [(design_of(text, lab.backbone(run, progress)), run) for run, text in designs]


def _computed(lab: Lab, request: Request, progress: Progress) -> Table:
    from embedlab.lab.leaderboard import leaderboard

    *_, table = leaderboard(lab, request, progress)
    return table


def _ranked(lab: Lab, table: Table, measure: str, progress: Progress) -> Ranking:
    from embedlab.lab.leaderboard import ranking

    return ranking(lab, table, measure, progress)


def _write(out: Path, found: dict[str, Any], ranked: Ranking, table: Table) -> None:
    from embedlab.render.csv_table import csv_table
    from embedlab.render.leaderboard import csv_rows

    if out.suffix.lower() == ".json":
        text = json.dumps(found, indent=2, ensure_ascii=False) + "\n"
    else:
        text = csv_table(*csv_rows(ranked, table.measures), verbatim=True)
    write_text(out, text)


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
