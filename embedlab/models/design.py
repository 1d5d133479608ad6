"""Designs: which attention, which pooling, which layer, which prompt."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Annotated
from urllib.parse import parse_qsl, quote, urlencode

from pydantic import AfterValidator

from embedlab.errors import EmbedLabError, check_known
from embedlab.models.pooling import POOLINGS

ATTENTIONS = ("causal", "bidirectional")
#: The name of the design that a backbone's own files describe; each backbone has its own.
NATIVE = "native"

_SHAPE = re.compile(
    r"(?P<attention>[a-z_]+)/(?P<pooling>[a-z_]+)(?:@(?P<layer>-?\d{1,4}))?(?P<skip>\+skip_first)?"
    r"(?P<native>\+native)?"
)


@dataclass(frozen=True, kw_only=True)
class Design:
    """One embedding design; ``Design.parse(str(design)) == design``.

    ``layer`` is the layer that ``eos``, ``mean`` and ``weighted_mean`` read: 0 is the embedding
    layer, -1 the last, after the final norm. ``skip_first`` leaves the first token out of a mean.
    ``native`` embeds as the backbone's own files say: no end token but what the tokenizer adds, and
    the files' dense layers behind the pooling. The prompts stand before the text and count as its
    tokens.

    Raises:
        EmbedLabError: an unknown word, or a combination that means nothing.
    """

    attention: str = "causal"
    pooling: str = "eos"
    layer: int = -1
    skip_first: bool = False
    native: bool = False
    query_prompt: str = ""
    document_prompt: str = ""

    def __post_init__(self) -> None:
        check_known(self.attention, "a known attention", ATTENTIONS)
        check_known(self.pooling, "a known pooling", POOLINGS)
        if not POOLINGS[self.pooling].reads_layer and self.layer != -1:
            raise EmbedLabError(
                f"{self.pooling} chooses its own layers; leave '@{self.layer}' out of the design."
            )
        if self.skip_first and not POOLINGS[self.pooling].takes_mean:
            means = [name for name, pooling in POOLINGS.items() if pooling.takes_mean]
            raise EmbedLabError(
                f"+skip_first leaves a token out of a mean; {self.pooling} takes none. "
                f"Use it with {' or '.join(means)}."
            )

    @property
    def trainable(self) -> bool:
        """Whether the pooling head has parameters."""
        return POOLINGS[self.pooling].trainable

    @property
    def ended(self) -> bool:
        """Whether the backbone's end token stands behind every text."""
        return not self.native

    @property
    def name(self) -> str:
        """The short readable name, without prompts: ``causal/mean@20+skip_first``."""
        layer = "" if self.layer == -1 else f"@{self.layer}"
        more = "+skip_first" * self.skip_first + "+native" * self.native
        return f"{self.attention}/{self.pooling}{layer}{more}"

    @property
    def alias(self) -> str | None:
        """``M1`` … ``M5`` where the paper has this design."""
        plain = replace(self, query_prompt="", document_prompt="")
        return next((alias for alias, design in PAPER.items() if design == plain), None)

    def __str__(self) -> str:
        prompts = {
            key: value
            for key, value in (("query", self.query_prompt), ("document", self.document_prompt))
            if value
        }
        return self.name + (f"?{urlencode(prompts, quote_via=quote)}" if prompts else "")

    @classmethod
    def parse(cls, text: str) -> Design:
        """Read ``attention/pooling[@layer][+skip_first][+native][?query=…&document=…]``.

        ``M1`` … ``M5`` stand for the paper's.

        Prompts are percent-encoded, as in a URL.

        Raises:
            EmbedLabError: the text is none of these; the message lists the words there are.
        """
        shape, _, prompts = text.strip().partition("?")
        given = _prompts(prompts, text)
        query, document = given.get("query", ""), given.get("document", "")
        if shape.upper() in PAPER:
            return replace(PAPER[shape.upper()], query_prompt=query, document_prompt=document)
        match = _SHAPE.fullmatch(shape)
        if shape == NATIVE:
            raise EmbedLabError(
                "'native' is the design of a backbone's own files and stands for another one with "
                "each; write it as `embedlab check` prints it, such as 'causal/eos+native'."
            )
        if match is None:
            raise EmbedLabError(
                f"{_quoted(text)} is not a design; write attention/pooling, such as "
                "'causal/mean@11' or 'bidirectional/mean+skip_first', or one of "
                f"{', '.join(PAPER)}. Attention: {', '.join(ATTENTIONS)}. "
                f"Pooling: {', '.join(POOLINGS)}."
            )
        return cls(
            attention=match["attention"],
            pooling=match["pooling"],
            layer=int(match["layer"] or -1),
            skip_first=match["skip"] is not None,
            native=match["native"] is not None,
            query_prompt=query,
            document_prompt=document,
        )


def _prompts(query_string: str, text: str) -> dict[str, str]:
    pairs = dict(parse_qsl(query_string, keep_blank_values=True))
    unknown = set(pairs) - {"query", "document"}
    if unknown or (query_string and not pairs):
        raise EmbedLabError(
            f"{_quoted(text)} has an unknown part after '?'; "
            "only query=… and document=… may stand there."
        )
    return pairs


def _checked(text: str) -> str:
    Design.parse(text)
    return text


#: A design in a file, checked and left as it is written.
DesignText = Annotated[str, AfterValidator(_checked)]


def _quoted(text: str, limit: int = 60) -> str:
    return repr(text if len(text) <= limit else text[:limit] + "…")


PAPER: dict[str, Design] = {
    "M1": Design(attention="causal", pooling="eos"),
    "M2": Design(attention="causal", pooling="last_layer_trainable"),
    "M3": Design(attention="causal", pooling="multi_layer_trainable"),
    "M4": Design(attention="bidirectional", pooling="last_layer_trainable"),
    "M5": Design(attention="bidirectional", pooling="multi_layer_trainable"),
}
PRESETS: dict[str, Design] = PAPER | {
    "causal/mean": Design(attention="causal", pooling="mean"),
    "bidirectional/mean": Design(attention="bidirectional", pooling="mean"),
}
