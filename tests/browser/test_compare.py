"""Every design on a visitor's own texts, in Chromium: rows arrive, and one becomes A."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Browser, expect
from support.messages import MESSAGES
from support.serving import Served
from support.visitor import visiting


@pytest.mark.slow
def test_own_texts_get_a_proposal_maps_and_a_matrix(browser: Browser, served: Served) -> None:
    with visiting(browser, served.url) as visitor:
        page = visitor.page
        visitor.shows()
        visitor.paste([*MESSAGES[:13], "<img src=x onerror=alert(1)> ${x}"])
        visitor.shows(points="14")
        visitor.tab("Compare")
        expect(page.locator("#compare-answer")).to_contain_text("press 'Compare all designs'")
        visitor.unfold("What is compared")
        for kind in ("Steps", "Layers", "Templates", "Trained models", "MiniLM, the yardstick"):
            page.locator("#compare-kinds").get_by_label(kind).uncheck()
        page.locator("#compare-start").click()
        rows = page.locator("#compare-table tbody tr")
        expect(rows.first).to_be_visible()
        expect(page.locator("#compare-answer")).to_contain_text("this is a proposal and no result")
        expect(page.locator("#compare-state")).to_contain_text(re.compile(r"1[4-6] rows from"))
        visitor.fits()

        # A text lights up in all maps.
        maps = page.locator("#small-maps canvas")
        expect(maps).to_have_count(9)
        maps.first.scroll_into_view_if_needed()
        maps.first.focus()
        page.keyboard.press("ArrowRight")
        expect(page.locator("#small-maps .sm-line")).to_contain_text(MESSAGES[0])
        expect(page.locator("#compare-matrix .fig-plot .main-svg").first).to_be_visible()

        # A row becomes A, here and on the map.
        page.locator('[data-name="causal/mean"][data-side="A"]').click()
        expect(page.locator("#status")).to_contain_text("A causal/mean")
        row = rows.filter(has_text=re.compile(r"causal/mean\s*A"))
        expect(row.locator(".chip-a", has_text="A").first).to_be_visible()
        with page.expect_download() as data:
            page.locator("#compare-table [data-get=csv]").click()
        lines = data.value.path().read_text(encoding="utf-8-sig").splitlines()
        assert lines[1].startswith("rank,design,model,entropy") and len(lines) >= 16

        # Other texts have no table yet; these ones still have theirs.
        visitor.choose("corpus", "One word, several senses")
        expect(page.locator("#compare-answer")).to_contain_text("press 'Compare all designs'")
        expect(rows).to_have_count(0)
