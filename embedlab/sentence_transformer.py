"""The same weights under sentence-transformers, to compare speeds with."""

from __future__ import annotations

from typing import Any

from embedlab.backbone import Backbone


def same_weights(backbone: Backbone) -> Any:
    """A SentenceTransformer with causal attention and mean pooling, in the same precision."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.base.modules.transformer import Transformer
    from sentence_transformers.sentence_transformer.modules.pooling import Pooling

    # Text alone: with the default it would wrap every text in the tokenizer's chat template.
    body = Transformer(
        backbone.model.name_or_path,
        model_kwargs={"dtype": backbone.dtype},
        modality_config={"text": {"method": "forward", "method_output_name": "last_hidden_state"}},
        module_output_name="token_embeddings",
    )
    body.tokenizer.padding_side = "right"
    pooling = Pooling(backbone.hidden_size, pooling_mode="mean")
    return SentenceTransformer(modules=[body, pooling], device=str(backbone.device))
