"""Filters and selections in Chromium: they hold where they say, and what is selected leaves."""

from __future__ import annotations

import csv
import io
import json

import pyarrow.parquet as pq
import pytest
from playwright.sync_api import Browser, expect
from support.serving import ROOT, Served
from support.visitor import Visitor, visiting

SENSES = [json.loads(line) for line in (ROOT / "assets/senses.jsonl").read_text().splitlines()]
BANK = [i for i, row in enumerate(SENSES) if row["word"] == "bank"]


def _downloaded(visitor: Visitor, button: str) -> bytes:
    with visitor.page.expect_download() as waiting:
        visitor.page.locator("#selection").get_by_role("button", name=button, exact=True).click()
    return waiting.value.path().read_bytes()


@pytest.mark.slow
def test_a_filter_holds_and_a_selection_leaves(browser: Browser, served: Served) -> None:
    with visiting(browser, served.url) as visitor:
        visitor.shows(points="160")
        page = visitor.page
        visitor.context.grant_permissions(["clipboard-read", "clipboard-write"])

        # A filter from the legend holds in another tab, which says so and can end it.
        visitor.choose("field", r"\bword\s*$")
        expect(page.locator(".lm-legend-title")).to_have_text("word")
        entry = page.locator(".lm-legend button").filter(has_text="bank")
        entry.click(modifiers=["Shift"])
        line = f"{len(BANK)} of 160 texts: word = bank"
        expect(page.locator("#filter-map")).to_contain_text(line)
        expect(page.locator("#quality")).to_contain_text("kNN accuracy, filtered texts")
        visitor.tab("Retrieve")
        expect(page.locator("#filter-retrieve")).to_contain_text(line)
        rows = page.locator("#lists .design-a li .text")
        expect(rows).to_have_count(10)
        found = {text.removesuffix("✓ relevant").strip() for text in rows.all_inner_texts()}
        assert found <= {SENSES[i]["text"] for i in BANK}
        page.locator("#filter-retrieve").get_by_role("button", name="clear").click()
        expect(page.locator("#filter-retrieve .filter-line")).to_have_count(0)

        # A selection by a value: its ids and its files have all that is known.
        visitor.tab("Map")
        visitor.unfold("Filter or select texts")
        visitor.choose("choose-by", r"\bword\s*$")
        visitor.choose("choose-values", r"\bbank ")
        page.keyboard.press("Escape")
        page.locator("#choose-select").click()
        visitor.shows(lasso=str(len(BANK)))
        panel = page.locator("#selection")
        expect(panel).to_contain_text(f"{len(BANK)} of 160 texts selected: word = bank")
        panel.get_by_role("button", name="Copy ids").click()
        expect(panel.locator(".selection-said")).to_have_text(f"{len(BANK)} ids are copied.")
        assert page.evaluate("navigator.clipboard.readText()").split() == [str(i + 1) for i in BANK]
        text = _downloaded(visitor, "CSV").decode("utf-8-sig").partition("\n")[2]
        table = [*csv.DictReader(io.StringIO(text))]
        assert [row["text"] for row in table] == [SENSES[i]["text"] for i in BANK]
        assert all(len(row["nearest rows under B"].split()) == 10 for row in table)
        parquet = pq.read_table(io.BytesIO(_downloaded(visitor, "Parquet"))).to_pylist()
        assert [row["label"] for row in parquet] == ["bank"] * len(BANK)

        # It becomes a corpus of its own, and there is a way back.
        panel.get_by_label("Name").fill("All <b>banks</b>")
        panel.get_by_role("button", name="New corpus of these").click()
        visitor.shows(points=str(len(BANK)), lasso="0")
        expect(page.locator("#status")).to_contain_text("All <b>banks</b>")
        panel.get_by_role("button", name="Back to").click()
        visitor.shows(points="160")
