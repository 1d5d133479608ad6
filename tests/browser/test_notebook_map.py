"""The notebook widget in Chromium: its module, its style and its traits, without a notebook.

What a notebook's front end does for a widget is done by a few lines of script here; what Python's
side does is the widget itself.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from support.scripts import SCRIPTS

pytest.importorskip("anywidget")

PAGE = """<!doctype html><meta charset="utf-8"><body><div id="here" style="width:900px"></div>
<script type="module">
const state = await window.stateOf();
const listeners = {};
const model = {
  get: (name) => state[name],
  set: (name, value) => { state[name] = value; },
  on: (name, call) => { (listeners[name] ??= []).push(call); },
  save_changes: async () => { take(await window.saved(state.selection)); },
};
const take = (fresh) => {
  for (const [name, value] of Object.entries(fresh)) {
    state[name] = value;
    for (const call of listeners[`change:${name}`] ?? []) call();
  }
};
window.take = take;
const style = document.createElement("style");
style.textContent = state._css;
document.head.append(style);
const source = new Blob([state._esm], { type: "text/javascript" });
const { default: widget } = await import(URL.createObjectURL(source));
widget.render({ model, el: document.getElementById("here") });
</script>"""
N = 40


@pytest.fixture
def widget():
    from embedlab.render.notebook import linked_map

    rng = np.random.default_rng(0)
    sides = []
    for _ in range(2):
        rows = rng.normal(size=(N, 12)).astype(np.float32)
        sides.append(rows / np.linalg.norm(rows, axis=1, keepdims=True))
    texts = [*SCRIPTS, *(f"text {i}" for i in range(N - len(SCRIPTS)))]
    labels = ["river" if i % 2 else "money" for i in range(N)]
    return linked_map(texts, dict(zip(("A one", "B two"), sides, strict=True)), labels, "PCA")


@pytest.fixture
def page(browser, widget, tmp_path: Path):
    file = tmp_path / "page.html"
    file.write_text(PAGE, encoding="utf-8")
    page = browser.new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))

    def saved(selection):
        widget.selection = selection
        return json.loads(json.dumps({"_selection": widget._selection}))

    page.expose_function("saved", saved)
    page.expose_function("stateOf", lambda: widget.get_state())
    page.goto(file.as_uri())
    page.wait_for_selector("#here[data-ready=true]")
    yield page
    assert not errors
    page.close()


def test_a_click_and_python_select(page, widget) -> None:
    here = page.locator("#here")
    assert here.get_attribute("data-points") == str(N)
    assert page.locator(".lm-title").all_inner_texts() == ["A one", "B two"]
    assert page.locator(".lm-legend").inner_text().split() != []
    # From Python: one text with the neighbours that its own vectors have.
    widget.selection = [7]
    page.evaluate("fresh => window.take(fresh)", {"_selection": widget._selection})
    page.wait_for_selector("#here[data-selected='7']")
    near = [int(i) for i in here.get_attribute("data-near-a").split()]
    assert near == widget._selection["highlight_a"] and len(near) == 10 and 7 not in near
    # From the page: a box over everything, then the empty click of Escape.
    page.get_by_role("button", name="Box").click()
    box = page.locator(".lm-plot[data-side=a]").bounding_box()
    page.mouse.move(box["x"] + 2, box["y"] + 2)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] - 2, box["y"] + box["height"] - 2, steps=4)
    page.mouse.up()
    page.wait_for_selector(f"#here[data-lasso='{N}']")
    page.wait_for_function("document.querySelector('#here').dataset.selected === ''")
    for _ in range(100):  # what the page says arrives on its own
        if widget.selection == list(range(N)):
            break
        page.wait_for_timeout(100)
    assert widget.selection == list(range(N))
    assert page.evaluate("window.pwned") is None
