"""EmbedLab: what attention and pooling do to the text embeddings of a decoder-only LLM.

The public names load on first use, so that ``embedlab --help`` does not wait for torch.
:mod:`embedlab.gpu` comes first of all: on a lent GPU its import has to come before torch's.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from embedlab import gpu as gpu

if TYPE_CHECKING:
    from embedlab.data.corpora import load_corpus as load_corpus
    from embedlab.data.corpus import Corpus as Corpus
    from embedlab.errors import Cancelled as Cancelled
    from embedlab.errors import EmbedLabError as EmbedLabError
    from embedlab.models.backbone import Backbone as Backbone
    from embedlab.models.design import PAPER as PAPER
    from embedlab.models.design import PRESETS as PRESETS
    from embedlab.models.design import Design as Design
    from embedlab.models.embedding import embed as embed
    from embedlab.models.embedding import fit as fit
    from embedlab.models.embedding import pool as pool
    from embedlab.models.loading import load_backbone as load_backbone
    from embedlab.models.pooling import NV_EMBED_HEAD as NV_EMBED_HEAD
    from embedlab.models.pooling import PAPER_HEAD as PAPER_HEAD
    from embedlab.models.pooling import HeadSize as HeadSize
    from embedlab.models.state_cache import StateCache as StateCache
    from embedlab.models.states import HiddenStates as HiddenStates
    from embedlab.render.notebook import linked_map as linked_map

_HOMES = {
    "models.backbone": ["Backbone"],
    "data.corpora": ["load_corpus"],
    "data.corpus": ["Corpus"],
    "models.design": ["PAPER", "PRESETS", "Design"],
    "models.embedding": ["embed", "fit", "pool"],
    "errors": ["Cancelled", "EmbedLabError"],
    "models.loading": ["load_backbone"],
    "models.pooling": ["NV_EMBED_HEAD", "PAPER_HEAD", "HeadSize"],
    "models.states": ["HiddenStates"],
    "models.state_cache": ["StateCache"],
    "render.notebook": ["linked_map"],
}
_HOME = {name: module for module, names in _HOMES.items() for name in names}

__all__ = sorted(_HOME)
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'embedlab' has no attribute {name!r}")
    return getattr(import_module(f"embedlab.{_HOME[name]}"), name)
