"""The sidebar: backbone, corpus and the two designs that every tab compares."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr

from embedlab.data.corpora import CORPORA
from embedlab.data.corpus import Corpus
from embedlab.errors import EmbedLabError
from embedlab.lab.lab import Lab
from embedlab.models.design import ATTENTIONS, PRESETS, Design
from embedlab.models.pooling import POOLINGS
from embedlab.progress import Progress, no_progress
from embedlab.ui.shared.own_texts import OwnTexts
from embedlab.ui.shared.parse import whole_number
from embedlab.ui.shared.session import Action, Sessions, Updates, Values
from embedlab.ui.shared.slider import Slider

OWN = "own"
CUSTOM = "custom"
LAST = -1
#: What the layer slider offers until the backbone is loaded and says how many it has.
MOST_LAYERS = 30
#: The Model dropdown's default: the untrained backbone chosen above.
AS_LOADED = ("The backbone above, as loaded", "")


@dataclass(frozen=True, eq=False)
class Choice:
    """What the sidebar says: resolved, checked, ready for the Lab.

    ``backbone_ids`` are A's and B's: the backbone on top of the sidebar, or a trained model.
    """

    backbone_ids: tuple[str, str]
    corpus: Corpus
    a: Design
    b: Design
    seed: int


class DesignPanel:
    """The controls of one design."""

    def __init__(self, letter: str, design: Design, most_prompt: int) -> None:
        with gr.Group(elem_classes=[f"design-{letter.lower()}", "design-panel"]):
            gr.HTML(
                f'<span class="chip">{letter}</span> <strong>Design {letter}</strong>',
                elem_classes=["panel-title"],
                padding=True,
            )
            self.model = gr.Dropdown(
                [AS_LOADED],
                value=AS_LOADED[1],
                label="Model",
                visible=False,  # until the visitor has trained one
                elem_id=f"model-{letter.lower()}",
            )
            self.preset = gr.Dropdown(
                [*((_preset_name(key), key) for key in PRESETS), ("custom", CUSTOM)],
                value=preset_of(design),
                label="Preset",
                elem_id=f"preset-{letter.lower()}",
            )
            self.attention = gr.Radio(
                list(ATTENTIONS),
                value=design.attention,
                label="Attention",
                elem_id=f"attention-{letter.lower()}",
            )
            self.pooling = gr.Dropdown(
                list(POOLINGS),
                value=design.pooling,
                label="Pooling",
                elem_id=f"pooling-{letter.lower()}",
            )
            with gr.Accordion("Layer, first token, prompts", open=False):
                self.layer = Slider(
                    LAST,
                    MOST_LAYERS,
                    value=design.layer,
                    step=1,
                    label="Layer",
                    info="−1 is the last, after the final norm; 0 the embedding layer. "
                    "Trainable poolings choose their own.",
                    elem_id=f"layer-{letter.lower()}",
                )
                self.skip_first = gr.Checkbox(
                    design.skip_first,
                    label="Leave the first token out of the mean",
                    elem_id=f"skip-{letter.lower()}",
                )
                self.query_prompt = gr.Textbox(
                    design.query_prompt,
                    label="Query prompt",
                    placeholder="none",
                    max_length=most_prompt,
                )
                self.document_prompt = gr.Textbox(
                    design.document_prompt,
                    label="Document prompt",
                    placeholder="none",
                    max_length=most_prompt,
                )
        self.inputs = [
            self.attention,
            self.pooling,
            self.layer,
            self.skip_first,
            self.query_prompt,
            self.document_prompt,
        ]
        #: What :meth:`follow` may set after a change of each control.
        self.followers: dict[Any, Any] = {
            self.preset: self.inputs[:4],
            **dict.fromkeys(self.inputs, (self.preset,)),
        }
        # At once and in the browser alone: the answer of the server comes with the view.
        self.preset.input(
            None,
            [self.preset, *self.inputs[:4]],
            self.inputs[:4],
            js=APPLY_PRESET,
            api_visibility="private",
        )

    @property
    def triggers(self) -> list[Any]:
        """The events after which the views are out of date."""
        return [
            self.preset.input,
            self.attention.input,
            self.pooling.input,
            self.layer.release,
            self.skip_first.input,
            self.query_prompt.submit,
            self.query_prompt.blur,
            self.document_prompt.submit,
            self.document_prompt.blur,
        ]

    def read(self, values: Values) -> Design:
        """The design that the controls describe; what a pooling does not use is left out.

        Raises:
            EmbedLabError: there is no such design.
        """
        pooling = values[self.pooling]
        if pooling not in POOLINGS:
            return Design(pooling=str(pooling))
        kind = POOLINGS[pooling]
        return Design(
            attention=values[self.attention],
            pooling=pooling,
            layer=whole_number(values[self.layer], "The layer", LAST) if kind.reads_layer else LAST,
            skip_first=bool(values[self.skip_first]) and kind.takes_mean,
            query_prompt=values[self.query_prompt] or "",
            document_prompt=values[self.document_prompt] or "",
        )

    def set_to(self, design: Design) -> Updates:
        """Updates that make the controls describe a design."""
        return {
            self.preset: preset_of(design),
            self.attention: design.attention,
            self.pooling: design.pooling,
            self.layer: design.layer,
            self.skip_first: design.skip_first,
            self.query_prompt: design.query_prompt,
            self.document_prompt: design.document_prompt,
        }

    def follow(self, changed: Collection[Any], values: Values) -> Updates:
        """What else a change of these controls changes: a preset the design, or its name."""
        if self.preset in changed and values[self.preset] in PRESETS:
            return dict(zip(self.inputs, preset_controls(values[self.preset]), strict=False))
        if not self.followers.keys() & changed:
            return {}
        try:
            return {self.preset: preset_of(self.read(values))}
        except EmbedLabError:  # the views read the same and report it
            return {self.preset: CUSTOM}


class Sidebar:
    """All controls of the sidebar, and how to read them."""

    def __init__(self, lab: Lab, sessions: Sessions) -> None:
        self.lab = lab
        config = lab.config
        defaults = config.defaults
        most_prompt = config.limits.max_prompt_chars
        with gr.Sidebar(width=330, open=True, elem_id="sidebar"):
            self.backbone = gr.Dropdown(
                [(entry.title or entry.id, entry.id) for entry in config.backbones],
                value=lab.default_backbone,
                label="Backbone",
                elem_id="backbone",
            )
            self.corpus = gr.Dropdown(
                [*((CORPORA[key].title, key) for key in config.corpora), ("Your own texts", OWN)],
                value=defaults.corpus,
                label="Corpus",
                elem_id="corpus",
            )
            self.own_texts = OwnTexts(lab, sessions)
            self.sample = Slider(
                1, 160, value=160, step=1, label="Texts", elem_id="sample", interactive=True
            )
            self.seed = gr.Number(
                defaults.seed, label="Seed of sample and map", precision=0, elem_id="seed"
            )
            self.a = DesignPanel("A", Design.parse(defaults.design_a), most_prompt)
            self.b = DesignPanel("B", Design.parse(defaults.design_b), most_prompt)
        self.own = self.own_texts.corpus
        self.inputs = [
            *self.models,
            self.corpus,
            self.own,
            self.sample,
            self.seed,
            self.a.preset,
            *self.a.inputs,
            self.b.preset,
            *self.b.inputs,
        ]

    @property
    def models(self) -> list[Any]:
        """The dropdowns for the models of A and B; :meth:`resolved` reads them."""
        return [self.backbone, self.a.model, self.b.model]

    @property
    def triggers(self) -> list[Any]:
        """The events after which the views are out of date."""
        dropdowns = [control.input for control in (*self.models, self.corpus)]
        return [
            *dropdowns,
            self.sample.release,
            self.seed.input,
            *self.a.triggers,
            *self.b.triggers,
        ]

    @property
    def actions(self) -> list[Action]:
        """The buttons that load a visitor's own texts, which then are the corpus."""

        def loading(load: Callable[[Values, Progress], Corpus]) -> Callable[..., Updates]:
            return lambda values, report, _: {self.own: load(values, report), self.corpus: OWN}

        return [
            Action(
                trigger=event,
                run=loading(load),
                sets=(self.own, self.corpus),
                inputs=self.own_texts.inputs,
            )
            for event, load in self.own_texts.sources
        ]

    def read(self, values: Values, progress: Progress = no_progress) -> Choice:
        """What the controls say; fetches the corpus where it is not there yet.

        Raises:
            EmbedLabError: what is chosen is not possible.
        """
        a, b = self.a.read(values), self.b.read(values)
        seed = whole_number(values[self.seed], "The seed")
        # More than there are is no mistake: the corpus may have changed since.
        n = whole_number(values[self.sample], "The number of texts", 1)
        corpus = self.lab.sample(self._whole(values, progress), n, seed)
        return Choice(self.resolved(values), corpus, a, b, seed)

    def resolved(self, values: Values) -> tuple[str, str]:
        """The models of A and B: a trained one where it is chosen, else the backbone on top."""
        a, b = (values[panel.model] or values[self.backbone] or "" for panel in (self.a, self.b))
        return a, b

    def offer_runs(self, runs: Sequence[tuple[str, str]]) -> list[Any]:
        """Updates for both model dropdowns, which are there once there is a run to choose.

        Args:
            runs: the visitor's trained models, each a title and a run's id.
        """
        choices = [AS_LOADED, *runs]
        return [gr.update(choices=choices, visible=bool(runs)) for _ in range(2)]

    def followers(self, changed: Collection[Any]) -> set[Any]:
        """The controls that :meth:`follow` may set after a change of these."""
        followers = self.a.followers | self.b.followers
        followers |= dict.fromkeys((self.corpus, self.own), (self.sample,))
        followers |= dict.fromkeys(self.models, (self.a.layer, self.b.layer))
        return {follower for control in changed for follower in followers.get(control, ())}

    def follow(
        self, changed: Collection[Any], values: Values, progress: Progress = no_progress
    ) -> Updates:
        """What else a change of these controls changes: the sliders' ranges, the presets.

        Raises:
            EmbedLabError: the corpus or a model cannot be loaded.
        """
        updates = self.a.follow(changed, values) | self.b.follow(changed, values)
        if not {self.corpus, self.own}.isdisjoint(changed):
            updates |= self._sample_range(values, progress)
        if not set(self.models).isdisjoint(changed):
            for panel, backbone_id in zip((self.a, self.b), self.resolved(values), strict=True):
                layers = self.lab.backbone(backbone_id, progress).num_layers
                # As a change of the model is no change of the layer, the value stays.
                updates[panel.layer] = gr.update(maximum=layers)
        return updates

    def _sample_range(self, values: Values, progress: Progress) -> Updates:
        corpus = self._whole(values, progress)
        most = min(len(corpus.texts), self.lab.config.limits.max_texts)
        first = min(self.lab.first_sample(corpus), most)
        info = f"{first:,} of {corpus.total:,} to start with"
        return {self.sample: gr.update(maximum=most, value=first, info=info)}

    def _whole(self, values: Values, progress: Progress) -> Corpus:
        own: Corpus | None = values[self.own]
        if values[self.corpus] != OWN:
            return self.lab.whole(values[self.corpus], progress)
        if own is None:
            raise EmbedLabError(
                "You have not given any texts yet; open 'Your own texts' in the sidebar, paste or "
                "upload some, and press the button below them."
            )
        return own


def preset_controls(key: str) -> tuple[str, str, int, bool]:
    """Attention, pooling, layer and the first token's checkbox as a preset has them."""
    design = PRESETS[key]
    return design.attention, design.pooling, LAST, False


#: Shows a preset's controls at once, while the server is still at work.
APPLY_PRESET = (
    "(preset, ...controls) => "
    f"({json.dumps({key: preset_controls(key) for key in PRESETS})})[preset] ?? controls"
)


def _preset_name(key: str) -> str:
    design = PRESETS[key]
    return key if design.alias is None else f"{key}  {design.name}"


def preset_of(design: Design) -> str:
    """The preset that is this design, or ``custom``."""
    return next((key for key, preset in PRESETS.items() if preset == design), CUSTOM)
