"""A report that a visitor uploads: checked, and no larger than a page can show."""

from __future__ import annotations

from pathlib import Path

from embedlab.errors import EmbedLabError
from embedlab.study.report import Report, read_report
from embedlab.text import shorten

#: The largest number of models × tasks, and of designs, that a page can show.
MAX_SCORES = 20_000
MAX_DESIGNS = 60


def opened(path: Path, max_bytes: int) -> Report:
    """The report in a file.

    Raises:
        EmbedLabError: it is too large, holds no report, or one that contradicts itself.
    """
    name, size = repr(shorten(path.name, 60)), path.stat().st_size
    if size > max_bytes:
        raise EmbedLabError(
            f"{name} has {size / 10**6:,.0f} MB; up to {max_bytes / 10**6:,.0f} MB can be opened "
            "here."
        )
    report = read_report(path)
    designs = len({model.label for model in report.models})
    if len(report.models) * len(report.tasks) > MAX_SCORES or designs > MAX_DESIGNS:
        raise EmbedLabError(
            f"{name} has {designs:,} designs on {len(report.tasks):,} tasks; a page can show up to "
            f"{MAX_DESIGNS} designs and {MAX_SCORES:,} scores."
        )
    return report
