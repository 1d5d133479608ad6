"""``embedlab study``: runs a study and writes its report."""

from __future__ import annotations

import shlex
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from embedlab.cli.options import (
    AddressOption,
    DeviceOption,
    DtypeOption,
    EngineOption,
    GpusOption,
    WorkersOption,
    check_engine,
)
from embedlab.errors import EmbedLabError
from embedlab.terminal import guarded, progress_bar, say, table

if TYPE_CHECKING:
    from embedlab.study.report import Report


@guarded
def study(
    name: Annotated[
        str,
        typer.Argument(
            metavar="STUDY.yaml",
            help="a study file, or minutes, workshop, paper, training-free or seven",
        ),
    ],
    out: Annotated[
        Path, typer.Option(help="folder for the results; a stopped study is continued there")
    ],
    backbone: Annotated[
        str, typer.Option(help="another backbone than the study's: an id, a folder or a Hub name")
    ] = "",
    mteb: Annotated[
        list[str] | None, typer.Option(help="also measure this task of MTEB; needs the Hub")
    ] = None,
    device: DeviceOption = "auto",
    dtype: DtypeOption = "auto",
    engine: EngineOption = "local",
    address: AddressOption = "",
    workers: WorkersOption = 0,
    gpus_per_worker: GpusOption = 0.0,
    beside: Annotated[
        Path | None,
        typer.Option(
            help="the folder of an earlier study of these designs: the report says what changed"
        ),
    ] = None,
    report_only: Annotated[
        bool, typer.Option("--report", help="Run nothing; write the report on the results so far.")
    ] = False,
) -> None:
    """Compare designs: train and measure each with every seed; say which differences are real."""
    options = {"backbone": backbone, "mteb": mteb}
    changes = {key: value for key, value in options.items() if value}
    from embedlab.render.study_page import write_report
    from embedlab.study.beside import changes as changes_since
    from embedlab.study.definition import load_study
    from embedlab.study.findings import report_of
    from embedlab.study.report import read_report

    definition = load_study(name, **changes)
    if len(definition.seeds) == 1 and definition.recipe is not None:
        say("one seed: the report can show no seed variance")
    earlier = None if beside is None else read_report(beside / "report.json")
    check_engine(engine, address, workers, gpus_per_worker)
    if not report_only:
        how = {"command": _command(name, out, changes, beside), "device": device, "dtype": dtype}
        with progress_bar() as progress:
            if engine == "ray":
                from embedlab.study.on_ray import run_on_ray

                cluster = {
                    "address": address,
                    "workers": workers,
                    "gpus_per_worker": gpus_per_worker,
                }
                run_on_ray(definition, out, **cluster, **how, say=say, progress=progress)  # type: ignore[arg-type]
            else:
                from embedlab.study.run import run

                run(definition, out, **how, say=say, progress=progress)
    report = report_of(out)
    if earlier is not None and report.scores:
        report = replace(report, changes=changes_since(report, earlier))
    typer.echo(_scores(report))
    for path in write_report(report, out):
        say(f"{path}")
    if not report.scores:
        raise EmbedLabError(f"No cell of {out.name!r} is finished; run the study first.")


def _command(name: str, out: Path, changes: dict[str, Any], beside: Path | None) -> str:
    """The command line without the paths of this machine: reports are shown to others."""
    words = ["embedlab", "study", Path(name).name, "--out", out.name]
    if "backbone" in changes:
        folder = Path(changes["backbone"])
        words += ["--backbone", folder.name if folder.is_dir() else changes["backbone"]]
    for task in changes.get("mteb", []):
        words += ["--mteb", task]
    if beside is not None:
        words += ["--beside", beside.name]
    return shlex.join(words)


def _scores(report: Report) -> str:
    from embedlab.analysis.tasks import category_name
    from embedlab.render.html import points

    rows = [(row.title, *map(points, row.means)) for row in report.summary]
    header = ("design", *map(category_name, report.categories))
    return table(header, rows, right=header[1:])
