"""What every tab is built on: the Lab, the sidebar, and the pair of designs on the table."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr

from embedlab.backbone import Backbone
from embedlab.comparison import Embedded
from embedlab.corpus import Corpus
from embedlab.design import Design
from embedlab.errors import EmbedLabError
from embedlab.lab import Lab
from embedlab.progress import Progress
from embedlab.ui.render import design_name, is_untrained
from embedlab.ui.session import Sessions, polite, reporter
from embedlab.ui.sidebar import Choice, Sidebar

#: Events that touch the backbone share one queue lane. They may run side by side: the backbone's
#: own lock hands it on batch by batch, so that a short query does not wait for a long corpus.
LANE: dict[str, Any] = {"concurrency_id": "backbone", "concurrency_limit": 16}
#: Handlers of the interface are no part of the programming interface.
PRIVATE: dict[str, Any] = {"api_visibility": "private"}


@dataclass(frozen=True, eq=False)
class Pair:
    """One corpus under the two designs on the table."""

    backbone_id: str
    backbone: Backbone
    corpus: Corpus
    a: Embedded
    b: Embedded
    seed: int

    @property
    def designs(self) -> tuple[Design, Design]:
        """A's and B's."""
        return self.a.design, self.b.design

    @property
    def choice(self) -> Choice:
        """What it was made from: small enough to be kept in a browser session's state."""
        return Choice(self.backbone_id, self.corpus, *self.designs, self.seed)

    @property
    def names(self) -> tuple[str, str]:
        """How A and B are called in titles; an untrained head says so."""
        name_a, name_b = (
            design_name(design, untrained=is_untrained(design, self.backbone))
            for design in self.designs
        )
        return name_a, name_b

    def source(self, what: str) -> str:
        """A caption for what was measured on one text: the backbone and its precision."""
        precision = str(self.backbone.dtype).removeprefix("torch.")
        parts = [what, self.backbone.name, self.backbone.source, self.backbone.note, precision]
        return " · ".join(part for part in parts if part)

    def caption(self, what: str) -> str:
        """A caption for what was measured on the corpus: everything needed to measure it again."""
        a, b = self.names
        corpus = f"{self.corpus.title}, {self.corpus.size_note} texts, seed {self.seed}"
        return self.source(f"{what} · A {a}, B {b} · {corpus}")


class Workbench:
    """Shared by all tabs."""

    def __init__(self, lab: Lab, sidebar: Sidebar, sessions: Sessions) -> None:
        self.lab, self.sidebar, self.sessions = lab, sidebar, sessions

    def pair(self, values: Sequence[Any], report: Progress) -> Pair:
        """What the sidebar's values mean, embedded."""
        return self.embedded(self.sidebar.read(values, report), report)

    def embedded(self, choice: Choice, report: Progress) -> Pair:
        """A choice's corpus under its two designs."""
        backbone = self.lab.backbone(choice.backbone_id, report)
        a, b = (
            self.lab.embedded(choice.corpus, design, choice.backbone_id, report)
            for design in (choice.a, choice.b)
        )
        return Pair(choice.backbone_id, backbone, choice.corpus, a, b, choice.seed)


class View:
    """A tab: its own controls, what it shows, and how it fills that from a pair.

    A subclass builds its components in ``__init__`` and sets ``inputs`` (its own controls),
    ``outputs`` (what :meth:`show` may change) and ``triggers`` (its own events after which it has
    to be shown again). ``chains`` are the same for events that first do something else.
    """

    id: str
    title: str
    inputs: list[Any]
    outputs: list[Any]
    triggers: list[Any]
    chains: Sequence[Any] = ()

    def show(self, pair: Pair, values: Sequence[Any], report: Progress) -> dict[Any, Any]:
        """New values for some of ``outputs``."""
        raise NotImplementedError

    def on(
        self,
        bench: Workbench,
        trigger: Callable[..., Any],
        handler: Callable[..., dict[Any, Any]],
        *,
        shown: gr.State,
        inputs: Sequence[Any] = (),
    ) -> Any:
        """Wire an event of something drawn: ``handler(pair, values, event, report)``.

        The pair is the one in ``shown``, a state that :meth:`show` fills: the sidebar may say
        something else by now, that is not drawn yet or was stopped.
        """

        def handle(
            request: gr.Request,
            event: gr.EventData,
            shown: Choice | None,
            progress: gr.Progress = gr.Progress(),  # noqa: B008 - how Gradio hands it in
            *values: Any,
        ) -> dict[Any, Any]:
            if shown is None:
                raise EmbedLabError(
                    "This was drawn too long ago; change a setting to draw it again."
                )
            stop = bench.sessions.begin(request, f"{self.id}:{handler.__name__}")
            report = reporter(progress, stop)
            return handler(bench.embedded(shown, report), values, event, report)

        return trigger(
            polite(handle),
            [shown, *inputs],
            self.outputs,
            show_progress="hidden",
            **LANE,
            **PRIVATE,
        )
