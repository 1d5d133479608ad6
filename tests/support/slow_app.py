"""The application on tiny models, slow enough that choices overlap.

``python slow_app.py FILE SPEED [LESSONS]``: FILE always holds the number of pieces of work under
way, LESSONS is a folder of lessons.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer
from tokenizers.models import BPE
from tokenizers.pre_tokenizers import ByteLevel
from transformers import PreTrainedTokenizerFast

from embedlab import Backbone, StateCache
from embedlab.data.corpus import Corpus
from embedlab.lab.config import BackboneEntry, Config, Defaults, Limits
from embedlab.lab.lab import Lab
from embedlab.progress import Progress, no_progress
from embedlab.ui.app import build_app
from embedlab.ui.shared.theme import HEAD, STYLES, Theme
from support.models import tiny_model

#: Seconds that each step takes longer than it has to.
LOADING, EMBEDDING = 0.4, 0.8
#: The layers of each backbone; a model is named by them.
BACKBONES = {"four-layers": 4, "six-layers": 6}


def byte_tokenizer() -> PreTrainedTokenizerFast:
    """A token a byte, so any text is something else."""
    alphabet = sorted(ByteLevel.alphabet())
    vocabulary = {token: i for i, token in enumerate([*alphabet, "</s>"])}
    tokenizer = Tokenizer(BPE(vocabulary, []))
    tokenizer.pre_tokenizer = ByteLevel(add_prefix_space=False)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, eos_token="</s>", pad_token="</s>", unk_token="</s>"
    )


class SlowLab(Lab):
    """A Lab that takes its time, whatever is in its caches."""

    def __init__(self, busy: Path | None = None, speed: float = 1.0, lessons: str = "") -> None:
        entries = tuple(BackboneEntry(id=name, title=name) for name in BACKBONES)
        limits = Limits(state_disk_mb=0)
        super().__init__(
            Config(
                backbones=entries,
                default_backbone="four-layers",
                lessons=lessons,
                defaults=Defaults(design_b="bidirectional/mean"),
                limits=limits,
            )
        )
        tokenizer = byte_tokenizer()
        self.made = {
            name: Backbone(
                tiny_model("llama", layers=layers, vocabulary=len(tokenizer)),
                tokenizer,
                name=name,
                max_length=48,
                cache=StateCache(10**9),
            )
            for name, layers in BACKBONES.items()
        }
        self.busy, self.speed, self.count, self.lock = busy, speed, 0, threading.Lock()
        self.note(0)

    def note(self, change: int) -> None:
        with self.lock:
            self.count += change
            if self.busy:
                self.busy.write_text(str(self.count))

    @contextmanager
    def slowly(self, seconds: float, what: str, progress: Progress) -> Iterator[None]:
        self.note(1)
        try:
            for step in range(10):
                progress(step, 10, what)
                time.sleep(seconds / 10 / self.speed)
            yield
        finally:
            self.note(-1)

    def untrained(self, backbone_id: str, progress: Progress = no_progress) -> Backbone:
        return self.made[backbone_id]

    def whole(self, corpus_id: str, progress: Progress = no_progress) -> Corpus:
        with self.slowly(LOADING, "loading", progress):
            return super().whole(corpus_id, progress)

    def embedded(self, *args: Any, **kwargs: Any) -> Any:
        progress = next((a for a in args if callable(a)), kwargs.get("progress", no_progress))
        with self.slowly(EMBEDDING, "embedding", progress):
            return super().embedded(*args, **kwargs)


if __name__ == "__main__":
    build_app(SlowLab(Path(sys.argv[1]), float(sys.argv[2]), *sys.argv[3:])).launch(
        theme=Theme(), css_paths=STYLES, head=HEAD, ssr_mode=False
    )
