"""A training as it happens: where it stands, its curves, stopping it and going on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gradio as gr

from embedlab.errors import EmbedLabError
from embedlab.lab.import_run import import_adapter
from embedlab.lab.run import LiveRun
from embedlab.progress import Progress
from embedlab.render.training import learning_rate_curve, loss_curve, speed_curve
from embedlab.training.history import Step
from embedlab.ui.shared import html
from embedlab.ui.shared.figure import figure_block, figure_value
from embedlab.ui.shared.session import Updates, Values
from embedlab.ui.shared.view import LANE, PRIVATE, Workbench
from embedlab.ui.tabs.finetune.form import FinetuneForm
from embedlab.ui.tabs.finetune.html import status

#: Seconds between two looks at a training.
LOOK = 1.0
EMPTY = "No training yet: choose a design and pairs above, and press 'Start training'."
HEADER = ("step", "phase", "loss", "learning rate", "tokens", "seconds", "held-out MRR")


class Trainings:
    """What a browser remembers of its trainings, and the clock by which they are looked at.

    ``mine`` are the ids, so that a reload finds the trainings again. An id is known to nobody else,
    and what it stands for is on the server. To be made outside of the tabs: what is inside a tab
    that was not opened yet is not there in the browser.

    Args:
        blocks: the page; its load looks for trainings of this browser.
    """

    def __init__(self, blocks: gr.Blocks) -> None:
        self.blocks = blocks
        # The secret hides nothing: a fixed one lets a new server read what an earlier one wrote.
        self.mine = gr.BrowserState([], storage_key="embedlab-runs", secret="embedlab")
        self.timer = gr.Timer(LOOK, active=False)


class LivePanel:
    """See the module's text.

    Args:
        bench: the Lab and the sidebar, whose Model dropdowns offer what was trained.
        form: what starts a training.
        trainings: those of this browser.
    """

    def __init__(self, bench: Workbench, form: FinetuneForm, trainings: Trainings) -> None:
        self.lab, self.sidebar, self.sessions = bench.lab, bench.sidebar, bench.sessions
        self.form = form
        self.mine, self.timer = trainings.mine, trainings.timer
        self.run = gr.Dropdown(
            [], label="Your trainings", visible=False, elem_id="train-run", interactive=True
        )
        self.status = gr.HTML(html.empty(EMPTY), elem_id="train-status", apply_default_css=False)
        with gr.Accordion("Bring an adapter back", open=False, elem_id="train-back"):
            self.archive = gr.File(
                label="The zip of an adapter from here", file_types=[".zip"], height=120
            )
        with gr.Row(visible=False) as self.buttons:
            self.stop = gr.Button(
                "Stop, and keep what was learned", min_width=200, elem_id="train-stop"
            )
            self.go_on = gr.Button("Go on", min_width=120, elem_id="train-go-on")
        with gr.Column(visible=False) as self.curves:
            self.loss = figure_block("train-loss")
            with gr.Row():
                self.rate = figure_block("train-rate")
                self.speed = figure_block("train-speed")
        #: What is on the screen, so that nothing is sent twice.
        self.seen = gr.State("")
        #: Changes when a model is there to be looked at, and so has to be shown.
        self.learned = gr.State("")
        self._wire(trainings.blocks)

    @property
    def outputs(self) -> list[Any]:
        """What a look at the trainings may change."""
        return [
            self.run,
            self.status,
            self.buttons,
            self.stop,
            self.go_on,
            self.curves,
            self.loss,
            self.rate,
            self.speed,
            self.timer,
            self.seen,
            self.learned,
            self.sidebar.a.model,
            self.sidebar.b.model,
        ]

    def _wire(self, blocks: gr.Blocks) -> None:
        quiet = {"show_progress": "hidden", **PRIVATE}
        handler = self.sessions.handler
        look = handler(self._look, "look")
        looked = {self.mine, self.run, self.seen, self.learned}
        self.form.start.click(
            handler(self._start, "start"),
            {self.mine, *self.form.inputs},
            [self.mine, self.form.name, *self.outputs],
            show_progress="full",
            show_progress_on=self.status,
            **PRIVATE,
        )
        self.archive.upload(
            handler(self._bring_back, "bring"),
            {self.mine, self.archive},
            [self.mine, *self.outputs],
            show_progress="full",
            show_progress_on=self.status,
            **LANE,
            **PRIVATE,
        )
        # Queued: only then does a state's change start an event.
        self.timer.tick(look, looked, self.outputs, **quiet)
        self.run.input(look, looked, self.outputs, **quiet)
        blocks.load(handler(self._find_again, "find"), {self.mine}, self.outputs, **quiet)
        self.stop.click(handler(self._stop, "stop"), looked, self.outputs, **quiet)
        self.go_on.click(handler(self._go_on, "go on"), looked, self.outputs, **quiet)

    # What the visitor does

    def _start(self, values: Values, report: Progress) -> Updates:
        asked = self.form.request(values, report)
        run = self.lab.runs.submit(asked)
        mine = [*(known.id for known in self.known(values[self.mine])), run.id]
        return {
            self.mine: mine,
            self.form.name: _next_name(asked.name),
            **self._shown(mine, run.id),
        }

    def _bring_back(self, values: Values, report: Progress) -> Updates:
        if not values[self.archive]:
            raise EmbedLabError("There is no archive; upload the zip of an adapter.")
        run = import_adapter(self.lab, Path(values[self.archive]), report)
        mine = [*(known.id for known in self.known(values[self.mine])), run.id]
        return {self.mine: mine, **self._shown(mine, run.id)}

    def _stop(self, values: Values, report: Progress) -> Updates:
        self.lab.runs.stop(values[self.run] or "")
        return self._look(values, report)

    def _go_on(self, values: Values, report: Progress) -> Updates:
        self.lab.runs.go_on(values[self.run] or "")
        return self._look(values, report)

    def _find_again(self, values: Values, report: Progress) -> Updates:
        known = self.known(values[self.mine])
        return self._shown([run.id for run in known], known[-1].id if known else "")

    def _look(self, values: Values, report: Progress) -> Updates:
        return self._shown(
            values[self.mine], values[self.run] or "", values[self.seen], values[self.learned]
        )

    # What is shown

    def known(self, mine: Any) -> list[LiveRun]:
        """The trainings behind a browser's ids, as far as they are kept."""
        found = []
        for run_id in mine if isinstance(mine, list) else []:
            try:
                found.append(self.lab.runs.get(str(run_id)))
            except EmbedLabError:  # forgotten
                continue
        return found

    def _shown(self, mine: Any, run_id: str, seen: str = "", learned: str = "") -> Updates:
        known = self.known(mine)
        run = next((one for one in known if one.id == run_id), known[-1] if known else None)
        if run is None:
            return self._nothing()
        place = self.lab.runs.place(run)
        now = _signature(run, place)
        update: Updates = {self.timer: gr.Timer(active=not all(r.over for r in known))}
        if now != seen:
            update |= {
                self.seen: now,
                self.status: status(run, place, self.lab.config.limits),
                self.buttons: gr.update(visible=not run.over or run.can_go_on),
                self.stop: gr.update(visible=not run.over),
                self.go_on: gr.update(visible=run.can_go_on),
                self.curves: gr.update(visible=bool(run.history)),
            }
            if _steps_shown(seen, run.id) != len(run.history):
                update |= self._figures(run)
        models = [(run.backbone.name, run.id) for run in known if run.backbone is not None]
        ready = " ".join([run.id, *map(_model, known)])
        if ready != learned:
            titles = [(f"{r.request.name} · {r.request.design}", r.id) for r in known]
            update[self.learned] = ready
            update[self.run] = gr.update(choices=titles, value=run.id, visible=True)
            dropdowns = (self.sidebar.a.model, self.sidebar.b.model)
            update |= dict(zip(dropdowns, self.sidebar.offer_runs(models), strict=True))
        return update

    def _nothing(self) -> Updates:
        return {
            self.run: gr.update(choices=[], value=None, visible=False),
            self.status: html.empty(EMPTY),
            self.buttons: gr.update(visible=False),
            self.curves: gr.update(visible=False),
            self.timer: gr.Timer(active=False),
            self.seen: "",
            self.learned: "",
        }

    def _figures(self, run: LiveRun) -> Updates:
        history = run.history
        rows = _rows(history)
        made = {
            self.loss: ("loss", loss_curve(history, run.total, held_out=run.held)),
            self.rate: ("learning-rate", learning_rate_curve(history, run.total)),
            self.speed: ("speed", speed_curve(history, run.total)),
        }
        request = run.request
        caption = (
            f"{request.design} on {request.backbone_id} · {request.pairs.title}, "
            f"{len(request.pairs):,} pairs · {request.recipe.mode}, batch {request.recipe.batch}, "
            f"seed {request.recipe.seed}"
        )
        return {
            block: figure_value(figure, HEADER, rows, name=f"training-{name}", caption=caption)
            for block, (name, figure) in made.items()
        }


def _rows(history: Sequence[Step]) -> list[tuple[Any, ...]]:
    nothing = float("nan")
    return [
        (
            step.number,
            step.phase,
            nothing if step.loss is None else step.loss,
            step.lr,
            step.tokens,
            step.seconds,
            nothing if step.held_out is None else step.held_out,
        )
        for step in history
    ]


def _signature(run: LiveRun, place: int) -> str:
    parts = (run.id, len(run.history), run.state, place, run.progress, run.version, run.message)
    return "|".join(map(str, parts))


def _model(run: LiveRun) -> str:
    """Names what there is to be looked at: the model as it was published last, and its scores."""
    model = "" if run.backbone is None else run.backbone.version(run.request.design)
    return f"{run.id}|{model}|{len(run.changes)}|{run.over}"


def _steps_shown(seen: str, run_id: str) -> int:
    """How many steps the curves show, -1 where they are those of another training."""
    shown_id, _, rest = seen.partition("|")
    return int(rest.partition("|")[0]) if shown_id == run_id else -1


def _next_name(name: str) -> str:
    """``my-run`` is followed by ``my-run-2``, that by ``my-run-3``."""
    stem, _, number = name.rpartition("-")
    if stem and number.isdigit() and len(number) < 4:
        return f"{stem}-{int(number) + 1}"
    return f"{name[:36]}-2"
