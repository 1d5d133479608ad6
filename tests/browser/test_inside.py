"""The inside tab in Chromium, panel by panel, on the real backbone."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect
from support.serving import Served
from support.visitor import Visitor, visiting

PANELS = {
    "Layers": ["layer-figure"],
    "Mask proof": ["proof-causal", "proof-bidirectional"],
    "Tokens": ["token-norms", "token-cosines"],
    "Trainable heads": ["head-a", "head-b"],
    "Shape of the space": ["shape-cosines", "shape-explained", "shape-occurrences"],
}
POINT = """([trace, layer]) => {
  const plot = document.querySelector('#layer-figure .fig-plot');
  const { left, top } = plot.getBoundingClientRect();
  const { xaxis, yaxis } = plot._fullLayout;
  const { x, y } = plot._fullData[trace];
  return [left + xaxis._offset + xaxis.c2p(x[layer]), top + yaxis._offset + yaxis.c2p(y[layer])];
}"""


def drawn(visitor: Visitor, *figures: str) -> None:
    """Wait until these figures are on the screen."""
    for figure in figures:
        expect(visitor.page.locator(f"#{figure} .fig-plot .main-svg").first).to_be_visible()


def caption(visitor: Visitor, figure: str) -> str:
    return visitor.text(f"#{figure} .fig-caption")


@pytest.fixture(scope="module")
def visitor(browser: Browser, served: Served) -> Iterator[Visitor]:
    """One visit, in this tab, that most tests share: the first ones leave the designs alone."""
    with visiting(browser, served.url) as visitor:
        visitor.shows()
        visitor.tab("Inside")
        drawn(visitor, "layer-figure")
        yield visitor


def test_figures_are_downloaded_as_data_and_picture(visitor: Visitor) -> None:
    with visitor.page.expect_download() as data:
        visitor.page.locator("#layer-figure [data-get=csv]").click()
    lines = data.value.path().read_text(encoding="utf-8-sig").splitlines()
    assert "smollm2-135m" in lines[0] and lines[1] == "curve,layer,score,low,high"
    assert len(lines) == 2 + 6 * 31
    with visitor.page.expect_download() as picture:
        visitor.page.locator("#layer-figure [data-get=png]").click()
    assert picture.value.path().read_bytes().startswith(b"\x89PNG")


def test_nothing_to_score_leads_to_a_corpus_that_has(visitor: Visitor) -> None:
    visitor.tab("Map")
    visitor.shows()
    visitor.paste(["one text", "another text", "a third one"])
    visitor.shows(points="3")
    visitor.tab("Inside")
    visitor.tab("Layers")
    expect(visitor.page.locator("#layer-notes")).to_contain_text("has no scored pairs")
    visitor.page.get_by_role("button", name="Switch to One word, several senses").click()
    drawn(visitor, "layer-figure")
    assert "n = 12 queries" in caption(visitor, "layer-figure")
    assert "160 texts" in visitor.text("#status")
    expect(visitor.page.locator("#layer-elsewhere")).to_have_count(0)


def test_the_mask_proof_says_what_moved(visitor: Visitor) -> None:
    visitor.tab("Mask proof")
    drawn(visitor, *PANELS["Mask proof"])
    verdict = visitor.text("#proof-verdict")
    assert "Causal: nothing before the change moved (largest 0)" in verdict
    assert "Bidirectional: tokens before the change moved too" in verdict
    visitor.page.locator("#proof-b textarea").fill(
        visitor.page.locator("#proof-a textarea").input_value()
    )
    visitor.page.get_by_role("button", name="Compare").click()
    assert "change the last word" in visitor.toast()
    drawn(visitor, *PANELS["Mask proof"])
    visitor.fits()


def test_layers_are_drawn_and_a_click_sets_a_design(visitor: Visitor) -> None:
    visitor.tab("Layers")
    drawn(visitor, "layer-figure")
    words = caption(visitor, "layer-figure")
    for part in ("nDCG@10", "n = 12 queries", "smollm2-135m", "seed 0", "160 texts"):
        assert part in words
    assert words.endswith((" float32", " bfloat16"))  # whichever is faster on this CPU
    visitor.fits()
    names = visitor.page.evaluate(
        "document.querySelector('#layer-figure .fig-plot').data.map(t => t.name)"
    )
    trace = names.index("causal/mean")
    visitor.page.locator("#layer-figure .fig-plot").scroll_into_view_if_needed()
    visitor.page.mouse.click(*visitor.page.evaluate(POINT, [trace, 1]))
    expect(visitor.page.locator("#status")).to_contain_text("causal/mean@1")
    assert "A causal/mean@1" in caption(visitor, "layer-figure")
    visitor.page.locator("#layer-measure input").click()
    visitor.page.get_by_role("option").filter(has_text="kNN accuracy").click()
    expect(visitor.page.locator("#layer-figure .fig-caption")).to_contain_text("labels: sense")


def test_tokens_heads_and_shape(visitor: Visitor) -> None:
    visitor.tab("Map")
    visitor.shows()
    visitor.choose("preset-a", "M3")
    visitor.choose("preset-b", "M4")
    visitor.titled("b", "M4")
    visitor.tab("Inside")
    visitor.tab("Tokens")
    drawn(visitor, *PANELS["Tokens"])
    visitor.fits()
    expect(visitor.page.locator("#token-strip")).to_contain_text("<|im_end|>")
    visitor.tab("Trainable heads")
    drawn(visitor, *PANELS["Trainable heads"])
    visitor.fits()
    expect(visitor.page.locator("#head-notes")).to_contain_text("untrained (random)")
    assert "attention over layers" in visitor.text("#head-a .fig-plot")
    assert "attention over tokens" in visitor.text("#head-b .fig-plot")
    visitor.tab("Shape of the space")
    drawn(visitor, *PANELS["Shape of the space"])
    visitor.fits()
    before = visitor.figures("#shape-table")["Mean cosine ×100 (anisotropy)"]
    visitor.page.locator("#shape-how").get_by_label("centre").check()
    expect(visitor.page.locator("#shape-cosines .fig-caption")).to_contain_text("space: centre")
    after = visitor.figures("#shape-table")["Mean cosine ×100 (anisotropy)"]
    assert abs(after[0]) < 5 < before[0]


@pytest.mark.slow
def test_every_panel_fits_a_phone(browser: Browser, served: Served) -> None:
    """On a desk: see the panels' own tests."""
    with visiting(browser, served.url, 390, "dark") as visitor:
        visitor.shows()
        visitor.tab("Inside")
        for panel, figures in PANELS.items():
            if panel != "Layers":
                visitor.tab(panel)
            if panel == "Trainable heads":
                expect(visitor.page.locator("#head-notes")).to_contain_text(
                    "Neither design has a trainable head"
                )
            else:
                drawn(visitor, *figures)
            visitor.fits()
