"""The Study tab in Chromium: the shipped results, another category, a wrong and a right file."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect
from support.serving import Served
from support.study_reports import made_up, made_up_grid
from support.visitor import Visitor, visiting


def drawn(visitor: Visitor, figure: str, words: str) -> None:
    """Wait until a figure is on the screen and has these words in its title."""
    title = visitor.page.locator(f"#{figure} .fig-plot .gtitle").first
    expect(title).to_contain_text(words)
    expect(visitor.page.locator(f"#{figure} .fig-plot .main-svg").first).to_be_visible()


def upload(visitor: Visitor, path: Path) -> None:
    clear = visitor.page.locator("#study-upload").get_by_label("Clear")
    if clear.count():
        clear.first.click()
    visitor.page.locator("#study-upload input[type=file]").set_input_files(path)


def choose_retrieval(visitor: Visitor) -> None:
    """Open the tab, look at what it shows first, and choose another category."""
    page = visitor.page
    visitor.shows()
    visitor.tab("Study")
    expect(page.locator("#study-scores table")).to_be_visible()
    expect(page.locator("#study-paper table")).to_contain_text("M5 against M1")
    drawn(visitor, "study-in-category-gains", "STS")
    drawn(visitor, "study-in-category-matrix", "STS")
    drawn(visitor, "study-in-task-gains", "stsb")
    drawn(visitor, "study-training-curves", "Training")
    page.locator("#study-category").get_by_text("Retrieval").click()
    drawn(visitor, "study-in-category-gains", "Retrieval")
    expect(page.locator("#study-in-category")).to_contain_text("No p-value")
    visitor.fits()


@pytest.mark.slow
def test_it_fits_a_phone(browser: Browser, served: Served) -> None:
    with visiting(browser, served.url, 390, "dark") as visitor:
        choose_retrieval(visitor)


def test_read_choose_upload_and_download(browser: Browser, served: Served, tmp_path: Path) -> None:
    with visiting(browser, served.url) as visitor:
        page = visitor.page
        choose_retrieval(visitor)
        visitor.unfold("Open another study's report.json")
        wrong = tmp_path / "wrong.json"
        wrong.write_text('{"name": "<b>nothing"}')
        shown = visitor.text("#study-head")
        upload(visitor, wrong)
        assert "'wrong.json' holds no study report" in visitor.toast()
        assert visitor.text("#study-head") == shown

        mine = tmp_path / "mine.json"
        report = made_up("mine <b>& only")
        mine.write_text(report.to_json())
        upload(visitor, mine)
        expect(page.locator("#study-head")).to_contain_text("mine <b>& only")
        drawn(visitor, "study-in-task-gains", "sts-0")
        with page.expect_download() as download:
            page.locator("[data-file='report.json']").click()
        assert download.value.path().read_text(encoding="utf-8") == report.to_json()
        visitor.fits()

        # Many designs: what each choice does, and a table to sort and to filter.
        mine.write_text(made_up_grid().to_json())
        upload(visitor, mine)
        drawn(visitor, "study-effects-effects", "What each choice gains")
        rows = page.locator("#study-designs tbody tr")
        expect(rows).to_have_count(24)
        expect(rows.first).to_contain_text("causal/mean+centre")
        page.locator("#study-designs").get_by_role("button", name="Mean").click()
        expect(rows.first).to_contain_text("causal/mean+centre")  # the highest first
        page.locator("#study-designs").get_by_role("button", name="Mean").click()
        expect(rows.first).to_contain_text("bidirectional/eos")
        page.locator("#study-designs [data-filter]").fill("topic centre")
        expect(page.locator("#study-designs [data-shown]")).to_have_text("4 of 24")
        expect(page.locator("#study-designs tbody tr:visible")).to_have_count(4)
        visitor.fits()
