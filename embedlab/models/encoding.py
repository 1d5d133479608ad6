"""Texts to token ids, with what stands around them; cut where they are too long."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from embedlab.errors import EmbedLabError
from embedlab.models.states import Encoded
from embedlab.models.template import Template
from embedlab.models.template_tokens import encode_inside
from embedlab.text import without_surrogates

if TYPE_CHECKING:
    from embedlab.models.backbone import Backbone


def encode(backbone: Backbone, texts: Sequence[str], template: Template) -> list[Encoded]:
    """What :meth:`Backbone.encode` returns, under a template."""
    if not texts:
        return []
    by = _behind_prefix if template.is_prefix else encode_inside
    encoded = by(backbone, texts, template)
    for number, text in enumerate(encoded, start=1):
        _check_ids(backbone, text.ids, number)
    return encoded


def _behind_prefix(backbone: Backbone, texts: Sequence[str], template: Template) -> list[Encoded]:
    _check_prefix(backbone, template.parts[0])
    # Characters far beyond the longest length are never read, so a huge text costs nothing.
    limit = 32 * backbone.max_length
    whole = [without_surrogates(template.parts[0] + text) for text in texts]
    ids: list[list[int]] = backbone.tokenised([text[:limit] for text in whole])["input_ids"]
    end = backbone.framing.behind(ended=not template.own_end)
    most = backbone.max_length - len(end)
    encoded = []
    for text, row in zip(whole, ids, strict=True):
        ends = bool(end) and tuple(row[-len(end) :]) == end
        tokens = row[: -len(end)] if ends else row
        truncated = len(tokens) > most or len(text) > limit
        encoded.append(Encoded((*tokens[:most], *end), truncated))
    return encoded


def _check_prefix(backbone: Backbone, prefix: str) -> None:
    # A token is at least one byte, so most prefixes need no counting.
    if len(prefix.encode(errors="replace")) + 2 < backbone.max_length:
        return
    count = len(backbone.tokenised([prefix])["input_ids"][0])
    if count > backbone.max_length - 2:
        raise EmbedLabError(
            f"The prompt has {count:,} tokens, which leaves no room for a text within the "
            f"{backbone.max_length:,} that {backbone.name} reads; shorten it."
        )


def _check_ids(backbone: Backbone, ids: tuple[int, ...], number: int) -> None:
    """Refuse the tokens of a text that the model cannot read; ``number`` counts from 1."""
    if not ids:
        raise EmbedLabError(
            f"Text {number} has no token that {backbone.name} knows; remove it or write something."
        )
    # A tokenizer may know more tokens than the model: added ones, for which it was not resized.
    outside = next((token for token in ids if token >= backbone.embedding_rows), None)
    if outside is not None:
        raise EmbedLabError(
            f"Text {number} holds {backbone.tokenizer.convert_ids_to_tokens(outside)!r}, a token "
            f"that {backbone.name} has no embedding of; remove it from the text."
        )
