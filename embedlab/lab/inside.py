"""Why two designs differ: the results that the inside tab shows, each computed once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from embedlab import gpu
from embedlab.analysis import layers, metrics, space
from embedlab.analysis.comparison import Embedded
from embedlab.data.corpus import Corpus
from embedlab.lab.lab import Lab, computed
from embedlab.models.design import ATTENTIONS, Design
from embedlab.models.pooling import POOLINGS
from embedlab.progress import Progress, no_progress

if TYPE_CHECKING:
    from embedlab.analysis.tokens import HeadAttention, MaskProof, TokenView


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

    Raises:
        EmbedLabError: the corpus has nothing that the measure could score.
    """
    chosen = layers.choose_measure(corpus, measure)
    lab.check(corpus.texts, design)
    backbone = lab.backbone(backbone_id, progress)
    attentions = tuple(mode for mode in attentions if mode not in backbone.refused)

    def work(report: Progress) -> layers.LayerQuality:
        from embedlab.models.backbone import Wanted, compute_states

        prompt, ended = design.document_prompt, design.ended
        wanted = [lab.wanted(corpus, backbone, mode, prompt, ended=ended) for mode in attentions]
        if chosen == "ndcg_10":
            asked = corpus.queries
            wanted += [
                Wanted(backbone, asked, mode, design.query_prompt, design.ended)
                for mode in attentions
            ]
        states = compute_states(wanted, report)
        texts = dict(zip(attentions, states, strict=False))
        queries = dict(zip(attentions, states[len(attentions) :], strict=False)) or None
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
        corpus.key,
        (design.query_prompt, design.document_prompt, design.ended),
        (attentions, chosen, skip_first, transform, seed),
    )
    return lab.compute(key, work, progress)


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
    queries = lab.query_vectors(embedded, progress) if embedded.corpus.queries else None
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
    prompt = design.document_prompt
    states = lab.states_of(corpus, backbone, design.attention, prompt, progress, ended=design.ended)
    return tokens.head_attention(backbone.head(design), states)
