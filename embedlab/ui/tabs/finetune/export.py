"""Export a trained model: to download, or to a repository on the Hub."""

from __future__ import annotations

from pathlib import Path

import gradio as gr

from embedlab.errors import EmbedLabError
from embedlab.export.check import Check
from embedlab.export.export_model import EXPORT_KINDS, export_model
from embedlab.export.hub import push_archive
from embedlab.export.serving import servers
from embedlab.lab.static_quality import static_quality
from embedlab.progress import Progress
from embedlab.ui.shared import html, sign_in
from embedlab.ui.shared.session import Updates, Values
from embedlab.ui.shared.view import LANE, PRIVATE, Workbench
from embedlab.ui.tabs.finetune.html import MACROS
from embedlab.ui.tabs.finetune.live import LivePanel
from embedlab.ui.tabs.finetune.snapshot import RunSnapshot


class ExportPanel:
    """The choice of a format, the check of the exported model, the download and the upload."""

    def __init__(self, bench: Workbench, live: LivePanel) -> None:
        self.lab, self.sessions, self.live = bench.lab, bench.sessions, live
        with gr.Column(visible=False) as self.group:
            gr.HTML("<h3 class='section-head'>Export</h3>", apply_default_css=False)
            self.kind = gr.Radio(
                [(f"{words[0].upper()}{words[1:]}", kind) for kind, words in EXPORT_KINDS.items()],
                value=next(iter(EXPORT_KINDS)),
                label="Format",
                elem_id="export-kind",
            )
            self.make = gr.Button("Export and check", elem_id="export-make")
            self.check = html.block("export-check")
            self.download = gr.DownloadButton(
                "Download", visible=False, variant="primary", elem_id="export-download"
            )
            self._build_push()
        self.outputs = [self.group, self.check, self.download, self.address]
        self._wire()

    def _build_push(self) -> None:
        with gr.Accordion("Push to the Hugging Face Hub", open=False, elem_id="export-hub"):
            with gr.Row():
                self.repository = gr.Textbox(
                    label="Repository", placeholder="your-name/model-name", min_width=200
                )
                self.token = gr.Textbox(
                    label="Your token, with write access",
                    type="password",
                    info="Used for this upload alone: not stored, not logged, cleared afterwards.",
                    min_width=200,
                    visible=not sign_in.OFFERED,
                    elem_id="export-token",
                )
                if sign_in.OFFERED:
                    gr.LoginButton(min_width=200)
            self.private = gr.Checkbox(True, label="Private repository")
            self.push = gr.Button("Export, check and push", elem_id="export-push")
            self.address = html.block("export-address")

    def _wire(self) -> None:
        working = {"show_progress": "full", **LANE, **PRIVATE}
        at_once = {"show_progress": "hidden", "queue": False, **PRIVATE}
        self.make.click(
            self.sessions.handler(self._make, "export"),
            {self.live.run, self.kind},
            [self.check, self.download],
            show_progress_on=self.check,
            **working,
        )
        pushed = self.push.click(
            self.sessions.handler(self._push, "export"),
            {self.live.run, self.kind, self.repository, self.token, self.private},
            [self.check, self.address],
            show_progress_on=self.address,
            **working,
        )
        # The token is cleared whether or not the upload succeeded.
        pushed.then(lambda: "", None, self.token, **at_once)
        self.kind.input(
            lambda: ("", gr.update(visible=False)), None, [self.check, self.download], **at_once
        )

    def show(self, run: RunSnapshot | None) -> Updates:
        """The panel for a training, without the download of an earlier state of it."""
        return {
            self.group: gr.update(visible=run is not None and run.backbone is not None),
            self.check: "",
            self.download: gr.update(visible=False),
            self.address: "",
        }

    def _make(self, values: Values, report: Progress) -> Updates:
        archive, check = self._export(values, report)
        label = f"Download {archive.name} ({archive.stat().st_size / 10**6:,.0f} MB)"
        return {
            self.check: MACROS.export_verdict(check) + html.note(self._servers(values)),
            self.download: gr.update(value=str(archive), label=label, visible=True),
        }

    def _servers(self, values: Values) -> list[str]:
        """What gives the exported folder's design on a server, or why nothing does."""
        run = self.lab.runs.get(values[self.live.run] or "")
        if values[self.kind] != "sentence-transformers":
            return []
        backbone = self.lab.runs.model(run.id).backbone
        known = servers(run.request.design, backbone.config.model_type)
        return [each.reason or f"{each.name}: {each.command} {each.note}".strip() for each in known]

    def _push(self, values: Values, report: Progress) -> Updates:
        repository, typed = ((values[box] or "").strip() for box in (self.repository, self.token))
        token = sign_in.hub_token() if sign_in.OFFERED else typed
        if not repository or not token:
            needed = "to be signed in" if sign_in.OFFERED else "a token with write access"
            raise EmbedLabError(f"Pushing needs a repository (your-name/model-name) and {needed}.")
        archive, check = self._export(values, report)
        report(0, 0, "uploading")
        address = push_archive(archive, repository, token, bool(values[self.private]))
        return {
            self.check: MACROS.export_verdict(check),
            self.address: html.note([f"Uploaded to {address}."]),
        }

    def _export(self, values: Values, report: Progress) -> tuple[Path, Check]:
        run = self.lab.runs.get(values[self.live.run] or "")
        model = self.lab.runs.model(run.id)
        return export_model(
            model.backbone,
            run.request.design,
            model.run_info,
            model.folder,
            run.folder / "exports",
            str(values[self.kind]),
            report,
            quality=lambda static, report: static_quality(
                static, model.backbone, run.request.design, None, report
            ),
        )
