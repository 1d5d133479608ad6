"""What stands where a backbone would be: for vectors from a file, and until one is loaded."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from embedlab.errors import EmbedLabError, NeedsModel
from embedlab.models.design import FILE, Design


class NoBackbone:
    """The source of vectors from a file, as the views name it; whatever needs a model is refused.

    It stands for a :class:`~embedlab.models.backbone.Backbone` in an ``Embedded``: what views say
    of one is here, and every other of its attributes raises an EmbedLabError that says why it
    cannot be had. ``version`` identifies the vectors.
    """

    def __init__(self, name: str, dimensions: int, version: str) -> None:
        self.name = f"{FILE} {name}"
        self.source = "vectors from a file"
        self.note = f"{dimensions:,} dimensions"
        self.dtype = "float32"
        self.device = SimpleNamespace(type="")
        self.key = f"{FILE}{version}"
        self.native = None

    def version(self, design: Design) -> str:
        """Identifies the vectors."""
        return self.key

    def __getattr__(self, attribute: str) -> Any:
        if attribute.startswith("__"):
            raise AttributeError(attribute)
        raise EmbedLabError(
            f"{self.name} is vectors from a file: behind them is no model whose layers, tokens or "
            "heads could be read. Choose a design of a backbone."
        )


class AwaitedBackbone:
    """Stands for a backbone that is not loaded yet, in views of prepared vectors.

    It knows what such views say of one. Every other of its attributes raises
    :class:`~embedlab.errors.NeedsModel`: whoever asked loads the model and asks again.
    """

    def __init__(
        self, backbone_id: str, *, source: str, note: str, max_length: int, num_layers: int
    ) -> None:
        self.id = self.name = backbone_id
        self.source, self.note = source, note
        self.dtype = "float32"
        self.device = SimpleNamespace(type="")
        self.key = f"awaited {backbone_id}"
        self.max_length, self.num_layers = max_length, num_layers
        self.native = None

    def head(self, design: Design) -> Any:
        """Only untrained heads are prepared."""
        return SimpleNamespace(trained=False)

    def native_head(self, design: Design) -> None:
        """It has no native design."""

    def __getattr__(self, attribute: str) -> Any:
        if attribute.startswith("__"):
            raise AttributeError(attribute)
        raise NeedsModel(self.__dict__["id"])
