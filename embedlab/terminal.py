"""What every command shares: errors in one line, a progress bar on stderr, aligned tables."""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import ParamSpec, TypeVar

import typer

from embedlab.errors import EmbedLabError
from embedlab.progress import Estimate, Progress, no_progress
from embedlab.text import printable

P = ParamSpec("P")
R = TypeVar("R")

#: Set to 1, a traceback follows an unexpected error; ``embedlab --debug`` sets it.
DEBUG = "EMBEDLAB_DEBUG"


def guarded(command: Callable[P, R]) -> Callable[P, R]:
    """Make a command end in one line on stderr: exit 2 for what the user can solve, 130 for ^C."""

    @functools.wraps(command)
    def guard(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return command(*args, **kwargs)
        except EmbedLabError as error:
            if os.environ.get(DEBUG):
                raise
            say(f"error: {printable(str(error))}")
            raise typer.Exit(2) from error
        except KeyboardInterrupt as error:
            say("stopped")
            raise typer.Exit(130) from error
        except (typer.Exit, BrokenPipeError):
            raise
        except Exception as error:
            if os.environ.get(DEBUG):
                raise
            what = printable(f"{type(error).__name__}: {error}")[:300]
            say(f"error: something unexpected went wrong ({what}); run with --debug to see where.")
            raise typer.Exit(1) from error

    return guard


def say(line: str) -> None:
    """One line for people, on stderr."""
    typer.echo(line, err=True)


def table(
    header: tuple[str, ...], rows: Sequence[tuple[str, ...]], right: Sequence[str] = ()
) -> str:
    """Aligned columns; ``right`` names those that are aligned on the right."""
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]

    def line(cells: tuple[str, ...]) -> str:
        aligned = (
            cell.rjust(width) if name in right else cell.ljust(width)
            for name, cell, width in zip(header, cells, widths, strict=True)
        )
        return "  ".join(aligned).rstrip()

    return "\n".join(map(line, (header, *rows)))


def print_table(
    header: Sequence[str], rows: Sequence[Sequence[str]], best: int | None = None
) -> None:
    """Print a wide table; on a terminal it is folded to its width, and row ``best`` stands out.

    All columns but the first two words' are aligned on the right.
    """
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    shown = Table(box=SIMPLE_HEAD, pad_edge=False)
    for name in header:
        words = name in ("design", "")
        shown.add_column(name, justify="left" if words else "right", overflow="fold")
    for number, row in enumerate(rows, start=1):
        shown.add_row(*map(Text, row), style="bold" if number == best else None)
    # A pipe has no width; there a row stays one line.
    width = None if sys.stdout.isatty() else 10_000
    Console(width=width, markup=False, highlight=False).print(shown)


@contextmanager
def progress_bar() -> Iterator[Progress]:
    """A progress callback that draws on stderr; nothing is drawn where stderr is not a terminal."""
    if not sys.stderr.isatty():
        yield no_progress
        return
    from rich.console import Console
    from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bar

    estimate = Estimate()

    bar = Bar(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TaskProgressColumn(),
        TimeElapsedColumn(),
        console=Console(stderr=True),
        transient=True,
    )
    with bar:
        task = bar.add_task("", total=None)

        def report(done: int, total: int, what: str) -> None:
            words = printable(estimate.words(done, total, what))
            bar.update(task, completed=done, total=total or None, description=words)

        yield report
