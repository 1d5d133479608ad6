"""20,000 texts on the real page: drawing, panning, hover, lasso and search, timed in the page."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Browser
from support.map_timings import drawing, hovering, lassoing, panning, searching
from support.serving import ROOT, serving
from support.visitor import visiting

TEXTS = 20_000


@pytest.mark.slow
@pytest.mark.alone
def test_twenty_thousand_texts(browser: Browser, tmp_path: Path) -> None:
    command = [str(ROOT / "tests/support/many_texts.py"), str(TEXTS)]
    with serving(tmp_path, command) as served, visiting(browser, served.url) as visitor:
        visitor.page.set_default_timeout(300_000)
        visitor.page.wait_for_selector(".linked-map-block[data-ready=true]")
        visitor.shows(points=str(TEXTS))
        visitor.idle()
        drawn = drawing(visitor)
        frames, longest = panning(visitor, "a")
        hover = max(hovering(visitor, side, i) for side in "ab" for i in (5, 700, 19_000))
        lasso, chosen = lassoing(visitor, "b")
        script, search = searching(visitor, "mone")
        print(
            f"{TEXTS:,} texts, two maps, drawn by {visitor.map('drawn')}: drawn in {drawn:.0f} ms; "
            f"panning {frames:.0f} frames/s, longest {longest:.0f} ms; hover {hover:.0f} ms; "
            f"lasso of {chosen:,} {lasso:.0f} ms; a letter of a search {script:.0f} ms of script, "
            f"painted after {search:.0f} ms"
        )
        assert chosen > 1000
        assert drawn < 1000 and frames >= 30 and hover < 100 and lasso < 100 and script < 50
