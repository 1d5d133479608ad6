"""Embeds texts with an exported model: a program of its own, which :mod:`.check` starts.

At the top it imports nothing of this project, and for a sentence-transformers folder it cannot
import it at all: what loads here loads where EmbedLab was never installed.

Arguments: the kind of export, its folder, a work folder with ``texts.json``, and ``sys.path`` as
JSON. The vectors are written to ``vectors.npy`` in the work folder.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any


class WithoutEmbedLab:
    """An import hook that refuses this project."""

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> None:
        """Raise for this project's modules; leave the others to the next finder."""
        if name.partition(".")[0] == "embedlab":
            raise ModuleNotFoundError("the export needs embedlab, which its user does not have")


def sentence_transformers_vectors(folder: Path, texts: list[str]) -> Any:
    """(n, d) of documents, by sentence-transformers alone."""
    sys.meta_path.insert(0, WithoutEmbedLab())
    from sentence_transformers import SentenceTransformer

    own_code = any(folder.glob("export_*.py"))
    model = SentenceTransformer(
        str(folder), device="cpu", trust_remote_code=own_code, local_files_only=True
    )
    return model.encode_document(texts, batch_size=2, show_progress_bar=False)


def gguf_vectors(folder: Path, texts: list[str]) -> Any:
    """(n, d) by llama.cpp, which takes pooling, attention and the end token from the file."""
    sys.meta_path.insert(0, WithoutEmbedLab())
    import numpy as np
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = str(next(folder.glob("*.gguf")))
    params.embedding, params.warmup = True, False
    params.n_parallel = 1
    server = xllamacpp.Server(params)
    rows = []
    for text in texts:
        answer = server.handle_embeddings({"input": text})
        answer = json.loads(answer) if isinstance(answer, str) else answer
        rows.append(answer["data"][0]["embedding"])
    vectors = np.asarray(rows, np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def adapter_vectors(folder: Path, texts: list[str]) -> Any:
    """(n, d) of documents, by a run's folder: weights in its precision, passes in float32."""
    from embedlab.models.embedding import embed
    from embedlab.models.loading import load_backbone
    from embedlab.models.run_folder import STEPS_FILE, read_run_info
    from embedlab.models.steps import FittedSteps

    run_info = read_run_info(folder)
    backbone = load_backbone(folder, device="cpu", dtype=run_info.backbone.dtype)
    steps = folder / STEPS_FILE
    fitted = FittedSteps.load(steps) if steps.is_file() else None
    return embed(texts, run_info.trained_design, backbone.in_float32(), fit=fitted)


def main(kind: str, folder: str, work: str, paths: str) -> None:
    """Embed the texts of a work folder."""
    # Python runs isolated, so what is installed where is taken from the process that started it.
    sys.path[:] = json.loads(paths)
    import numpy as np

    texts = json.loads(Path(work, "texts.json").read_text(encoding="utf-8"))
    by_kind = {"adapter": adapter_vectors, "gguf": gguf_vectors}
    vectors = by_kind.get(kind, sentence_transformers_vectors)(Path(folder), texts)
    np.save(Path(work, "vectors.npy"), np.asarray(vectors, dtype=np.float32), allow_pickle=False)


if __name__ == "__main__":
    main(*sys.argv[1:])
