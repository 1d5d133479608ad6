"""A model that somebody took home and brings back: one more run, ready to be compared."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path

from embedlab import runs
from embedlab.archives import open_archive
from embedlab.backbone import Backbone
from embedlab.lab import Lab
from embedlab.live_runs import LiveRun, Request
from embedlab.pairs import PairSet
from embedlab.progress import Progress, silent
from embedlab.recipe import Recipe


def bring_back(lab: Lab, archive: Path, progress: Progress = silent) -> LiveRun:
    """Take in the archive of an adapter, as :func:`embedlab.export.take_away` makes it.

    Raises:
        EmbedLabError: it is no such archive, is damaged, or belongs to a backbone that is not
            offered here.
    """
    with tempfile.TemporaryDirectory() as place:
        folder = open_archive(archive, Path(place) / "run")
        about = runs.read_facts(folder)
        backbone_id = lab.config.backbone(about["backbone"]["id"]).id
        base = lab.backbone(backbone_id, progress)
        request = Request(
            backbone_id=backbone_id,
            design=runs.design_of(about),
            # Its pairs stayed where it was trained.
            pairs=PairSet(
                id="elsewhere", title="pairs of elsewhere", anchors=(), positives=(), part=True
            ),
            recipe=Recipe(),
            name=_run_name(about["name"]),
            score=False,
        )

        def bring(saved: Path) -> Backbone:
            saved.parent.mkdir(parents=True)
            open_archive(archive, saved)
            return runs.load_run(saved, base)[0]

        return lab.runs.adopt(request, bring)


def _run_name(name: str) -> str:
    """``smollm2-135m + my-run`` is called ``my-run`` again."""
    plain = re.sub(r"[^A-Za-z0-9 ._-]+", "-", name.rpartition(" + ")[2])[:40]
    return plain.lstrip(" ._-") or "brought-back"
