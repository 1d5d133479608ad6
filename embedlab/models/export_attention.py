"""Backbones whose attention differs from layer to layer, for sentence-transformers.

This file travels beside the weights with ``layer_attention.py`` and ``export_template.py``; it
needs torch, transformers and sentence-transformers alone. ``LayerwiseTransformer`` is the backbone,
and ``LayerwiseTemplateTransformer`` the same with every text inside a template.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sentence_transformers.base.modules.transformer import Transformer

# Relative, so that it also holds where the files lie beside a model.
from .export_template import TemplateTransformer
from .layer_attention import BY_LAYER, ByLayer

if TYPE_CHECKING:
    from typing import Self

#: Beside the weights: the arguments of :meth:`ByLayer.of` but the mask.
FILE = "attention.json"
_WHERE = ("subfolder", "token", "cache_folder", "revision", "local_files_only")


class LayerwiseTransformer(Transformer):
    """The backbone under ``rerouted`` attention, or causal in the lower layers alone."""

    attention: dict[str, Any]

    @classmethod
    def load(cls, model_name_or_path: str, *args: Any, **options: Any) -> Self:
        """Read the model, the tokenizer and the attention from a folder or a Hub repository."""
        module = super().load(model_name_or_path, *args, **options)
        where = {name: options[name] for name in _WHERE if name in options}
        read = cls.load_config(model_name_or_path, config_filename=FILE, **where)
        module.attention = {name: read[name] for name in ("causal", "first", "last", "bias")}
        # Parts of a model may have separate configurations.
        for part in module.model.modules():
            if hasattr(part, "config"):
                part.config._attn_implementation = BY_LAYER
        return module

    def save(self, output_path: str, *args: Any, **options: Any) -> None:
        """Write the model, the tokenizer, the attention and the code."""
        super().save(output_path, *args, **options)
        text = json.dumps(self.attention, indent=2)
        Path(output_path, FILE).write_text(text + "\n", encoding="utf-8")
        for name in ("export_attention.py", "export_template.py", "layer_attention.py"):
            shutil.copy(Path(__file__).with_name(name), output_path)

    def forward(self, features: dict[str, Any], **kwargs: Any) -> dict[str, Any]:
        """One pass, in which attention knows where each row ends."""
        by_layer = ByLayer.of(features["attention_mask"].long(), **self.attention)
        return super().forward(features, by_layer=by_layer, **kwargs)


class LayerwiseTemplateTransformer(LayerwiseTransformer, TemplateTransformer):
    """The same with every text inside a template."""
