"""The application: sidebar, tabs, status, and the events that keep the open tab up to date."""

from __future__ import annotations

import asyncio
import time
import weakref
from contextlib import ExitStack
from functools import partial
from typing import Any

import gradio as gr

from embedlab.analysis import projection
from embedlab.data.corpus import Corpus
from embedlab.errors import EmbedLabError
from embedlab.lab.lab import Lab
from embedlab.progress import Progress
from embedlab.render.html import muted
from embedlab.text import escape
from embedlab.ui.shared import html
from embedlab.ui.shared.controls import OpenTab
from embedlab.ui.shared.lessons import Lessons
from embedlab.ui.shared.links import link_bar
from embedlab.ui.shared.session import (
    Action,
    Remembered,
    Session,
    Sessions,
    Updates,
    Values,
    sentence,
    set_values,
    with_value,
)
from embedlab.ui.shared.sidebar import Sidebar
from embedlab.ui.shared.view import LANE, PRIVATE, Pair, View, Workbench
from embedlab.ui.tabs.compare.tab import CompareTab
from embedlab.ui.tabs.finetune.live import Trainings
from embedlab.ui.tabs.finetune.tab import FinetuneTab
from embedlab.ui.tabs.inside.tab import InsideTab
from embedlab.ui.tabs.map import MapTab
from embedlab.ui.tabs.retrieve import RetrieveTab
from embedlab.ui.tabs.similarity import SimilarityTab
from embedlab.ui.tabs.study.tab import StudyTab

#: For how many seconds a page that shows PCA waits for UMAP to be compiled.
UMAP_SECONDS = 600
#: On a narrow screen the open sidebar would hide everything else.
CLOSE_SIDEBAR_ON_A_PHONE = """() => {
  if (window.innerWidth < 768) document.querySelector('.sidebar.open .toggle-button')?.click();
}"""

#: Gradio's sliders report a change by pointer only. A key's change is reported as if a pointer had
#: made it, once the keys rest; a typed number reports itself, but for one that Enter confirms. An
#: answer that comes before the keys rest may have put the slider back: then the keys' value counts.
SLIDERS_BY_KEYBOARD = """() => {
  const waiting = new WeakMap();
  let byKey = false;
  document.addEventListener('keydown', () => (byKey = true), true);
  document.addEventListener('pointerdown', () => (byKey = false), true);
  document.addEventListener('change', ({ target }) => {
    const slider = target.closest?.('.block')?.querySelector('input[type=range]');
    if (!byKey || !slider || document.activeElement !== target) return;
    clearTimeout(waiting.get(slider));
    const chosen = target.value;
    const release = () => {
      if (byKey && target.value !== chosen) {
        target.value = chosen;
        target.dispatchEvent(new Event('input', { bubbles: true }));
      }
      target.dispatchEvent(new PointerEvent('pointerup', { bubbles: true }));
    };
    waiting.set(slider, setTimeout(release, 150));
  }, true);
}"""


class Workspace:
    """Builds the page inside a ``gr.Blocks`` and wires it."""

    def __init__(self, lab: Lab, blocks: gr.Blocks) -> None:
        self.lab, self.blocks = lab, blocks
        self.sessions = Sessions()
        with gr.Row(elem_classes=["masthead"], equal_height=True):
            with gr.Column(scale=4, min_width=260):
                html.block(
                    "brand",
                    "<h1>EmbedLab</h1><p class='muted'>One backbone, two embedding designs, the "
                    "same texts: see what attention and pooling do.</p>",
                )
            with gr.Column(scale=3, min_width=260):
                self.source = html.block("source")
                bar = link_bar()
        self.sidebar = Sidebar(lab, self.sessions)
        self.bench = Workbench(lab, self.sidebar, self.sessions, bar)
        self.links = self.bench.links
        with gr.Row(elem_classes=["status-row"], equal_height=True):
            self.status = gr.HTML(
                '<p class="muted">Getting the first view ready…</p>',
                elem_id="status",
                scale=6,
                min_width=200,
            )
            self.stop = gr.Button("Stop", size="sm", scale=0, min_width=90, elem_id="stop")
        #: Whether the visitor gave texts; after a reload it says that they are gone.
        self.given = html.frame("own-lost", "own_lost")
        #: The last of the server's answers that the browser has shown; see ``Choices``.
        self.revision = gr.Number(0, visible="hidden", elem_id="revision")
        self.active = self.links.active
        #: What says in a tab that a filter holds there.
        self.filter_lines: dict[str, gr.HTML] = {}
        self.shown = Remembered("")  # the status of what is on the screen
        trainings = Trainings(blocks)
        self.views: list[View] = []
        self.actions: list[Action] = []
        self.open_tab = OpenTab("tabs")
        # None is selected here: the page would report that as a choice, after that of a link.
        with gr.Tabs(overflow_behavior="wrap", elem_id="tabs") as self.tabs:
            map_tab = self._add(MapTab)
            self._add(RetrieveTab)
            self._add(SimilarityTab, map_tab.marked)
            self._add(InsideTab)
            self._add(CompareTab, trainings)
            self._add(FinetuneTab, trainings)
            with gr.Tab(StudyTab.title, id=StudyTab.id) as self.study:
                StudyTab(self.study, lab.config.limits, self.sessions)
        titles = {view.id: view.title for view in self.views} | {StudyTab.id: StudyTab.title}
        self.lessons = Lessons(lab, self.sessions)
        self.links.lessons = self.lessons.lessons
        self.links.wire(blocks, self.tabs, self.views, titles)
        self._wire()

    def _add(self, kind: type[Any], *args: Any) -> Any:
        with gr.Tab(kind.title, id=kind.id) as tab:
            if kind.filtered:
                line = self.filter_lines[kind.id] = html.filter_block(f"filter-{kind.id}")
                clear = Action(trigger=line.clear, run=lambda *_: {self.bench.kept: None})
                self.actions.append(clear)
            view = kind(self.bench, *args)
        self.views.append(view)
        self.actions += [
            Action(trigger=tab.select, run=self._select, scripts=self.open_tab.scripts),
            *view.actions,
        ]
        return view

    # Events

    def _select(self, values: Values, *_: Any) -> Updates:
        opened = self.open_tab.read(values)
        is_view = any(view.id == opened for view in self.views)  # Study reports itself
        return {self.active: opened, self.links.aside: ""} if is_view else {}

    def _wire(self) -> None:
        own_triggers = [trigger for view in self.views for trigger in view.triggers]
        gr.on([*self.sidebar.triggers, *own_triggers], **self._showing())
        opening, link = self.links.actions
        opened = opening.trigger(**self._showing(opening))
        self.study.select(
            self.sessions.session_handler(self._aside), set(), self._outputs, **PRIVATE
        )
        for action in [*self.sidebar.actions, *self.actions, link]:
            action.trigger(**self._showing(action))
        # Only then, since the import of torch would hold up what is prepared.
        loaded = opened.then(
            self.sessions.handler(self._load_model, "model"),
            {self.sidebar.backbone},
            [self.source],
            show_progress="full",
            show_progress_on=self.source,
            concurrency_limit=None,
            **PRIVATE,
        )
        loaded.success(**self._showing())
        compiled = self.blocks.load(
            _until_umap_is_compiled, show_progress="hidden", concurrency_limit=None, **PRIVATE
        )
        compiled.success(**self._showing())
        self.stop.click(
            self.sessions.session_handler(self._stop),
            set(),
            self._outputs,
            queue=False,
            **PRIVATE,
        )
        self.blocks.unload(self.sessions.leave)
        self.blocks.load(None, js=CLOSE_SIDEBAR_ON_A_PHONE)
        self.blocks.load(None, js=SLIDERS_BY_KEYBOARD)

    @property
    def _inputs(self) -> set[Any]:
        own = {control for view in self.views for control in view.inputs}
        return {self.revision, *self.sidebar.inputs, *own}

    @property
    def _outputs(self) -> list[Any]:
        own = {component for view in self.views for component in view.outputs}
        lines = set(self.filter_lines.values())
        page = {self.status, self.source, self.given, self.links.bar, self.tabs}
        return list(self._inputs | own | lines | page | {self.lessons.block})

    def _showing(self, action: Action | None = None) -> dict[str, Any]:
        """The arguments of an event after which the open tab is shown again.

        One round trip: its handler sets controls of the sidebar, the status, and the tab's outputs.
        """

        def handle(
            session: Session, values: Updates, event: gr.EventData, progress: gr.Progress
        ) -> Updates:
            return self._handle(session, action, values, event, progress)

        return {
            "fn": self.sessions.session_handler(handle),
            "inputs": action.inputs_with(self._inputs) if action else self._inputs,
            "js": action.script_with(self._inputs) if action else None,
            "outputs": self._outputs,
            "trigger_mode": "multiple",  # a later event stops the earlier one
            "show_progress": "full",
            "show_progress_on": self.status,
            **LANE,
            **PRIVATE,
        }

    def _handle(
        self,
        session: Session,
        action: Action | None,
        values: Updates,
        event: gr.EventData,
        progress: gr.Progress,
    ) -> Updates:
        refused = ""
        try:
            self._choose(session, action, values, event, progress)
        except EmbedLabError as error:
            # Only this choice is refused: what was chosen before has still to be shown.
            refused = str(error)
            gr.Warning(**sentence(error))
        try:
            return self._show(session, progress)
        except EmbedLabError as error:
            if str(error) != refused:
                gr.Warning(**sentence(error))
            return {
                self.status: html.not_shown(str(error), session.values({})[self.shown]),
                **self._answer(session),
            }

    def _choose(
        self,
        session: Session,
        action: Action | None,
        values: Updates,
        event: gr.EventData,
        progress: gr.Progress,
    ) -> None:
        """Note what the visitor chose, and what follows from it.

        Raises:
            EmbedLabError: it is not possible, such as a corpus that cannot be loaded; the sidebar
                goes back to what it said before.
        """
        choices = session.choices
        before = choices.current()
        number, changed = choices.arrive(values, values[self.revision] or 0, event.target)
        session.remember({self.sidebar.forgot: choices.forgot})
        sets = action.sets_of(Values(values), event) if action else set()
        choices.promise(number, sets | self.sidebar.followers(changed | sets, choices.current()))
        try:
            # A kind of its own: a later event lets it go on, and only the Stop button stops it.
            with session.work(f"choice {number}", progress) as report:
                now = session.values(choices.current())
                updates = (
                    self.bench.with_model(report, lambda: action.run(now, report, event))
                    if action
                    else {}
                )
                new = set_values(updates)
                # At once: what follows may take its time, and a tab opened meanwhile counts.
                updates = session.remember(updates)
                now |= new
                followed = changed | new.keys()
                if self.links.awaits_texts(now):
                    followed -= {self.sidebar.corpus, self.sidebar.own}
                for control, update in self.sidebar.follow(followed, now, report).items():
                    keeps = control in new and control not in set_values({control: update})
                    updates[control] = with_value(update, new[control]) if keeps else update
                now |= set_values(updates)
                updates |= self.links.of_texts(now, updates, report)
            choices.settle(number, session.remember(updates))
        except EmbedLabError:
            sources = {self.sidebar.corpus, *self.sidebar.models} & changed & before.keys()
            choices.settle(number, {control: before[control] for control in sources})
            raise

    def _show(self, session: Session, progress: gr.Progress) -> Updates:
        """The open tab for what the controls say by now, unless that is on the screen."""
        with ExitStack() as stack:
            with session.lock:  # of several events at a time, the last to get here has all choices
                values = session.values(session.choices.current())
                self.links.check_texts(values)
                view = next(view for view in self.views if view.id == values[self.active])
                key = self._key(view, values)
                if not session.starts_showing(key):
                    return self._answer(session)
                report = stack.enter_context(session.work("show", progress))
            try:
                while True:
                    pair, updates, now = self.bench.with_model(
                        report, partial(self._drawn, view, values, report)
                    )
                    with session.lock:
                        report(0, 0, "drawing")  # the last moment at which it can be stopped
                        if session.remembers(values):
                            # What it has set comes back with the next event, and is no choice.
                            session.shows_as(key, self._key(view, now))
                            return self._shown(session, pair, updates, now)
                        # Something drawn was clicked meanwhile: once more, as this knows nothing
                        # of it and would undo it.
                        values = session.values(session.choices.current())
            except BaseException:
                session.failed_to_show(key)
                raise

    def _shown(self, session: Session, pair: Pair, updates: Updates, now: Values) -> Updates:
        """The answer, with the status; what is remembered is what is on the screen from then on."""
        status = html.status_line(pair.corpus, pair.names, pair.prepared, self._dropped(pair))
        updates |= {
            self.source: html.source_line(*pair.backbones),
            self.status: status,
            self.shown: status,
            self.given: now[self.sidebar.own] is not None,
            **self.lessons.view(pair, now[self.sidebar.corpus], now[self.bench.query]),
        }
        return {**session.remember(updates), **self._answer(session)}

    def _drawn(self, view: View, values: Values, report: Progress) -> tuple[Pair, Updates, Values]:
        """What a tab shows, with the address that says it, and the values from then on."""
        pair = self.bench.pair(values, report)
        updates = view.show(pair, values, report) | self._filter_line(view, pair, values)
        now = Values(values | set_values(updates))
        return pair, updates | self.links.written(view, pair, now, report), now

    def _dropped(self, pair: Pair) -> str:
        """Why what was prepared is not shown, if it is not."""
        sides = zip(pair.designs, pair.backbone_ids, strict=True)
        dropped = (self.lab.prepared_views.dropped(pair.corpus, *side) for side in sides)
        return next(filter(None, dropped), "")

    def _filter_line(self, view: View, pair: Pair, values: Values) -> Updates:
        """Says in the tab which filter holds, and in a word that another corpus has ended one."""
        before = values[self.bench.kept]
        ended: Updates = {}
        if before is not None and pair.kept is None:
            gr.Info(f"The filter on the texts before ended with them: {escape(before.words)}.")
            ended = {self.bench.kept: None}
        if view.id not in self.filter_lines:
            return ended
        line = html.filter_line(pair.kept, view.filtered) if pair.kept else ""
        return {self.filter_lines[view.id]: line, **ended}

    def _key(self, view: View, values: Values) -> list[Any]:
        """Equal for equal views: Gradio's dropdowns report a pick twice, and visits without one."""
        controls = [*self.sidebar.inputs, *view.inputs]
        return [
            view.id,
            view.id == MapTab.id and projection.is_warm(),
            view.at_once and self.bench.readiness(values),
            values[self.sidebar.vectors],
            values[self.links.changed],
            *(values[each] for each in view.remembered),
            view.filtered and values[self.bench.kept],
            # Weak references, as this must not keep a visitor's texts in memory.
            *(weakref.ref(v) if isinstance(v, Corpus) else v for v in map(values.get, controls)),
        ]

    def _load_model(self, values: Values, report: Progress) -> Updates:
        """What is prepared is shown meanwhile; the bar stands where the model will be named."""
        try:
            self.lab.backbone(values[self.sidebar.backbone] or "", report)
        except EmbedLabError as error:
            return {self.source: muted(f"The model is not there, only what is prepared: {error}")}
        return {}

    def _stop(self, session: Session, *_: Any) -> Updates:
        stopped = "Stopped; what was there is still there."
        idle = "Nothing is running, so there was nothing to stop."
        return {
            self.status: muted(stopped if session.stop() else idle),
            **self._answer(session),
        }

    def _aside(self, session: Session, *_: Any) -> Updates:
        """A tab was opened that shows nothing of the sidebar's: only the address follows."""
        session.remember({self.links.aside: StudyTab.id})
        return self._answer(session)

    def _answer(self, session: Session) -> Updates:
        """What every answer says: controls that the browser has not confirmed, and the address."""
        with session.lock:
            address = session.remember(self.links.answer(session.values({})))
            return {**session.choices.answer(self.revision), **address}


async def _until_umap_is_compiled() -> None:
    end = time.monotonic() + UMAP_SECONDS
    while not projection.is_warm() and time.monotonic() < end:
        await asyncio.sleep(1)
