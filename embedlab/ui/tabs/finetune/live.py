"""A training as it happens: its state and its curves, stopping it and going on, and imports."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import astuple
from pathlib import Path
from typing import Any

import gradio as gr

from embedlab.errors import EmbedLabError
from embedlab.lab.import_run import import_adapter
from embedlab.lab.run import SCORING
from embedlab.progress import Progress
from embedlab.render import look_training
from embedlab.render.training import learning_rate_curve, loss_curve, speed_curve
from embedlab.ui.shared import html
from embedlab.ui.shared.controls import ChangingDropdown
from embedlab.ui.shared.figure import figure_block, figure_value
from embedlab.ui.shared.session import Remembered, Updates, Values
from embedlab.ui.shared.view import LANE, PRIVATE, Workbench
from embedlab.ui.tabs.finetune.form import FinetuneForm
from embedlab.ui.tabs.finetune.html import status
from embedlab.ui.tabs.finetune.snapshot import RunSnapshot, Screen, take_snapshot

#: Seconds between two updates of what is shown of a training.
POLL_SECONDS = 1.0
STOP_TRAINING, STOP_SCORING = "Stop, and keep what was learned", "Stop scoring"
NO_TRAINING = "No training yet: choose a design and pairs above, and press 'Start training'."
#: Names of the fields of a step, in their order.
CSV_HEADER = ("step", "phase", "loss", "learning rate", "tokens", "seconds", "held-out MRR")


class Trainings:
    """What a browser remembers of its trainings, and the timer that updates what it shows.

    The browser stores ``run_ids``, so that a reload finds the trainings on the server again. An id
    cannot be guessed. To be made outside of the tabs: a component in a tab does not exist in the
    browser before the tab is opened.

    Args:
        blocks: the page; when it loads, the trainings of this browser are looked up.
    """

    def __init__(self, blocks: gr.Blocks) -> None:
        self.blocks = blocks
        # The secret hides nothing: a fixed one lets a new server read what an earlier one wrote.
        self.run_ids = gr.BrowserState([], storage_key="embedlab-runs", secret="embedlab")
        self.timer = gr.Timer(POLL_SECONDS, active=False)


class LivePanel:
    """The state of a training, its curves, and the buttons to stop and to continue it.

    ``run`` is the dropdown of this browser's runs. ``results`` is a state that changes when there
    is a new model, or new scores of one, to show.

    Args:
        bench: the Lab, and the sidebar with the dropdowns that offer the trained models.
        form: describes the training to start.
        trainings: those of this browser.
    """

    def __init__(self, bench: Workbench, form: FinetuneForm, trainings: Trainings) -> None:
        self.lab, self.sidebar, self.sessions = bench.lab, bench.sidebar, bench.sessions
        self.form = form
        self.run_ids, self.timer = trainings.run_ids, trainings.timer
        self.run = ChangingDropdown(
            [], label="Your trainings", visible=False, elem_id="train-run", interactive=True
        )
        self.status = html.block("train-status", html.empty(NO_TRAINING))
        with gr.Accordion("Import an adapter", open=False, elem_id="train-import"):
            self.archive = gr.File(
                label="The zip of an adapter exported here", file_types=[".zip"], height=120
            )
        with gr.Row(visible=False) as self.buttons:
            self.stop = gr.Button(STOP_TRAINING, min_width=200, elem_id="train-stop")
            self.go_on = gr.Button("Go on", min_width=120, elem_id="train-go-on")
        with gr.Column(visible=False) as self.curves:
            self.loss = figure_block("train-loss")
            with gr.Row():
                self.rate = figure_block("train-rate")
                self.speed = figure_block("train-speed")
        self.screen = Remembered(Screen())
        self.results = gr.State(Screen().results)
        self._wire(trainings.blocks)

    def _wire(self, blocks: gr.Blocks) -> None:
        inputs = {self.run_ids, self.run}
        outputs = [
            *(self.run, self.status, self.buttons, self.stop, self.go_on),
            *(self.curves, self.loss, self.rate, self.speed),
            *(self.timer, self.results),
            *(each for side in (self.sidebar.a, self.sidebar.b) for each in side.model_controls),
        ]
        working = {"show_progress": "full", "show_progress_on": self.status, **PRIVATE}
        self.form.start.click(
            self.sessions.handler(self._start, "start"),
            inputs | self.form.inputs,
            [self.run_ids, self.form.name, *outputs],
            **working,
        )
        self.archive.upload(
            self.sessions.handler(self._import, "import"),
            inputs | {self.archive},
            [self.run_ids, *outputs],
            **working,
            **LANE,
        )
        for event, function, kind in (
            # Queued, since only then the change of a state starts an event.
            (self.timer.tick, self._refresh, "refresh"),
            (self.run.input, self._refresh, "refresh"),
            (blocks.load, self._refresh, "refresh"),
            (self.stop.click, self._stop, "stop"),
            (self.go_on.click, self._go_on, "go on"),
        ):
            handler = self.sessions.handler(function, kind)
            event(handler, inputs, outputs, show_progress="hidden", **PRIVATE)

    def runs(self, run_ids: Any) -> list[RunSnapshot]:
        """The runs behind a browser's ids; what the server has deleted is left out."""
        runs = []
        for run_id in run_ids if isinstance(run_ids, list) else []:
            with suppress(EmbedLabError):
                run = self.lab.runs.get(str(run_id))
                runs.append(take_snapshot(run, self.lab.runs.queue_position(run)))
        return runs

    def chosen(self, values: Values) -> RunSnapshot | None:
        """The run in the dropdown, if the server still has it."""
        return next(iter(self.runs([values[self.run]])), None)

    # What the visitor does

    def _start(self, values: Values, report: Progress) -> Updates:
        request = self.form.request(values, report)
        run = self.lab.runs.submit(request)
        return {self.form.name: _next_name(request.name), **self._add(values, run.id, report)}

    def _import(self, values: Values, report: Progress) -> Updates:
        if not values[self.archive]:
            raise EmbedLabError("There is no archive; upload the zip of an adapter.")
        run = import_adapter(self.lab, Path(values[self.archive]), report)
        return self._add(values, run.id, report)

    def _add(self, values: Values, run_id: str, report: Progress) -> Updates:
        run_ids = [*(run.id for run in self.runs(values[self.run_ids])), run_id]
        added = {self.run_ids: run_ids, self.run: run_id}
        return {self.run_ids: run_ids, **self._refresh(Values({**values, **added}), report)}

    def _stop(self, values: Values, report: Progress) -> Updates:
        self.lab.runs.stop(values[self.run] or "")
        return self._refresh(values, report)

    def _go_on(self, values: Values, report: Progress) -> Updates:
        self.lab.runs.go_on(values[self.run] or "")
        return self._refresh(values, report)

    def _refresh(self, values: Values, report: Progress) -> Updates:
        runs = self.runs(values[self.run_ids])
        last = runs[-1] if runs else None
        chosen = next((run for run in runs if run.id == values[self.run]), last)
        return self._changes(values[self.screen], Screen(runs=tuple(runs), chosen=chosen))

    # What is shown

    def _changes(self, before: Screen, now: Screen) -> Updates:
        """Updates for what differs between two screens."""
        active = not all(run.over for run in now.runs)
        updates: Updates = {self.screen: now, self.timer: gr.Timer(active=active)}
        run, shown = now.chosen, before.chosen
        if run != shown:
            updates |= self._state_updates(run)
        if run and (shown is None or (shown.id, shown.history) != (run.id, run.history)):
            updates |= self._figures(run)
        if now.results != before.results:
            updates |= {self.results: now.results, **self._choices(now)}
        return updates

    def _state_updates(self, run: RunSnapshot | None) -> Updates:
        if run is None:
            return {
                self.status: html.empty(NO_TRAINING),
                self.buttons: gr.update(visible=False),
                self.curves: gr.update(visible=False),
            }
        stop = STOP_SCORING if run.state == SCORING else STOP_TRAINING
        return {
            self.status: status(run, self.lab.config.limits),
            self.buttons: gr.update(visible=not run.over or run.can_go_on),
            self.stop: gr.update(value=stop, visible=not run.over),
            self.go_on: gr.update(visible=run.can_go_on),
            self.curves: gr.update(visible=bool(run.history)),
        }

    def _choices(self, now: Screen) -> Updates:
        """The dropdown of the runs, and what the sidebar offers as models."""
        titles = [(f"{run.request.name} · {run.request.design}", run.id) for run in now.runs]
        chosen = now.chosen.id if now.chosen else None
        models = [(run.backbone.name, run.id) for run in now.runs if run.backbone is not None]
        return {
            self.run: gr.update(choices=titles, value=chosen, visible=bool(titles)),
            **self.sidebar.offer_runs(models),
        }

    def _figures(self, run: RunSnapshot) -> Updates:
        history = run.history
        rows = [astuple(step) for step in history]
        figures = {
            self.loss: (
                "loss",
                loss_curve(history, run.total, held_out=run.held),
                look_training.loss(history),
            ),
            self.rate: (
                "learning-rate",
                learning_rate_curve(history, run.total),
                look_training.rate(history),
            ),
            self.speed: (
                "speed",
                speed_curve(history, run.total),
                look_training.speed(history),
            ),
        }
        request = run.request
        caption = (
            f"{request.design} on {request.backbone_id} · {request.pairs.title}, "
            f"{len(request.pairs):,} pairs · {request.recipe.mode}, batch {request.recipe.batch}, "
            f"seed {request.recipe.seed}"
        )
        return {
            block: figure_value(
                figure, CSV_HEADER, rows, name=f"training-{name}", caption=caption, look=look
            )
            for block, (name, figure, look) in figures.items()
        }


def _next_name(name: str) -> str:
    """``my-run`` is followed by ``my-run-2``, that by ``my-run-3``."""
    stem, _, number = name.rpartition("-")
    if stem and number.isdigit() and len(number) < 4:
        return f"{stem}-{int(number) + 1}"
    return f"{name[:36]}-2"
