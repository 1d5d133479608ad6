"""Labs around a tiny backbone and around the real one, and corpora of plain texts."""

from __future__ import annotations

from collections.abc import Iterable

from embedlab import Backbone
from embedlab.data.corpus import Corpus
from embedlab.lab.config import BackboneEntry, Config, Limits
from embedlab.lab.lab import Lab
from support.models import tiny_backbone


def tiny_lab(**limits: int) -> Lab:
    """A Lab that offers a tiny backbone and writes nothing to the disk."""
    limits = {"state_disk_mb": 0} | limits
    lab = Lab(Config(backbones=(BackboneEntry(id="tiny"),), limits=Limits(**limits)))
    backbone = tiny_backbone()
    backbone.cache = lab.states
    lab.models.put("tiny", backbone)
    return lab


def real_lab(smollm2: Backbone, config: Config | None = None, **limits: int) -> Lab:
    """A new Lab around the backbone that all tests share; it writes nothing to the disk."""
    config = config or Config()
    limits = {"state_disk_mb": 0} | limits
    config = config.model_copy(update={"limits": config.limits.model_copy(update=limits)})
    lab = Lab(config)
    lab.models.put("smollm2-135m", smollm2)
    return lab


def corpus_of(texts: Iterable[str], title: str = "mine") -> Corpus:
    return Corpus(id="own", title=title, texts=tuple(texts))
