"""``embedlab check``: what a model is, in a page of text or as JSON."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from embedlab.cli.options import DeviceOption, DtypeOption
from embedlab.terminal import guarded, progress_bar, table
from embedlab.text import printable

if TYPE_CHECKING:
    from embedlab.lab.model_check import Closeness, ModelCheck


@guarded
def check(
    model: Annotated[
        str, typer.Argument(metavar="MODEL", help="a pinned id, a folder, a Hub name, or a run")
    ],
    backbone: Annotated[
        Path | None, typer.Option(help="of a run: the folder of its backbone, where that has moved")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    device: DeviceOption = "auto",
    dtype: DtypeOption = "auto",
) -> None:
    """Show how a model attends, what ends its texts, its own design, and what can be exported."""
    from embedlab.lab.model_check import check_model
    from embedlab.models import run_folder
    from embedlab.models.loading import load_backbone

    with progress_bar() as progress:
        loaded = load_backbone(model, device, dtype, base=backbone, progress=progress)
        is_run = (Path(model) / run_folder.RUN_FILE).is_file()
        backbone_id = run_folder.read_run_info(Path(model)).backbone.id if is_run else model
        checked = check_model(loaded, backbone_id, progress)
    if as_json:
        typer.echo(json.dumps(asdict(checked), indent=2, ensure_ascii=False))
        return
    typer.echo(_summary(checked))
    if checked.cosines:
        typer.echo(f"\nCosine of native with other designs, {checked.sentences} sentences")
        typer.echo(_cosines(checked.cosines))


def _summary(checked: ModelCheck) -> str:
    facts = [checked.source, checked.note, checked.dtype]
    rows = {
        "model": checked.model,
        "architecture": f"{checked.architecture} ({checked.model_type}), {checked.layers} layers, "
        f"d {checked.hidden_size:,}, {checked.parameters:,} parameters",
        "source": " · ".join(filter(None, facts)),
        **{
            mode: f"refused: {reason}" if reason else f"obeyed: {checked.looks[mode]}"
            for mode, reason in checked.attention.items()
        },
        "end token": _end(checked),
        "before a text": "".join(checked.end_token.before) or "nothing",
        "padding": _padding(checked),
        "longest text": f"{checked.max_length:,} tokens",
        "native": _native(checked),
        **{
            f"export, {kind}": f"no: {reason}" if reason else "possible"
            for kind, reason in checked.exports.items()
        },
    }
    width = max(map(len, rows))
    return "\n".join(f"{name:<{width}}  {printable(value)}" for name, value in rows.items())


def _end(checked: ModelCheck) -> str:
    end = checked.end_token
    ids = ", ".join(map(str, end.ids))
    who = "added by the tokenizer itself" if end.by_tokenizer else "appended by EmbedLab"
    other = "" if end.eos_token == end.token else f"; its eos_token is {end.eos_token!r}"
    return f"{end.token!r} (id {ids}), {who}{other}"


def _padding(checked: ModelCheck) -> str:
    padding = checked.padding
    why = f": {padding.note}" if padding.note else ""
    return f"{padding.token!r} (id {padding.id}), on the right{why}"


def _native(checked: ModelCheck) -> str:
    native = checked.native
    if native.design:
        others = [name for name in native.prompts if name not in ("query", "document")]
        also = f"; other prompts: {', '.join(others)}" if others else ""
        return f"{native.words} [{native.design}]{also}"
    if native.not_covered:
        return f"not covered: {native.not_covered}"
    return "none: its files do not describe an embedding model"


def _cosines(rows: tuple[Closeness, ...]) -> str:
    header = ("design", "", "mean", "lowest", "note")
    cells = [
        (row.design, row.alias, _shown(row.mean), _shown(row.lowest), printable(row.note))
        for row in rows
    ]
    return table(header, cells, right=("mean", "lowest"))


def _shown(cosine: float | None) -> str:
    return "–" if cosine is None else f"{cosine:.4f}"
