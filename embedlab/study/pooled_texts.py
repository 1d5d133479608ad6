"""A study's texts as vectors before a design's steps: cells that share them compute them once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from embedlab.models.backbone import Backbone
from embedlab.models.design import Design
from embedlab.models.embedding import Vectors, embed_in_chunks
from embedlab.progress import Progress, no_progress


class PooledTexts:
    """Texts under a design before its steps, kept until a design is asked for that pools otherwise.

    In a grid, designs that differ in their steps alone follow one another.

    Args:
        backbone: pools the texts.
        progress: is told of texts that are embedded; may raise.
    """

    def __init__(self, backbone: Backbone, progress: Progress = no_progress) -> None:
        self.backbone = backbone
        self._progress = progress
        self._design: Design | None = None
        self._rows: dict[tuple[bool, str], NDArray[np.float32]] = {}

    def __call__(self, texts: Sequence[str], design: Design, *, query: bool = False) -> Vectors:
        """(n, d) unit rows of n texts; the design's steps are left out."""
        bare = replace(design, steps=())
        if bare != self._design:
            self._design, self._rows = bare, {}
        missing = [text for text in dict.fromkeys(texts) if (query, text) not in self._rows]
        if missing:
            rows, _ = embed_in_chunks(
                missing, bare, self.backbone, query=query, progress=self._progress
            )
            self._rows.update(zip(((query, text) for text in missing), rows, strict=True))
        return np.stack([self._rows[query, text] for text in texts])
