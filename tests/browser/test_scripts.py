"""Script injection in the tabs that draw a visitor's texts beside the map, the lists and heatmaps.

Those three are in ``test_page.py``; nothing may run here either.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect
from support.scripts import SCRIPTS
from support.serving import Served
from support.study_reports import made_up
from support.visitor import Visitor, visiting

from embedlab.study.report import Report


def nothing_ran(visitor: Visitor) -> None:
    assert visitor.page.evaluate("window.pwned") is None
    assert visitor.page.locator("main img[src=x], main iframe").count() == 0


@pytest.fixture(scope="module")
def visitor(browser: Browser, served: Served) -> Iterator[Visitor]:
    with visiting(browser, served.url) as visitor:
        visitor.shows(points="160")
        yield visitor


@pytest.mark.slow
def test_inside(visitor: Visitor) -> None:
    visitor.paste(SCRIPTS)
    visitor.shows(points=str(len(SCRIPTS)))
    visitor.tab("Inside")
    visitor.tab("Tokens")
    for script in SCRIPTS:
        visitor.page.locator("#token-text textarea").fill(script)
        visitor.page.keyboard.press("Enter")
    visitor.page.get_by_role("button", name="Show").first.click()
    expect(visitor.page.locator("#token-strip")).to_contain_text("script")
    nothing_ran(visitor)
    visitor.tab("Mask proof")
    visitor.page.locator("#proof-a textarea").fill(f"{SCRIPTS[0]} one")
    visitor.page.locator("#proof-b textarea").fill(f"{SCRIPTS[0]} two")
    visitor.page.get_by_role("button", name="Compare").click()
    expect(visitor.page.locator("#proof-verdict")).to_contain_text("before the change")
    visitor.tab("Shape of the space")
    expect(visitor.page.locator("#shape-table")).to_contain_text("Mean cosine")
    nothing_ran(visitor)


def test_finetune(visitor: Visitor, tmp_path: Path) -> None:
    table = tmp_path / "<img src=x onerror=window.pwned=1>.csv"
    rows = [[f"{script} {i}", script] for i in range(2) for script in SCRIPTS]
    with table.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([[SCRIPTS[0], SCRIPTS[1]], *rows])
    page = visitor.page
    visitor.tab("Fine-tune")
    page.locator("#train-data").get_by_text("Your own file").click()
    page.locator("#train-upload input[type=file]").set_input_files(table)
    expect(page.locator("#train-use")).to_be_visible()
    expect(page.locator("#train-anchor input")).not_to_have_value("")
    page.locator("#train-use").click()
    expect(page.locator("#train-about-data")).to_contain_text("pairs")
    page.locator("#train-name input, #train-name textarea").first.fill(SCRIPTS[0])
    page.locator("#train-start").click()
    assert "cannot be a run's name" in visitor.toast()
    nothing_ran(visitor)


@pytest.mark.slow
def test_study(browser: Browser, served: Served, tmp_path: Path) -> None:
    path = tmp_path / "hostile.json"
    path.write_text(_hostile(made_up(SCRIPTS[0])).to_json(), encoding="utf-8")
    with visiting(browser, served.url, 390, "dark") as visitor:
        visitor.shows(points="160")
        visitor.tab("Study")
        visitor.unfold("Open another study's report.json")
        visitor.page.locator("#study-upload input[type=file]").set_input_files(path)
        expect(visitor.page.locator("#study-head")).to_contain_text("onerror")
        expect(visitor.page.locator("#study-in-task-gains .main-svg").first).to_be_visible()
        visitor.page.locator("#study-in-task-gains .js-plotly-plot").hover()
        nothing_ran(visitor)
        visitor.fits()


def _hostile(report: Report) -> Report:
    """The report with scripts for everything that a study file or an error may say."""
    tasks = tuple(replace(task, title=SCRIPTS[1], source=SCRIPTS[2]) for task in report.tasks)
    ran = tuple(replace(cell, error=SCRIPTS[3]) for cell in report.ran)
    facts = report.facts.model_copy(update={"command": SCRIPTS[4], "hardware": SCRIPTS[0]})
    return replace(report, tasks=tasks, ran=ran, facts=facts, notes=tuple(SCRIPTS))
