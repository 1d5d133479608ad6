"""The served endpoints: plain JSON in, plain JSON out; named, typed, documented."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import gradio as gr
import numpy as np

from embedlab.analysis.comparison import Embedded
from embedlab.data.corpus import Corpus
from embedlab.errors import EmbedLabError
from embedlab.lab import views
from embedlab.lab.health import health as health_of
from embedlab.lab.lab import Lab
from embedlab.ui.api.clusters import clusters_endpoint
from embedlab.ui.api.finetune import finetune_endpoint
from embedlab.ui.api.inside import built_in, described, inside_endpoints
from embedlab.ui.api.leaderboard import leaderboard_endpoint
from embedlab.ui.api.offers import offers_endpoint
from embedlab.ui.api.train import train_endpoint
from embedlab.ui.shared import parse
from embedlab.ui.shared.session import user_errors
from embedlab.ui.shared.view import LANE


def add_endpoints(lab: Lab) -> None:
    """Add ``/embed``, ``/retrieve``, ``/similarity``, ``/project``, ``/clusters``, the inside tab's
    four, ``/leaderboard``, ``/health``, ``/offers``, and ``/finetune``, which streams."""

    def embed(texts: list[str], design: str, backbone: str = "") -> dict[str, Any]:
        """Embed texts under a design.

        Args:
            texts: the texts, none of them empty.
            design: such as "causal/mean@11", or M1 to M5.
            backbone: one of the backbones offered here; empty for the default one.

        Returns:
            design, dim, vectors (one list of numbers a text, of length 1), and truncated (whether
            a text was cut to the longest length).
        """
        parsed = parse.design(design, "design")
        sent, backbone_id = _corpus(texts), parse.word(backbone, "backbone")
        embedded = lab.embedded(sent, parsed, backbone_id)
        return {
            "design": str(parsed),
            "dim": embedded.vectors.shape[1],
            "vectors": embedded.vectors.tolist(),
            "truncated": embedded.cut.tolist(),
        }

    def retrieve(
        query: str, corpus: str, design_a: str, design_b: str, k: int = 10
    ) -> dict[str, Any]:
        """Rank a built-in corpus for a query under two designs.

        Args:
            query: what to look for; relevance is known for the corpus's own queries.
            corpus: a built-in corpus's id, such as "senses".
            design_a: the first design.
            design_b: the second design.
            k: how many results a list has.

        Returns:
            a and b: each a design and results (rank, id, score, text, relevant, move).
        """
        text = parse.string(query, "query")
        a, b = _sides(lab, built_in(lab, corpus), design_a, design_b, text)
        hits = lab.retrieve(text, a, b, parse.whole(k, "k"))
        return described(a.corpus) | _both(a, b, results=[list(map(asdict, each)) for each in hits])

    def similarity(texts: list[str], design_a: str, design_b: str) -> dict[str, Any]:
        """Cosine similarities of texts under two designs.

        Args:
            texts: the texts, none of them empty.
            design_a: the first design.
            design_b: the second design.

        Returns:
            a and b: each a design and a matrix.
        """
        sent, most = _corpus(texts), lab.config.limits.max_heatmap_texts
        if len(sent.texts) > most:
            raise EmbedLabError(
                f"{len(sent.texts):,} texts were sent; /similarity takes up to {most}."
            )
        a, b = _sides(lab, sent, design_a, design_b)
        cosines = views.similarities(lab, a, b, tuple(range(len(a))))
        return _both(a, b, matrix=[np.round(each, 6).tolist() for each in (cosines.a, cosines.b)])

    def project(corpus: str, design_a: str, design_b: str) -> dict[str, Any]:
        """Two comparable maps of a built-in corpus.

        Args:
            corpus: a built-in corpus's id, such as "senses".
            design_a: the first design.
            design_b: the second design.

        Returns:
            method, and a and b: each a design and points (id, x, y, label).
        """
        a, b = _sides(lab, built_in(lab, corpus), design_a, design_b)
        maps = lab.maps(a, b, seed=lab.config.defaults.seed, compile_umap=True)
        labels = a.corpus.labels or (None,) * len(a)
        points = [
            [
                {"id": i, "x": float(x), "y": float(y), "label": label}
                for i, ((x, y), label) in enumerate(zip(xy, labels, strict=True))
            ]
            for xy in (maps.a, maps.b)
        ]
        return described(a.corpus) | {"method": maps.method} | _both(a, b, points=points)

    def health() -> dict[str, Any]:
        """How this deployment is.

        Returns:
            status, loaded (backbones, and how many wait for each), trainings by state, memory_mb
            with its budgets, and state_cache with its hits; nothing of any user.
        """
        return health_of(lab)

    functions: list[Callable[..., Any]] = [embed, retrieve, similarity, project]
    more = [clusters_endpoint(lab), *inside_endpoints(lab), leaderboard_endpoint(lab)]
    for function in [*functions, *more]:
        _add(function, **LANE)
    # Not in the backbone's lane: they have to answer while that is busy.
    _add(health, concurrency_limit=None)
    _add(offers_endpoint(lab), concurrency_limit=None)
    # A lane of its own: a client that follows a training for minutes must not block the others.
    # As a stream, it turns its errors into sentences itself.
    finetune = finetune_endpoint(lab)
    gr.api(finetune, api_name="finetune", concurrency_id="finetune", concurrency_limit=16)


def add_train(lab: Lab) -> None:
    """Add ``/train``, for agents: it stands in no list for people, who have ``/finetune``."""
    _add(
        train_endpoint(lab),
        concurrency_id="finetune",
        concurrency_limit=16,
        api_visibility="undocumented",
    )


def _add(function: Callable[..., Any], **lane: Any) -> None:
    name = function.__name__
    gr.api(user_errors(f"/{name}")(function), api_name=name, **lane)


def _corpus(texts: list[str]) -> Corpus:
    """The texts a client sent."""
    return Corpus(id="own", title="texts of a request", texts=tuple(parse.strings(texts)))


def _sides(
    lab: Lab, corpus: Corpus, design_a: str, design_b: str, query: str = ""
) -> tuple[Embedded, Embedded]:
    """A corpus under two designs; ``query`` will be asked of both."""
    designs = parse.design(design_a, "design_a"), parse.design(design_b, "design_b")
    lab.prepare([(corpus, design, "") for design in designs], [query] if query.strip() else ())
    a, b = (lab.embedded(corpus, design) for design in designs)
    return a, b


def _both(a: Embedded, b: Embedded, **results: list[Any]) -> dict[str, Any]:
    """What A and B gave: each the design and, by its name, one of two results."""
    return {
        letter: {"design": str(side.design)} | {name: two[i] for name, two in results.items()}
        for i, (letter, side) in enumerate((("a", a), ("b", b)))
    }
