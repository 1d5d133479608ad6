"""The application: sidebar, tabs, status, and the events that keep the open tab up to date."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gradio as gr
from gradio.components import Component

from embedlab.analysis import projection
from embedlab.lab.lab import Lab
from embedlab.ui.shared import html
from embedlab.ui.shared.session import Sessions, Updates, Values, user_errors
from embedlab.ui.shared.sidebar import OWN, Sidebar
from embedlab.ui.shared.view import LANE, PRIVATE, View, Workbench
from embedlab.ui.tabs.finetune.live import Trainings
from embedlab.ui.tabs.finetune.tab import FinetuneTab
from embedlab.ui.tabs.inside.tab import InsideTab
from embedlab.ui.tabs.map import MapTab
from embedlab.ui.tabs.retrieve import RetrieveTab
from embedlab.ui.tabs.similarity import SimilarityTab
from embedlab.ui.tabs.study.tab import StudyTab

#: Seconds between two looks at whether UMAP is compiled, while the map still shows PCA.
WARM_LOOK = 3
#: On a narrow screen the open sidebar would hide everything else.
CLOSE_SIDEBAR_ON_A_PHONE = """() => {
  if (window.innerWidth < 768) document.querySelector('.sidebar.open .toggle-button')?.click();
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
        self.sidebar = Sidebar(lab, self.sessions)
        self.bench = Workbench(lab, self.sidebar, self.sessions)
        with gr.Row(elem_classes=["status-row"], equal_height=True):
            self.status = gr.HTML(
                '<p class="muted">Getting the first view ready…</p>',
                elem_id="status",
                scale=6,
                min_width=200,
            )
            self.stop = gr.Button("Stop", size="sm", scale=0, min_width=90, elem_id="stop")
        self.active = gr.State(MapTab.id)
        trainings = Trainings(blocks)
        self.views: list[View] = []
        self.tabs: list[gr.Tab] = []
        with gr.Tabs(selected=MapTab.id, overflow_behavior="wrap"):
            map_tab = self._add(MapTab)
            self._add(RetrieveTab)
            self._add(SimilarityTab, map_tab.lasso)
            self._add(InsideTab)
            self._add(FinetuneTab, trainings)
            with gr.Tab(StudyTab.title, id=StudyTab.id) as study:
                StudyTab(study, lab.config.limits, self.sessions)
        self.timer = gr.Timer(WARM_LOOK)
        self.warm = gr.State(False)
        self._wire()

    def _add(self, kind: type[Any], *args: Any) -> Any:
        with gr.Tab(kind.title, id=kind.id) as tab:
            view = kind(self.bench, *args)
        self.views.append(view)
        self.tabs.append(tab)
        return view

    @property
    def _inputs(self) -> set[Any]:
        own = [component for view in self.views for component in view.inputs]
        return {self.active, *self.sidebar.inputs, *own}

    @property
    def _outputs(self) -> list[Any]:
        own = [component for view in self.views for component in view.outputs]
        return [self.status, self.source, *own]

    def _wire(self) -> None:
        first = gr.on(
            [self.blocks.load, self.sidebar.corpus.input, self.sidebar.backbone.input],
            user_errors("prepare")(self._prepare),
            {*self.sidebar.models, self.sidebar.corpus, self.sidebar.own},
            [self.sidebar.sample, self.sidebar.a.layer, self.sidebar.b.layer],
            show_progress="full",
            show_progress_on=self.status,
            **LANE,
            **PRIVATE,
        )
        self._refresh(first.success)
        own_texts = self.sidebar.own_texts
        arrivals = []
        for event, read in own_texts.sources:
            loaded = event(
                self.sessions.handler(read, "own texts"),
                own_texts.inputs,
                own_texts.corpus,
                **PRIVATE,
            )
            arrivals.append(loaded.success(lambda: OWN, None, self.sidebar.corpus, **PRIVATE).then)
        arrivals += [arrival for view in self.views for arrival in view.arrivals]
        for arrival in arrivals:
            prepared = arrival(
                user_errors("prepare")(self._prepare),
                {*self.sidebar.models, self.sidebar.corpus, self.sidebar.own},
                [self.sidebar.sample, self.sidebar.a.layer, self.sidebar.b.layer],
                **LANE,
                **PRIVATE,
            )
            self._refresh(prepared.success)
        fitted = gr.on(
            [self.sidebar.a.model.input, self.sidebar.b.model.input],
            self.sessions.handler(self.sidebar.layers, "layers"),
            set(self.sidebar.models),
            [self.sidebar.a.layer, self.sidebar.b.layer],
            show_progress="full",
            show_progress_on=self.status,
            **LANE,
            **PRIVATE,
        )
        self._refresh(fitted.success)
        own_triggers = [trigger for view in self.views for trigger in view.triggers]
        self._refresh([*self.sidebar.triggers, *own_triggers])
        for chain in [chain for view in self.views for chain in view.chains]:
            self._refresh(chain, self._show)
        for tab, view in zip(self.tabs, self.views, strict=True):
            chosen = tab.select(
                lambda name=view.id: name, None, self.active, queue=False, **PRIVATE
            )
            self._refresh(chosen.then)
        self.stop.click(self._stop, None, self.status, queue=False, **PRIVATE)
        self.blocks.unload(self.sessions.leave)
        self.blocks.load(None, js=CLOSE_SIDEBAR_ON_A_PHONE)
        self.timer.tick(
            _look_whether_warm,  # queued: only then does the state's change start an event
            None,
            [self.timer, self.warm],
            show_progress="hidden",
            **PRIVATE,
        )
        self._refresh([self.warm.change], self._show_umap)

    def _refresh(self, triggers: Any, handler: Callable[..., Any] | None = None) -> None:
        """Show the open tab again after these events.

        Without a ``handler``, not if everything it is made of is as it was.
        """
        show = user_errors("show")(handler or self._show_if_changed)
        options: dict[str, Any] = {
            "show_progress": "full",
            "show_progress_on": self.status,
            **LANE,
            **PRIVATE,
        }
        if isinstance(triggers, list):
            gr.on(
                triggers,
                show,
                self._inputs,
                self._outputs,
                trigger_mode="multiple",  # the later one stops the earlier
                **options,
            )
        else:
            triggers(show, self._inputs, self._outputs, **options)

    def _prepare(
        self,
        values: dict[Component, Any],
        request: gr.Request,
        progress: gr.Progress = gr.Progress(),  # noqa: B008 - Gradio's way to inject it
    ) -> Updates:
        """What depends on the corpus and the backbone: the sample's and the layers' ranges."""
        if self.sessions.repeats(request, "prepare", list(values.values())):
            return {self.sidebar.sample: gr.skip()}
        with self.sessions.work(request, "prepare", progress) as report:
            return self.sidebar.ranges(values, report)

    def _show(
        self,
        values: dict[Component, Any],
        request: gr.Request,
        progress: gr.Progress = gr.Progress(),  # noqa: B008 - Gradio's way to inject it
    ) -> Updates:
        """The open tab for what the sidebar says."""
        self._is_shown(request, values)
        self._is_umap(request)
        with self.sessions.work(request, "show", progress) as report:
            pair = self.bench.pair(values, report)
            view = next(view for view in self.views if view.id == values[self.active])
            shown = view.show(pair, values, report)
            report(0, 0, "drawing")  # the last moment at which it can be stopped
            return {
                self.source: html.source_line(*pair.backbones),
                self.status: html.status_line(pair.corpus, pair.names),
                **shown,
            }

    def _show_if_changed(
        self,
        values: dict[Component, Any],
        request: gr.Request,
        progress: gr.Progress = gr.Progress(),  # noqa: B008 - Gradio's way to inject it
    ) -> Updates:
        """The same, unless it is shown already: Gradio reports some changes twice."""
        if self._is_shown(request, values):
            return {self.status: gr.skip()}
        return self._show(values, request, progress)

    def _show_umap(
        self,
        values: dict[Component, Any],
        request: gr.Request,
        progress: gr.Progress = gr.Progress(),  # noqa: B008 - Gradio's way to inject it
    ) -> Updates:
        """The map again, if UMAP was compiled since it was drawn.

        A state's first answer counts as a change in the browser, whether it is one or not.
        """
        if values[self.active] != MapTab.id or not projection.is_warm() or self._is_umap(request):
            return {self.status: gr.skip()}
        return self._show(values, request, progress)

    def _is_shown(self, request: gr.Request, values: Values) -> bool:
        return self.sessions.repeats(request, "show", list(values.values()))

    def _is_umap(self, request: gr.Request) -> bool:
        # Asked before every drawing: whether UMAP was there then, too.
        return self.sessions.repeats(request, "umap", [projection.is_warm()])

    def _stop(self, request: gr.Request) -> str:
        if self.sessions.stop(request):
            return '<p class="muted">Stopped; what was there is still there.</p>'
        return '<p class="muted">Nothing is running, so there was nothing to stop.</p>'


def _look_whether_warm() -> tuple[gr.Timer, bool]:
    warm = projection.is_warm()
    return gr.Timer(active=not warm), warm
