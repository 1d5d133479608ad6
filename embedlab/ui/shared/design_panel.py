"""The controls of one design: preset, model, and everything that a design says."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import gradio as gr

from embedlab.errors import EmbedLabError
from embedlab.models.attention import ATTENTION_MODES
from embedlab.models.design import FILE, NATIVE, POOLED_TOKENS, PRESET_GROUPS, Design
from embedlab.models.pooling import POOLINGS
from embedlab.models.template import TEMPLATES
from embedlab.text import shorten
from embedlab.ui.shared import weights
from embedlab.ui.shared.controls import ChangingDropdown, Slider, changes
from embedlab.ui.shared.parse import whole_number
from embedlab.ui.shared.session import Updates, Values

if TYPE_CHECKING:
    from embedlab.models.native import NativeDesign

CUSTOM = "custom"
LAST = -1
#: What the layer slider offers until the backbone is loaded and says how many it has.
MOST_LAYERS = 30
#: The controls of a design that a preset sets: all but the prompts of one's own.
PRESET_FIELDS = (
    *("attention", "pooling", "layer", "skip_first"),
    *("template", "pool", "steps", "causal_layers", "layers", "band", "bias"),
)
#: Steps that the list offers; others can be typed, such as dim64.
OFFERED_STEPS = ("centre", "whiten", "filter1.5", "abtt2", "dim128", "int8", "binary")
#: Every preset, in the order of the groups.
ALL_PRESETS = {key: design for group in PRESET_GROUPS.values() for key, design in group.items()}
_RANGE = re.compile(r"\s*(\d{1,4})\s*(?:\.\.|-|–)\s*(\d{1,4})\s*")


class DesignPanel:
    """The controls of one design, and of the model that it is on.

    Args:
        letter: A or B.
        design: to begin with.
        most_prompt: characters of the longest prompt.
        backbone_id: of the untrained backbone to begin with.
        trained: the trained designs that the Model dropdown offers.
    """

    def __init__(
        self,
        letter: str,
        design: Design,
        most_prompt: int,
        backbone_id: str = "",
        trained: Sequence[tuple[str, str]] = (),
    ) -> None:
        side = letter.lower()
        with gr.Group(elem_classes=[f"design-{side}", "design-panel"]):
            gr.HTML(
                f'<span class="chip">{letter}</span> <strong>Design {letter}</strong>',
                elem_classes=["panel-title"],
                padding=True,
            )
            self.weights = weights.switch(side, backbone_id, design, visible=bool(trained))
            self.model = ChangingDropdown(
                [weights.AS_LOADED, *trained],
                value=weights.AS_LOADED[1],
                label="Model",
                visible=False,  # until the visitor has trained one: till then the switch says it
                elem_id=f"model-{side}",
            )
            self.preset = ChangingDropdown(presets(None), label="Preset", elem_id=f"preset-{side}")
            self.attention = gr.Radio(
                list(ATTENTION_MODES), label="Attention", elem_id=f"attention-{side}"
            )
            self.pooling = gr.Dropdown(list(POOLINGS), label="Pooling", elem_id=f"pooling-{side}")
            self.template = gr.Dropdown(
                [("none", ""), *((entry.title, name) for name, entry in TEMPLATES.items())],
                label="Template",
                elem_id=f"template-{side}",
            )
            self.steps = gr.Dropdown(
                list(OFFERED_STEPS),
                multiselect=True,
                allow_custom_value=True,
                label="Steps, in this order",
                elem_id=f"steps-{side}",
            )
            with gr.Accordion("Layer, tokens, prompts", open=False):
                self.layer = Slider(
                    LAST,
                    MOST_LAYERS,
                    step=1,
                    label="Layer",
                    info="−1 is the last, after the final norm; 0 the embedding layer. "
                    "Trainable poolings choose their own.",
                    elem_id=f"layer-{side}",
                )
                self.skip_first = gr.Checkbox(
                    label="Leave the first token out of the mean", elem_id=f"skip-{side}"
                )
                prompts = [
                    gr.Textbox(
                        label=label,
                        placeholder="none",
                        info="A prefix, or a sentence with {text} where the text goes.",
                        max_length=most_prompt,
                    )
                    for label in ("Query prompt", "Document prompt")
                ]
                self.pool = gr.Dropdown(
                    [("the template's own", ""), *((name, name) for name in POOLED_TOKENS)],
                    label="Pooled tokens",
                    info="All, those of the text itself, or of its second copy (echo).",
                    elem_id=f"pool-{side}",
                )
                self.layers = gr.Textbox(
                    label="Average over layers",
                    placeholder="8..16",
                    info="In place of one layer; for value_mean the layers whose values count.",
                    max_length=12,
                    elem_id=f"layers-{side}",
                )
                self.causal_layers = gr.Number(
                    0,
                    precision=0,
                    label="Causal up to layer",
                    info="Bidirectional attention above this layer alone; 0 for all layers.",
                    elem_id=f"causal-layers-{side}",
                )
                self.band = gr.Textbox(
                    label="Band of rerouted attention",
                    placeholder="the middle third",
                    max_length=12,
                    elem_id=f"band-{side}",
                )
                self.bias = gr.Number(0, label="Bias of the rerouted token", elem_id=f"bias-{side}")
        self.prompts = prompts
        #: The controls of a design by what they say; a preset sets all but the prompts.
        self.fields: dict[str, Any] = {
            "attention": self.attention,
            "pooling": self.pooling,
            "layer": self.layer,
            "skip_first": self.skip_first,
            "query_prompt": prompts[0],
            "document_prompt": prompts[1],
            "template": self.template,
            "pool": self.pool,
            "steps": self.steps,
            "layers": self.layers,
            "causal_layers": self.causal_layers,
            "band": self.band,
            "bias": self.bias,
        }
        self.inputs = list(self.fields.values())
        self.model_controls = [self.weights, self.model]
        self.controls = [*self.model_controls, self.preset, *self.inputs]
        for control, value in self.set_to(design).items():
            control.value = value
        #: The events after which the views are out of date.
        self.triggers = changes([self.preset, *self.inputs])
        preset_sets = [self.fields[name] for name in PRESET_FIELDS]
        #: What :meth:`follow` may set after a change of each control.
        self.followers: dict[Any, Any] = {
            self.preset: [self.preset, *preset_sets],
            **dict.fromkeys(self.inputs, (self.preset,)),
            **dict.fromkeys(self.prompts, (self.preset, self.template)),
        }
        # At once and in the browser alone: the answer of the server comes with the view.
        self.preset.input(
            None,
            [self.preset, *preset_sets],
            preset_sets,
            js=APPLY_PRESET,
            api_visibility="private",
        )

    def read(self, values: Values) -> Design:
        """The design that the controls describe; what a pooling does not use is left out.

        Raises:
            EmbedLabError: there is no such design.
        """
        if is_file(values.get(self.preset)):
            return Design.parse(str(values[self.preset]))
        return self.described(values)

    def described(self, values: Values) -> Design:
        """The same for the controls of a model's designs alone, also while they are not in use."""
        read = {name: values[control] for name, control in self.fields.items()}
        pooling = read["pooling"]
        if pooling not in POOLINGS:
            return Design(pooling=str(pooling))
        kind, attention = POOLINGS[pooling], str(read["attention"])
        above = whole_number(read["causal_layers"] or 0, "The number of causal layers", 0)
        if attention == "bidirectional" and above:
            attention = f"bidirectional>{above}"
        rerouted = attention == "rerouted"
        layers = _range(read["layers"], "layers to average over") if kind.reads_layer else None
        one_layer = kind.reads_layer and layers is None
        template = read["template"] or ""
        return Design(
            attention=attention,
            pooling=pooling,
            layer=whole_number(read["layer"], "The layer", LAST) if one_layer else LAST,
            layers=layers,
            skip_first=bool(read["skip_first"]) and kind.takes_mean,
            native=values.get(self.preset) == NATIVE,
            steps=tuple(str(step).strip().lstrip("+") for step in read["steps"] or ()),
            query_prompt=template or read["query_prompt"] or "",
            document_prompt=template or read["document_prompt"] or "",
            pool="" if kind.trainable else read["pool"] or "",
            band=_range(read["band"], "layers for the band") if rerouted else None,
            bias=float(read["bias"] or 0) if rerouted else 0.0,
        )

    def set_to(self, design: Design) -> Updates:
        """Updates that make the controls describe a design; vectors from a file are a preset."""
        if design.file:
            return {self.preset: str(design)}
        fields = {control: _control_values(design)[name] for name, control in self.fields.items()}
        return {self.preset: preset_of(design), **fields}

    def set_fields(self, design: Design) -> Updates:
        """Updates that leave the prompts as they are, and the name of the preset."""
        return {self.fields[name]: _control_values(design)[name] for name in PRESET_FIELDS}

    def set_head(self, design: Design) -> Updates:
        """Updates of attention, pooling and layer alone."""
        names = ("attention", "causal_layers", "pooling", "layer", "layers", "skip_first")
        return {self.fields[name]: _control_values(design)[name] for name in names}

    def follow(
        self, changed: Collection[Any], values: Values, native: Callable[[], NativeDesign | None]
    ) -> Updates:
        """What else a change of these controls changes: a preset the design, or its name.

        Args:
            native: loads the native design of the panel's model, where it has one.
        """
        preset = values[self.preset]
        if is_file(preset) and not set(self.inputs) & set(changed):
            return {}
        if self.preset in changed and preset in ALL_PRESETS:
            return self.set_fields(ALL_PRESETS[preset])
        if self.preset in changed and preset == NATIVE and not set(self.inputs) & set(changed):
            chosen = native()
            if chosen is None:
                return {self.preset: CUSTOM}
            told = _control_values(chosen.design)
            return {control: told[name] for name, control in self.fields.items()}
        if not self.followers.keys() & changed:
            return {}
        typed = [c for c in self.prompts if c in changed and values[c]]
        if typed and values[self.template]:
            # A prompt of one's own takes the template's place.
            return {self.template: "", self.preset: CUSTOM}
        try:
            design = self.described(values)
            if design.native and (chosen := native()) is not None and chosen.design == design:
                return {self.preset: NATIVE}
            return {self.preset: preset_of(replace(design, native=False))}
        except EmbedLabError:  # the views read the same and report it
            return {self.preset: CUSTOM}

    def offer(
        self, native: NativeDesign | None, values: Values, files: Sequence[str] = ()
    ) -> Updates:
        """Updates after a change of the model or of the vectors at hand: the presets on offer, and
        the native design's.

        Args:
            native: the design of the model's own files.
            values: the controls'.
            files: the designs that are vectors of the corpus from files.
        """
        updates: Updates = {}
        if values[self.preset] == NATIVE and native is not None:
            updates, preset = self.set_to(native.design), NATIVE
        elif values[self.preset] in files:
            preset = values[self.preset]
        else:
            try:
                preset = preset_of(replace(self.described(values), native=False))
            except EmbedLabError:
                preset = CUSTOM
        return updates | {self.preset: gr.update(choices=presets(native, files), value=preset)}


def _control_values(design: Design) -> dict[str, Any]:
    """What the controls say for a design."""
    attention, _, above = design.attention.partition(">")
    named = design.query_prompt == design.document_prompt and design.query_prompt in TEMPLATES
    return {
        "attention": attention,
        "causal_layers": int(above or 0),
        "pooling": design.pooling,
        "layer": design.layer,
        "layers": f"{design.layers[0]}..{design.layers[1]}" if design.layers else "",
        "skip_first": design.skip_first,
        "template": design.query_prompt if named else "",
        "query_prompt": "" if named else design.query_prompt,
        "document_prompt": "" if named else design.document_prompt,
        "pool": design.pool,
        "steps": list(design.steps),
        "band": f"{design.band[0]}..{design.band[1]}" if design.band else "",
        "bias": design.bias,
    }


def _range(text: str | None, what: str) -> tuple[int, int] | None:
    """``8..16`` as two numbers, or None where nothing is written."""
    if not (text or "").strip():
        return None
    match = _RANGE.fullmatch(str(text))
    if match is None:
        raise EmbedLabError(f"{str(text)[:40]!r} names no {what}; write two, such as 8..16.")
    return int(match[1]), int(match[2])


_PRESET_VALUES = {
    key: [_control_values(design)[name] for name in PRESET_FIELDS]
    for key, design in ALL_PRESETS.items()
}
#: Shows a preset's controls at once, while the server is still at work.
APPLY_PRESET = f"(preset, ...controls) => ({json.dumps(_PRESET_VALUES)})[preset] ?? controls"


def is_file(preset: object) -> bool:
    """Whether a preset is vectors from a file."""
    return isinstance(preset, str) and preset.startswith(f"{FILE} ")


def presets(native: NativeDesign | None, files: Sequence[str] = ()) -> list[tuple[str, str]]:
    """The choices of the preset dropdown for a backbone with this native design.

    ``files`` are the designs that are vectors from files.
    """
    own = [] if native is None else [(f"native  {shorten(native.words, 70)}", NATIVE)]
    return [
        *((each, each) for each in files),
        *own,
        *((_preset_name(key), key) for key in ALL_PRESETS),
        ("custom", CUSTOM),
    ]


def _preset_name(key: str) -> str:
    group = next(name for name, presets in PRESET_GROUPS.items() if key in presets)
    design = ALL_PRESETS[key]
    return f"{key} · {group}" if key == str(design) else f"{key}  {design.name} · {group}"


def preset_of(design: Design) -> str:
    """The preset that is this design, or ``custom``; a native one is native."""
    if design.native:
        return NATIVE
    if design.file:
        return str(design)
    return next((key for key, preset in ALL_PRESETS.items() if preset == design), CUSTOM)
