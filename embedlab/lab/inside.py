"""Why two designs differ: the results that the inside tab shows, each computed once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from embedlab import gpu
from embedlab.analysis import label_free, layers, metrics, space
from embedlab.analysis.comparison import Embedded
from embedlab.data.corpus import Corpus
from embedlab.data.prepared import NoQueryVectors
from embedlab.lab.lab import Lab, computed
from embedlab.models.design import ATTENTIONS, Design
from embedlab.models.pooling import POOLINGS
from embedlab.progress import Progress, no_progress

if TYPE_CHECKING:
    from embedlab.analysis.key_tokens import KeyToken
    from embedlab.analysis.retrieval import Int64Array
    from embedlab.analysis.tokens import HeadAttention, MaskProof, TokenView
    from embedlab.models.embedding import Vectors
    from embedlab.models.states import HiddenStates
    from embedlab.models.template import Template


def layer_curves(
    lab: Lab,
    corpus: Corpus,
    design: Design,
    backbone_id: str = "",
    *,
    attentions: tuple[str, ...] = ATTENTIONS,
    measure: str = "auto",
    skip_first: bool = False,
    transform: str = "none",
    seed: int = 0,
    progress: Progress = no_progress,
) -> layers.LayerQuality:
    """Every layer's score under both attention modes, with ``design``'s prompts.

    Of an ensemble the first template is taken.

    Raises:
        EmbedLabError: the corpus has nothing that the measure could score.
    """
    chosen = layers.choose_measure(corpus, measure)
    lab.check(corpus.texts, design)
    backbone = lab.backbone(backbone_id, progress)
    attentions = tuple(mode for mode in attentions if mode not in backbone.refused)

    def work(report: Progress) -> layers.LayerQuality:
        from embedlab.models.wanted import Wanted, compute_states

        def pooled(states: HiddenStates, template: Template) -> HiddenStates:
            return states.of_text_tokens() if design.pools_text(template) else states

        put_in, asked = (design.templates(query=query)[0] for query in (False, True))
        wanted = [lab.wanted(corpus, backbone, mode, put_in) for mode in attentions]
        if chosen == "ndcg_10":
            wanted += [Wanted(backbone, corpus.queries, mode, asked) for mode in attentions]
        states = compute_states(wanted, report)
        of_texts, of_queries = states[: len(attentions)], states[len(attentions) :]
        texts = {m: pooled(s, put_in) for m, s in zip(attentions, of_texts, strict=True)}
        queries = {m: pooled(s, asked) for m, s in zip(attentions, of_queries, strict=False)}
        return layers.layer_quality(
            corpus,
            texts,
            queries or None,
            measure=chosen,
            skip_first=skip_first,
            transform=transform,
            seed=seed,
            poolings=layers.curve_poolings(design),
            progress=report,
        )

    key = (
        "layers",
        backbone.key,
        corpus.key,
        tuple(design.templates(query=query)[0].key for query in (True, False)),
        (design.pooling, design.pool, design.ended),
        (attentions, chosen, skip_first, transform, seed),
    )
    return lab.compute(key, work, progress)


@computed
def label_free_layers(
    lab: Lab, embedded: Embedded, progress: Progress = no_progress
) -> label_free.LabelFree:
    """What the layers under a design look like without labels; of an ensemble the first template.

    Raises:
        EmbedLabError: too few texts, or a pooling that reads no single layer.
    """
    design, template = embedded.design, embedded.design.templates(query=False)[0]
    states = lab.states_of(embedded.corpus, embedded.backbone, design.mode, template, progress)
    return label_free.label_free(states, design, progress)


@dataclass(frozen=True, eq=False)
class Unmasking:
    """A corpus's score with attention that is causal up to layer k and bidirectional above.

    ``layers`` are the k, 0 for bidirectional and L for causal; ``scores`` and the ends of their
    95 % interval are as long.
    """

    design: Design
    measure: str
    layers: tuple[int, ...]
    scores: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]


@computed
def unmasking_curve(
    lab: Lab, embedded: Embedded, measure: str = "auto", progress: Progress = no_progress
) -> Unmasking:
    """Quality over k of ``bidirectional>k``, at about nine k: a pass over the corpus for each.

    Raises:
        EmbedLabError: the corpus has nothing that the measure could score.
    """
    corpus, design = embedded.corpus, embedded.design
    chosen = layers.choose_measure(corpus, measure)
    last = embedded.backbone.num_layers
    steps = sorted({round(last * i / 8) for i in range(9)})
    scores = []
    for number, k in enumerate(steps):
        progress(number, len(steps), "passes with another mask")
        attention = {0: "bidirectional", last: "causal"}.get(k, f"bidirectional>{k}")
        one = replace(design, attention=attention, band=None, bias=0.0)
        side = lab.embedded_on(corpus, one, embedded.backbone, progress)
        queries = lab.query_vectors(side, progress) if chosen == "ndcg_10" else None
        scores.append(layers.score_with_band(corpus, chosen, side.vectors, queries))
    whole, low, high = zip(*scores, strict=True)
    return Unmasking(design, chosen, tuple(steps), whole, low, high)


def key_tokens(
    lab: Lab,
    embedded: Embedded,
    chosen: tuple[int, ...],
    *,
    together: bool = False,
    progress: Progress = no_progress,
) -> list[list[KeyToken]]:
    """The nearest words to some of a corpus's texts, or to what tells them from the others.

    Args:
        chosen: the texts' numbers.
        together: one list for all of them: of their mean less the corpus's.

    Raises:
        EmbedLabError: the design's vectors are no states of the backbone.
    """
    from embedlab.analysis import key_tokens as lens

    design, backbone = embedded.design, embedded.backbone
    lens.check(design)
    vectors = _pooled(lab, embedded, progress=progress)
    if together:
        return [lens.group_words(vectors, chosen, design, backbone)]
    return lens.key_tokens(vectors[list(chosen)], design, backbone)


def group_words(
    lab: Lab, embedded: Embedded, labels: Int64Array, k: int, progress: Progress = no_progress
) -> list[list[KeyToken]]:
    """The words nearest to what tells each of k groups of a corpus's texts from the others.

    Args:
        labels: each text's group, (n,), -1 where it is in none.

    Raises:
        EmbedLabError: the design's vectors are no states of the backbone.
    """
    from embedlab.analysis import key_tokens as lens

    lens.check(embedded.design)
    vectors = _pooled(lab, embedded, progress=progress)
    return lens.words_of_groups(vectors, labels, k, embedded.design, embedded.backbone)


def key_words(
    lab: Lab, texts: Sequence[str], design: Design, progress: Progress = no_progress
) -> list[list[KeyToken]]:
    """The nearest words to each of any texts under a design, its steps left out.

    Raises:
        EmbedLabError: as :func:`key_tokens`, or too many or too long texts.
    """
    corpus = Corpus(id="own", title="texts", texts=tuple(texts))
    embedded = lab.embedded(corpus, replace(design, steps=()), progress=progress)
    return key_tokens(lab, embedded, tuple(range(len(texts))), progress=progress)


@computed
def _pooled(lab: Lab, embedded: Embedded, progress: Progress = no_progress) -> Vectors:
    """A corpus's vectors before the design's steps."""
    from embedlab.models.embedding import pool_templates

    def states_of(template: Template) -> HiddenStates:
        mode = embedded.design.mode
        return lab.states_of(embedded.corpus, embedded.backbone, mode, template, progress)

    return pool_templates(states_of, embedded.design, embedded.backbone, progress=progress)[0]


@computed
def space_shape(
    lab: Lab, embedded: Embedded, how: str = "none", seed: int = 0, progress: Progress = no_progress
) -> space.Shape:
    """The shape of a design's space as it is, centred or whitened."""
    vectors = embedded.vectors
    return space.shape(space.fit(vectors, how)(vectors), seed=seed)


@computed
def space_scores(
    lab: Lab, embedded: Embedded, how: str = "none", progress: Progress = no_progress
) -> metrics.Quality:
    """A corpus's scores of a design's space as it is, centred or whitened."""
    try:
        queries = lab.query_vectors(embedded, progress) if embedded.corpus.queries else None
    except NoQueryVectors:
        queries = None
    return space.scores(embedded.corpus, embedded.vectors, queries, how=how)


def first_token_effect(
    lab: Lab,
    corpus: Corpus,
    design: Design,
    backbone_id: str = "",
    progress: Progress = no_progress,
) -> tuple[metrics.Quality, metrics.Quality] | None:
    """A corpus's scores with and without the first token; None for a design without a mean."""
    if not POOLINGS[design.pooling].takes_mean:
        return None
    with_it, without = (
        lab.embedded(corpus, replace(design, skip_first=skip), backbone_id, progress)
        for skip in (False, True)
    )
    return (
        space_scores(lab, with_it, progress=progress),
        space_scores(lab, without, progress=progress),
    )


def prepare_mask_proofs(
    lab: Lab, text_a: str, text_b: str, backbone_id: str = "", progress: Progress = no_progress
) -> None:
    """Where a GPU is lent by the call, the passes of both attention modes' proofs in one call."""
    if gpu.LENT and text_a.strip() and text_b.strip():
        from embedlab.analysis import tokens

        lab.check([text_a, text_b], Design())
        backbone = lab.backbone(backbone_id, progress)
        backbone.owner.tokens(
            [tokens.proof_pass(backbone, text_a, text_b, mode) for mode in ATTENTIONS]
        )


def prepare_token_views(
    lab: Lab, text: str, sides: Sequence[tuple[Design, str]], progress: Progress = no_progress
) -> None:
    """Where a GPU is lent by the call, the passes of several token views in one call."""
    if gpu.LENT and text.strip():
        from embedlab.analysis import tokens

        passes = []
        for design, backbone_id in sides:
            lab.check([text], design)
            backbone = lab.backbone(backbone_id, progress)
            passes.append(tokens.view_pass(backbone, text, design))
        backbone.owner.tokens(passes)  # all backbones have the same


def token_view(
    lab: Lab, text: str, design: Design, backbone_id: str = "", progress: Progress = no_progress
) -> TokenView:
    """A text's tokens under a design, with their weights, norms and cosines.

    Raises:
        EmbedLabError: the text is empty or too long, or the backbone has no such layer.
    """
    from embedlab.analysis import tokens

    lab.check([text], design)
    backbone = lab.backbone(backbone_id, progress)
    return lab.compute(
        ("tokens", backbone.version(design), str(design), text),
        lambda report: tokens.token_view(backbone, text, design),
        progress,
    )


def mask_proof(
    lab: Lab,
    text_a: str,
    text_b: str,
    attention: str,
    backbone_id: str = "",
    progress: Progress = no_progress,
) -> MaskProof:
    """How far the hidden states of a text move when its end is changed.

    Raises:
        EmbedLabError: a text is empty or too long, both are the same, or they differ from the
            beginning.
    """
    from embedlab.analysis import tokens

    lab.check([text_a, text_b], Design())
    backbone = lab.backbone(backbone_id, progress)
    return lab.compute(
        ("mask", backbone.key, attention, text_a, text_b),
        lambda report: tokens.mask_proof(backbone, text_a, text_b, attention),
        progress,
    )


@computed
def head_attention(
    lab: Lab, embedded: Embedded, only: int | None = None, progress: Progress = no_progress
) -> HeadAttention:
    """The attention of a design's trainable head over all texts of a corpus, or ``only`` one."""
    from embedlab.analysis import tokens

    corpus, design, backbone = embedded.corpus, embedded.design, embedded.backbone
    if only is not None:
        corpus = Corpus(id=corpus.id, title=corpus.title, texts=(corpus.texts[only],))
    template = design.templates(query=False)[0]
    states = lab.states_of(corpus, backbone, design.mode, template, progress)
    return tokens.head_attention(backbone.head(design), states)
