"""The form of the Fine-tune tab: what to train, on which pairs, and how."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import gradio as gr

from embedlab.data.pairs import PairSet
from embedlab.data.training_sets import TRAINING_SETS, load_pairs
from embedlab.errors import EmbedLabError
from embedlab.export.obstacles import obstacles
from embedlab.lab.run import Request
from embedlab.models.design import Design
from embedlab.progress import Progress
from embedlab.training.forecast import plan_training, within_reach
from embedlab.training.recipe import MODES, RECIPES, SCHEDULES, Recipe, recipe_from
from embedlab.ui.shared import html
from embedlab.ui.shared.parse import string
from embedlab.ui.shared.session import Updates, Values
from embedlab.ui.shared.view import LANE, PRIVATE, Pair, Workbench
from embedlab.ui.tabs.finetune.html import described, forecast
from embedlab.ui.tabs.finetune.own_pairs import OwnPairs

#: What the choice of pairs says instead of a training set's id when they come from a file.
OWN_FILE = "own"
DEFAULT_RECIPE = "cpu"
RECIPE_LABELS = {"cpu": "CPU, minutes", "paper": "Paper, batches of 64"}
MODE_LABELS = {
    "lora": "LoRA: small additions to every layer, and the head where there is one",
    "head": "Head only: the backbone stays as it is; seconds, for trainable poolings",
}
#: The recipe's settings, each with its label and a line of help: its main numbers,
MAIN_NUMBERS = {
    "steps": ("Steps", ""),
    "batch": ("Pairs per step", ""),
    "lr": ("Learning rate", ""),
    "head_lr": ("Head learning rate", ""),
}
#: those behind "More settings",
MORE_NUMBERS = {
    "mntp_steps": (
        "MNTP steps before",
        "Masked next-token prediction teaches a causal backbone to use both sides; without it a "
        "bidirectional design often fails to train.",
    ),
    "held_out": ("Held-out pairs", "Scored, never trained on; at most a fifth."),
    "evaluate_every": ("Steps between held-out scores", ""),
    "warmup": ("Warm-up steps", ""),
    "weight_decay": ("Weight decay", ""),
    "clip": ("Largest gradient norm", "0 for no clipping."),
    "scale": ("Scale of the cosines", "1 / temperature of InfoNCE."),
    "lora_rank": ("LoRA rank", ""),
    "lora_alpha": ("LoRA alpha", ""),
    "lora_dropout": ("LoRA dropout", ""),
    "max_negatives": (
        "Hard negatives of a pair in a step",
        "Of more, every step draws others; 0 for all.",
    ),
    "max_pairs": ("Pairs used", "0 for all."),
    "seed": ("Seed", "The same seed gives the same weights."),
}
#: and what is chosen or switched there.
MORE_CHOICES = {
    "schedule": ("How the learning rate falls after the warm-up", ""),
    "both_directions": ("Match each positive to its anchor as well", ""),
    "hard_negatives": ("Use the hard negatives where the pairs have some", ""),
}
_CHOICES = {
    "mode": [(MODE_LABELS[mode], mode) for mode in MODES],
    "schedule": [(name, name) for name in SCHEDULES],
}


class FinetuneForm:
    """The controls that describe a training; :meth:`request` and :meth:`plan` read ``inputs``."""

    def __init__(self, bench: Workbench) -> None:
        self.lab, self.sidebar, self.sessions = bench.lab, bench.sidebar, bench.sessions
        recipe = RECIPES[DEFAULT_RECIPE]
        with gr.Row(equal_height=False):
            with gr.Column(scale=1, min_width=300):
                self._build_what()
                self.own = OwnPairs(self.lab.config.limits, self.sessions)
            with gr.Column(scale=1, min_width=300):
                self._build_how(recipe)
        with gr.Accordion("More settings", open=False, elem_id="train-more"):
            with gr.Row():
                self.settings |= _fields(MORE_NUMBERS, recipe)
            self.settings |= _fields(MORE_CHOICES, recipe)
        #: The sidebar's models and designs for which the tab was shown last.
        self.shown_for = gr.State(None)
        self.note = html.block("train-plan")
        self.start = gr.Button("Start training", variant="primary", elem_id="train-start")
        self.numbers = {
            name: field for name, field in self.settings.items() if isinstance(field, gr.Number)
        }
        self.inputs = {
            *(self.side, self.data, self.preset, self.name, self.score, self.sidebar.backbone),
            *(*self.settings.values(), *self.sidebar.a.controls, *self.sidebar.b.controls),
        }
        #: What :meth:`plan` may change.
        self.outputs = [
            *(self.what, self.about_data, self.note),
            *(self.numbers["lr"], self.numbers["head_lr"]),
        ]
        self._wire()

    def _build_what(self) -> None:
        self.side = gr.Radio(["A", "B"], value="A", label="Design to train", elem_id="train-side")
        self.what = html.block("train-what")
        self.data = gr.Radio(
            [
                *((entry.title, key) for key, entry in TRAINING_SETS.items()),
                ("Your own file", OWN_FILE),
            ],
            value=next(iter(TRAINING_SETS)),
            label="Pairs to learn from",
            elem_id="train-data",
        )
        self.about_data = html.block("train-about-data")

    def _build_how(self, recipe: Recipe) -> None:
        self.preset = gr.Radio(
            [(label, key) for key, label in RECIPE_LABELS.items()],
            value=DEFAULT_RECIPE,
            label="Recipe",
            elem_id="train-preset",
        )
        #: The recipe's values, by their names there.
        self.settings = _fields({"mode": ("What is trained", "")}, recipe)
        with gr.Row():
            self.settings |= _fields(MAIN_NUMBERS, recipe)
        with gr.Row(equal_height=True):
            self.name = gr.Textbox(
                "my-run", label="Name", max_length=40, min_width=140, elem_id="train-name"
            )
            self.score = gr.Checkbox(
                True,
                label="Score before and after, about a minute more",
                elem_classes=["roomy"],
                elem_id="train-score",
            )

    def _wire(self) -> None:
        at_once = {"show_progress": "hidden", "queue": False, **PRIVATE}
        self.preset.input(
            self.sessions.handler(self._apply_preset, "preset"),
            {self.preset},
            list(self.settings.values()),
            **at_once,
        )
        self.data.change(
            lambda data: gr.update(visible=data == OWN_FILE), self.data, self.own.group, **at_once
        )
        planning = {"show_progress": "hidden", **LANE, **PRIVATE}
        plan = self.sessions.handler(self.plan, "plan")
        gr.on(
            [
                self.side.input,
                self.data.change,
                self.settings["mode"].change,
                self.score.input,
                *(number.change for number in self.numbers.values()),
            ],
            plan,
            self.inputs,
            self.outputs,
            trigger_mode="always_last",
            **planning,
        )
        self.own.upload.was_read.success(plan, self.inputs, self.outputs, **planning)
        self.shown_for.change(
            self.sessions.handler(self._plan_if_shown, "plan"),
            self.inputs | {self.shown_for},
            self.outputs,
            **planning,
        )
        self.own.upload.use.click(
            self.sessions.handler(self._use_own_pairs, "pairs"),
            self.inputs | self.own.inputs,
            self.outputs,
            **PRIVATE,
        )

    def show(self, pair: Pair) -> Updates:
        """Start a new plan if the sidebar has changed.

        The plan is an event of its own, which reads the form after the tab is shown: the visitor
        may have changed the form meanwhile.
        """
        return {self.shown_for: (pair.backbone_ids, pair.designs)}

    def request(self, values: Values, report: Progress) -> Request:
        """The training that the form describes, checked.

        Raises:
            EmbedLabError: it is not possible.
        """
        pairs = self._pairs(values, report)
        return Request(
            backbone_id=values[self.sidebar.backbone],
            design=self._design(values),
            pairs=pairs,
            recipe=within_reach(self._recipe(values), pairs),
            name=string(values[self.name], "The name").strip(),
            score=bool(values[self.score]),
        )

    def plan(self, values: Values, report: Progress) -> Updates:
        """What a training would do and how long it would take, or why it is not possible."""
        updates: Updates = {self.what: "", self.about_data: "", self.note: ""}
        try:
            design = self._design(values)
            updates[self.numbers["lr"]] = gr.update(visible=values[self.settings["mode"]] != "head")
            updates[self.numbers["head_lr"]] = gr.update(visible=design.trainable)
            backbone = self.lab.backbone(values[self.sidebar.backbone], report)
            starts = (
                f"Trains {html.design_name(design, untrained=False)} on {backbone.name}, "
                "starting from the untrained backbone. The sidebar sets the design."
            )
            reasons = obstacles(backbone, values[self.sidebar.backbone])
            missing = [f"No export as {kind}: {why}" for kind, why in reasons.items() if why]
            updates[self.what] = html.note([starts, *missing])
            pairs = self._pairs(values, report)
            updates[self.about_data] = described(pairs)
            recipe = self._recipe(values)
            recipe.check(design)
            planned = plan_training(recipe, pairs, score=bool(values[self.score]))
            updates[self.note] = forecast(planned, self.lab.config.limits)
        except EmbedLabError as error:
            updates[self.note] = html.note([str(error)])
        return updates

    def _plan_if_shown(self, values: Values, report: Progress) -> Updates:
        # The browser takes a state's first value for a change, also while another tab is open.
        return self.plan(values, report) if values[self.shown_for] else {self.note: gr.skip()}

    def _use_own_pairs(self, values: Values, report: Progress) -> Updates:
        pairs = {self.own.pairs: self.own.read(values, report)}
        return pairs | self.plan(Values({**values, **pairs}), report)

    def _apply_preset(self, values: Values, _: Progress) -> Updates:
        recipe = recipe_from(values[self.preset])
        return {component: getattr(recipe, name) for name, component in self.settings.items()}

    def _design(self, values: Values) -> Design:
        panel = self.sidebar.b if values[self.side] == "B" else self.sidebar.a
        design = panel.read(values)
        if design.file:
            raise EmbedLabError(
                f"{design} is vectors from a file, and nothing can be trained of them; choose a "
                "design of a backbone in the sidebar."
            )
        return design

    def _pairs(self, values: Values, report: Progress) -> PairSet:
        if values[self.data] != OWN_FILE:
            return load_pairs(str(values[self.data]), report)
        pairs: PairSet | None = values[self.own.pairs]
        if pairs is None:
            raise EmbedLabError(
                "There are no pairs of yours yet; upload a csv, json, jsonl or parquet file, say "
                "what its columns hold, and press 'Use these columns'."
            )
        return pairs

    def _recipe(self, values: Values) -> Recipe:
        settings = {name: values[component] for name, component in self.settings.items()}
        for name, value in settings.items():
            if value is None:
                raise EmbedLabError(f"{self.settings[name].label} is empty; enter a number.")
        return recipe_from(str(values[self.preset]), **settings)


def _fields(labels: Mapping[str, tuple[str, str]], recipe: Recipe) -> dict[str, Any]:
    """A control for each of these settings of a recipe, filled with its values."""
    fields: dict[str, Any] = {}
    for name, (label, info) in labels.items():
        value = getattr(recipe, name)
        shared: dict[str, Any] = {
            "value": value,
            "label": label,
            "info": info or None,
            "elem_id": f"train-{name.replace('_', '-')}",
        }
        if name in _CHOICES:
            fields[name] = gr.Radio(_CHOICES[name], **shared)
        elif isinstance(value, bool):
            fields[name] = gr.Checkbox(**shared)
        else:
            # The recipe refuses what is out of range in our words, so the fields have no bounds.
            fields[name] = gr.Number(
                precision=0 if isinstance(value, int) else None,
                min_width=220 if info else 120,
                **shared,
            )
    return fields
