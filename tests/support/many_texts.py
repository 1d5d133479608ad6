"""The application with many texts whose vectors are made up: ``python many_texts.py N``."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from embedlab.analysis.comparison import Embedded
from embedlab.data.corpus import Corpus
from embedlab.lab.config import BackboneEntry, Config, Defaults, Limits
from embedlab.lab.lab import Lab
from embedlab.models.design import Design
from embedlab.progress import Progress, no_progress
from embedlab.ui.app import build_app
from embedlab.ui.shared.theme import HEAD, STYLES, Theme
from support.models import tiny_backbone

GROUPS, DIMENSIONS = 24, 32
WORDS = "river money loan water ball night cave spring season crane bird port wine ship bat bank"


class ManyTexts(Lab):
    """A Lab whose only corpus has n texts, and vectors in groups that differ between designs."""

    def __init__(self, n: int) -> None:
        limits = Limits(max_texts=n, state_disk_mb=0)
        defaults = Defaults(design_b="bidirectional/mean", sample=n, sample_chars=10**9)
        super().__init__(
            Config(backbones=(BackboneEntry(id="tiny"),), defaults=defaults, limits=limits)
        )
        self.models.put("tiny", tiny_backbone())
        rng = np.random.default_rng(0)
        self.groups = rng.integers(0, GROUPS, n)
        words = rng.choice(WORDS.split(), (n, 12))
        texts = tuple(f"{' '.join(row)} {i}" for i, row in enumerate(words))
        labels = tuple(f"group {group}" for group in self.groups)
        self.made = Corpus(
            id="senses", title="Made-up texts", texts=texts, fields={"group": labels}
        )

    def untrained(self, backbone_id: str, progress: Progress = no_progress) -> Any:
        return self.models.get("tiny", None)

    def whole(self, corpus_id: str, progress: Progress = no_progress) -> Corpus:
        return self.made

    def prepare(self, *args: Any, **kwargs: Any) -> None:
        """There is nothing to prepare."""

    def embedded(
        self,
        corpus: Corpus,
        design: Design,
        backbone_id: str = "",
        progress: Progress = no_progress,
    ) -> Embedded:
        rng = np.random.default_rng(sum(map(ord, str(design))))
        centres = rng.normal(size=(GROUPS, DIMENSIONS))
        rows = centres[self.groups] + 0.6 * rng.normal(size=(len(corpus.texts), DIMENSIONS))
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        backbone = self.untrained(backbone_id)
        cut = np.zeros(len(rows), bool)
        return Embedded(corpus, design, backbone, rows.astype(np.float32), cut)


if __name__ == "__main__":
    build_app(ManyTexts(int(sys.argv[1]))).launch(
        theme=Theme(), css_paths=STYLES, head=HEAD, ssr_mode=False
    )
