"""A file of prepared views around a tiny backbone, written from vectors that `embed` gives."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from embedlab import Backbone, embed
from embedlab.data.corpus import Corpus
from embedlab.lab.prepared_file import FORMAT, DesignFacts, Facts, write_prepared
from embedlab.models.design import Design
from embedlab.models.weights import weights_digest

#: Settings of the maps, and the maps' places: random ones, that no layout would give.
SETTINGS = {"n_neighbors": 15, "min_dist": 0.1, "seed": 0}


def write_tiny(
    folder: Path, backbone: Backbone, corpus: Corpus, *designs: str, weights: str = ""
) -> Path:
    """Prepared views of a corpus under designs without steps; the id is the backbone's name."""
    rng, m, n = np.random.default_rng(1), len(designs), len(corpus.texts)
    arrays = {
        "maps_a": rng.normal(size=(m, n, 2)).astype(np.float32),
        "maps_b": rng.normal(size=(m, m, n, 2)).astype(np.float32),
    }
    for i, design in enumerate(map(Design.parse, designs)):
        arrays[f"{i}.vectors"] = embed(corpus.texts, design, backbone).astype(np.float16)
        asked = embed(corpus.queries, design, backbone, query=True)
        arrays[f"{i}.queries"] = asked.astype(np.float16)
        arrays[f"{i}.cut"] = np.zeros(n, np.uint8)
    facts = Facts(
        format=FORMAT,
        backbone=backbone.name,
        weights=weights or weights_digest(backbone.model),
        key=backbone.key,
        source="a test",
        note="",
        max_length=backbone.max_length,
        num_layers=backbone.num_layers,
        corpus=corpus.id,
        fingerprint=corpus.fingerprint,
        queries=corpus.queries,
        designs=tuple(
            DesignFacts(design=each, words=tuple((f"{each} {i}",) for i in range(n)))
            for each in designs
        ),
        **SETTINGS,
    )
    path = folder / f"{backbone.name}.safetensors"
    write_prepared(path, facts, arrays)
    return path
