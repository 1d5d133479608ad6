"""A trained model from elsewhere becomes one more run, ready to be compared."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path

from embedlab.data.pairs import PairSet
from embedlab.export.archive import open_archive
from embedlab.export.uploaded_run import check_sizes
from embedlab.lab.lab import Lab
from embedlab.lab.run import LiveRun, Request
from embedlab.models import run_folder
from embedlab.progress import Progress, no_progress
from embedlab.training.recipe import Recipe


def import_adapter(lab: Lab, archive: Path, progress: Progress = no_progress) -> LiveRun:
    """Import the archive of an adapter, as :mod:`embedlab.export.export_model` makes it.

    Raises:
        EmbedLabError: it is no such archive, is damaged, or belongs to a backbone that is not
            offered here.
    """
    from embedlab.models.embedding import embed

    with tempfile.TemporaryDirectory() as temporary:
        folder = open_archive(archive, Path(temporary) / "run", lab.config.limits.reading)
        run_info = run_folder.read_run_info(folder)
        backbone_id = lab.config.backbone(run_info.backbone.id).id
        design = run_info.trained_design
        check_sizes(folder, run_info)
        lab.check((), design)
        base = lab.backbone(backbone_id, progress)
        request = Request(
            backbone_id=backbone_id,
            design=design,
            # The pairs it was trained on are not part of the archive.
            pairs=PairSet(
                id="elsewhere", title="pairs of elsewhere", anchors=(), positives=(), part=True
            ),
            recipe=Recipe(),
            name=_run_name(run_info.name),
            score=False,
        )
        trained = run_folder.load_run(folder, base)
        trained.name = f"{base.name} + {request.name}"
        embed(["A short text."], design, trained)  # whether the weights give vectors at all
        return lab.runs.adopt(request, folder, trained)


def _run_name(name: str) -> str:
    """``smollm2-135m + my-run`` is called ``my-run`` again."""
    plain = re.sub(r"[^A-Za-z0-9 ._-]+", "-", name.rpartition(" + ")[2])[:40]
    return plain.lstrip(" ._-") or "imported"
