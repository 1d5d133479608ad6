"""What all tabs share: the Lab, the sidebar, and the pair of designs that are compared."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import gradio as gr

from embedlab.analysis.comparison import Embedded
from embedlab.analysis.filtering import TextFilter
from embedlab.data.corpus import Corpus
from embedlab.errors import EmbedLabError, NeedsModel
from embedlab.lab.address import Address
from embedlab.lab.lab import Lab
from embedlab.models.design import Design
from embedlab.models.steps import NotFitted
from embedlab.progress import Progress
from embedlab.ui.shared.html import design_name, is_untrained, provenance
from embedlab.ui.shared.link_controls import differing
from embedlab.ui.shared.links import Links, link_bar
from embedlab.ui.shared.session import (
    Action,
    Remembered,
    Sessions,
    Updates,
    Values,
    sentence,
    set_values,
)
from embedlab.ui.shared.sidebar import Choice, Sidebar

if TYPE_CHECKING:
    from embedlab.models.backbone import Backbone

T = TypeVar("T")

#: Events that touch the backbone share one queue lane. They may run side by side: the backbone's
#: owner runs them batch by batch, so that a short query does not wait for a long corpus.
LANE: dict[str, Any] = {"concurrency_id": "backbone", "concurrency_limit": 16}
#: Handlers of the interface are no part of the programming interface.
PRIVATE: dict[str, Any] = {"api_visibility": "private"}


class Side(NamedTuple):
    """One of a pair: its letter, its name, the vectors, and the backbone they come from."""

    letter: str
    name: str
    embedded: Embedded
    backbone: Backbone
    backbone_id: str

    @property
    def design(self) -> Design:
        """The side's design."""
        return self.embedded.design


@dataclass(frozen=True, eq=False)
class Pair:
    """One corpus under the two designs on the table, each on its own backbone or both on one.

    ``kept`` is the filter on its texts, None where all are shown.
    """

    backbone_ids: tuple[str, str]
    backbones: tuple[Backbone, Backbone]
    corpus: Corpus
    a: Embedded
    b: Embedded
    seed: int
    kept: TextFilter | None = None

    @property
    def designs(self) -> tuple[Design, Design]:
        """A's and B's."""
        return self.a.design, self.b.design

    @property
    def choice(self) -> Choice:
        """What it was made from: small enough for a session to remember."""
        return Choice(self.backbone_ids, self.corpus, *self.designs, self.seed, self.kept)

    @property
    def rows(self) -> tuple[int, ...] | None:
        """The texts that the filter leaves, by index; None where there is no filter."""
        return self.kept.rows if self.kept else None

    @property
    def prepared(self) -> bool:
        """Whether the vectors of both sides are those that come with EmbedLab."""
        return self.a.shipped is not None and self.b.shipped is not None

    @property
    def one_backbone(self) -> bool:
        """Whether A and B use the same backbone."""
        return self.backbone_ids[0] == self.backbone_ids[1]

    @property
    def sides(self) -> tuple[Side, Side]:
        """A and B with all that belongs to each."""
        a, b = map(Side, "AB", self.names, (self.a, self.b), self.backbones, self.backbone_ids)
        return a, b

    @property
    def names(self) -> tuple[str, str]:
        """How A and B are called in titles; an untrained head says so, and so do two models."""
        name_a, name_b = (
            ("" if self.one_backbone or design.file else f"{backbone.name} · ")
            + design_name(design, untrained=is_untrained(design, backbone))
            for design, backbone in zip(self.designs, self.backbones, strict=True)
        )
        return name_a, name_b

    def source(self, what: str, *backbones: Backbone) -> str:
        """A caption for what was measured on one text: the backbones and their precision.

        Args:
            what: what was measured.
            backbones: those it was measured on; by default A's and B's.
        """
        distinct = dict.fromkeys(backbones or self.backbones)
        return " · ".join([what, *(provenance(backbone) for backbone in distinct)])

    def caption(self, what: str) -> str:
        """A caption for what was measured on the corpus: everything needed to measure it again."""
        a, b = self.names
        corpus = f"{self.corpus.title}, {self.corpus.size_note} texts, seed {self.seed}"
        shipped = [side.letter for side in self.sides if side.embedded.shipped is not None]
        rounded = "prepared in float32 and rounded to float16"
        how = f" · vectors of {' and '.join(shipped)} {rounded}" if shipped else ""
        return self.source(f"{what} · A {a}, B {b} · {corpus}{how}")


class Workbench:
    """Shared by all tabs; ``bar`` is where the page has its :func:`~links.link_bar`."""

    def __init__(
        self, lab: Lab, sidebar: Sidebar, sessions: Sessions, bar: gr.HTML | None = None
    ) -> None:
        self.lab, self.sidebar, self.sessions = lab, sidebar, sessions
        #: The filter on the texts, and the last query: tabs share them.
        self.kept, self.query = Remembered(), Remembered("")
        #: The address of what is on the screen.
        self.links = Links(lab, sidebar, bar or link_bar(), self.kept)

    def pair(self, values: Values, report: Progress) -> Pair:
        """What the sidebar's values mean, embedded; a filter of other texts does not hold."""
        choice = self.sidebar.read(values, report)
        kept: TextFilter | None = values.get(self.kept)
        if kept is not None and kept.corpus_key == choice.corpus.key:
            choice = replace(choice, kept=kept)
        return self.embedded(choice, report)

    def embedded(self, choice: Choice, report: Progress) -> Pair:
        """A choice's corpus under its two designs: at once where both are at hand.

        Until their model is loaded, what needs it raises NeedsModel: see :meth:`with_model`.
        """
        corpus, lab = choice.corpus, self.lab
        designs = list(zip((choice.a, choice.b), choice.backbone_ids, strict=True))
        sides = [lab.at_once(corpus, *each) for each in designs]
        if None in sides:
            for design, backbone_id in designs:
                if not design.file:
                    lab.backbone(backbone_id, report)
            # Again, since a model that was loaded only now may be of other weights.
            sides = [lab.at_once(corpus, *each) for each in designs]
            passes = [each for each, side in zip(designs, sides, strict=True) if side is None]
            lab.prepare([(corpus, *each) for each in passes], progress=report)
        a, b = (
            side if side is not None else self._embedded(corpus, *each, report)
            for each, side in zip(designs, sides, strict=True)
        )
        backbones = (a.backbone, b.backbone)
        return Pair(choice.backbone_ids, backbones, corpus, a, b, choice.seed, choice.kept)

    def with_model(self, report: Progress, work: Callable[[], T]) -> T:
        """Do some work; where it turns out to need a model, load that first and do it again."""
        for _ in range(2):  # A's, and B's
            try:
                return work()
            except NeedsModel as needed:
                self.lab.backbone(needed.backbone_id, report)
        return work()

    def readiness(self, values: Values) -> tuple[bool, ...]:
        """Which models of A and B are loaded; what was prepared is shown as theirs then."""
        ids = self.sidebar.resolved(values)
        return tuple(self.lab.models.get(each) is not None for each in ids)

    def _embedded(
        self, corpus: Corpus, design: Design, backbone_id: str, report: Progress
    ) -> Embedded:
        """One or equal texts are shown too: without the steps that cannot be fitted on them."""
        try:
            return self.lab.embedded(corpus, design, backbone_id, report)
        except NotFitted as error:
            shown = design.without_fitted_steps()
            message = f"{error} Shown is {shown.name}."
            gr.Warning(**sentence(EmbedLabError(message)))
            return self.lab.embedded(corpus, shown, backbone_id, report)


class View:
    """A tab: its own controls, what it shows, and how it fills that from a pair.

    A subclass builds its components in ``__init__`` and sets ``outputs`` (what :meth:`show` may
    change) and, where it has controls, ``inputs`` (those) and ``triggers`` (its own events after
    which it has to be shown again); ``actions`` are such events that set controls first. A view is
    shown again only if a control or something in ``remembered`` has changed: what the session
    remembers, :meth:`show` reads, and an action sets.
    """

    id: str
    title: str
    inputs: Collection[Any] = ()
    outputs: list[Any]
    triggers: Sequence[Any] = ()
    actions: Sequence[Action] = ()
    remembered: Collection[Remembered] = ()
    #: Whether prepared vectors are enough for it, so that it is shown before the model is loaded.
    at_once: bool = False
    #: For what of the tab the filter on the texts holds, in a few words; "" where it does not.
    filtered: str = ""
    #: The controls that a link can set, by their names in it.
    linked: Mapping[str, Any] = {}
    #: The fields of the address that a click on something drawn changes.
    addressed: Collection[str] = ()
    #: The controls that :meth:`follow_link` sets.
    link_sets: Collection[Any] = ()

    def show(self, pair: Pair, values: Values, report: Progress) -> Updates:
        """New values for some of ``outputs``; ``values`` holds all ``inputs`` by component."""
        raise NotImplementedError

    # What an address says of the tab

    def address(self, pair: Pair, values: Values, *, is_open: bool) -> dict[str, Any]:
        """The fields of an :class:`Address` that this tab alone knows of; most while it is open."""
        return {}

    def link_controls(self, values: Values) -> dict[str, str]:
        """What its controls say in an address, where they say something else than at first."""
        return differing(self.linked, values)

    def follow_link(
        self, address: Address, values: Values, said: list[str], *, is_open: bool
    ) -> Updates:
        """Updates of what a link sets besides ``linked``; ``said`` gets what is not possible."""
        return {}

    def pick_linked(
        self, corpus: Corpus, rows: Sequence[int], values: Values, corpus_id: str
    ) -> Updates:
        """Updates that make some texts of a built-in corpus one of their own."""
        return {}

    def select_linked(self, corpus: Corpus, rows: Sequence[int], values: Values) -> Updates:
        """Updates that select the texts that a link names, by index."""
        return {}

    def on(
        self,
        bench: Workbench,
        trigger: Callable[..., Any],
        handler: Callable[[Pair, Values, gr.EventData, Progress], Updates],
        *,
        shown: Remembered,
        inputs: Collection[Any] = (),
    ) -> Any:
        """Wire an event of something drawn: ``handler(pair, values, event, report)``.

        The pair is that of the choice in ``shown``, which :meth:`show` sets: the sidebar may say
        something else by now, which is not drawn yet or was stopped.
        """

        def answer(values: Values, report: Progress, event: gr.EventData) -> tuple[Pair, Updates]:
            pair = bench.embedded(values[shown], report)
            return pair, handler(pair, values, event, report)

        def handle(values: Values, report: Progress, event: gr.EventData) -> Updates:
            if values[shown] is None:
                raise EmbedLabError(
                    "This was drawn too long ago; change a setting to draw it again."
                )
            pair, updates = bench.with_model(report, lambda: answer(values, report, event))
            report(0, 0, "drawing")  # ends here if something was clicked since
            return updates | bench.links.again(self, pair, Values(values | set_values(updates)))

        return trigger(
            bench.sessions.event_handler(handle, f"{self.id}:{handler.__name__}"),
            set(inputs),
            [*self.outputs, bench.links.bar],
            show_progress="hidden",
            # What was clicked last counts: a later event stops the earlier one. Gradio's own
            # "always_last" runs again with the data of the first.
            trigger_mode="multiple",
            **LANE,
            **PRIVATE,
        )
