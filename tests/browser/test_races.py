"""Two choices, the second while the first is still at work: the page ends with both, or the later.

Kinds of choices are tried in ordered pairs. After each pair, the sidebar, its sliders, the status,
the open tab and its caption have to say the same, and to stay so once the server is idle.
"""

from __future__ import annotations

import csv
import random
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from playwright.sync_api import Browser
from support.races import OWN_TITLE, PAIRS, SIZES, Expected
from support.serving import ROOT, serving
from support.slow_app import BACKBONES
from support.visitor import Visitor, visiting

from embedlab.data.corpora import CORPORA
from embedlab.models.design import PRESETS

#: About ten minutes; `tests/real/test_races.py` tries such pairs without a browser by default.
pytestmark = pytest.mark.slow

DELAYS = 0.2, 3.0
#: How many times faster than written everything happens, the delays too.
SPEED = 2
#: Seconds until both choices have to be on the screen, and after which a choice counts as lost
#: though no slowed step goes on any more: the other steps may take seconds on two busy cores.
SETTLED_WITHIN, LOST_AFTER = 60, 20
FILE_ROWS = 25

LOOK = """() => {
  const value = (query) => document.querySelector(query)?.value ?? null;
  const text = (query) => document.querySelector(query)?.innerText ?? "";
  const panel = (side) => ({
    preset: value(`#preset-${side} input`),
    attention: value(`#attention-${side} input:checked`),
    pooling: value(`#pooling-${side} input`),
    layer: Number(value(`#layer-${side} input[type=number]`)),
    most: Number(document.querySelector(`#layer-${side} input[type=range]`)?.max),
  });
  return {
    corpus: value("#corpus input"),
    backbone: value("#backbone input"),
    sample: Number(value("#sample input[type=number]")),
    most: Number(document.querySelector("#sample input[type=range]")?.max),
    a: panel("a"),
    b: panel("b"),
    tab: [...document.querySelectorAll("[role=tab][aria-selected=true]")]
      .map((tab) => tab.innerText.trim())
      .find((name) => ["Map", "Retrieve", "Similarity", "Inside"].includes(name)),
    source: text(".source-line"),
    status: text("#status"),
    points: Number(document.querySelector(".linked-map-block[data-ready]")?.dataset.points),
    map: text("#linked-map .fig-caption"),
    heat: text("#heat-a .fig-caption"),
    scores: text("#retrieval-scores"),
  };
}"""


class Race:
    """The page, and a choice of each kind; a choice returns what the page should say afterwards."""

    def __init__(self, visitor: Visitor, folder: Path, busy: Path, seed: int) -> None:
        self.visitor, self.page, self.busy = visitor, visitor.page, busy
        self.random = random.Random(seed)
        self.expected = Expected()
        self.rows = folder / "rows.csv"
        with self.rows.open("w", newline="") as stream:
            rows = [[f"row {i} of the file"] for i in range(FILE_ROWS)]
            csv.writer(stream).writerows([["text"], *rows])

    def prepare(self) -> None:
        """Open everything that choices need, so that a choice is one act."""
        self.visitor.unfold("Layer, tokens, prompts", ".design-a")
        self.visitor.unfold("Layer, tokens, prompts", ".design-b")
        self.visitor.upload(self.rows)
        self.page.locator("#own-use").wait_for()

    # Choices

    def corpus(self, now: Expected) -> Expected:
        key = self.random.choice([key for key in SIZES if CORPORA[key].title != now.corpus])
        self.visitor.choose("corpus", f"{CORPORA[key].title}$")
        return now.of_corpus(CORPORA[key].title, SIZES[key])

    def paste(self, now: Expected) -> Expected:
        size = self.random.choice([n for n in range(3, 40) if n != now.size])
        self.visitor.paste([f"pasted text {i} of {size}" for i in range(size)])
        return now.of_corpus(OWN_TITLE, size)

    def file(self, now: Expected) -> Expected:
        self.visitor.own_texts("File")
        self.page.locator("#own-use").click()
        return now.of_corpus(OWN_TITLE, FILE_ROWS)

    def hub(self, now: Expected) -> Expected:
        """There is no network, so a message says so and nothing else changes."""
        self.visitor.own_texts("Hub")
        self.page.locator("#hub-dataset").get_by_role("textbox").fill("nobody/nothing")
        self.page.locator("#use-hub").click()
        return now

    def backbone(self, now: Expected) -> Expected:
        name = next(name for name in BACKBONES if name != now.backbone)
        self.visitor.choose("backbone", name)
        layers = tuple(min(layer, BACKBONES[name]) for layer in now.layers)
        return replace(now, backbone=name, layers=layers)

    def attention(self, now: Expected) -> Expected:
        attention = "causal" if now.a.attention == "bidirectional" else "bidirectional"
        self.page.locator("#attention-a").get_by_label(attention, exact=True).check()
        return replace(now, a=replace(now.a, attention=attention))

    def pooling(self, now: Expected) -> Expected:
        pooling = self.random.choice([p for p in ("mean", "eos") if p != now.b.pooling])
        self.visitor.choose("pooling-b", f"^(✓\\s*)?{pooling}$")
        return replace(now, b=replace(now.b, pooling=pooling))

    def layer(self, now: Expected) -> Expected:
        layer = self.random.choice([n for n in range(1, 4) if n != now.layers[0]])
        self.fill("#layer-a", layer)
        return replace(now, layers=(layer, now.layers[1]))

    def preset(self, now: Expected) -> Expected:
        keys = [key for key in ("M1", "bidirectional/mean") if PRESETS[key] != now.designs[1]]
        key = self.random.choice(keys)
        self.visitor.choose("preset-b", f"^(✓\\s*)?{key}")
        return replace(now, b=PRESETS[key], layers=(now.layers[0], -1))

    def tab(self, now: Expected) -> Expected:
        tabs = [name for name in ("Map", "Retrieve", "Similarity", "Inside") if name != now.tab]
        name = self.random.choice(tabs)
        self.visitor.tab(name)
        return replace(now, tab=name)

    def sample(self, now: Expected) -> Expected:
        sample = self.random.choice([n for n in range(10, 22) if n != now.sample])
        self.fill("#sample", sample)
        return replace(now, sample=min(sample, now.size))

    def fill(self, slider: str, value: int) -> None:
        self.page.locator(f"{slider} input[type=number]").fill(str(value))
        self.page.keyboard.press("Tab")

    # Races

    def run(self, *kinds: str) -> str:
        """Choose one after the other without waiting; what is wrong in the end, or nothing."""
        for i, kind in enumerate(kinds):
            delay = self.random.uniform(*DELAYS) / SPEED
            self.page.wait_for_timeout(1000 * delay * (i > 0))
            self.expected = getattr(self, kind)(self.expected)
        return self.settle()

    def settle(self) -> str:
        """Wait until the page says what it should; what is wrong once nothing goes on any more."""
        end, quiet = time.monotonic() + SETTLED_WITHIN, 0
        while True:
            quiet = quiet + 1 if self.busy.read_text() in ("0", "") else 0
            problems = self.expected.problems(self.page.evaluate(LOOK))
            if quiet >= 5 and not problems:
                return ""
            if quiet >= 10 * LOST_AFTER or time.monotonic() > end:
                pasted = self.page.locator("#pasted textarea").input_value()
                problems = problems or ["the server does not come to rest"]
                return "; ".join([*problems, f"the box of pasted texts: {pasted[:30]!r}"])
            self.page.wait_for_timeout(100)

    def recover(self) -> None:
        """A fresh page, after one that ended wrong."""
        self.page.goto(self.page.url.partition("?")[0])
        self.expected = Expected()
        self.prepare()
        self.settle()


@pytest.fixture(scope="module")
def race(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Race]:
    folder = tmp_path_factory.mktemp("races")
    busy = folder / "busy"
    command = [str(ROOT / "tests/support/slow_app.py"), str(busy), str(SPEED)]
    with serving(folder, command) as served, visiting(browser, served.url) as visitor:
        race = Race(visitor, folder, busy, seed=12)
        race.prepare()
        assert race.settle() == ""
        yield race


def race_all(race: Race, pairs: list[tuple[str, str]]) -> None:
    wrong = []
    for pair in pairs:
        if problem := race.run(*pair):
            wrong.append(f"{' then '.join(pair)}: {problem}")
            race.recover()
    print(f"{len(pairs)} pairs, {len(wrong)} wrong")
    assert not wrong, "\n".join(wrong)


def test_another_corpus_and_other_pasted_texts(race: Race) -> None:
    race_all(race, [("corpus", "corpus"), ("paste", "paste")])


def test_a_choice_before_the_first_view(race: Race) -> None:
    race.visitor.reload()
    race.expected = race.corpus(Expected())
    race.prepare()
    assert race.settle() == ""


def test_the_later_of_two_quick_choices_counts(race: Race) -> None:
    race_all(race, PAIRS)
