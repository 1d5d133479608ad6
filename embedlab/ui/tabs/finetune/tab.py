"""The Fine-tune tab: a short contrastive training, live, and what it changed."""

from __future__ import annotations

from embedlab.progress import Progress
from embedlab.ui.shared.session import Updates, Values
from embedlab.ui.shared.view import Pair, View, Workbench
from embedlab.ui.tabs.finetune.export import ExportPanel
from embedlab.ui.tabs.finetune.form import FinetuneForm
from embedlab.ui.tabs.finetune.live import LivePanel, Trainings
from embedlab.ui.tabs.finetune.results import ResultsPanel


class FinetuneTab(View):
    """From top to bottom: the form, the training as it happens, what it changed, the export."""

    id = "finetune"
    title = "Fine-tune"

    def __init__(self, bench: Workbench, trainings: Trainings) -> None:
        self.form = FinetuneForm(bench)
        self.live = LivePanel(bench, self.form, trainings)
        self.results = ResultsPanel(bench, self.live)
        self.export = ExportPanel(bench, self.live)
        # ``results`` is among the inputs since a view is not shown again for the same inputs.
        self.inputs = {self.live.run, self.live.results}
        self.outputs = [self.form.shown_for, *self.results.outputs, *self.export.outputs]
        self.triggers = [self.live.results.change]

    def show(self, pair: Pair, values: Values, report: Progress) -> Updates:
        """What the chosen training changed on the sidebar's corpus."""
        run = self.live.chosen(values)
        return {
            **self.form.show(pair),
            **self.results.show(pair, run, report),
            **self.export.show(run),
        }
