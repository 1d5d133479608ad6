"""The form of the Fine-tune tab: what to train, on which pairs, and how."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import gradio as gr

from embedlab.data.pairs import PairSet, describe
from embedlab.data.training_sets import TRAINING_SETS, load_pairs
from embedlab.errors import EmbedLabError
from embedlab.lab.run import Request
from embedlab.models.design import Design
from embedlab.progress import Progress
from embedlab.training.forecast import rough_seconds, within_reach
from embedlab.training.recipe import MODES, RECIPES, SCHEDULES, Recipe, recipe_from
from embedlab.ui.shared import html
from embedlab.ui.shared.parse import string
from embedlab.ui.shared.session import Updates, Values
from embedlab.ui.shared.view import LANE, PRIVATE, Pair, Workbench
from embedlab.ui.tabs.finetune.html import duration, forecast
from embedlab.ui.tabs.finetune.own_pairs import OwnPairs

OWN = "own"


class FinetuneForm:
    """See the module's text. ``inputs`` are read by :meth:`request` and :meth:`plan`."""

    def __init__(self, bench: Workbench) -> None:
        self.lab, self.sidebar, self.sessions = bench.lab, bench.sidebar, bench.sessions
        with gr.Row(equal_height=False):
            with gr.Column(scale=1, min_width=300):
                self._build_what()
                self.own = OwnPairs(self.lab, self.sessions)
            with gr.Column(scale=1, min_width=300):
                self._build_how()
        self._build_more()
        #: What the sidebar says of backbone and designs; when it changes, the plan is made anew.
        self.designs = gr.State("")
        self.note = html.block("train-plan")
        self.start = gr.Button("Start training", variant="primary", elem_id="train-start")
        self.numbers: dict[str, Any] = {
            "steps": self.steps,
            "batch": self.batch,
            "lr": self.lr,
            "head_lr": self.head_lr,
            **self.more,
        }
        self.settings: dict[str, Any] = {
            **self.numbers,
            "mode": self.mode,
            "schedule": self.schedule,
            "both_directions": self.both_directions,
            "hard_negatives": self.hard_negatives,
        }
        self.inputs = {
            self.side,
            self.data,
            self.own.pairs,
            self.preset,
            self.name,
            self.score,
            *self.settings.values(),
            self.sidebar.backbone,
            *self.sidebar.a.inputs,
            *self.sidebar.b.inputs,
        }
        self._wire()

    def _build_what(self) -> None:
        self.side = gr.Radio(["A", "B"], value="A", label="Design to train", elem_id="train-side")
        self.what = html.block("train-what")
        self.data = gr.Radio(
            [
                *((entry.title, key) for key, entry in TRAINING_SETS.items()),
                ("Your own file", OWN),
            ],
            value=next(iter(TRAINING_SETS)),
            label="Pairs to learn from",
            elem_id="train-data",
        )
        self.about_data = html.block("train-about-data")

    def _build_how(self) -> None:
        usual = RECIPES["cpu"]
        self.preset = gr.Radio(
            [(words, key) for key, words in PRESETS.items()],
            value="cpu",
            label="Recipe",
            elem_id="train-preset",
        )
        self.mode = gr.Radio(
            [(MODE_WORDS[mode], mode) for mode in MODES],
            value=usual.mode,
            label="What is trained",
            elem_id="train-mode",
        )
        with gr.Row():
            self.steps = number("steps", "Steps", usual, whole=True)
            self.batch = number("batch", "Pairs a step", usual, whole=True)
            self.lr = number("lr", "Learning rate", usual, whole=False)
            self.head_lr = number("head_lr", "Rate of the head", usual, whole=False)
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

    def _build_more(self) -> None:
        usual = RECIPES["cpu"]
        with gr.Accordion("More settings", open=False, elem_id="train-more"):
            with gr.Row():
                self.more = {
                    key: number(key, label, usual, whole=whole, info=info)
                    for key, (label, whole, info) in MORE.items()
                }
            self.schedule = gr.Radio(
                list(SCHEDULES), value=usual.schedule, label="How the rate falls after the warm-up"
            )
            self.both_directions = gr.Checkbox(
                usual.both_directions, label="A positive also has to find its anchor"
            )
            self.hard_negatives = gr.Checkbox(
                usual.hard_negatives, label="Use hard negatives where the pairs bring some"
            )

    def _wire(self) -> None:
        self.preset.input(
            self.sessions.handler(self._apply_preset, "recipe"),
            {self.preset},
            list(self.settings.values()),
            show_progress="hidden",
            queue=False,
            **PRIVATE,
        )
        self.data.change(
            lambda data: gr.update(visible=data == OWN),
            self.data,
            self.own.group,
            show_progress="hidden",
            queue=False,
            **PRIVATE,
        )
        plan = self.sessions.handler(self.plan, "plan")
        look = {"show_progress": "hidden", **LANE, **PRIVATE}
        for ready in self.own.ready:
            ready(plan, self.inputs, self.outputs, **look)
        gr.on(
            [
                self.side.input,
                self.data.change,
                self.mode.change,
                self.score.input,
                *(number.change for number in self.numbers.values()),
            ],
            plan,
            self.inputs,
            self.outputs,
            trigger_mode="always_last",
            **look,
        )
        self.designs.change(
            self.sessions.handler(self._plan_if_shown, "plan"),
            {self.designs, *self.inputs},
            self.outputs,
            **look,
        )

    @property
    def outputs(self) -> list[Any]:
        """What :meth:`plan` may change."""
        return [self.what, self.about_data, self.note, self.lr, self.head_lr]

    def show(self, pair: Pair) -> Updates:
        """Note what the sidebar says by now."""
        return {self.designs: " ".join([*pair.backbone_ids, *map(str, pair.designs)])}

    def request(self, values: Values, report: Progress) -> Request:
        """What the form asks for, checked.

        Raises:
            EmbedLabError: what is asked for is not possible.
        """
        pairs = self._pairs(values, report)
        recipe = within_reach(self._recipe(values), pairs)
        return Request(
            backbone_id=values[self.sidebar.backbone],
            design=self._design(values),
            pairs=pairs,
            recipe=recipe,
            name=string(values[self.name], "The name").strip(),
            score=bool(values[self.score]),
        )

    def plan(self, values: Values, report: Progress) -> Updates:
        """What will happen, in words; what is not possible is said here and changes nothing."""
        update: Updates = {self.what: "", self.about_data: "", self.note: ""}
        try:
            design = self._design(values)
            update[self.lr] = gr.update(visible=values[self.mode] != "head")
            update[self.head_lr] = gr.update(visible=design.trainable)
            backbone = self.lab.backbone(values[self.sidebar.backbone], report)
            update[self.what] = html.note(
                [
                    f"Trains {html.design_name(design, untrained=False)} on {backbone.name}, "
                    "starting from the untrained backbone. The design is the sidebar's."
                ]
            )
            pairs = self._pairs(values, report)
            update[self.about_data] = html.note([_describe(pairs)])
            recipe = within_reach(self._recipe(values), pairs)
            recipe.check(design)
            seconds = rough_seconds(recipe, pairs, score=bool(values[self.score]))
            update[self.note] = forecast(
                recipe, len(pairs), duration(seconds), self.lab.config.limits
            )
        except EmbedLabError as error:
            update[self.note] = html.note([str(error)])
        return update

    def _plan_if_shown(self, values: Values, report: Progress) -> Updates:
        # A state's first answer counts as a change in the browser: also while another tab is open.
        return self.plan(values, report) if values[self.designs] else {self.note: gr.skip()}

    def _apply_preset(self, values: Values, report: Progress) -> Updates:
        recipe = asdict(recipe_from(values[self.preset]))
        return {component: recipe[name] for name, component in self.settings.items()}

    def _design(self, values: Values) -> Design:
        panel = self.sidebar.b if values[self.side] == "B" else self.sidebar.a
        return panel.read(values)

    def _pairs(self, values: Values, report: Progress) -> PairSet:
        if values[self.data] != OWN:
            return load_pairs(str(values[self.data]), report)
        if values[self.own.pairs] is None:
            raise EmbedLabError(
                "There are no pairs of yours yet; upload a csv, jsonl or parquet file, say which "
                "columns hold what, and press 'Use these columns'."
            )
        found: PairSet = values[self.own.pairs]
        return found

    def _recipe(self, values: Values) -> Recipe:
        settings = {name: values[component] for name, component in self.settings.items()}
        for name, value in settings.items():
            if value is None:
                raise EmbedLabError(f"{self.settings[name].label} is empty; write a number.")
        return recipe_from(str(values[self.preset]), **settings)


def _describe(pairs: PairSet) -> str:
    parts = [describe(pairs)]
    if pairs.id in TRAINING_SETS:
        parts.insert(0, TRAINING_SETS[pairs.id].offers)
    if pairs.licence:
        parts.append(pairs.licence)
    return ". ".join(part[:1].upper() + part[1:] for part in [*parts, *pairs.notes]) + "."


PRESETS = {"cpu": "CPU, minutes", "paper": "Paper"}
MODE_WORDS = {
    "lora": "LoRA: small additions to every layer, and the head where there is one",
    "head": "Head only: the backbone stays as it is; seconds, for trainable poolings",
}
#: The numbers behind "More settings": label, whether whole, and a line of help.
MORE = {
    "mntp_steps": (
        "MNTP steps before",
        True,
        "Masked next-token prediction teaches a causal backbone to use both sides; without it a "
        "bidirectional design often fails to train.",
    ),
    "held_out": ("Held-out pairs", True, "Scored, never trained on; at most a fifth."),
    "evaluate_every": ("Steps between held-out scores", True, ""),
    "warmup": ("Warm-up steps", True, ""),
    "weight_decay": ("Weight decay", False, ""),
    "clip": ("Largest gradient norm", False, "0 for no clipping."),
    "scale": ("Scale of the cosines", False, "1 / temperature of InfoNCE."),
    "lora_rank": ("LoRA rank", True, ""),
    "lora_alpha": ("LoRA alpha", True, ""),
    "lora_dropout": ("LoRA dropout", False, ""),
    "max_pairs": ("Pairs used", True, "0 for all."),
    "seed": ("Seed", True, "The same seed gives the same weights."),
}


def number(name: str, label: str, usual: Recipe, *, whole: bool, info: str = "") -> gr.Number:
    """A number of the recipe, with the usual one in it."""
    # What is out of range is refused in our words, so the control has no bounds of its own.
    return gr.Number(
        getattr(usual, name),
        label=label,
        info=info or None,
        precision=0 if whole else None,
        min_width=120 if not info else 220,
        elem_id=f"train-{name.replace('_', '-')}",
    )
