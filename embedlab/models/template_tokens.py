"""A text inside a template as tokens: which of them are the text's own, and cutting long texts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from embedlab.errors import EmbedLabError
from embedlab.models.states import Encoded
from embedlab.models.template import Template
from embedlab.text import without_surrogates

if TYPE_CHECKING:
    from embedlab.models.backbone import Backbone

#: The characters of each token: where it begins and ends in the input.
Offsets = Sequence[tuple[int, int]]


def encode_inside(backbone: Backbone, texts: Sequence[str], template: Template) -> list[Encoded]:
    """Token ids of texts inside a template, with the place of their own tokens.

    The place is found by the tokenizer's offsets. A token that straddles the border is the text's
    if it holds nothing but spaces of the template, as a space with the first word does; a full stop
    with a closing quotation mark is the template's. Of a text that has no other tokens those count.
    Where the input is too long the text is cut at the end of one of its tokens.

    Raises:
        EmbedLabError: the tokenizer gives no offsets, or the template leaves no room for the text.
    """
    if not getattr(backbone.tokenizer, "is_fast", False):
        raise EmbedLabError(
            f"The tokenizer of {backbone.name} does not say which characters a token holds, so "
            "templates cannot be used with it; choose a prefix prompt without {text}."
        )
    limit = 32 * backbone.max_length
    whole = [without_surrogates(text) for text in texts]
    return [
        _fitted(backbone, text, template, number, row, cut=len(text) > limit)
        for number, (text, row) in enumerate(
            zip(whole, _tokens(backbone, [text[:limit] for text in whole], template), strict=True),
            start=1,
        )
    ]


Row = tuple[list[int], Offsets]


def _tokens(backbone: Backbone, texts: Sequence[str], template: Template) -> list[Row]:
    """Ids and offsets of each input, without what the tokenizer puts behind it."""
    inputs = [template.around(text) for text in texts]
    answer = backbone.tokenised(inputs, return_offsets_mapping=True)
    added, rows = list(backbone.framing.added), []
    for ids, offsets in zip(answer["input_ids"], answer["offset_mapping"], strict=True):
        ends = bool(added) and ids[-len(added) :] == added
        end = len(ids) - len(added) * ends
        rows.append((ids[:end], offsets[:end]))
    return rows


def _fitted(
    backbone: Backbone, text: str, template: Template, number: int, row: Row, *, cut: bool
) -> Encoded:
    """The tokens of one text, which is cut until the input is no longer than the backbone reads."""
    end_token = backbone.framing.end if template.eos else ()
    most = backbone.max_length - len(end_token)
    text, (ids, offsets) = text[: 32 * backbone.max_length], row
    while len(ids) > most:
        cut = True
        # The tokens of the first copy: its end moves forward by as many as are too many.
        own = _touching(offsets, len(template.parts[0]), len(text))
        surplus = -(-(len(ids) - most) // template.copies)
        kept = own[: max(0, len(own) - surplus)]
        end = offsets[kept[-1]][1] - len(template.parts[0]) if kept else 0
        # A last token that also holds characters of the template would not be cut by its end.
        text = text[: min(end, len(text) - 1)]
        if not text.strip():
            raise EmbedLabError(
                f"Text {number} is cut to nothing: the template leaves no room for it within the "
                f"{backbone.max_length:,} tokens that {backbone.name} reads; shorten the template."
            )
        [(ids, offsets)] = _tokens(backbone, [text], template)
    start = sum(map(len, template.parts[:-1])) + (template.copies - 1) * len(text)
    own = _own_tokens(offsets, start, len(text), template.around(text))
    if not own:
        raise EmbedLabError(
            f"Text {number} has no token of its own for {backbone.name}: {text[:40]!r}; remove it."
        )
    return Encoded((*ids, *end_token), cut, (own[0], own[-1] + 1))


def _own_tokens(offsets: Offsets, start: int, length: int, whole: str) -> list[int]:
    """The tokens of the text that stands at ``start``, without those that hold more than it."""
    touching = _touching(offsets, start, length)
    end = start + length
    own = [
        i
        for i in touching
        if not whole[offsets[i][0] : start].strip() and not whole[end : offsets[i][1]].strip()
    ]
    return own or touching


def _touching(offsets: Offsets, start: int, length: int) -> list[int]:
    """The tokens with at least one character of the text that stands at ``start``."""
    return [i for i, (a, b) in enumerate(offsets) if a < start + length and b > start and b > a]
