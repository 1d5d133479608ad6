"""The tabs of the page around a Lab, without the page."""

from __future__ import annotations

from typing import Any

import gradio as gr

from embedlab.lab.lab import Lab
from embedlab.ui.shared.session import Sessions
from embedlab.ui.shared.sidebar import Sidebar
from embedlab.ui.shared.view import Workbench
from embedlab.ui.tabs.compare.tab import CompareTab
from embedlab.ui.tabs.finetune.live import Trainings
from embedlab.ui.tabs.inside.tab import InsideTab
from embedlab.ui.tabs.map import MapTab
from embedlab.ui.tabs.retrieve import RetrieveTab
from embedlab.ui.tabs.similarity import SimilarityTab


def tabs_of(lab: Lab) -> dict[str, Any]:
    """The workbench and the tabs that read it, by name."""
    with gr.Blocks() as blocks:
        bench = Workbench(lab, Sidebar(lab, Sessions()), Sessions())
        chart = MapTab(bench)
        return {
            "bench": bench,
            "map": chart,
            "retrieve": RetrieveTab(bench),
            "similarity": SimilarityTab(bench, chart.marked),
            "inside": InsideTab(bench),
            "compare": CompareTab(bench, Trainings(blocks)),
        }
