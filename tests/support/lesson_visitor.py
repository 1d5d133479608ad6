"""A visitor who follows lessons, by mouse or by keyboard alone."""

from __future__ import annotations

import re
from collections.abc import Callable

from playwright.sync_api import Locator, expect

from embedlab.lab.lessons import Lesson, Step
from support.visitor import Visitor

PANEL = "#lesson-panel"
#: How much of the ring the panel and the window's edges hide, as a share of what could be seen.
HIDDEN = """() => {
  const ring = document.querySelector(".ls-ring").getBoundingClientRect();
  const panel = document.querySelector(".ls-panel").getBoundingClientRect();
  const across = Math.min(ring.right, panel.right) - Math.max(ring.left, panel.left);
  const down = Math.min(ring.bottom, panel.bottom) - Math.max(ring.top, panel.top);
  const room = innerHeight - panel.height - 48;
  const seen = Math.min(ring.bottom, innerHeight) - Math.max(ring.top, 0);
  const covered = Math.max(0, across) * Math.max(0, down);
  return { covered: covered / (ring.width * ring.height), seen, height: ring.height, room };
}"""
#: What has the focus: inside the panel, and with an outline that can be seen.
FOCUS = """() => {
  const { activeElement: focus } = document;
  const outlined = focus.closest("label") ?? focus;
  return [focus.className, getComputedStyle(outlined).outlineStyle, focus.textContent];
}"""


class Learner:
    """Goes through lessons as a visitor would."""

    def __init__(self, visitor: Visitor, *, keyboard: bool) -> None:
        self.visitor, self.page, self.keyboard = visitor, visitor.page, keyboard

    # What there is to see

    @property
    def panel(self) -> Locator:
        """The open panel."""
        return self.page.locator(PANEL)

    def at(self, lesson: str, step: int | str) -> None:
        """Wait until a step is shown: its number from 0, or ``end``."""
        expect(self.panel).to_have_attribute("data-lesson", lesson)
        expect(self.panel).to_have_attribute("data-step", str(step))

    def note(self) -> Locator:
        """The line about the page."""
        return self.panel.locator(".ls-note")

    def points(self) -> None:
        """What is pointed at is on the page, in the window, and not under the panel."""
        expect(self.page.locator(".ls-ring")).to_be_visible()
        self.page.wait_for_timeout(300)
        found = self.page.evaluate(HIDDEN)
        fits = found["height"] <= found["room"]
        assert found["covered"] < (0.02 if fits else 0.5), found
        assert found["seen"] >= min(found["height"], found["room"] / 2) - 12, found

    # What there is to do

    def press(self, selector: str) -> None:
        """Press a button of the panel."""
        if not self.keyboard:
            self.panel.locator(selector).click()
            return
        self.tab_to(f"{PANEL} {selector}")
        self.page.keyboard.press("Enter")

    def tab_to(self, selector: str) -> None:
        """Move on by the Tab key; the focus can be seen where it ends."""
        for _ in range(40):
            if self.page.evaluate("s => document.activeElement.matches(s)", selector):
                assert self.page.evaluate(FOCUS)[1] != "none", self.page.evaluate(FOCUS)
                return
            self.page.keyboard.press("Tab")
        raise AssertionError(
            f"{selector} is not reached; {self.page.evaluate(FOCUS)} has the focus"
        )

    def open(self, lesson: str) -> None:
        """Open a lesson from the list."""
        opener = self.page.locator(".ls-open")
        if self.keyboard:
            opener.focus()
            self.page.keyboard.press("Enter")
        elif opener.is_visible():
            opener.click()
        if self.panel.get_attribute("data-lesson"):
            self.press(".ls-list")
        self.press(f"[data-lesson={lesson}]")

    def predict(self, answer: str, sure: int) -> None:
        """Answer the question that is shown, and see what it came to."""
        for name, value in (("answer", answer), ("sure", str(sure))):
            choice = f"input[name=ls-{name}]"
            if self.keyboard:
                self.tab_to(f"{PANEL} {choice}")
                self.page.keyboard.press("Space")
                for _ in range(8):
                    if self.page.evaluate("document.activeElement.value") == value:
                        break
                    self.page.keyboard.press("ArrowRight")
            else:
                self.panel.locator(f"label:has({choice}[value='{value}'])").click()
            expect(self.panel.locator(f"{choice}[value='{value}']")).to_be_checked()
        self.press(".ls-reveal")
        shown = self.panel.locator(".ls-revealed")
        expect(shown).to_contain_text(re.compile(r"Right\.|Not so\."))
        expect(shown).not_to_contain_text("…”")

    def act(self, step: Step) -> None:
        """Do what completes a step."""
        kind, value = step.completion
        deeds: dict[str, Callable[[str], None]] = {
            "select": lambda _: self._select(),
            "query": lambda _: self._ask(),
            "tab": self._open_tab,
            "panel": self._open_tab,
            "click": lambda _: self._press_target(),
        }
        deeds[kind](value)
        if self.keyboard:
            # The focus comes back from wherever on the page.
            expect(self.panel.locator(".ls-primary.ls-next")).to_be_focused()

    def _select(self) -> None:
        if self.keyboard:
            self.press(".ls-where")
            self.page.locator(".lm-plot[data-side=a]").focus()
            self.page.keyboard.press("ArrowRight")
            self.page.keyboard.press("Enter")
        else:
            self.page.mouse.click(*self.visitor.point("a", 3))
        self.visitor.shows(selected=re.compile(r"^\d+$"))

    def _ask(self) -> None:
        box = self.page.locator("#query").get_by_role("textbox")
        box.focus()
        box.fill("fishing at the water's edge")
        self.page.keyboard.press("Enter")

    def _open_tab(self, name: str) -> None:
        tab = self.page.locator(f"[role=tab][data-tab-id={name}]").first
        if self.keyboard:
            tab.focus()
            self.page.keyboard.press("Enter")
        else:
            tab.click()

    def _press_target(self) -> None:
        if self.keyboard:
            self.press(".ls-where")
            self.page.keyboard.press("Enter")
        else:
            self.panel.locator(".ls-where").click()
            self.page.locator("*:focus").click()

    def follow(self, key: str, lesson: Lesson) -> list[bool]:
        """A whole lesson from the list to its end; whether each prediction was right."""
        self.open(key)
        for number, step in enumerate(lesson.steps):
            self.at(key, number)
            if step.target:
                self.points()
            if step.predict:
                self.predict("B", 80)
            elif step.completion[0] != "next":
                self.act(step)
            expect(self.panel.locator(".ls-words", has_text="…}")).to_have_count(0)
            self.press(".ls-primary.ls-next")
        self.at(key, "end")
        expect(self.note()).to_be_hidden()
        kept = self.page.evaluate("JSON.parse(localStorage['embedlab lessons'])")[key]
        assert kept["done"] is True
        return [made["right"] for _, made in sorted(kept["predictions"].items())]
