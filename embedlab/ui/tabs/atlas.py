"""A button below the map: the texts, maps, neighbours and vectors for Embedding Atlas."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gradio as gr
from gradio.utils import get_upload_folder

from embedlab.analysis.comparison import NEAREST
from embedlab.export.atlas import atlas_command
from embedlab.lab.atlas import atlas_file
from embedlab.progress import Progress
from embedlab.render.html import Macros
from embedlab.ui.shared import html
from embedlab.ui.shared.session import Updates, Values
from embedlab.ui.shared.view import PRIVATE, Pair, Workbench

if TYPE_CHECKING:
    from embedlab.ui.tabs.map import MapTab

FILE = "embedding-atlas.parquet"
TEMPLATES = Macros("atlas.html")
#: The browser's own click, once the file's address is there.
DOWNLOAD = "() => setTimeout(() => document.querySelector('#atlas-file')?.click(), 300)"


class AtlasButton:
    """The button, the download that it starts, and the commands that open the file.

    Its components are ``outputs``; :meth:`wire` comes once the tab has put them among its own.
    """

    def __init__(self, bench: Workbench) -> None:
        self.lab = bench.lab
        with gr.Row(equal_height=True):
            self.make = gr.Button(
                "Save for Embedding Atlas", size="sm", scale=0, min_width=220, elem_id="atlas"
            )
            self.file = gr.DownloadButton(
                "Download again", size="sm", scale=0, min_width=160, elem_id="atlas-file"
            )
            self.file.visible = False
        self.shown = html.block("atlas-commands")
        self.outputs: list[Any] = [self.file, self.shown]
        #: What a new drawing does to them: the file was one of another.
        self.outdated: Updates = {self.file: gr.update(visible=False), self.shown: ""}

    def wire(self, tab: MapTab, bench: Workbench) -> None:
        """What a press does: a file of what is drawn."""
        self.tab = tab
        made = tab.on(bench, self.make.click, self._make, shown=tab.shown)
        made.success(None, js=DOWNLOAD, **PRIVATE)

    def _make(self, pair: Pair, values: Values, event: gr.EventData, report: Progress) -> Updates:
        maps, _ = values[self.tab.drawn]
        how, _ = values[self.tab.clusters.drawn]
        # In Gradio's own cache, under a name that nobody guesses: it is deleted with the uploads.
        folder = Path(get_upload_folder()) / f"atlas-{secrets.token_hex(16)}"
        folder.mkdir(parents=True)
        target = folder / FILE
        atlas_file(self.lab, target, [pair.a, pair.b], maps, how, report)
        size = target.stat().st_size / 10**6
        commands = [
            (side.letter, side.name, atlas_command(FILE, side.letter.lower()))
            for side in pair.sides
        ]
        return {
            self.file: gr.update(value=str(target), visible=True),
            self.shown: TEMPLATES.commands(
                commands, len(pair.corpus.texts), f"{size:,.1f}", NEAREST, maps.method
            ),
        }
