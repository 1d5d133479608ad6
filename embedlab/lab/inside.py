"""Why two designs differ: the results that the inside tab shows, each through ``Lab.compute``."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from embedlab.analysis import layers, space
from embedlab.analysis.comparison import Embedded
from embedlab.analysis.layers import LayerQuality
from embedlab.data.corpus import Corpus
from embedlab.lab.lab import Lab
from embedlab.models.design import ATTENTIONS, Design
from embedlab.models.pooling import POOLINGS
from embedlab.models.state_cache import state_key
from embedlab.progress import Progress, no_progress

if TYPE_CHECKING:
    from embedlab.analysis.tokens import HeadAttention, MaskProof, TokenView
    from embedlab.models.states import HiddenStates


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
) -> LayerQuality:
    """Every layer's score under both attention modes, with ``design``'s prompts.

    Raises:
        EmbedLabError: the corpus has nothing that the measure could score.
    """
    chosen = layers.choose_measure(corpus, measure)
    lab.check(corpus.texts, design)
    backbone = lab.backbone(backbone_id, progress)

    def work(report: Progress) -> LayerQuality:
        def states(texts: tuple[str, ...], prompt: str, persist: bool) -> dict[str, HiddenStates]:
            return {
                mode: backbone.states(texts, mode, prompt, progress=report, persist=persist)
                for mode in attentions
            }

        queries = None
        if chosen == "ndcg_10":
            queries = states(corpus.queries, design.query_prompt, False)
        persist = lab.may_persist(corpus, backbone)
        texts = states(corpus.texts, design.document_prompt, persist)
        return layers.layer_quality(
            corpus,
            texts,
            queries,
            measure=chosen,
            skip_first=skip_first,
            transform=transform,
            seed=seed,
            progress=report,
        )

    key = (
        "layers",
        backbone.key,
        (corpus.fingerprint, corpus.annotations_hash),
        (design.query_prompt, design.document_prompt),
        (attentions, chosen, skip_first, transform, seed),
    )
    return lab.compute(key, work, progress)


def space_shape(
    lab: Lab, embedded: Embedded, how: str = "none", seed: int = 0, progress: Progress = no_progress
) -> space.Shape:
    """The shape of a design's space as it is, centred or whitened."""
    return lab.compute(
        ("shape", embedded.key, how, seed),
        lambda report: space.shape(space.transform(embedded.vectors, how), seed=seed),
        progress,
    )


def space_scores(
    lab: Lab,
    corpus: Corpus,
    embedded: Embedded,
    how: str = "none",
    backbone_id: str = "",
    progress: Progress = no_progress,
) -> space.Scores:
    """A corpus's scores of a design's space as it is, centred or whitened."""

    def work(report: Progress) -> space.Scores:
        queries = None
        if corpus.queries:
            queries = lab.query_vectors(corpus, embedded.design, backbone_id, report)
        return space.scores(corpus, embedded.vectors, queries, how=how)

    return lab.compute(("scores", embedded.key, corpus.annotations_hash, how), work, progress)


def first_token_effect(
    lab: Lab,
    corpus: Corpus,
    design: Design,
    backbone_id: str = "",
    progress: Progress = no_progress,
) -> tuple[space.Scores, space.Scores] | None:
    """A corpus's scores with and without the first token; None for a design without a mean."""
    if not POOLINGS[design.pooling].takes_mean:
        return None
    with_it, without = (
        space_scores(
            lab,
            corpus,
            lab.embedded(corpus, replace(design, skip_first=skip), backbone_id, progress),
            backbone_id=backbone_id,
            progress=progress,
        )
        for skip in (False, True)
    )
    return with_it, without


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
    state = state_key(backbone.version(design), design.attention, design.document_prompt, text)
    return lab.compute(
        ("tokens", str(design), state),
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
    states = [state_key(backbone.key, attention, "", text) for text in (text_a, text_b)]
    return lab.compute(
        ("mask", *states),
        lambda report: tokens.mask_proof(backbone, text_a, text_b, attention),
        progress,
    )


def head_attention(
    lab: Lab,
    corpus: Corpus,
    design: Design,
    backbone_id: str = "",
    *,
    only: int | None = None,
    progress: Progress = no_progress,
) -> HeadAttention:
    """The attention of a design's trainable head over all texts of a corpus, or ``only`` one."""
    if only is not None:
        corpus = Corpus(id=corpus.id, title=corpus.title, texts=(corpus.texts[only],))
    lab.check(corpus.texts, design)
    backbone = lab.backbone(backbone_id, progress)

    def work(report: Progress) -> HeadAttention:
        states = backbone.states(
            corpus.texts,
            design.attention,
            design.document_prompt,
            progress=report,
            persist=lab.may_persist(corpus, backbone),
        )
        from embedlab.analysis import tokens

        return tokens.head_attention(backbone.head(design), states)

    key = ("heads", backbone.version(design), str(design), corpus.fingerprint)
    return lab.compute(key, work, progress)
