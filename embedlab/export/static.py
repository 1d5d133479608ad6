"""A design distilled into a static model: one vector a token, and no backbone behind it.

Model2Vec's way: every token of the vocabulary goes through the design as a text of its own, the
vectors are reduced by PCA, and each is weighed as SIF weighs words, a / (a + p). How often a token
occurs, p, is taken from its place in the vocabulary by Zipf's law. A text's vector is the mean of
its tokens', so the order of words, and with it most of what attention does, is gone; what is left
is some hundred times as fast.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from embedlab.errors import EmbedLabError
from embedlab.export.model_card import model_card, without_local_paths
from embedlab.files import atomic_folder, disk_errors, save_tensors, write_json
from embedlab.models.design import Design
from embedlab.models.run_folder import RunInfo
from embedlab.models.steps import FittedSteps
from embedlab.progress import Progress, no_progress

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tokenizers import Tokenizer

    from embedlab.models.backbone import Backbone
    from embedlab.models.embedding import Vectors

#: Numbers of a static vector, and SIF's a: Model2Vec's own.
DIMENSIONS, SIF = 256, 1e-4


@dataclass(frozen=True, eq=False)
class StaticModel:
    """``rows`` (V, k) by token id, zeros for tokens without text, and the tokenizer."""

    rows: NDArray[np.float32]
    tokenizer: Tokenizer

    def embed(self, texts: Sequence[str]) -> Vectors:
        """(n, k) float32 rows of length 1; zeros where no token of a text has a vector."""
        encoded = self.tokenizer.encode_batch_fast(list(texts), add_special_tokens=False)
        sums = [self.rows[each.ids].sum(axis=0) for each in encoded]
        vectors = np.asarray(sums, np.float32).reshape(len(encoded), self.rows.shape[1])
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        return np.asarray(vectors / np.maximum(lengths, 1e-12), np.float32)


def distil(
    backbone: Backbone,
    design: Design,
    *,
    steps: FittedSteps | None = None,
    dimensions: int = DIMENSIONS,
    progress: Progress = no_progress,
) -> StaticModel:
    """Distil a design of a backbone; the design's document prompt stands around every token.

    Special tokens, and tokens that are no whole characters, get no vector.

    Args:
        steps: the design's, fitted on documents, where it has some to fit.
        dimensions: k, at most as many as the design has.

    Raises:
        EmbedLabError: the tokenizer cannot be taken along, or the steps are not fitted.
    """
    from sklearn.decomposition import PCA

    from embedlab.models.embedding import embed_in_chunks

    if design.fitted and steps is None:
        raise EmbedLabError(
            f"The steps of {design} have not been fitted; name the texts they are fitted on "
            "(`embedlab export … --fit CORPUS`)."
        )
    tokenizer = _bare_tokenizer(backbone)
    texts = _texts_of(tokenizer)
    ids = [i for i, text in enumerate(texts) if text]
    if not ids:
        raise EmbedLabError(f"No token of {backbone.name} is a text, so nothing can be distilled.")

    def report(done: int, total: int, what: str) -> None:
        progress(done, total, f"the vocabulary through {design.name}: {what}")

    vectors, _ = embed_in_chunks(
        [texts[i] for i in ids], design, backbone, fit=steps, progress=report
    )
    progress(0, 0, "reducing the vectors of the vocabulary")
    kept = min(dimensions, *vectors.shape)
    reduced = PCA(kept, svd_solver="full").fit_transform(vectors.astype(np.float64))
    rows = np.zeros((len(texts), kept), np.float32)
    rows[ids] = reduced * _sif(len(texts))[ids, None]
    return StaticModel(rows, tokenizer)


def _sif(n: int) -> NDArray[np.float64]:
    """a / (a + p) of n tokens, the most frequent first: p falls as 1 / rank."""
    share = 1 / np.arange(2, n + 2)
    return np.asarray(SIF / (SIF + share / share.sum()), np.float64)


def _bare_tokenizer(backbone: Backbone) -> Tokenizer:
    """The backbone's tokenizer, without what it puts around a text."""
    from tokenizers import Tokenizer

    from embedlab.export.sentence_transformers import tokenizer_obstacle

    if obstacle := tokenizer_obstacle(backbone):
        raise EmbedLabError(obstacle)
    state = json.loads(backbone.tokenizer.backend_tokenizer.to_str())
    bare: Tokenizer = Tokenizer.from_str(
        json.dumps(state | {"post_processor": None, "truncation": None, "padding": None})
    )
    size = len(bare.get_vocab(with_added_tokens=True))
    if sorted(bare.get_vocab(with_added_tokens=True).values()) != list(range(size)):
        raise EmbedLabError(
            f"The tokenizer of {backbone.name} leaves numbers out, which a static model cannot; "
            "take sentence-transformers."
        )
    return bare


def _texts_of(tokenizer: Tokenizer) -> list[str]:
    """What each token stands for, by id; empty for special tokens and parts of characters."""
    special = {i for i, token in tokenizer.get_added_tokens_decoder().items() if token.special}
    size = tokenizer.get_vocab_size(with_added_tokens=True)
    texts = [tokenizer.decode([i], skip_special_tokens=False) for i in range(size)]
    return [
        "" if i in special or not text.strip() or "\ufffd" in text else text
        for i, text in enumerate(texts)
    ]


def export_static(
    model: StaticModel, run_info: RunInfo, out: Path, quality: Sequence[str] = ()
) -> Path:
    """Write the folder that ``model2vec`` and ``sentence-transformers`` load.

    ``quality`` are sentences for the model card: what the static model does beside the original.

    Raises:
        EmbedLabError: the folder exists, or the disk is full.
    """
    import torch

    public = without_local_paths(run_info)
    with disk_errors(out.name), atomic_folder(out) as folder:
        save_tensors(folder / "model.safetensors", {"embeddings": torch.from_numpy(model.rows)})
        model.tokenizer.save(str(folder / "tokenizer.json"), pretty=False)
        config = {
            "model_type": "model2vec",
            "architectures": ["StaticModel"],
            "tokenizer_name": public.backbone.id,
            "apply_pca": model.rows.shape[1],
            "sif_coefficient": SIF,
            "hidden_dim": model.rows.shape[1],
            "seq_length": 1_000_000,  # there is no longest text
            # model2vec would cut what it reads here at a number of tokens; none is left out.
            "max_length": None,
            "normalize": True,
            "embedding_dtype": "float32",
        }
        write_json(folder / "config.json", config)
        (folder / "1_Normalize").mkdir()
        write_json(folder / "1_Normalize" / "config.json", {})
        kinds = [(".", "StaticEmbedding"), ("1_Normalize", "Normalize")]
        modules = [
            {"idx": i, "name": str(i), "path": path, "type": f"sentence_transformers.models.{kind}"}
            for i, (path, kind) in enumerate(kinds)
        ]
        write_json(folder / "modules.json", modules)
        card = model_card(public, "static", own_code=False, notes=tuple(quality))
        (folder / "README.md").write_text(card, encoding="utf-8")
    return out
