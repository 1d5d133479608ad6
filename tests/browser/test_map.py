"""One visit to the map: names, search, colours, layers, by mouse and keyboard, on a phone."""

from __future__ import annotations

import itertools
import json
import re
from typing import Any

from playwright.sync_api import Browser, expect
from support.serving import ROOT, Served, client_of
from support.visitor import Visitor, visiting

from embedlab.lab.config import load_config

TEXTS = [json.loads(line)["text"] for line in (ROOT / "assets/senses.jsonl").open()]
QUERY = "where to put your savings"
SIZE = """() => {
  const { clientWidth, clientHeight } = document.querySelector(".lm-plot");
  return [clientWidth, clientHeight];
}"""


def test_the_map_from_names_to_layers(browser: Browser, served: Served) -> None:
    with visiting(browser, served.url) as visitor:
        visitor.shows(points="160", method="UMAP")
        visitor.idle()
        _names_thin_out(visitor)
        _a_name_selects_its_cluster(visitor)
        _typing_lights_matches(visitor)
        _enter_asks_both_designs(visitor, served)
        _the_legend_hides(visitor)
        _a_phone_reaches_everything(visitor)
        _layers_play(visitor)


def names(visitor: Visitor, side: str) -> list[dict[str, Any]]:
    """What stands on a map: text and box of each name."""
    visitor.page.wait_for_timeout(100)  # a frame to draw
    script = "side => document.querySelector(`.lm-plot[data-side=${side}]`).namesShown()"
    found: list[dict[str, Any]] = visitor.page.evaluate(script, side)
    return found


def _names_thin_out(visitor: Visitor) -> None:
    far = {side: names(visitor, side) for side in "ab"}
    for side in "ab":
        visitor.page.mouse.move(*_spot(visitor, side, far[side][0]))
        for _ in range(2):
            visitor.page.mouse.wheel(0, -300)
    near = {side: names(visitor, side) for side in "ab"}
    for shown in (*far.values(), *near.values()):
        assert shown
        _lie_apart_and_inside(shown, *visitor.page.evaluate(SIZE))
    texts = {side: {name["text"] for name in far[side]} for side in "ab"}
    finer = {name["text"] for side in "ab" for name in near[side]} - texts["a"] - texts["b"]
    assert finer, "zooming in shows finer names"
    visitor.page.get_by_role("button", name="Zoom in").click()
    visitor.page.get_by_role("button", name="Reset view").click()
    assert {name["text"] for name in names(visitor, "a")} == texts["a"]


def _spot(visitor: Visitor, side: str, name: dict[str, Any]) -> tuple[float, float]:
    """The middle of a name in the window."""
    plot = visitor.page.locator(f".lm-plot[data-side={side}]").bounding_box()
    assert plot
    return plot["x"] + name["x"] + name["width"] / 2, plot["y"] + name["y"] + name["height"] / 2


def _lie_apart_and_inside(shown: list[dict[str, Any]], width: float, height: float) -> None:
    for one, other in itertools.combinations(shown, 2):
        beside = one["x"] + one["width"] < other["x"] or other["x"] + other["width"] < one["x"]
        above = one["y"] + one["height"] < other["y"] or other["y"] + other["height"] < one["y"]
        assert beside or above, (one, other)
    for name in shown:
        assert name["x"] >= 0 and name["x"] + name["width"] <= width + 1
        assert name["y"] >= 0 and name["y"] + name["height"] <= height + 1


def _a_name_selects_its_cluster(visitor: Visitor) -> None:
    places = [visitor.point("b", i) for i in range(len(TEXTS))]

    def room(name: dict[str, Any]) -> float:  # a point that is nearer is selected instead
        x, y = _spot(visitor, "b", name)
        return min(abs(px - x) + abs(py - y) for px, py in places)

    name = max(names(visitor, "b"), key=room)
    visitor.page.mouse.click(*_spot(visitor, "b", name))
    visitor.shows(lasso=re.compile("^[1-9]"))
    expect(visitor.page.locator("#selection")).to_contain_text(f"B: {name['text']}")
    visitor.page.locator(".lm-plot[data-side=b]").press("Escape")
    visitor.shows(lasso="0")


def _typing_lights_matches(visitor: Visitor) -> None:
    visitor.page.keyboard.press("/")
    field = visitor.page.get_by_role("searchbox")
    expect(field).to_be_focused()
    for words in ("bank", "THE ", "b.nk", "(", "[a-z]+"):
        field.fill("")
        field.press_sequentially(words)
        wanted = " ".join(words.split()).lower()
        count = sum(wanted in text.lower() for text in TEXTS)
        visitor.shows(matches=str(count))
        expect(visitor.page.locator(".lm-count")).to_have_text(f"{count} of 160 texts match")
    field.fill("bank")
    matches = int(visitor.map("matches") or 0)
    visitor.page.get_by_role("button", name="Select them").click()
    visitor.shows(lasso=str(matches), matches="")
    expect(visitor.page.locator("#selection")).to_contain_text(f"{matches} of 160 texts selected")
    expect(field).to_have_value("")


def _enter_asks_both_designs(visitor: Visitor, served: Served) -> None:
    field = visitor.page.get_by_role("searchbox")
    field.fill("something else")
    field.press("Enter")
    field.fill(QUERY)  # the later choice counts
    field.press("Enter")
    defaults = load_config(ROOT / "spaces_config.yaml").defaults
    answer = client_of(served.url).predict(
        QUERY, defaults.corpus, defaults.design_a, defaults.design_b, 10, api_name="/retrieve"
    )
    for side in "ab":
        found = [hit["id"] for hit in answer[side]["results"]]
        visitor.shows(**{f"found_{side}": re.compile(rf"^{found[0]} ")})
        # The map's vectors are prepared, in half precision: what is equal to 1e-3 may change ranks.
        assert sorted((visitor.map(f"found-{side}") or "").split()) == sorted(map(str, found))
        rows = visitor.page.locator(f"#neighbours .design-{side} li")
        expect(rows).to_have_count(10)
        expect(rows.first).to_contain_text(TEXTS[found[0]])
    field.press("Enter")
    field.fill("bank")
    visitor.page.wait_for_timeout(700)
    visitor.shows(found_a="", found_b="", matches=re.compile(r"\d"))
    field.press("Escape")
    visitor.shows(matches="", found_a="")
    expect(field).to_have_value("")


def _the_legend_hides(visitor: Visitor) -> None:
    entry = visitor.page.locator(".lm-legend button").first
    size = int(re.findall(r"\d+$", entry.inner_text())[0])
    entry.click()
    expect(entry).to_have_attribute("aria-pressed", "false")
    field = visitor.page.get_by_role("searchbox")
    field.fill("e")
    hidden = sum("e" in text.lower() for text in TEXTS) - int(visitor.map("matches") or 0)
    assert 0 < hidden <= size
    field.press("Escape")
    entry.click()
    expect(entry).to_have_attribute("aria-pressed", "true")


def _a_phone_reaches_everything(visitor: Visitor) -> None:
    visitor.page.set_viewport_size({"width": 390, "height": 844})
    visitor.fits()
    for part in (".lm-search input", ".lm-layers-toggle[data-side=b]", ".lm-legend button"):
        box = visitor.page.locator(part).first.bounding_box()
        assert box and box["x"] >= 0 and box["x"] + box["width"] <= 390
    visitor.page.set_viewport_size({"width": 1280, "height": 900})


def _layers_play(visitor: Visitor) -> None:
    visitor.page.emulate_media(reduced_motion="reduce")
    visitor.page.locator(".lm-layers-toggle[data-side=a]").click()
    slider = visitor.page.get_by_role("slider", name="Layer of map A")
    expect(slider).to_be_enabled()
    words = visitor.page.locator(".lm-layers[data-side=a] output")
    plot = visitor.page.locator(".lm-plot[data-side=a]")
    expect(words).to_contain_text("Layer 30 of 30 · mean cosine")
    slider.press("Home")
    expect(words).to_contain_text("Layer 0 of 30")
    for layer in ("1", "0") * 30:  # until UMAP, which is compiled in the background, is there
        slider.press("ArrowRight" if layer == "1" else "ArrowLeft")
        expect(plot).to_have_attribute("data-layer", layer)
        visitor.page.wait_for_timeout(1500)  # a rested layer settles
        if layer == "1" and plot.get_attribute("data-layout") == "UMAP":
            break
    expect(plot).to_have_attribute("data-layout", "UMAP")
    play = visitor.page.locator(".lm-layers[data-side=a] button")
    play.click()
    expect(plot).to_have_attribute("data-layer", "3")
    play.click()
    stopped = plot.get_attribute("data-layer") or ""
    visitor.page.wait_for_timeout(1200)
    expect(plot).to_have_attribute("data-layer", stopped)
    visitor.page.locator(".lm-layers-toggle[data-side=a]").click()
    expect(slider).to_be_hidden()
