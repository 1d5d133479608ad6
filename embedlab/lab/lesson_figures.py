"""The figures of lessons: what stands in a text as ``{name}`` is computed, never typed.

A lesson's file says of each what is measured and of what, ``{measure: knn_accuracy, design:
causal/eos}``. :data:`FIGURES` has every measure: a new one is one function and one line there. They
read what the tabs show, from the same cached results, so that a figure in a lesson is the figure on
the page; those of the study are in :mod:`embedlab.lab.study_figures`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from embedlab import gpu
from embedlab.errors import EmbedLabError, check_known
from embedlab.lab import inside, selections, views
from embedlab.lab.figure_values import Asked, points, signed, whole
from embedlab.lab.lab import Lab
from embedlab.lab.lessons import FigureValue, Lesson
from embedlab.lab.study_figures import STUDY
from embedlab.models.design import Design
from embedlab.progress import Progress, no_progress

if TYPE_CHECKING:
    from embedlab.analysis.tokens import TokenView
    from embedlab.data.corpus import Corpus


def values(
    lab: Lab, lesson: Lesson, names: Iterable[str], progress: Progress = no_progress
) -> dict[str, FigureValue]:
    """Some of a lesson's figures by name, through :meth:`Lab.compute`.

    Raises:
        EmbedLabError: one of them cannot be computed; the sentence names it.
    """
    asked = {
        name: Asked(
            lab=lab,
            figure=lesson.figures[name],
            corpus_id=lesson.figures[name].corpus or lesson.corpus,
            progress=progress,
        )
        for name in names
    }
    if gpu.LENT:  # the passes of all scores in one call
        scored = [each for each in asked.values() if each.figure.measure in SCORES]
        lab.prepare([(each.corpus, each.design, "") for each in scored], progress=progress)
    found = {}
    for name, each in asked.items():
        key = ("figure", each.corpus_id, each.figure)
        try:
            found[name] = lab.compute(key, partial(_figure, each), progress)
        except EmbedLabError as error:
            raise EmbedLabError(f"The lesson's figure {name!r}: {error}") from error
    return found


def _figure(asked: Asked, report: Progress) -> FigureValue:
    return FIGURES[asked.figure.measure](replace(asked, progress=report))


# The texts


def texts(asked: Asked) -> FigureValue:
    """The number of texts."""
    return whole(len(asked.corpus.texts))


def labels(asked: Asked) -> FigureValue:
    """The number of different labels, such as senses, or of another field's values, ``where``."""
    field = asked.figure.where
    if field:
        check_known(field, "a field of this corpus", asked.corpus.fields)
    return whole(len(set(asked.corpus.fields[field] if field else asked.corpus.labels or ())))


def queries(asked: Asked) -> FigureValue:
    """The number of the corpus's own queries."""
    return whole(len(asked.corpus.queries))


# Scores of a design


def knn_accuracy(asked: Asked) -> FigureValue:
    """The share of texts for whose label their ten nearest neighbours vote, ×100.

    ``where`` names some texts, ``context=before``; their neighbours are looked for among all.
    """
    return _score(asked, asked.design)


def v_measure(asked: Asked) -> FigureValue:
    """How well k-means over the vectors finds the labels, ×100."""
    return _score(asked, asked.design)


def mean_cosine(asked: Asked) -> FigureValue:
    """The mean cosine of all pairs of texts, ×100: near 100 all vectors have one direction."""
    return _score(asked, asked.design)


def ndcg_10(asked: Asked) -> FigureValue:
    """nDCG@10 over the corpus's own queries, ×100."""
    return _score(asked, asked.design)


def gain(asked: Asked) -> FigureValue:
    """By how much ``design`` scores more than ``against`` in ``of``, one of these four."""
    figure = asked.figure.model_copy(update={"measure": asked.figure.of})
    check_known(figure.measure, "a score of a design", SCORES)
    one = replace(asked, figure=figure)
    a, b = (_score(one, design).number for design in (asked.against, asked.design))
    return signed((b - a) / 100, "difference")


# Layers


def num_layers(asked: Asked) -> FigureValue:
    """The number of the backbone's layers."""
    return whole(asked.lab.backbone(progress=asked.progress).num_layers)


def best_layer(asked: Asked) -> FigureValue:
    """The layer at which the design's pooling scores best in ``of``; 0 is the embedding layer."""
    return whole(int(np.nanargmax(_curve(asked))))


def layer_score(asked: Asked) -> FigureValue:
    """The score in ``of`` at a ``layer``: a number, ``best`` or ``last``; ×100."""
    scores, layer = _curve(asked), asked.figure.layer
    named = {"best": int(np.nanargmax(scores)), "last": len(scores) - 1}
    at = named[layer] if layer in named else int(layer) if layer.isdecimal() else len(scores)
    if at >= len(scores):
        raise EmbedLabError(f"the layer is {layer!r}; use 0 to {len(scores) - 1}, best or last.")
    return points(float(scores[at]), f"score at layer {at}")


# Tokens


def tokens(asked: Asked) -> FigureValue:
    """How many tokens the first of ``texts`` has, with those around it and behind it."""
    return whole(_view(asked).token_count)


def first_norm(asked: Asked) -> FigureValue:
    """The norm of its first token at the design's layer."""
    return whole(float(_view(asked).norms[0]))


def other_norm(asked: Asked) -> FigureValue:
    """The median norm of its other tokens there."""
    # Of two in the middle the lower one, as torch has it, with which the ratio is made.
    return whole(float(np.quantile(_view(asked).norms[1:], 0.5, method="lower")))


def norm_ratio(asked: Asked) -> FigureValue:
    """How many times the others' median norm that of the first token is."""
    ratio = _view(asked).norm_ratio
    return FigureValue(number=ratio, words=f"{ratio:.1f}" if ratio < 10 else f"{ratio:,.0f}")


def first_cosine(asked: Asked) -> FigureValue:
    """The cosine of its first token with its pooled vector, ×100."""
    return points(float(_view(asked).cosines[0]), "cosine")


def moved(asked: Asked) -> FigureValue:
    """By how much of its length a state moves when the first of ``texts`` becomes the second, in %.

    That of the token that begins with ``word``, at the last layer, under the design's attention.
    """
    if len(asked.figure.texts) != 2:
        raise EmbedLabError("moved needs two texts, the second with another end.")
    attention, word = asked.design.mode, asked.figure.word
    proof = inside.mask_proof(
        asked.lab, *asked.figure.texts, attention=attention, progress=asked.progress
    )
    for place, token in enumerate(proof.tokens_a):
        if token.strip("␣").startswith(word):
            share = float(proof.moved[-1, place])
            # Up to rounding it is nothing.
            return points(share if share > proof.rounding else 0.0, "movement")
    raise EmbedLabError(f"no token begins with {word!r}; there are {', '.join(proof.tokens_a)}.")


# Trainable heads


def head_reads(asked: Asked) -> FigureValue:
    """Between how many vectors of a text the design's head can choose."""
    return whole(len(_head(asked)))


def head_most(asked: Asked) -> FigureValue:
    """The largest share of its attention that the head gives one of them, in %."""
    return points(float(_head(asked).max()), "attention")


#: The scores of a design, of which a ``gain`` can be asked.
SCORES: dict[str, Callable[[Asked], FigureValue]] = {
    function.__name__: function for function in (knn_accuracy, v_measure, mean_cosine, ndcg_10)
}
#: Every measure that a lesson can ask for.
FIGURES: dict[str, Callable[[Asked], FigureValue]] = (
    SCORES
    | STUDY
    | {
        function.__name__: function
        for function in (
            *(texts, labels, queries, gain, num_layers, best_layer, layer_score),
            *(tokens, first_norm, other_norm, norm_ratio, first_cosine, moved),
            *(head_reads, head_most),
        )
    }
)
_DESIGN, _TEXTS, _TWO = ("design",), ("design", "texts"), ("design", "against")
#: Every measure by its name, with what an entry has to say besides it.
MEASURES: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(FIGURES, ()),
    **dict.fromkeys((*SCORES, "best_layer", "head_reads", "head_most"), _DESIGN),
    "gain": ("of", *_TWO),
    "layer_score": ("design", "layer"),
    **dict.fromkeys(("tokens", "first_norm", "other_norm", "norm_ratio", "first_cosine"), _TEXTS),
    "moved": (*_TEXTS, "word"),
    **dict.fromkeys(("study_score", "study_spread", "study_learned"), _DESIGN),
    "study_held_out": ("design", "when"),
    **dict.fromkeys(
        (f"study_{name}" for name in ("gain", "low", "high", "better", "sources", "p")), _TWO
    ),
    "study_smallest_p": _TWO,
}


def _score(asked: Asked, design: Design) -> FigureValue:
    embedded, lab, report = asked.embedded(design), asked.lab, asked.progress
    measure, where = asked.figure.measure, asked.figure.where
    found: Any = None
    if measure == "ndcg_10":
        found = lab.retrieval_scores(embedded, report)
    elif where:
        rows = _rows(asked.corpus, where)
        found = selections.quality_of(lab, embedded, "", rows, report)
    else:
        found = views.quality(lab, embedded, progress=report)
    return points(getattr(found, measure, None), measure)


def _rows(corpus: Corpus, where: str) -> tuple[int, ...]:
    field, _, value = where.partition("=")
    check_known(field, "a field of this corpus", corpus.fields)
    rows = tuple(i for i, each in enumerate(corpus.fields[field]) if each == value)
    if not rows:
        raise EmbedLabError(f"no text has {where!r}.")
    return rows


def curve(
    lab: Lab, corpus: Corpus, design: Design, of: str = "auto", progress: Progress = no_progress
) -> NDArray[np.float64]:
    """The scores of a design's pooling over layers, (L + 1,), as the Layers panel draws them.

    Raises:
        EmbedLabError: the pooling reads no single layer, or the corpus has no such score.
    """
    quality = inside.layer_curves(lab, corpus, design, measure=of, progress=progress)
    for each in quality.curves:
        if (each.design.attention, each.design.pooling) == (design.attention, design.pooling):
            return each.scores
    raise EmbedLabError(f"{design} has no curve over layers.")


def _curve(asked: Asked) -> NDArray[np.float64]:
    return curve(asked.lab, asked.corpus, asked.design, asked.figure.of or "auto", asked.progress)


def _view(asked: Asked) -> TokenView:
    text = asked.figure.texts[0] if asked.figure.texts else ""
    return inside.token_view(asked.lab, text, asked.design, progress=asked.progress)


def _head(asked: Asked) -> NDArray[np.float32]:
    if not asked.design.trainable:
        raise EmbedLabError(f"{asked.design} has no trainable head.")
    return inside.head_attention(asked.lab, asked.embedded(), None, asked.progress).mean
