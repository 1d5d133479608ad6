"""A visitor of the page: what the browser tests see and do, in the words of the interface."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from playwright.sync_api import Browser, Locator, Page, Request, expect

#: Milliseconds that anything may take on a noisy machine.
PATIENCE = 45_000
MAP = ".linked-map-block[data-ready]"
PLACE = "([side, i]) => document.querySelector(`.lm-plot[data-side=${side}]`).inWindow(i)"
#: Pixels by which the page is wider than its window.
OVERFLOW = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
#: Gradio's own: at the end of an upload, and where a column has the name of one of its phrases.
#: And what drawing by WebGL without a graphics card costs.
HARMLESS = ("Method not implemented.", "[svelte-i18n]", "[.WebGL-")
#: What Gradio's client says of its open stream, which it ends itself, as the page goes away.
GOING = ("AbortError: signal is aborted without reason", "Unexpected error Connection errored out.")
expect.set_options(timeout=PATIENCE)


class Visitor:
    """One browser context with the page in it; ``problems`` collects what nobody should see."""

    def __init__(self, browser: Browser, url: str, width: int, theme: str, query: str = "") -> None:
        size = {"width": width, "height": 900 if width > 500 else 844}
        self.context = browser.new_context(viewport=size)  # type: ignore[arg-type]
        self.page: Page = self.context.new_page()
        self.page.set_default_timeout(PATIENCE)
        self.problems: list[str] = []
        self.page.on("console", self._console)
        self.page.on("pageerror", lambda error: self.problems.append(f"page error: {error}"))
        self.page.on("request", self._request)
        self.page.goto(f"{url}?__theme={theme}{query}")

    def _console(self, message: Any) -> None:
        if message.type in ("error", "warning") and not message.text.startswith(HARMLESS):
            self.problems.append(f"console {message.type}: {message.text}")

    def _request(self, request: Request) -> None:
        if not re.match(r"(http://127\.0\.0\.1:|data:|blob:)", request.url):
            self.problems.append(f"a request left the machine: {request.url}")

    # What there is to see

    def text(self, selector: str) -> str:
        """A part of the page in words."""
        return self.page.locator(selector).first.inner_text()

    def map(self, name: str) -> str | None:
        """What the map says of itself: ready, points, method, selected, near-a, lasso, matches …"""
        return self.page.locator(MAP).get_attribute(f"data-{name}")

    def shows(self, **attributes: str | re.Pattern[str]) -> None:
        """Wait until the map is drawn and says this about itself."""
        for name, value in {"ready": "true", **attributes}.items():
            expect(self.page.locator(MAP)).to_have_attribute(
                f"data-{name.replace('_', '-')}", value
            )

    def titled(self, side: str, words: str) -> None:
        """Wait until one side's map has these words in its title, and is drawn."""
        expect(self.page.locator(f".design-{side} .lm-title")).to_contain_text(words)
        self.shows()

    def places(self, side: str) -> list[list[float]]:
        """Where the points of one side are."""
        script = "side => document.querySelector(`.lm-plot[data-side=${side}]`).onMap()"
        flat = self.page.evaluate(script, side)
        return [flat[::2], flat[1::2]]

    def figures(self, selector: str = "#quality") -> dict[str, list[float]]:
        """A score table: the row's name to its numbers."""
        rows = self.page.locator(f"{selector} tbody tr").all()
        cells = [row.locator("th, td").all_inner_texts() for row in rows]
        return {name: [float(number) for number in numbers] for name, *numbers in cells}

    def toast(self) -> str:
        """Wait for a message, read it and close it."""
        text = self.page.get_by_test_id("toast-text").last
        expect(text).to_be_visible()
        words = text.inner_text()
        self.page.get_by_test_id("toast-close").first.click()
        expect(text).to_have_count(0)
        return words

    def fits(self) -> None:
        """The page is no wider than its window, in either theme."""
        for _ in range(2):  # ends with the theme it began with
            self.page.evaluate("document.body.classList.toggle('dark')")
            assert self.page.evaluate(OVERFLOW) <= 0

    # What there is to do

    def choose(self, dropdown: str, option: str) -> None:
        """Pick from one of the dropdowns; ``option`` is a part of what it says."""
        self.page.locator(f"#{dropdown} input").click()
        self.page.get_by_role("option").filter(has_text=re.compile(option)).first.click()

    def reload(self) -> None:
        """Load the page anew, in the middle of whatever it is doing."""
        before = len(self.problems)
        self.page.reload()
        going = tuple(f"console error: {words}" for words in GOING)
        self.problems[before:] = [p for p in self.problems[before:] if not p.startswith(going)]

    def tab(self, name: str) -> None:
        """Open a tab."""
        self.page.get_by_role("tab", name=name).click()

    def point(self, side: str, index: int) -> tuple[float, float]:
        """Where a text's point is in the window."""
        self.page.locator(f".lm-plot[data-side={side}]").scroll_into_view_if_needed()
        x, y = self.page.evaluate(PLACE, [side, index])
        return x, y

    def idle(self) -> None:
        """Wait until nothing is under way."""
        busy = "#status .meta-text, #status .progress-text, #status .eta-bar"
        expect(self.page.locator(busy)).to_have_count(0)

    def click_point(self, side: str, index: int) -> None:
        """Click a text's point and wait until it is selected, with its neighbours."""
        self.idle()
        self.page.mouse.click(*self.point(side, index))
        self.shows(selected=str(index), near_a=re.compile(r"\d"), near_b=re.compile(r"\d"))

    def unfold(self, words: str, within: str = "body") -> None:
        """Open an accordion, unless it is open."""
        button: Locator = self.page.locator(within).get_by_role("button", name=words).first
        if "open" not in (button.get_attribute("class") or "").split():
            button.click()

    def own_texts(self, way: str) -> None:
        """Open a way to give one's own texts: Paste, File or Hub."""
        self.unfold("Your own texts", "#sidebar")
        self.tab(way)

    def paste(self, texts: list[str]) -> None:
        """Paste texts and use them."""
        self.own_texts("Paste")
        self.page.locator("#pasted textarea").fill("\n".join(texts))
        self.page.locator("#use-pasted").click()

    def upload(self, path: Any) -> None:
        """Upload a file; what is in it is used by a second step."""
        self.own_texts("File")
        clear = self.page.locator("#own-upload").get_by_label("Clear")
        if clear.count():
            clear.first.click()
        self.page.locator("#own-upload input[type=file]").set_input_files(path)

    def use_file(self) -> None:
        """Use the uploaded file."""
        self.page.locator("#own-use").click()


@contextmanager
def visiting(
    browser: Browser, url: str, width: int = 1280, theme: str = "light", query: str = ""
) -> Iterator[Visitor]:
    """A visitor whose visit is over, and was without problems, when the block ends.

    ``query`` is more of the address, such as ``&tab=inside``.
    """
    visitor = Visitor(browser, url, width, theme, query)
    try:
        yield visitor
        assert not visitor.problems, visitor.problems
    finally:
        visitor.context.close()
