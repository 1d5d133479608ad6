"""EmbedLab: what attention and pooling do to the text embeddings of a decoder-only LLM.

The public names load on first use, so that ``embedlab --help`` does not wait for torch.
:mod:`embedlab.gpu` comes first of all: on a lent GPU its import has to come before torch's.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from embedlab import gpu as gpu

if TYPE_CHECKING:
    from embedlab.backbone import Backbone
    from embedlab.corpora import Corpus, load_corpus
    from embedlab.design import PAPER, PRESETS, Design
    from embedlab.embedding import embed, pool
    from embedlab.errors import Cancelled, EmbedLabError
    from embedlab.loading import load_backbone
    from embedlab.pooling import PAPER_HEAD, HeadSize
    from embedlab.states import HiddenStates, StateCache

_HOMES = {
    "backbone": ["Backbone"],
    "corpora": ["Corpus", "load_corpus"],
    "design": ["PAPER", "PRESETS", "Design"],
    "embedding": ["embed", "pool"],
    "errors": ["Cancelled", "EmbedLabError"],
    "loading": ["load_backbone"],
    "pooling": ["PAPER_HEAD", "HeadSize"],
    "states": ["HiddenStates", "StateCache"],
}
_HOME = {name: module for module, names in _HOMES.items() for name in names}

__all__ = [
    "PAPER",
    "PAPER_HEAD",
    "PRESETS",
    "Backbone",
    "Cancelled",
    "Corpus",
    "Design",
    "EmbedLabError",
    "HeadSize",
    "HiddenStates",
    "StateCache",
    "embed",
    "load_backbone",
    "load_corpus",
    "pool",
]
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'embedlab' has no attribute {name!r}")
    return getattr(import_module(f"embedlab.{_HOME[name]}"), name)
