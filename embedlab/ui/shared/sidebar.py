"""The sidebar: backbone, corpus and the two designs that every tab compares."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import gradio as gr

from embedlab.analysis.filtering import TextFilter
from embedlab.data.corpora import CORPORA
from embedlab.data.corpus import Corpus
from embedlab.data.prepared import Prepared
from embedlab.errors import EmbedLabError
from embedlab.lab.lab import Lab
from embedlab.models.design import FILE, NATIVE, Design
from embedlab.progress import Progress, no_progress
from embedlab.ui.shared import weights
from embedlab.ui.shared.controls import Slider, changes
from embedlab.ui.shared.design_panel import DesignPanel, presets
from embedlab.ui.shared.own_texts import OwnTexts
from embedlab.ui.shared.parse import whole_number
from embedlab.ui.shared.session import (
    Action,
    Change,
    Remembered,
    Sessions,
    Updates,
    Values,
    set_values,
)

if TYPE_CHECKING:
    from embedlab.models.native import NativeDesign

OWN = "own"


@dataclass(frozen=True, eq=False)
class Choice:
    """What the sidebar says: resolved, checked, ready for the Lab.

    ``backbone_ids`` are A's and B's: the backbone on top of the sidebar, or a trained model.
    ``kept`` is the filter on the corpus's texts.
    """

    backbone_ids: tuple[str, str]
    corpus: Corpus
    a: Design
    b: Design
    seed: int
    kept: TextFilter | None = None


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
            #: Sets A and B to the paper's comparison, where both were trained.
            self.paper = gr.Button(
                "M1 against M5, trained",
                size="sm",
                elem_id="paper-comparison",
                visible=bool(weights.paper(lab)),
            )
            both = (defaults.design_a, defaults.design_b)
            self.a, self.b = (
                DesignPanel(
                    letter,
                    Design.parse(design),
                    most_prompt,
                    lab.default_backbone,
                    weights.offered(lab),
                )
                for letter, design in zip("AB", both, strict=True)
            )
        self.own = self.own_texts.corpus
        #: Whether the server has forgotten what the open page gave it.
        self.forgot = Remembered(False)
        #: Vectors from files, by the fingerprint of the texts that they belong to and by name.
        self.vectors = Remembered({})
        #: The ids of the visitor's trained models, the last one last.
        self.runs = Remembered(())
        #: What chooses the models of A and B; :meth:`resolved` reads the dropdowns among them.
        self.models = [self.backbone, *self.a.model_controls, *self.b.model_controls]
        sample = [self.corpus, self.own, self.sample, self.seed]
        self.inputs = [self.backbone, *sample, *self.a.controls, *self.b.controls]
        #: The events after which the views are out of date.
        self.triggers = [
            *changes([*self.models, self.corpus, self.sample]),
            self.seed.input,
            *self.a.triggers,
            *self.b.triggers,
        ]

    @property
    def actions(self) -> list[Action]:
        """The buttons that load a visitor's own texts, which then are the corpus."""

        def loading(load: Callable[[Values, Progress], Corpus]) -> Callable[..., Updates]:
            return lambda values, report, _: {self.own: load(values, report), self.corpus: OWN}

        sets, inputs = (self.own, self.corpus), self.own_texts.inputs
        own = self.own_texts.vectors
        return [
            *(
                Action(trigger=event, run=loading(load), sets=sets, inputs=inputs)
                for event, load in self.own_texts.sources
            ),
            Action(
                trigger=own.use.click,
                run=self._use_vectors,
                sets=(self.a.preset, self.b.preset),
                inputs=own.inputs,
            ),
            Action(
                trigger=self.paper.click,
                run=self._compare_trained,
                sets=[self.backbone, *self.a.controls, *self.b.controls],
            ),
        ]

    def _compare_trained(self, *_: Any) -> Updates:
        """The paper's comparison: A is M1, B is M5, both trained."""
        updates: Updates = {}
        for panel, model in zip((self.a, self.b), weights.paper(self.lab), strict=True):
            updates |= {self.backbone: model.backbone_id, panel.model: model.id}
            updates |= panel.set_to(model.design)
        return updates

    def _use_vectors(self, values: Values, report: Progress, _: gr.EventData) -> Updates:
        """Vectors from a file become a design of the corpus that is chosen, and design B."""
        corpus = self.whole(values, report)
        given = self.own_texts.vectors.read(values, corpus)
        key = corpus.fingerprint

        def added(old: Mapping[str, Mapping[str, Prepared]]) -> Mapping[str, Any]:
            return {**old, key: {**old.get(key, {}), given.name: given}}

        most = self.lab.config.limits.max_prepared_mb
        kept = [each for of in added(values[self.vectors]).values() for each in of.values()]
        if sum(each.nbytes for each in kept) > most * 10**6:
            raise EmbedLabError(
                f"Your vectors would take more than {most:,} MB together (limits.max_prepared_mb); "
                "give these the name of others to take their place, or fewer texts."
            )
        files = [*(f"{FILE} {name}" for name in {**corpus.prepared, given.name: given})]
        updates: Updates = {self.vectors: Change(added)}
        for panel, backbone_id in zip((self.a, self.b), self.resolved(values), strict=True):
            offered = presets(self._native(backbone_id, report), files)
            mine = {"value": f"{FILE} {given.name}"} if panel is self.b else {}
            updates[panel.preset] = gr.update(choices=offered, **mine)
        return updates

    def read(self, values: Values, progress: Progress = no_progress) -> Choice:
        """What the controls say; fetches the corpus where it is not there yet.

        Raises:
            EmbedLabError: what is chosen is not possible.
        """
        a, b = self.a.read(values), self.b.read(values)
        seed = whole_number(values[self.seed], "The seed")
        # More than there are is no mistake: the corpus may have changed since.
        n = whole_number(values[self.sample], "The number of texts", 1)
        corpus = self.lab.sample(self.whole(values, progress), n, seed)
        ids = zip((a, b), self.resolved(values), strict=True)
        first, second = (str(each) if each.file else backbone_id for each, backbone_id in ids)
        return Choice((first, second), corpus, a, b, seed)

    def resolved(self, values: Values) -> tuple[str, str]:
        """The models of A and B: a trained one where it is chosen, else the backbone on top."""
        a, b = (values[panel.model] or values[self.backbone] or "" for panel in (self.a, self.b))
        return a, b

    def offer_runs(self, runs: Sequence[tuple[str, str]]) -> Updates:
        """Updates for both switches and dropdowns of models, which offer runs once there are some.

        Args:
            runs: the visitor's trained models, each a title and a run's id.
        """
        trained = weights.offered(self.lab)
        choices, there = [weights.AS_LOADED, *trained, *runs], bool(trained or runs)
        updates: Updates = {self.runs: tuple(run_id for _, run_id in runs)}
        for panel in (self.a, self.b):
            updates[panel.model] = gr.update(choices=choices, visible=bool(runs))
            positions = weights.positions(runs=bool(runs))
            updates[panel.weights] = gr.update(choices=positions, visible=there)
        return updates

    def followers(
        self, changed: Collection[Any], values: Mapping[Any, Any] | None = None
    ) -> set[Any]:
        """The controls that :meth:`follow` may set after a change of these to ``values``."""
        followers = self.a.followers | self.b.followers
        presets_too = (self.a.preset, self.b.preset) if values and values.get(self.vectors) else ()
        followers |= dict.fromkeys((self.corpus, self.own), (self.sample, *presets_too))
        presets_and_layers = [c for panel in (self.a, self.b) for c in (panel.layer, panel.preset)]
        followers |= dict.fromkeys(self.models, presets_and_layers)
        following = {follower for control in changed for follower in followers.get(control, ())}
        for panel in (self.a, self.b):
            # A native design sets the prompts too, and with another model it is another one.
            chosen = values is not None and values.get(panel.preset) == NATIVE
            if chosen and {panel.preset, *self.models} & set(changed):
                following |= set(panel.inputs)
            following |= weights.followers(panel, self.backbone, changed, values)
        return following

    def follow(
        self, changed: Collection[Any], values: Values, progress: Progress = no_progress
    ) -> Updates:
        """What else a change of these controls changes: the sliders' ranges, the presets.

        Raises:
            EmbedLabError: the corpus or a model cannot be loaded.
        """
        ids = self.resolved(values)
        updates: Updates = {}
        for panel, backbone_id in zip((self.a, self.b), ids, strict=True):
            updates |= panel.follow(changed, values, partial(self._native, backbone_id, progress))
            now = Values(values | set_values(updates))  # a preset is a design by now
            updates |= weights.follow(self.lab, panel, self.backbone, self.runs, changed, now)
        values = Values(values | set_values(updates))
        ids = self.resolved(values)
        if not {self.corpus, self.own}.isdisjoint(changed):
            updates |= self._sample_range(values, progress)
            if values.get(self.vectors):
                updates |= self._offer_vectors(ids, values, progress)
        if not set(self.models).isdisjoint(changed):
            for panel, backbone_id in zip((self.a, self.b), ids, strict=True):
                backbone = self.lab.described(backbone_id, progress)
                files = [f"{FILE} {name}" for name in self._prepared(values, progress)]
                updates |= panel.offer(backbone.native, values, files)
                # As a change of the model alone is no change of the layer, the value stays.
                layer = {"value": updates[panel.layer]} if panel.layer in updates else {}
                updates[panel.layer] = gr.update(maximum=backbone.num_layers, **layer)
        return updates

    def _offer_vectors(self, ids: tuple[str, str], values: Values, progress: Progress) -> Updates:
        """Vectors belong to one corpus: with another one, others are offered."""
        files = [f"{FILE} {name}" for name in self.whole(values, progress).prepared]
        updates: Updates = {}
        for panel, backbone_id in zip((self.a, self.b), ids, strict=True):
            updates |= panel.offer(self._native(backbone_id, progress), values, files)
        return updates

    def _native(self, backbone_id: str, progress: Progress) -> NativeDesign | None:
        return self.lab.described(backbone_id, progress).native

    def _sample_range(self, values: Values, progress: Progress) -> Updates:
        corpus = self.whole(values, progress)
        most = self.lab.most_texts(corpus)
        # Texts that somebody picked are all shown.
        first = most if corpus.part_of else min(self.lab.first_sample(corpus), most)
        info = f"{first:,} of {corpus.total:,} to start with"
        return {self.sample: gr.update(maximum=most, value=first, info=info)}

    def _prepared(self, values: Values, progress: Progress) -> Collection[str]:
        """The names of the vectors from files that the chosen corpus has."""
        return self.whole(values, progress).prepared if values.get(self.vectors) else ()

    def whole(self, values: Values, progress: Progress) -> Corpus:
        """The chosen corpus with all its texts, and the vectors from files that belong to them.

        Raises:
            EmbedLabError: there is none, or it cannot be loaded.
        """
        corpus, given = self._texts(values, progress), values.get(self.vectors)
        mine = given.get(corpus.fingerprint) if given else None
        return replace(corpus, prepared={**corpus.prepared, **mine}) if mine else corpus

    def _texts(self, values: Values, progress: Progress) -> Corpus:
        """The chosen corpus with all its texts.

        Raises:
            EmbedLabError: there is none, or it cannot be loaded.
        """
        own: Corpus | None = values[self.own]
        if values[self.corpus] != OWN:
            return self.lab.whole(values[self.corpus], progress)
        if own is None and values[self.forgot]:
            raise EmbedLabError(
                "Your own texts have to be loaded again: the server was restarted, or nobody used "
                "them for an hour. Open 'Your own texts' in the sidebar."
            )
        if own is None:
            raise EmbedLabError(
                "You have not given any texts yet; open 'Your own texts' in the sidebar, paste or "
                "upload some, and press the button below them."
            )
        return own
