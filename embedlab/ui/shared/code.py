"""Runnable Python for the current view, on the public names only."""

from __future__ import annotations

from embedlab.lab.run import PREFIX
from embedlab.ui.shared.view import Pair


def map_code(pair: Pair, n_neighbors: int, min_dist: float) -> str:
    """Vectors of both designs and their two maps."""
    return (
        _start(pair)
        + f"""
from embedlab.analysis.projection import umap_pair
from embedlab.analysis.retrieval import neighbours

near_a, near_b = (neighbours(vectors, {max(n_neighbors, 15)}) for vectors in (a, b))
map_a, map_b = umap_pair(
    a, b, near_a, near_b, n_neighbors={n_neighbors}, min_dist={min_dist}, seed={pair.seed}
)
"""
    )


def retrieve_code(pair: Pair, query: str) -> str:
    """Two ranked lists for one query."""
    model_a, model_b = _variables(pair)
    return (
        _start(pair)
        + f"""
from embedlab.analysis.retrieval import search

query = {query!r}
for design, backbone, vectors in ((design_a, {model_a}, a), (design_b, {model_b}, b)):
    ids, scores = search(vectors, embed([query], design, backbone, query=True), k=10)
    print(design)
    for i, score in zip(ids[0], scores[0]):
        print(f"{{100 * score:5.1f}}  {{corpus.texts[i]}}")
"""
    )


def similarity_code(pair: Pair) -> str:
    """Both similarity matrices and their difference."""
    return (
        _start(pair)
        + """
similarity_a, similarity_b = a @ a.T, b @ b.T
difference = similarity_b - similarity_a
"""
    )


def _start(pair: Pair) -> str:
    corpus = pair.corpus
    if corpus.id == "own":
        load = (
            "from embedlab import Corpus\n\n"
            'corpus = Corpus(id="own", title="Your texts", texts=("your", "texts", "here"))'
        )
    else:
        sample = (
            ""
            if len(corpus.texts) == corpus.total
            else f".sample({len(corpus.texts)}, seed={pair.seed})"
        )
        load = f"from embedlab import load_corpus\n\ncorpus = load_corpus({corpus.id!r}){sample}"
    design_a, design_b = pair.designs
    model_a, model_b = _variables(pair)
    return f"""from embedlab import Design, embed, load_backbone
{load}
{_loading(pair)}
design_a = Design.parse({str(design_a)!r})
design_b = Design.parse({str(design_b)!r})
a = embed(corpus.texts, design_a, {model_a})  # float32, {pair.a.vectors.shape}, rows of length 1
b = embed(corpus.texts, design_b, {model_b})
"""


def _variables(pair: Pair) -> tuple[str, str]:
    return ("backbone", "backbone") if pair.one_backbone else ("backbone_a", "backbone_b")


def _loading(pair: Pair) -> str:
    """A line for each backbone. A run is loaded from the folder that its owner downloaded."""
    lines = {
        variable: f"{variable} = load_backbone({side.backbone_id!r})"
        if not side.backbone_id.startswith(PREFIX)
        else f"{variable} = load_backbone('path/to/run')  # the folder of {side.backbone.name!r}"
        for variable, side in zip(_variables(pair), pair.sides, strict=True)
    }
    return "\n".join(lines.values())
