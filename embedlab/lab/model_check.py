"""What a model is: how it attends, what ends its texts, how it embeds by its own files."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from embedlab.errors import EmbedLabError
from embedlab.models.attention import PROBED
from embedlab.models.design import PRESETS, Design
from embedlab.progress import Progress, no_progress

if TYPE_CHECKING:
    from embedlab.models.backbone import Backbone
    from embedlab.models.embedding import Vectors

#: Sentences on which designs are compared, of the corpus that ships.
SENTENCES = 20
#: The designs beside the presets with which a server may confuse the native one.
_OTHERS = ("causal/weighted_mean", "bidirectional/eos", "bidirectional/weighted_mean")


@dataclass(frozen=True, kw_only=True)
class EndToken:
    """What ends a text, and what the tokenizer puts before one.

    ``by_tokenizer`` says whether the tokenizer adds it, or EmbedLab. ``before`` are the tokens
    that the tokenizer puts before a text, and ``eos_token`` what it calls its EOS.
    """

    token: str
    ids: tuple[int, ...]
    by_tokenizer: bool
    before: tuple[str, ...]
    eos_token: str | None


@dataclass(frozen=True, kw_only=True)
class Padding:
    """The token that fills batches up, and why it is another than the tokenizer's, if it is."""

    token: str
    id: int
    note: str


@dataclass(frozen=True, kw_only=True)
class Native:
    """The design of the model's own files: in words, as a design string, and their prompts.

    Without one ``design`` is empty, and ``not_covered`` says what of the files stands against it;
    both are empty where they describe no embedding model.
    """

    words: str = ""
    design: str = ""
    prompts: dict[str, str]
    not_covered: str = ""


@dataclass(frozen=True, kw_only=True)
class Closeness:
    """The cosines of the native design's vectors with those of another, of the same sentences.

    None where there is nothing to compare; ``note`` then has the reason.
    """

    design: str
    alias: str
    mean: float | None = None
    lowest: float | None = None
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class ModelCheck:
    """A model as EmbedLab loads it.

    ``attention`` has, for each mode, why it is refused, or nothing, and ``looks`` what the probe
    saw of it; ``exports`` has, for each kind, why it is not possible, or nothing. ``cosines`` are
    empty without a native design.
    """

    model: str
    architecture: str
    model_type: str
    layers: int
    hidden_size: int
    parameters: int
    source: str
    note: str
    dtype: str
    attention: dict[str, str]
    looks: dict[str, str]
    end_token: EndToken
    padding: Padding
    max_length: int
    native: Native
    exports: dict[str, str]
    sentences: int
    cosines: tuple[Closeness, ...]


def check_model(
    backbone: Backbone, backbone_id: str, progress: Progress = no_progress
) -> ModelCheck:
    """Look at a loaded model from all sides.

    Args:
        backbone_id: what it was loaded by, or what its run stores of its backbone.
    """
    from embedlab.data.corpora import load_corpus
    from embedlab.export.obstacles import obstacles

    tokenizer, framing = backbone.tokenizer, backbone.framing
    sentences = load_corpus("senses", progress).sample(SENTENCES, seed=0).texts
    native = backbone.native
    return ModelCheck(
        model=backbone.name,
        architecture=type(backbone.model).__name__,
        model_type=backbone.config.model_type,
        layers=backbone.num_layers,
        hidden_size=backbone.hidden_size,
        parameters=sum(parameter.numel() for parameter in backbone.model.parameters()),
        source=backbone.source,
        note=backbone.note,
        dtype=str(backbone.dtype).removeprefix("torch."),
        attention={mode: backbone.refused.get(mode, "") for mode in PROBED},
        looks=dict(backbone.looks),
        end_token=EndToken(
            token=backbone.end_token,
            ids=framing.end,
            by_tokenizer=bool(framing.added),
            before=tuple(tokenizer.convert_ids_to_tokens(list(framing.before))),
            eos_token=tokenizer.eos_token,
        ),
        padding=Padding(
            token=tokenizer.pad_token, id=tokenizer.pad_token_id, note=backbone.padding_note
        ),
        max_length=backbone.max_length,
        native=Native(prompts={}, not_covered=backbone.no_native)
        if native is None
        else Native(words=native.words, design=str(native.design), prompts=dict(native.prompts)),
        exports=obstacles(backbone, backbone_id),
        sentences=len(sentences) if native else 0,
        cosines=closeness(backbone, sentences, progress),
    )


def closeness(
    backbone: Backbone, sentences: tuple[str, ...], progress: Progress = no_progress
) -> tuple[Closeness, ...]:
    """How close other designs come to the native one, under its document prompt; none without.

    Dense layers behind the native pooling follow the other poolings too: what differs is what a
    server may have got wrong, the attention, the pooling and the end of a text.
    """
    from embedlab.models.embedding import embed

    native = backbone.native
    if native is None:
        return ()
    own = embed(sentences, native.design, backbone, progress=progress)
    designs = [*PRESETS.values(), *map(Design.parse, _OTHERS)]
    return tuple(_closeness(backbone, own, sentences, design, progress) for design in designs)


def _closeness(
    backbone: Backbone,
    own: Vectors,
    sentences: tuple[str, ...],
    design: Design,
    progress: Progress,
) -> Closeness:
    assert backbone.native is not None
    name, alias = design.name, design.alias or ""
    if design.trainable and not backbone.head(design).trained:
        return Closeness(design=name, alias=alias, note="its head is untrained")
    try:
        prompted = replace(design, document_prompt=backbone.native.design.document_prompt)
        other = _through_dense_layers(backbone, sentences, prompted, progress)
    except EmbedLabError:
        return Closeness(design=name, alias=alias, note=backbone.refused[design.attention])
    cosines = (own * other).sum(axis=1)
    return Closeness(
        design=name, alias=alias, mean=float(cosines.mean()), lowest=float(cosines.min())
    )


def _through_dense_layers(
    backbone: Backbone, sentences: tuple[str, ...], design: Design, progress: Progress
) -> Vectors:
    """A design's vectors of texts with their end token, behind the native design's dense layers."""
    from embedlab.models.embedding import pool

    states = backbone.states(
        sentences, design.attention, design.document_prompt, ended=True, progress=progress
    )
    return pool(states, replace(design, native=True), backbone, progress)
