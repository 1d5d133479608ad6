"""The served endpoints: plain JSON in, plain JSON out; named, typed, documented."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Iterator
from typing import Any, ParamSpec, TypeVar

import gradio as gr
import numpy as np

from embedlab.analysis import projection
from embedlab.analysis.comparison import Embedded, Hit
from embedlab.analysis.metrics import similarity_matrix
from embedlab.data.corpus import Corpus
from embedlab.errors import EmbedLabError
from embedlab.lab.health import health as state_of
from embedlab.lab.lab import Lab
from embedlab.ui.api.finetune import finetune_endpoint
from embedlab.ui.api.inside import inside_endpoints
from embedlab.ui.shared import parse
from embedlab.ui.shared.session import UNEXPECTED
from embedlab.ui.shared.view import LANE

P = ParamSpec("P")
R = TypeVar("R")
log = logging.getLogger("embedlab")


def add_endpoints(lab: Lab) -> None:
    """Add ``/embed``, ``/retrieve``, ``/similarity``, ``/project``, the inside tab's three,
    ``/health``, and ``/finetune``, which streams."""

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
        given, where = parse.strings(texts), parse.word(backbone, "backbone")
        vectors = lab.embed(given, parsed, where)
        encoded = lab.backbone(where).encode(given, parsed.document_prompt)
        return {
            "design": str(parsed),
            "dim": vectors.shape[1],
            "vectors": vectors.tolist(),
            "truncated": [e.truncated for e in encoded],
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
        asked = parse.string(query, "query"), parse.whole(k, "k")
        texts, a, b = _pair(lab, corpus, design_a, design_b)
        hits_a, hits_b = lab.retrieve(asked[0], texts, a, b, asked[1])
        return {
            "corpus": texts.id,
            "texts": texts.size_note,
            "a": {"design": str(a.design), "results": [_result(hit) for hit in hits_a]},
            "b": {"design": str(b.design), "results": [_result(hit) for hit in hits_b]},
        }

    def similarity(texts: list[str], design_a: str, design_b: str) -> dict[str, Any]:
        """Cosine similarities of texts under two designs.

        Args:
            texts: the texts, none of them empty.
            design_a: the first design.
            design_b: the second design.

        Returns:
            a and b: each a design and a matrix.
        """
        given = parse.strings(texts)
        most = lab.config.limits.max_heatmap_texts
        if len(given) > most:
            raise EmbedLabError(f"{len(given):,} texts were sent; /similarity takes up to {most}.")
        answer = {}
        for side, name in (("a", design_a), ("b", design_b)):
            design = parse.design(name, f"design_{side}")
            matrix = similarity_matrix(lab.embed(given, design))
            answer[side] = {"design": str(design), "matrix": np.round(matrix, 6).tolist()}
        return answer

    def project(corpus: str, design_a: str, design_b: str) -> dict[str, Any]:
        """Two comparable maps of a built-in corpus.

        Args:
            corpus: a built-in corpus's id, such as "senses".
            design_a: the first design.
            design_b: the second design.

        Returns:
            method, and a and b: each a design and points (id, x, y, label).
        """
        texts, a, b = _pair(lab, corpus, design_a, design_b)
        if not projection.is_warm():
            projection.warm_up()
        defaults = lab.config.defaults
        maps = lab.maps(
            a, b, n_neighbors=defaults.n_neighbors, min_dist=defaults.min_dist, seed=defaults.seed
        )
        labels = texts.labels or (None,) * len(texts.texts)
        answer: dict[str, Any] = {
            "corpus": texts.id,
            "texts": texts.size_note,
            "method": maps.method,
        }
        for side, embedded, xy in (("a", a, maps.a), ("b", b, maps.b)):
            points = [
                {"id": i, "x": float(x), "y": float(y), "label": label}
                for i, ((x, y), label) in enumerate(zip(xy, labels, strict=True))
            ]
            answer[side] = {"design": str(embedded.design), "points": points}
        return answer

    def health() -> dict[str, Any]:
        """How this deployment is.

        Returns:
            status, loaded (backbones, and how many wait for each), trainings by state, memory_mb
            with its budgets, and state_cache with its hits; nothing of any user.
        """
        return state_of(lab)

    functions: list[Callable[..., dict[str, Any]]] = [embed, retrieve, similarity, project]
    for function in [*functions, *inside_endpoints(lab)]:
        gr.api(_clear(function), api_name=function.__name__, **LANE)
    # Not in the backbone's lane: it has to answer when that is busy.
    gr.api(_clear(health), api_name="health", concurrency_limit=None)
    # A lane of its own: who follows a training for minutes keeps nobody else from asking.
    gr.api(
        _clear_stream(finetune_endpoint(lab)),
        api_name="finetune",
        concurrency_id="finetune",
        concurrency_limit=16,
    )


def _clear(function: Callable[P, R]) -> Callable[P, R]:
    """Answer a bad request with one sentence instead of a traceback."""

    @functools.wraps(function)
    def answer(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return function(*args, **kwargs)
        except EmbedLabError as error:
            raise gr.Error(str(error), print_exception=False) from error
        except Exception as error:
            log.exception("/%s failed", function.__name__)
            raise gr.Error(UNEXPECTED, print_exception=False) from error

    return answer


def _clear_stream(function: Callable[P, Iterator[R]]) -> Callable[P, Iterator[R]]:
    """As :func:`_clear`, for an endpoint that answers bit by bit."""

    @functools.wraps(function)
    def answer(*args: P.args, **kwargs: P.kwargs) -> Iterator[R]:
        try:
            yield from function(*args, **kwargs)
        except EmbedLabError as error:
            raise gr.Error(str(error), print_exception=False) from error
        except Exception as error:
            log.exception("/%s failed", function.__name__)
            raise gr.Error(UNEXPECTED, print_exception=False) from error

    return answer


def _pair(
    lab: Lab, corpus_id: str, design_a: str, design_b: str
) -> tuple[Corpus, Embedded, Embedded]:
    designs = [
        parse.design(name, f"design_{side}") for side, name in (("a", design_a), ("b", design_b))
    ]
    corpus = lab.corpus(parse.word(corpus_id, "corpus"), seed=lab.config.defaults.seed)
    a, b = (lab.embedded(corpus, design) for design in designs)
    return corpus, a, b


def _result(hit: Hit) -> dict[str, Any]:
    return {
        "rank": hit.rank,
        "id": hit.id,
        "score": hit.score,
        "text": hit.text,
        "relevant": hit.relevant,
        "move": hit.move,
    }
