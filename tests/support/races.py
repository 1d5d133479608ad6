"""Choices that overlap: their kinds, and what the page should say once all is done."""

from __future__ import annotations

import itertools
import random
from dataclasses import dataclass, field, replace
from typing import Any

from embedlab.data.corpora import CORPORA, load_corpus
from embedlab.models.design import PRESETS, Design
from support.slow_app import BACKBONES

KINDS = (
    "corpus",
    "paste",
    "file",
    "hub",
    "backbone",
    "attention",
    "pooling",
    "layer",
    "preset",
    "tab",
    "sample",
)
OWN_TITLE = "Your own texts"
SIZES = {key: len(load_corpus(key).texts) for key in ("senses", "trec", "sms-spam")}
PAIRS = list(itertools.product(KINDS, repeat=2))
random.Random(12).shuffle(PAIRS)


@dataclass(frozen=True)
class Expected:
    """What the whole page should say."""

    corpus: str = CORPORA["senses"].title
    size: int = SIZES["senses"]
    sample: int = SIZES["senses"]
    backbone: str = "four-layers"
    a: Design = field(default_factory=lambda: Design.parse("causal/eos"))
    b: Design = field(default_factory=lambda: Design.parse("bidirectional/mean"))
    layers: tuple[int, int] = (-1, -1)  # as the sliders say, whether the pooling reads them or not
    tab: str = "Map"

    def of_corpus(self, title: str, size: int) -> Expected:
        return replace(self, corpus=title, size=size, sample=min(size, 400))

    @property
    def designs(self) -> tuple[Design, Design]:
        """With the sliders' layers where the poolings read them."""
        a, b = (
            replace(design, layer=layer if design.pooling in ("mean", "eos") else -1)
            for design, layer in zip((self.a, self.b), self.layers, strict=True)
        )
        return a, b

    def problems(self, page: dict[str, Any]) -> list[str]:
        """Where the page says something else."""
        n = min(self.sample, self.size)
        most = min(self.size, 5000)
        count = f"{n:,} texts" if n == self.size else f"{n:,} of {self.size:,} texts"
        checks: dict[str, tuple[Any, Any]] = {
            "corpus": (page["corpus"], self.corpus),
            "backbone": (page["backbone"], self.backbone),
            "slider": ((page["sample"], page["most"]), (n, most)),
            "tab": (page["tab"], self.tab),
        }
        for side, design, layer in zip("ab", self.designs, self.layers, strict=True):
            preset = next((key for key, known in PRESETS.items() if known == design), "custom")
            said = dict(page[side], preset=page[side]["preset"].split()[0])
            checks[f"design {side}"] = (
                said,
                {
                    "preset": preset,
                    "attention": design.attention,
                    "pooling": design.pooling,
                    "layer": layer,
                    "most": BACKBONES[self.backbone],
                },
            )
        wrong = [
            f"{what}: {is_} not {should}" for what, (is_, should) in checks.items() if is_ != should
        ]
        captions = {"status": page["status"], "source": page["source"]}
        titles = [count] + [design.name for design in self.designs]
        if self.tab in ("Map", "Similarity"):
            captions["caption"] = page["map" if self.tab == "Map" else "heat"]
        for name, words in captions.items():
            parts = [self.backbone] if name == "source" else titles
            wrong += [f"{name}: {words!r} without {part!r}" for part in parts if part not in words]
        if self.tab == "Map" and page["points"] != n:
            wrong.append(f"map: {page['points']} points, not {n}")
        return wrong
