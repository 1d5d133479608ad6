"""Export a trained model: write it, check the export in a fresh process, pack it."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from embedlab.errors import EmbedLabError
from embedlab.export.adapter import export_adapter
from embedlab.export.archive import package
from embedlab.export.check import CHECK_TEXTS, Check, verify
from embedlab.files import disk_errors
from embedlab.models.design import Design
from embedlab.models.run_folder import RunInfo
from embedlab.progress import Progress, no_progress

if TYPE_CHECKING:
    from embedlab.models.backbone import Backbone

#: The kinds of export, and what each is.
EXPORT_KINDS = {
    "adapter": "adapter and head, a few megabytes, for EmbedLab on the same backbone",
    "sentence-transformers": "the merged model as a folder for sentence-transformers",
}


def export_model(
    backbone: Backbone,
    design: Design,
    run_info: RunInfo,
    run_folder: Path,
    out: Path,
    kind: str,
    progress: Progress = no_progress,
) -> tuple[Path, Check]:
    """Export, check and pack: the archive's path and the result of the check.

    Args:
        backbone: the trained model.
        design: what it was trained for.
        run_info: the content of ``run.json`` in ``run_folder``.
        run_folder: the run's folder.
        out: the folder of the archive, which is named after the run and the kind.
        kind: one of :data:`EXPORT_KINDS`.
        progress: see :data:`~embedlab.progress.Progress`.

    Raises:
        EmbedLabError: an unknown kind, or the export differs; then there is no archive.
    """
    from embedlab.export.sentence_transformers import export_sentence_transformers
    from embedlab.models.embedding import embed

    if kind not in EXPORT_KINDS:
        raise EmbedLabError(
            f"{kind[:60]!r} is not a kind of export; use {' or '.join(EXPORT_KINDS)}."
        )
    target = out / f"{_file_name(run_info.name)}-{kind}.zip"
    with disk_errors(target.name):
        out.mkdir(parents=True, exist_ok=True)
        target.unlink(missing_ok=True)
    expected = embed(CHECK_TEXTS, design, backbone, progress=progress)
    with tempfile.TemporaryDirectory(dir=out, prefix=".export-") as work:
        folder = Path(work) / "model"
        if kind == "adapter":
            export_adapter(run_folder, run_info, folder)
        else:
            export_sentence_transformers(backbone, design, run_info, folder, progress)
        check = verify(folder, expected, CHECK_TEXTS, progress)
        if not check.ok:
            raise EmbedLabError(
                f"The export gives other vectors than the trained model (largest difference "
                f"{check.largest_difference:.2g}, allowed {check.tolerance:g}), so there is no "
                "download; try the other kind of export."
            )
        progress(0, 0, "packing")
        return package(folder, target), check


def _file_name(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9_-]+", "-", name).strip("-")[:60] or "model"
