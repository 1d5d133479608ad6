"""``embedlab designs``: train a set of designs that ships, and check it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from embedlab.errors import EmbedLabError
from embedlab.resources import DESIGNS
from embedlab.terminal import guarded, progress_bar, say, table

designs = typer.Typer(
    help="Train the designs that come with EmbedLab, or check them.", no_args_is_help=True
)


@designs.command("train")
@guarded
def train_set(
    out: Annotated[
        Path, typer.Option(help="the designs' folder; a stopped training goes on there")
    ],
    recipe: Annotated[
        Path | None,
        typer.Option(help="a file of designs, data and recipe; default: that of the shipped ones"),
    ] = None,
) -> None:
    """Train, store, measure and describe every design of a set that is not finished yet.

    It may be stopped or killed at any moment; the same command goes on.
    """
    from embedlab.study.design_set import read_design_set
    from embedlab.study.train_designs import train_designs

    design_set = read_design_set(recipe or DESIGNS / "recipe.yaml")
    with progress_bar() as progress:
        finished = train_designs(design_set, out, say=say, progress=progress)
    typer.echo(_table(finished))


@designs.command("check")
@guarded
def check_set(
    folder: Annotated[Path, typer.Argument(help="default: the designs that ship")] = DESIGNS,
) -> None:
    """Compare trained designs with their manifests, and their sizes with the limits."""
    from embedlab.study.train_designs import check_designs

    finished = check_designs(folder)
    if not finished:
        raise EmbedLabError(f"There are no trained designs in {folder.name!r}.")
    typer.echo(_table(finished))


def _table(folders: list[Path]) -> str:
    """A line a design: its size, steps, and what the training changed on each task."""
    from embedlab.models.run_folder import read_run_info
    from embedlab.render.html import points

    rows = []
    for folder in folders:
        run_info = read_run_info(folder)
        size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
        changes = ", ".join(
            f"{points(change.before[0])} -> {points(change.after[0])}"
            for change in run_info.before_after
        )
        loss = "" if run_info.stored is None else f"{run_info.stored.loss:.2f}"
        rows.append((folder.name, f"{size / 1e6:.1f} MB", str(run_info.steps), changes, loss))
    header = ("design", "size", "steps", "untrained -> trained", "lost by storing")
    return table(header, rows, right=("size", "steps", "lost by storing"))
