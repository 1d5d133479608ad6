"""How long the map takes to draw, pan, hover, lasso and search, measured in the page itself."""

from __future__ import annotations

import itertools
import math
from typing import Any

from support.visitor import MAP, Visitor

#: Milliseconds from an event of the window until what it changed is painted.
UNTIL_PAINTED = """([event, query, attribute]) => {
  const node = document.querySelector(query);
  window.painted = new Promise((done) => {
    window.addEventListener(event, () => {
      const start = performance.now();
      const { port1, port2 } = new MessageChannel();
      port1.onmessage = () => done(performance.now() - start);
      setTimeout(() => done(Infinity), 5000);
      const observer = new MutationObserver(() => {
        observer.disconnect();
        // A message that a frame's callback sends arrives when the frame is painted.
        requestAnimationFrame(() => port2.postMessage(null));
      });
      observer.observe(node, { attributes: true, attributeFilter: [attribute] });
    }, { capture: true, once: true });
  });
}"""
#: Milliseconds from an event of the window until the next frame is on the screen.
UNTIL_SHOWN = """(event) => {
  window.shown = new Promise((done) => {
    const observer = new PerformanceObserver((list) => {
      const [entry] = list.getEntriesByName(event);
      if (!entry) return;
      observer.disconnect();
      done(entry.duration);
    });
    observer.observe({ type: "event", durationThreshold: 16 });
    setTimeout(() => done(Infinity), 5000);
  });
}"""
FRAMES = """() => {
  window.frames_ = [];
  const step = (now) => {
    window.frames_.push(now);
    requestAnimationFrame(step);
  };
  requestAnimationFrame(step);
}"""


def drawing(visitor: Visitor) -> float:
    """Milliseconds from the data's arrival in the page to both maps on the screen."""
    return visitor.page.evaluate(
        """() => {
          const at = (name) => performance.getEntriesByName(name).at(-1).startTime;
          return at("map:drawn") - at("map:data");
        }"""
    )


def panning(visitor: Visitor, side: str, seconds: float = 3) -> tuple[float, float]:
    """Frames a second while the mouse drags a map, and the longest frame in milliseconds."""
    left, top, width, height = _box(visitor, side)
    mouse, x, y = visitor.page.mouse, left + width / 2, top + height / 2
    mouse.move(x, y)
    mouse.down()
    visitor.page.evaluate(FRAMES)
    for step in range(int(seconds * 60)):
        angle = step / 20
        mouse.move(x + 120 * math.sin(angle), y + 60 * math.cos(angle))
    times = visitor.page.evaluate("() => window.frames_.splice(0)")
    mouse.up()
    gaps = [b - a for a, b in itertools.pairwise(times)]
    return 1000 * len(gaps) / sum(gaps), max(gaps)


def hovering(visitor: Visitor, side: str, index: int) -> float:
    """Milliseconds from the mouse on a point to its text."""
    left, top, *_ = _box(visitor, side)
    visitor.page.mouse.move(left + 2, top + 2)
    visitor.page.evaluate(UNTIL_PAINTED, ["pointermove", ".lm-tip", "hidden"])
    visitor.page.mouse.move(*visitor.point(side, index))
    return visitor.page.evaluate("() => window.painted")


def lassoing(visitor: Visitor, side: str) -> tuple[float, int]:
    """Milliseconds from the end of a lasso to the bright points, and how many there are.

    By the browser's own measure (Event Timing: from the event to the next paint, in steps of 8 ms).
    A message from that paint's callback would come later: behind frames that are asked for.
    """
    visitor.page.get_by_role("button", name="Lasso").click()
    left, top, width, height = _box(visitor, side)
    x, y = left + width / 2, top + height / 2
    mouse = visitor.page.mouse
    turns = [2 * math.pi * step / 120 for step in range(121)]
    path = [(x + 0.4 * width * math.cos(t), y + 0.4 * height * math.sin(t)) for t in turns]
    mouse.move(*path[0])
    mouse.down()
    for point in path[1:]:
        mouse.move(*point)
    visitor.page.evaluate(UNTIL_SHOWN, "pointerup")
    mouse.up()
    milliseconds = visitor.page.evaluate("() => window.shown")
    visitor.page.get_by_role("button", name="Move").click()
    return milliseconds, int(visitor.map("lasso") or 0)


def searching(visitor: Visitor, words: str) -> tuple[float, float]:
    """Milliseconds of script for a letter typed, and until its matches are painted; the slowest."""
    field = visitor.page.locator(".lm-search input")
    field.fill(words[:-1])
    visitor.page.evaluate(UNTIL_PAINTED, ["input", MAP, "data-matches"])
    script = visitor.page.evaluate(
        """(letter) => {
          const field = document.querySelector(".lm-search input");
          field.value += letter;
          const start = performance.now();
          field.dispatchEvent(new Event("input", { bubbles: true }));
          return performance.now() - start;
        }""",
        words[-1],
    )
    return script, visitor.page.evaluate("() => window.painted")


def _box(visitor: Visitor, side: str) -> tuple[float, float, float, float]:
    plot = visitor.page.locator(f".lm-plot[data-side={side}]")
    plot.scroll_into_view_if_needed()
    box: Any = plot.bounding_box()
    return box["x"], box["y"], box["width"], box["height"]
