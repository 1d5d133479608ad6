"""``embedlab train`` and ``embedlab export``: parse, call, print."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from embedlab.errors import EmbedLabError
from embedlab.terminal import guarded, progress_bar, say, table
from embedlab.text import printable
from embedlab.training.recipe import MODES, RECIPES, SCHEDULES, Recipe, recipe_from

if TYPE_CHECKING:
    from embedlab.analysis.evaluation import Change
    from embedlab.data.pairs import PairSet
    from embedlab.progress import Progress
    from embedlab.training.history import Step
    from embedlab.training.training import Training

#: Hidden states of a frozen backbone that training a head alone keeps, in bytes.
ROOM = 8 * 10**9


@guarded
def train(
    design: Annotated[str, typer.Option(help="attention/pooling, such as causal/eos, or M1 … M5")],
    data: Annotated[
        str,
        typer.Option(help="stsb-train, bible-pairs, boolq-train, or a csv, jsonl or parquet file"),
    ],
    out: Annotated[Path, typer.Option(help="the run's folder; a stopped training goes on there")],
    backbone: Annotated[
        str, typer.Option(help="a pinned backbone's id, a folder, or a Hugging Face Hub name")
    ] = "smollm2-135m",
    recipe: Annotated[str, typer.Option(help=f"a preset: {', '.join(RECIPES)}")] = "cpu",
    mode: Annotated[str | None, typer.Option(help=f"one of {', '.join(MODES)}")] = None,
    steps: Annotated[int | None, typer.Option(help="updates of the weights")] = None,
    batch: Annotated[int | None, typer.Option(help="pairs an update")] = None,
    lr: Annotated[float | None, typer.Option(help="learning rate of LoRA")] = None,
    head_lr: Annotated[float | None, typer.Option(help="learning rate of a trainable head")] = None,
    schedule: Annotated[str | None, typer.Option(help=f"one of {', '.join(SCHEDULES)}")] = None,
    warmup: Annotated[int | None, typer.Option(help="steps until the full learning rate")] = None,
    mntp_steps: Annotated[
        int | None, typer.Option(help="masked next-token prediction first, for bidirectional")
    ] = None,
    max_pairs: Annotated[int | None, typer.Option(help="pairs to use; 0 for all")] = None,
    held_out: Annotated[int | None, typer.Option(help="pairs to score and not to train on")] = None,
    seed: Annotated[int | None, typer.Option(help="of the weights and the order")] = None,
    both_directions: Annotated[
        bool | None, typer.Option(help="positives also look for their anchors")
    ] = None,
    anchor: Annotated[str, typer.Option(help="a file's column; default: found by name")] = "",
    positive: Annotated[str, typer.Option(help="a file's column")] = "",
    negative: Annotated[str, typer.Option(help="a file's column; default: found by name")] = "",
    score: Annotated[bool, typer.Option(help="Score four small tasks before and after.")] = True,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda")] = "auto",
    dtype: Annotated[str, typer.Option(help="auto, float32 or bfloat16")] = "auto",
) -> None:
    """Train a design on pairs of texts, and write the adapter and the head."""
    chosen: dict[str, Any] = {
        name: value for name, value in locals().items() if name in Recipe.__dataclass_fields__
    }
    how = recipe_from(recipe, **chosen)
    columns = (anchor, positive, negative)
    with progress_bar() as progress:
        _train(design, data, columns, out, backbone, how, score, (device, dtype), progress)


def _train(
    design: str,
    data: str,
    columns: tuple[str, str, str],
    out: Path,
    backbone_id: str,
    recipe: Recipe,
    score: bool,
    place: tuple[str, str],
    progress: Progress,
) -> None:
    from embedlab.data.pairs import describe
    from embedlab.models import run_folder
    from embedlab.models.design import Design
    from embedlab.models.loading import load_backbone
    from embedlab.models.state_cache import StateCache
    from embedlab.training import checkpoints, history
    from embedlab.training.training import Training

    parsed = Design.parse(design)
    recipe.check(parsed)
    if (out / run_folder.RUN_FILE).exists():
        raise EmbedLabError(f"{out.name!r} holds a finished training; choose another folder.")
    pairs = _pairs(data, columns, progress)
    say(describe(pairs))
    backbone = load_backbone(backbone_id, *place, cache=StateCache(ROOM), progress=progress)
    training = Training(
        backbone, parsed, pairs, recipe, name=f"{backbone.name} + {out.name}", progress=progress
    )
    if checkpoints.resume(training, out):
        say(f"going on after step {training.done} of {training.total}")
    _run(training, out, progress)
    if training.failed and not training.learned:
        raise EmbedLabError(training.failed)
    checkpoints.save_run(training, out, backbone_id)
    checkpoints.drop_checkpoint(out)
    for line in (training.failed, history.warning(training.history)):
        if line:
            say(line)
    if score:
        typer.echo(_scored(training, out, progress))
    typer.echo(f"{out}: {parsed.name}, {training.done} steps")


def _run(training: Training, out: Path, progress: Progress) -> None:
    """All steps, with a checkpoint at every held-out score and when interrupted."""
    from embedlab.training import checkpoints

    try:
        for step in training.run(progress):
            if step.held_out is not None or step.number == 1:
                typer.echo(_step_line(step, training.total))
            if step.number and step.number % training.recipe.evaluate_every == 0:
                try:
                    checkpoints.save_checkpoint(training, out)
                except EmbedLabError as error:  # the training itself is fine
                    say(str(error))
    except KeyboardInterrupt:
        training.optimizer.zero_grad(set_to_none=True)
        checkpoints.save_checkpoint(training, out)
        say(f"stopped after step {training.done}; the same command goes on from there")
        raise


def _pairs(data: str, columns: tuple[str, str, str], progress: Progress) -> PairSet:
    from embedlab.analysis.tasks import without_evaluated
    from embedlab.data.training_sets import TRAINING_SETS, find_pairs

    pairs = find_pairs(data, columns, progress)
    if data in TRAINING_SETS:
        return pairs
    for note in pairs.notes:
        say(note)
    return without_evaluated(pairs, progress)


def _step_line(step: Step, total: int) -> str:
    parts = [f"step {step.number:>5} of {total}"]
    if step.loss is not None:
        parts.append(f"{step.phase} loss {step.loss:.3f}  {step.tokens_per_second:,.0f} tokens/s")
    if step.held_out is not None:
        parts.append(f"held-out MRR {100 * step.held_out:.1f}")
    return "  ".join(parts)


def _scored(training: Training, out: Path, progress: Progress) -> str:
    from embedlab.analysis import evaluation
    from embedlab.models import run_folder

    changes = evaluation.before_and_after(
        training.base, training.result(), training.design, progress
    )
    run_folder.add_scores(out, evaluation.to_json(changes))
    return _change_table(changes)


def _change_table(changes: tuple[Change, ...]) -> str:
    rows = [
        (
            change.task.category,
            f"{change.n:,}",
            f"{100 * change.before.score:.1f}",
            f"{100 * change.after.score:.1f}",
            f"{100 * change.difference:+.1f}",
            f"{100 * change.low:+.1f} … {100 * change.high:+.1f}",
            change.verdict,
        )
        for change in changes
    ]
    header = ("task", "n", "before", "after", "difference", "95 % interval", "")
    return table(header, rows, right=header[1:6])


@guarded
def export(
    run: Annotated[Path, typer.Argument(metavar="DIR", help="what `embedlab train` wrote")],
    kind: Annotated[
        str, typer.Option("--format", help="sentence-transformers or adapter")
    ] = "sentence-transformers",
    out: Annotated[
        Path | None, typer.Option(help="the folder for the zip; default: where DIR is")
    ] = None,
    push: Annotated[
        str, typer.Option(help="also push to this Hub repository, owner/name (token: HF_TOKEN)")
    ] = "",
    public: Annotated[bool, typer.Option("--public", help="Push it for everybody to see.")] = False,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda")] = "auto",
    dtype: Annotated[str, typer.Option(help="auto, float32 or bfloat16")] = "auto",
) -> None:
    """Write a trained model for others, check it in a fresh process, and zip it."""
    from embedlab.export import export_model as away
    from embedlab.export.hub import push_archive
    from embedlab.models import run_folder
    from embedlab.models.loading import load_backbone

    if kind not in away.EXPORT_KINDS:
        raise EmbedLabError(f"{kind[:60]!r} is no format; use {', '.join(away.EXPORT_KINDS)}.")
    run_info = run_folder.read_run_info(run)
    token = os.environ.get("HF_TOKEN", "")
    if push and not token:
        raise EmbedLabError("Pushing needs your Hub token in the environment variable HF_TOKEN.")
    with progress_bar() as progress:
        backbone = load_backbone(run, device, dtype, progress=progress)
        path, check = away.export_model(
            backbone,
            run_info.trained_design,
            run_info,
            run,
            out or run.resolve().parent,
            kind,
            progress,
        )
    typer.echo(
        f"{path}: the vectors of {check.n} texts differ by {check.largest_difference:.1e} at most "
        f"(tolerance {check.tolerance:.0e})"
    )
    if push:
        typer.echo(printable(push_archive(path, push, token, not public)))
