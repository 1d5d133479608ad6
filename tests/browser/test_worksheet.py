"""The worksheet as it is printed: nothing is cut off on A4 or letter."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest
from support.labs import tiny_lab

from embedlab.lab.lesson_figures import MEASURES
from embedlab.lab.lessons import SHIPPED, read_lessons
from embedlab.lab.worksheet import Paper, sheets
from embedlab.render import drawings
from embedlab.render.worksheet import page

#: What is printed on, in millimetres, less the margins of the sheet.
WIDTHS = {"A4": 210 - 30, "Letter": 215.9 - 30}
PIXELS = 96 / 25.4
#: The elements that reach beyond the paper, and the smallest letters in points.
CUT_OFF = """width => [...document.body.querySelectorAll('*')]
  .filter(e => e.getBoundingClientRect().right > width + 1)
  .map(e => e.outerHTML.slice(0, 80))"""
SMALLEST = """() => Math.min(...[...document.body.querySelectorAll('p, li, td, th, .box, h1, h2')]
  .map(e => parseFloat(getComputedStyle(e).fontSize) * 72 / 96))"""


@pytest.fixture(scope="module")
def sheet():
    """All lessons that ship with blanks; what is drawn in them is made up."""
    lessons = read_lessons(SHIPPED, MEASURES)
    bare = {key: each.model_copy(update={"drawings": ()}) for key, each in lessons.items()}
    address = "https://a-long-name-of-a-space-that-somebody-has-thought-of.example"
    made = sheets(Paper(lab=tiny_lab(), address=address, class_name="room-12"), bare)
    rng = np.random.default_rng(0)
    places = tuple(rng.normal(size=(160, 2)).astype(np.float32) for _ in "AB")
    groups = ["bank: money"] * 10 + ["bank: river"] * 10 + [""] * 140
    curve = [drawings.Line(name="causal/mean", values=rng.uniform(0, 100, 31))]
    names = ("causal/mean_last+filter1.5+centre?template=topic", "causal/eos")
    drawn = (
        ("Two maps.", drawings.maps(names, places, groups, "PCA")),
        ("Lines.", drawings.lines(curve, 31, x_title="layer", y_title="kNN accuracy × 100")),
        ("Bars.", drawings.bars(["They", "␣walked", "␣on"], [22500, 90, 8], y_title="length")),
    )
    first = replace(made[0], drawings=drawn)
    return page([first, *made[1:]], key=False, source="Figures: made up"), len(made)


@pytest.mark.parametrize("paper", WIDTHS)
def test_it_fits_the_paper(browser, sheet, paper, tmp_path):
    text, lessons = sheet
    width = WIDTHS[paper] * PIXELS
    tab = browser.new_page(viewport={"width": int(width), "height": 1000})
    tab.emulate_media(media="print")
    tab.set_content(text)
    assert tab.evaluate(CUT_OFF, width) == []
    assert tab.evaluate(SMALLEST) >= 9
    pdf = tab.pdf(format=paper, prefer_css_page_size=False)
    pages = len(re.findall(rb"/Type /Page\b", pdf))
    # The front page, the lessons, and the table of certainties.
    assert lessons + 2 <= pages <= 3 * lessons
    tab.close()
