"""``embedlab worksheet``: the lessons on paper, and their answer key."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from embedlab.errors import EmbedLabError, check_known
from embedlab.files import disk_errors, write_text
from embedlab.terminal import guarded, progress_bar

#: Where the application runs if nothing else is said.
ADDRESS = "http://127.0.0.1:7860"


@guarded
def worksheet(
    out: Annotated[Path, typer.Option(help="such as worksheet.html")],
    answers: Annotated[
        bool, typer.Option("--answers", help="The answer key, with every figure computed.")
    ] = False,
    lesson: Annotated[
        list[str] | None,
        typer.Option(help="a lesson's id, such as two-senses; may be repeated; default: all"),
    ] = None,
    address: Annotated[
        str, typer.Option(help="the application's address, as the room opens it")
    ] = ADDRESS,
    class_name: Annotated[
        str, typer.Option("--class", help="the class whose predictions the links gather")
    ] = "",
    config: Annotated[
        Path | None,
        typer.Option(help="of a deployment with lessons of its own; default: EmbedLab's"),
    ] = None,
) -> None:
    """Write a worksheet to print from the lessons: questions, blanks, figures to sketch, links."""
    from embedlab.lab.classes import class_name as checked
    from embedlab.lab.config import default_config, load_config
    from embedlab.lab.lab import Lab
    from embedlab.lab.lesson_figures import MEASURES
    from embedlab.lab.lessons import all_lessons
    from embedlab.lab.worksheet import Paper, sheets
    from embedlab.render.worksheet import page

    if out.suffix.lower() not in (".html", ".htm"):
        raise EmbedLabError(
            f"{out.name[-60:]!r} is not .html; a browser opens that, and prints it or saves a PDF."
        )
    if not address.startswith(("http://", "https://")):
        raise EmbedLabError(f"{address[:80]!r} is no address; write one such as {ADDRESS}.")
    chosen = load_config(config or default_config())
    known = all_lessons(Path(chosen.lessons) if chosen.lessons else None, MEASURES)
    for each in lesson or ():
        check_known(each, "a lesson", known)
    some = {key: known[key] for key in lesson} if lesson else known
    lab = Lab(chosen)
    paper = Paper(
        lab=lab,
        answers=answers,
        address=address,
        class_name=checked(class_name) if class_name else "",
    )
    with progress_bar() as progress:
        made = sheets(paper, some, progress)
        source = f"Figures: {lab.backbone(progress=progress).name}, by EmbedLab"
    with disk_errors(out.name):
        write_text(out, page(made, key=answers, source=source))
    questions = sum(sheet.questions for sheet in made)
    what = "answer key" if answers else "worksheet"
    typer.echo(
        f"{out}: {what} of {len(made)} lessons with {questions} predictions. Open it in a browser "
        "and print it, on A4 or letter."
    )
