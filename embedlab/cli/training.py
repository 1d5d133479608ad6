"""``embedlab train`` and ``embedlab export``: parse, call, print."""

from __future__ import annotations

import os
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from embedlab.cli.options import (
    AnchorOption,
    BackboneOption,
    DeviceOption,
    DtypeOption,
    EncodingOption,
    KeepOption,
    NegativeOption,
    PositiveOption,
    answered,
)
from embedlab.errors import EmbedLabError, check_known
from embedlab.terminal import guarded, progress_bar, say, table
from embedlab.text import printable
from embedlab.training.recipe import HEADS, MODES, RECIPES, SCHEDULES, Recipe, recipe_from

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from embedlab.data.pairs import PairSet
    from embedlab.export.check import Check
    from embedlab.export.static import StaticModel
    from embedlab.models.design import Design
    from embedlab.progress import Progress
    from embedlab.training.history import Step
    from embedlab.training.processes import Processes
    from embedlab.training.training import Training

#: Bytes of a frozen backbone's hidden states that stay in memory while a head alone is trained.
CACHE_BYTES = 8 * 10**9
MODES_IN_WORDS = {"lora": "LoRA", "head": "the head alone"}


@guarded
def train(
    context: typer.Context,
    design: Annotated[
        str, typer.Option(help="attention/pooling, such as causal/eos, or M1 … M5, or native")
    ],
    data: Annotated[
        str,
        typer.Option(
            help="stsb-train, bible-pairs, boolq-train, a csv, json, jsonl or parquet file, or a "
            "Hub dataset, owner/name: yixuantt/ir_data is what the paper's authors trained on"
        ),
    ],
    out: Annotated[
        Path | None, typer.Option(help="the run's folder; a stopped training goes on there")
    ] = None,
    backbone: BackboneOption = "smollm2-135m",
    recipe: Annotated[str, typer.Option(help=f"a preset: {', '.join(RECIPES)}")] = "cpu",
    mode: Annotated[str | None, typer.Option(help=f"one of {', '.join(MODES)}")] = None,
    steps: Annotated[int | None, typer.Option(help="updates of the weights")] = None,
    batch: Annotated[
        int | None, typer.Option(help="pairs an update; of several processes, of each")
    ] = None,
    group: Annotated[
        int | None, typer.Option(help="pairs that meet in one loss; 0 for the whole batch")
    ] = None,
    max_length: Annotated[
        int | None, typer.Option(help="tokens of the longest text in training; 0: as embedding")
    ] = None,
    head: Annotated[
        str | None, typer.Option(help=f"size of a trainable head: {' or '.join(HEADS)}")
    ] = None,
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
        bool | None, typer.Option(help="positives also have to find their anchors")
    ] = None,
    hard_negatives: Annotated[
        bool | None, typer.Option(help="use the hard negatives where the pairs have some")
    ] = None,
    max_negatives: Annotated[
        int | None, typer.Option(help="hard negatives of a pair in one step at most; 0 for all")
    ] = None,
    anchor: AnchorOption = "",
    positive: PositiveOption = None,
    negative: NegativeOption = None,
    keep: KeepOption = "",
    encoding: EncodingOption = "",
    plan: Annotated[bool, typer.Option("--plan", help="Print the plan and stop.")] = False,
    score: Annotated[bool, typer.Option(help="Score four small tasks before and after.")] = True,
    device: DeviceOption = "auto",
    dtype: DtypeOption = "auto",
) -> None:
    """Train a design on pairs of texts, and write the adapter and the head.

    Under `accelerate launch` several processes train together: the main one prints and writes.
    """
    from embedlab.export.obstacles import obstacles
    from embedlab.models.design import NATIVE, Design
    from embedlab.models.loading import load_backbone
    from embedlab.models.run_folder import RUN_FILE
    from embedlab.models.state_cache import StateCache
    from embedlab.training.processes import started
    from embedlab.training.training import Training

    parsed = None if design == NATIVE else Design.parse(design)
    # Options that are named as a part of the recipe change it.
    parts = context.params.keys() & {field.name for field in fields(Recipe)}
    changes = {name: context.params[name] for name in parts}
    settings = recipe_from(recipe, **changes)
    if parsed is not None:  # before the backbone is loaded, which takes seconds
        settings.check(parsed)
    if out is None and not plan:
        raise EmbedLabError("Give the run's folder with --out, or --plan for the plan alone.")
    if out is not None and (out / RUN_FILE).exists():
        raise EmbedLabError(f"{out.name!r} holds a finished training; choose another folder.")
    processes = started(device)
    # A recipe in groups says what all processes do together; see docs/training.md.
    if processes.count > 1 and not settings.group:
        settings = recipe_from(recipe, **changes | {"batch": settings.batch * processes.count})
    with _quiet_workers(processes), progress_bar() as progress:
        columns = (anchor, positive or (), negative or ())
        pairs = _pairs(data, columns, keep, encoding, progress)
        cache = StateCache(CACHE_BYTES)
        if processes.device is not None:
            device, dtype = _of_all(processes, dtype)
        loaded = load_backbone(backbone, device, dtype, cache=cache, progress=progress)
        chosen = parsed or loaded.native_design()
        settings.check(chosen)
        loaded.check(chosen)
        show = typer.echo if plan else say
        for line in _plan(chosen, loaded.name, pairs, settings, score):
            show(line)
        if processes.count > 1:
            show(f"{processes.count} processes share each update's {settings.batch:,} pairs.")
        for kind, obstacle in obstacles(loaded, backbone).items():
            if obstacle:
                show(f"No export as {kind}: {obstacle}")
        if out is None or plan:
            return
        name = f"{loaded.name} + {out.name}"
        training = Training(
            loaded, chosen, pairs, settings, name=name, processes=processes, progress=progress
        )
        _train(training, out, progress)
        processes.part()
        if not processes.main:
            return
        _save(training, out, backbone)
        if score:
            typer.echo(_scores(training, out, progress))
    typer.echo(f"{out}: {chosen.name}, {training.steps_done} steps")


@contextmanager
def _quiet_workers(processes: Processes) -> Iterator[None]:
    """Of several processes the main one alone prints; the others say only why they end early."""
    if processes.main:
        yield
        return
    try:
        with (
            Path(os.devnull).open("w") as nowhere,
            redirect_stdout(nowhere),
            redirect_stderr(nowhere),
        ):
            yield
    except EmbedLabError as error:
        raise EmbedLabError(
            f"process {processes.rank + 1} of {processes.count}: {error}"
        ) from error


def _of_all(processes: Processes, dtype: str) -> tuple[str, str]:
    """This process's device, and the precision of all: "auto" could mean two."""
    from embedlab.models.loading import DTYPES, chosen_dtype

    assert processes.device is not None
    own = str(chosen_dtype(dtype, processes.device)).removeprefix("torch.")
    return str(processes.device), processes.chosen_by_main(own, list(DTYPES))


def _pairs(
    data: str,
    columns: tuple[str, Sequence[str], Sequence[str]],
    keep: str,
    encoding: str,
    progress: Progress,
) -> PairSet:
    """A training set, or a file's pairs without those that an evaluation corpus has."""
    from embedlab.analysis.tasks import without_evaluated
    from embedlab.data.training_sets import TRAINING_SETS, find_pairs

    with answered():
        pairs = find_pairs(data, columns, keep, encoding, progress)
    return pairs if data in TRAINING_SETS else without_evaluated(pairs, progress)


def _plan(
    design: Design, backbone: str, pairs: PairSet, recipe: Recipe, score: bool
) -> Iterator[str]:
    """What will be trained, on which pairs, and how, for people."""
    from embedlab.cli.read_pairs import EXAMPLES, example_lines
    from embedlab.data.pairs import describe
    from embedlab.training import forecast

    plan = forecast.plan_training(recipe, pairs, score=score)
    yield f"{design} on {backbone}, {MODES_IN_WORDS[recipe.mode]}"
    yield f"{pairs.title}: {describe(pairs)}"
    if pairs.taken:
        yield pairs.taken
    yield from pairs.notes
    for i in range(min(EXAMPLES, len(pairs))):
        negatives = pairs.negatives[i] if pairs.negatives else ()
        yield "\n".join(example_lines(pairs.anchors[i], pairs.positives[i], negatives))
    for line in forecast.sentences(plan):
        yield f"{line}."
    time = forecast.duration(plan.seconds)
    yield f"It takes {time} on two CPU cores with SmolLM2 135M."


def _train(training: Training, out: Path, progress: Progress) -> None:
    """All steps that are left, with a checkpoint at every held-out score and when interrupted."""
    from embedlab.training import checkpoints
    from embedlab.training.processes import ProcessLost

    if checkpoints.resume(training, out):
        say(f"going on after step {training.steps_done} of {training.total}")
    training.processes.check_same({"last checkpoint": training.steps_done})
    try:
        for step in training.run(progress):
            if step.held_out is not None or step.number == 1:
                typer.echo(_step_line(step, training.total))
            due = step.number and step.number % training.recipe.evaluate_every == 0
            if due and training.processes.main:
                try:
                    checkpoints.save_checkpoint(training, out)
                except EmbedLabError as error:  # the training itself is fine
                    say(str(error))
    except (KeyboardInterrupt, ProcessLost):
        training.optimiser.discard_gradient()
        if training.processes.main:
            checkpoints.save_checkpoint(training, out)
        say(f"stopped after step {training.steps_done}; the same command goes on from there")
        raise


def _save(training: Training, out: Path, backbone_id: str) -> None:
    from embedlab.training import checkpoints, history

    if training.failed and not training.learned:
        raise EmbedLabError(training.failed)
    checkpoints.save_run(training, out, backbone_id)
    (out / checkpoints.CHECKPOINT).unlink(missing_ok=True)
    for line in (training.failed, history.warning(training.history)):
        if line:
            say(line)


def _step_line(step: Step, total: int) -> str:
    parts = [f"step {step.number:>5} of {total}"]
    if step.loss is not None:
        parts.append(f"{step.phase} loss {step.loss:.3f}  {step.tokens_per_second:,.0f} tokens/s")
    if step.held_out is not None:
        parts.append(f"held-out MRR {100 * step.held_out:.1f}")
    return "  ".join(parts)


def _scores(training: Training, out: Path, progress: Progress) -> str:
    """The table of the scores before and after, which the run's folder gets too."""
    from embedlab.analysis import evaluation
    from embedlab.analysis.bootstrap import verdict
    from embedlab.analysis.tasks import QUICK_TASKS
    from embedlab.models import run_folder
    from embedlab.render.html import points

    changes = evaluation.before_and_after(
        training.untrained, training.result(), training.design, progress
    )
    run_folder.add_scores(out, changes)
    categories = {task.title: task.category for task in QUICK_TASKS}
    rows = [
        (
            categories[change.task],
            f"{change.n:,}",
            points(change.before[0]),
            points(change.after[0]),
            points(change.difference[0], sign=True),
            " … ".join(points(end, sign=True) for end in change.difference[1:]),
            verdict(bool(change.separable)),
        )
        for change in changes
    ]
    header = ("task", "n", "before", "after", "difference", "95 % interval", "")
    return table(header, rows, right=header[1:6])


def _compared(check: Check) -> str:
    if not check.n:
        return "written"
    return (
        f"the vectors of {check.n} texts differ by {check.largest_difference:.1e} at most "
        f"(tolerance {check.tolerance:.0e})"
    )


@guarded
def export(
    run: Annotated[
        Path,
        typer.Argument(
            metavar="MODEL",
            help="what `embedlab train` wrote, or a trained design; with --design also a backbone",
        ),
    ],
    kind: Annotated[
        str,
        typer.Option(
            "--format", "--as", help="sentence-transformers, adapter, static (model2vec) or gguf"
        ),
    ] = "sentence-transformers",
    out: Annotated[
        Path | None, typer.Option(help="the folder for the zip; default: where DIR is")
    ] = None,
    design: Annotated[
        str, typer.Option(help="a design without training, such as causal/last?template=topic")
    ] = "",
    fit: Annotated[
        str, typer.Option(help="the corpus or file that the design's steps are fitted on")
    ] = "",
    steps: Annotated[Path | None, typer.Option(help="fitted steps, from `embedlab fit`")] = None,
    push: Annotated[
        str, typer.Option(help="also push to this Hub repository, owner/name (token: HF_TOKEN)")
    ] = "",
    public: Annotated[bool, typer.Option("--public", help="Make the repository public.")] = False,
    backbone: Annotated[
        Path | None, typer.Option(help="the folder of the run's backbone, where that has moved")
    ] = None,
    device: DeviceOption = "auto",
    dtype: DtypeOption = "auto",
) -> None:
    """Write a model for others, check it in a fresh process, and zip it."""
    from embedlab.cli.fit import documents_of
    from embedlab.export.export_model import EXPORT_KINDS, export_model
    from embedlab.export.hub import push_archive
    from embedlab.export.serving import servers
    from embedlab.lab.static_quality import static_quality
    from embedlab.models import run_folder
    from embedlab.models.design import Design
    from embedlab.models.embedding import fit as fit_on
    from embedlab.models.loading import load_backbone
    from embedlab.models.steps import FittedSteps
    from embedlab.models.trained_designs import trained_designs

    if (shipped := trained_designs().get(str(run))) is not None:
        run = shipped.folder
    check_known(kind, "a format", EXPORT_KINDS)
    untrained = Design.parse(design) if design else None
    if untrained is not None and kind == "adapter":
        raise EmbedLabError("A design without training has no adapter; take sentence-transformers.")
    run_info = None if untrained else run_folder.read_run_info(run)
    fitted = None if steps is None else FittedSteps.load(steps)
    token = os.environ.get("HF_TOKEN", "")
    if push and not token:
        raise EmbedLabError("Pushing needs your Hub token in the environment variable HF_TOKEN.")
    with progress_bar() as progress:
        trained = load_backbone(run, device, dtype, base=backbone, progress=progress)
        if run_info is None or untrained is not None:
            assert untrained is not None
            run_info = run_folder.untrained_info(trained, untrained, str(run))
        chosen = run_info.trained_design
        if fit:
            documents = documents_of(fit, progress)
            named = f"{documents.title}, {len(documents.texts):,} texts"
            fitted = fit_on(documents.texts, chosen, trained, source=named, progress=progress)
        folder = out or (Path() if untrained or shipped else run.resolve().parent)

        def quality(model: StaticModel, report: Progress) -> list[str]:
            return static_quality(model, trained, chosen, fitted, report)

        path, check = export_model(
            *(trained, chosen, run_info, run, folder, kind, progress), steps=fitted, quality=quality
        )
    typer.echo(f"{path}: {_compared(check)}")
    for line in check.notes:
        typer.echo(line)
    if kind == "sentence-transformers":
        for server in servers(chosen, trained.config.model_type):
            said = f"{server.name}: {server.command} {server.note}".strip()
            typer.echo(server.reason or said)
    if push:
        typer.echo(printable(push_archive(path, push, token, not public)))
