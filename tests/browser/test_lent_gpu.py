"""Every tab where a GPU is lent by the call: that it works, and how many calls it makes."""

from __future__ import annotations

import json

import pytest
from playwright.sync_api import Browser, expect
from support.lent_space import Space
from support.visitor import visiting

#: Of one tab, all figures and tables.
PANELS = ("Layers", "Mask proof", "Tokens", "Trainable heads", "Shape of the space")


@pytest.mark.slow
def test_every_tab_works_and_asks_once(browser: Browser, space: Space) -> None:
    asked: dict[str, list[int]] = {}
    with visiting(browser, space.served.url) as visitor:
        page = visitor.page

        def note(action: str) -> None:
            visitor.idle()
            calls = [call["seconds"] for call in space.seen()["calls"]]
            asked[action] = calls[sum(map(len, asked.values())) :]

        visitor.shows(points="160")
        note("the page opens")
        visitor.tab("Retrieve")
        expect(page.locator("#lists li").first).to_be_visible()
        note("Retrieve, the corpus's queries")
        page.locator("#query textarea, #query input").first.fill("a place to borrow money")
        page.keyboard.press("Enter")
        note("a query of one's own")
        visitor.tab("Similarity")
        note("Similarity")
        visitor.tab("Inside")
        for panel in PANELS:
            visitor.tab(panel)
            note(f"Inside, {panel}")
        visitor.tab("Fine-tune")
        note("Fine-tune")
        page.locator("#train-start").click()
        expect(page.locator("#train-status")).to_contain_text("done", timeout=120_000)
        note("a training of 40 steps, scored before and after, and the map of what moved")
        page.locator("#export-kind").get_by_label("sentence-transformers").check()
        page.locator("#export-make").click()
        expect(page.locator("#export-download")).to_be_visible(timeout=120_000)
        note("its export, merged")
        visitor.tab("Study")
        note("Study")
        visitor.tab("Map")
        visitor.choose("pooling-b", "weighted_mean")
        visitor.titled("b", "weighted_mean")
        note("another pooling")
    print("\n" + json.dumps(asked, indent=1))
    *trained, moved = next(calls for action, calls in asked.items() if "training" in action)
    assert len(trained) == 1 and trained[0] > 30 and moved <= 6
    assert all(len(calls) <= 1 for action, calls in asked.items() if "training" not in action)
