"""Designs: which attention, which pooling, which layer, which prompt, which steps."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from typing import Annotated, Any
from urllib.parse import parse_qsl, quote, urlencode

from pydantic import AfterValidator

from embedlab.errors import EmbedLabError, check_known
from embedlab.models.attention import ATTENTION_MODES, Attention
from embedlab.models.attention import ATTENTIONS as ATTENTIONS
from embedlab.models.pooling import POOLINGS
from embedlab.models.steps import Step, check_order
from embedlab.models.template import (
    TEMPLATES,
    Template,
    check_prompt,
    check_template,
    is_template,
    prompts_of,
)

#: The name of the design that a backbone's own files describe; each backbone has its own.
NATIVE = "native"
#: How a design begins that is the name of vectors from a file.
FILE = "file:"

_SHAPE = re.compile(
    r"(?P<attention>[a-z_]+(?:>\d{1,4})?)/(?P<pooling>[a-z_]+)"
    r"(?:@(?:(?P<first>\d{1,4})\.\.(?P<end>\d{1,4})|(?P<layer>-?\d{1,4})))?"
    r"(?P<skip>\+skip_first)?(?P<native>\+native)?(?P<steps>(?:\+[a-z]+[0-9.]*)*)"
)
#: A template's name with steps behind it.
_STEPS_BEHIND = re.compile(r"(?:^|&)template=([\w-]+)((?:\+[a-z]+[0-9.]*)+)(?=&|$)")
_BAND = re.compile(r"(\d{1,4})\.\.(\d{1,4})")
#: Which of a template's tokens a pooling can read.
POOLED_TOKENS = ("all", "text", "second")
_KEYS = ("template", "query", "document", "pool", "band", "bias")


@dataclass(frozen=True, kw_only=True)
class Design:
    """One embedding design; ``Design.parse(str(design)) == design``.

    Attributes:
        attention: ``causal``, ``bidirectional``, ``bidirectional>k`` or ``rerouted``.
        pooling: one of :data:`~embedlab.models.pooling.POOLINGS`.
        layer: the layer that a pooling without parameters reads: 0 is the embedding layer, -1 the
            last, after the final norm.
        layers: ``(a, b)``, in place of one layer: the average over the layers a … b; for
            ``value_mean`` the values computed between them, those of the layers a + 1 … b.
        skip_first: leaves the first token out of a mean.
        native: embeds as the backbone's own files say: no end token but what the tokenizer adds,
            and the files' dense layers behind the pooling.
        steps: what is done to a pooled vector afterwards, in order: ``("filter1.5", "centre")``.
        query_prompt, document_prompt: a prefix, a text with ``{text}``, or a template's name.
        pool: which tokens are pooled: ``all``, the ``text``'s own, or those of its ``second`` copy;
            empty for the template's default, ``second`` under echo and else ``all``.
        band, bias: of ``rerouted``, as :class:`~embedlab.models.attention.Attention` has them.
        file: the name of vectors that were made elsewhere and belong to a corpus; nothing else of
            a design says anything then. It is written ``file: name``.

    Raises:
        EmbedLabError: an unknown word, or a combination that means nothing.
    """

    attention: str = "causal"
    pooling: str = "eos"
    layer: int = -1
    layers: tuple[int, int] | None = None
    skip_first: bool = False
    native: bool = False
    steps: tuple[str, ...] = ()
    query_prompt: str = ""
    document_prompt: str = ""
    pool: str = ""
    band: tuple[int, int] | None = None
    bias: float = 0.0
    file: str = ""

    def __post_init__(self) -> None:
        others = [each.name for each in fields(self) if each.name != "file"]
        if self.file and any(getattr(self, name) != getattr(Design, name) for name in others):
            raise EmbedLabError(
                f"'{FILE} {self.file[:40]}' is all of a design; leave the rest out."
            )
        check_known(self.attention.partition(">")[0], "a known attention", ATTENTION_MODES)
        check_known(self.pooling, "a known pooling", POOLINGS)
        mode = Attention.parse(self.attention).mode
        if (self.band or self.bias) and mode != "rerouted":
            raise EmbedLabError(
                f"band= and bias= belong to rerouted attention; {self.attention} has none."
            )
        if not math.isfinite(self.bias):
            raise EmbedLabError(f"bias={self.bias} is not a finite number.")
        if self.band and not 1 <= self.band[0] <= self.band[1]:
            raise EmbedLabError(
                f"band={self.band[0]}..{self.band[1]} is not a band; layers count from 1, and the "
                "first comes first."
            )
        self._check_pooling()
        object.__setattr__(self, "steps", tuple(str(Step.parse(step)) for step in self.steps))
        check_order(self.steps, self.pooling)
        for prompt in (self.query_prompt, self.document_prompt):
            check_prompt(prompt)
        self._check_pool()

    def _check_pooling(self) -> None:
        pooling = POOLINGS[self.pooling]
        where = f"@{self.layers[0]}..{self.layers[1]}" if self.layers else f"@{self.layer}"
        if not pooling.reads_layer and (self.layer, self.layers) != (-1, None):
            raise EmbedLabError(
                f"{self.pooling} chooses its own layers; leave '{where}' out of the design."
            )
        if self.layers and (self.layer != -1 or not 0 <= self.layers[0] < self.layers[1]):
            raise EmbedLabError(f"'{where}' is not a range of layers; write @a..b with a < b.")
        if self.skip_first and not pooling.takes_mean:
            means = [name for name, pooling in POOLINGS.items() if pooling.takes_mean]
            raise EmbedLabError(
                f"+skip_first leaves a token out of a mean; {self.pooling} takes none. "
                f"Use it with {' or '.join(means)}."
            )

    def _check_pool(self) -> None:
        if not self.pool:
            return
        check_known(self.pool, "a choice of pooled tokens", POOLED_TOKENS)
        if self.pool != "all" and self.trainable:
            raise EmbedLabError(
                f"{self.pooling} reads all tokens; leave 'pool={self.pool}' out of the design."
            )
        wrong = {"second": False, "text": True}.get(self.pool)
        echoed = [t.copies > 1 for query in (True, False) for t in self.templates(query=query)]
        if wrong is not None and wrong in echoed:
            raise EmbedLabError(
                "pool=second reads the second copy of a text; only template=echo has one."
                if self.pool == "second"
                else "A template that has the text twice has no pool=text; use second or all."
            )

    @property
    def trainable(self) -> bool:
        """Whether the pooling head has parameters."""
        return POOLINGS[self.pooling].trainable

    @property
    def ended(self) -> bool:
        """Whether the backbone's end token stands behind every text after a prefix."""
        return not self.native

    @property
    def mode(self) -> str:
        """The attention mode of its passes with all parameters: ``rerouted[10..19]+0.5``."""
        attention = Attention.parse(self.attention)
        return str(replace(attention, band=self.band, bias=self.bias))

    def templates(self, *, query: bool) -> tuple[Template, ...]:
        """What is put in for a query or a document: one template, or several for an ensemble."""
        prompt = self.query_prompt if query else self.document_prompt
        appended = POOLINGS[self.pooling].appends_eos
        return tuple(
            Template.of(text, eos=appended, keeps_text=self.pool == "text", own_end=not self.ended)
            for text in prompts_of(prompt, query=query)
        )

    def pools_text(self, template: Template) -> bool:
        """Whether the text's own tokens alone are pooled under one of its templates."""
        return self.pool in ("text", "second") or (
            not self.pool and template.copies > 1 and not self.trainable
        )

    def without_fitted_steps(self) -> Design:
        """The design less the steps that have to be fitted on texts."""
        return replace(self, steps=tuple(s for s in self.steps if not Step.parse(s).fitted))

    @property
    def fitted(self) -> bool:
        """Whether one of its steps has to be fitted on texts."""
        return any(Step.parse(step).fitted for step in self.steps)

    @property
    def name(self) -> str:
        """The short readable name, without what stands behind ``?``: ``causal/mean@20+centre``."""
        if self.file:
            return f"{FILE} {self.file}"
        layer = "" if self.layer == -1 else f"@{self.layer}"
        if self.layers:
            layer = f"@{self.layers[0]}..{self.layers[1]}"
        plus = ["skip_first"] * self.skip_first + ["native"] * self.native + list(self.steps)
        return f"{self.attention}/{self.pooling}{layer}{''.join(f'+{word}' for word in plus)}"

    @property
    def alias(self) -> str | None:
        """``M1`` … ``M5`` where the paper has this design, with or without prefixes."""
        if self.file or is_template(self.query_prompt) or is_template(self.document_prompt):
            return None
        plain = replace(self, query_prompt="", document_prompt="")
        return next((alias for alias, design in PAPER.items() if design == plain), None)

    def __str__(self) -> str:
        return self.name + (f"?{self.options}" if self.options else "")

    @property
    def options(self) -> str:
        """What stands behind ``?``; a name stands as it is, other text percent-encoded."""
        query, document = self.query_prompt, self.document_prompt
        given: dict[str, str] = {"query": query, "document": document}
        if query == document and is_template(query):
            given = {"template": query}
        given["pool"] = self.pool
        given["band"] = f"{self.band[0]}..{self.band[1]}" if self.band else ""
        given["bias"] = repr(self.bias) if self.bias else ""
        kept = {key: value for key, value in given.items() if value}
        return urlencode(kept, quote_via=quote)

    @classmethod
    def parse(cls, text: str) -> Design:
        """Read ``attention/pooling[@layer | @a..b][+skip_first][+step …][?key=value&…]``.

        Before the steps ``+native`` may stand. ``M1`` … ``M5`` stand for the paper's.

        ``M1`` … ``M5`` are the paper's designs. The keys are ``template`` (both prompts), ``query``
        and ``document``, ``pool``, ``band`` and ``bias``; values are percent-encoded, as in a URL.
        ``file: name`` names vectors that were made elsewhere.

        Raises:
            EmbedLabError: the text is none of these; the message lists the words there are.
        """
        if text.strip().lower().startswith(FILE):
            return cls(file=text.strip()[len(FILE) :].strip() or _no_name(text))
        shape, _, options = text.strip().partition("?")
        shape, options = _steps_before(shape, options)
        given = _options(options, text)
        if shape.upper() in PAPER:
            return replace(PAPER[shape.upper()], **given)
        match = _SHAPE.fullmatch(shape)
        if shape == NATIVE:
            raise EmbedLabError(
                "'native' is the design of a backbone's own files and stands for another one with "
                "each; write it as `embedlab check` prints it, such as 'causal/eos+native'."
            )
        if match is None:
            raise EmbedLabError(
                f"{_quoted(text)} is not a design; write attention/pooling, such as "
                "'bidirectional/mean' or 'causal/last+centre?template=topic', or one of "
                f"{', '.join(PAPER)}. Attention: {', '.join(ATTENTION_MODES)}. "
                f"Pooling: {', '.join(POOLINGS)}."
            )
        return cls(
            attention=match["attention"],
            pooling=match["pooling"],
            layer=int(match["layer"] or -1),
            layers=(int(match["first"]), int(match["end"])) if match["first"] else None,
            skip_first=match["skip"] is not None,
            native=match["native"] is not None,
            steps=tuple(match["steps"].split("+")[1:]),
            **given,
        )


def _steps_before(shape: str, options: str) -> tuple[str, str]:
    """Steps behind a template's name, ``template=prompteol+centre``, where steps belong.

    A plus is a blank there, and no name of a template has one.
    """
    named = _STEPS_BEHIND.search(options)
    if named is None or named[1] not in TEMPLATES:
        return shape, options
    return shape + named[2], options[: named.start(2)] + options[named.end(2) :]


def _no_name(text: str) -> str:
    raise EmbedLabError(f"{_quoted(text)} names no vectors; write 'file: name'.")


def _options(query_string: str, text: str) -> dict[str, Any]:
    """The fields that stand behind ``?``."""
    pairs = parse_qsl(query_string, keep_blank_values=True)
    given = dict(pairs)
    if set(given) - set(_KEYS) or (query_string and not pairs):
        raise EmbedLabError(
            f"{_quoted(text)} has an unknown part after '?'; only query=… and document=…, "
            "template=…, pool=…, band=a..b and bias=… may stand there."
        )
    if len(given) < len(pairs):
        raise EmbedLabError(f"{_quoted(text)} names a key twice after '?'; name each once.")
    return dict(_fields(given))


def _fields(given: dict[str, str]) -> Iterable[tuple[str, Any]]:
    if "template" in given:
        if "query" in given or "document" in given:
            raise EmbedLabError(
                "template= stands for both prompts; leave query= and document= out."
            )
        check_template(given["template"])
        yield "query_prompt", given["template"]
        yield "document_prompt", given["template"]
    for key, field in (
        ("query", "query_prompt"),
        ("document", "document_prompt"),
        ("pool", "pool"),
    ):
        if key in given:
            yield field, given[key]
    if "band" in given:
        match = _BAND.fullmatch(given["band"])
        if match is None:
            raise EmbedLabError(f"band={given['band'][:40]!r} is not a band; write band=10..19.")
        yield "band", (int(match[1]), int(match[2]))
    if "bias" in given:
        try:
            yield "bias", float(given["bias"])
        except ValueError:
            raise EmbedLabError(f"bias={given['bias'][:40]!r} is not a number.") from None


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
BASELINES: dict[str, Design] = {
    text: Design.parse(text) for text in ("causal/mean", "bidirectional/mean")
}
#: The paper's designs and the two means.
PRESETS: dict[str, Design] = PAPER | BASELINES
#: What the field has found since that needs no training, each under its method's name.
TRAINING_FREE: dict[str, Design] = {
    name: Design.parse(text)
    for name, text in {
        "Topic": "causal/mean_last+filter1.5+centre?template=topic",
        "PromptEOL": "causal/last?template=prompteol",
        "MetaEOL": "causal/last?template=metaeol",
        "Echo": "causal/mean?template=echo",
        "KV-Embedding": "rerouted/mean_last?template=kv",
        "Value Aggregation": "causal/value_mean",
        "EmbedFilter": "causal/mean+filter1.5",
    }.items()
}
#: All presets in the groups in which they are offered.
PRESET_GROUPS: dict[str, dict[str, Design]] = {
    "the paper": PAPER,
    "baseline": BASELINES,
    "training-free since": TRAINING_FREE,
}
