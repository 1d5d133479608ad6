"""The results of studies that come with EmbedLab."""

from __future__ import annotations

import json
from pathlib import Path

from embedlab.resources import ASSETS


def shipped_reports(folder: Path = ASSETS) -> dict[str, Path]:
    """The reports that are there, by a title: first the paper's designs, then the others.

    Each stands in ``study``, in ``study-NAME``, or in a folder of that for every backbone. The
    first is the one that lessons are about; those of the designs that ship trained come next.
    """
    patterns = (
        "study/report.json",
        "study-trained/report.json",
        "study-*/report.json",
        "study-*/*/report.json",
    )
    found = dict.fromkeys(path for pattern in patterns for path in sorted(folder.glob(pattern)))
    return {_title(path): path for path in found}


def _title(report: Path) -> str:
    """Name, number of designs and backbone, as the small file beside the report has them."""
    try:
        record = json.loads(report.with_name("study.json").read_text(encoding="utf-8"))
        designs = len(record["study"]["designs"])
        return f"{record['name']}: {designs} designs · {record['backbone']['name']}"
    except (OSError, ValueError, LookupError, TypeError):
        return report.parent.name
