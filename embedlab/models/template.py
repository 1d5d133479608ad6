"""Templates: what is put into the backbone for a text, and the named ones of ``templates.toml``.

A prompt that holds ``{text}`` is a template: the text stands inside it, and nothing is appended. A
prompt without it is a prefix, and the end token follows the text. Texts are never formatted, only
joined: braces in them mean nothing.
"""

from __future__ import annotations

import json
import tomllib
from dataclasses import dataclass, field

from embedlab import resources
from embedlab.errors import EmbedLabError
from embedlab.validation import validated

#: Where the text goes in a template.
PLACE = "{text}"


@dataclass(frozen=True)
class Template:
    """What stands around a text, and what a pass over it keeps.

    ``parts`` stand before, between and after the copies of the text: two parts for one copy, three
    for two. ``eos`` says whether the end token is appended. With ``keeps_text`` a pass also keeps
    what the text's own tokens leave, of its last copy where there are two. ``own_end`` is for a
    native design: the text ends with what the tokenizer itself adds, if it adds anything.
    """

    parts: tuple[str, ...] = ("", "")
    eos: bool = True
    keeps_text: bool = False
    own_end: bool = False

    @classmethod
    def of(
        cls,
        prompt: str,
        *,
        eos: bool | None = None,
        keeps_text: bool = False,
        own_end: bool = False,
    ) -> Template:
        """The template of a prompt: a prefix, or a text with ``{text}``.

        Args:
            eos: whether the end token is appended; by default behind a prefix only.
            keeps_text: whether a prefix's pass also keeps the text's own tokens.
            own_end: whether a prefix's text ends with what the tokenizer itself adds alone.
        """
        inside = PLACE in prompt
        parts = tuple(prompt.split(PLACE)) if inside else (prompt, "")
        ended = (not inside) if eos is None else eos
        return cls(parts, ended, inside or keeps_text, own_end and not inside)

    @property
    def copies(self) -> int:
        """How often the text stands in it."""
        return len(self.parts) - 1

    @property
    def is_prefix(self) -> bool:
        """Whether nothing but the end token follows the text, and no tokens have to be found."""
        return self.eos and self.parts[1:] == ("",) and not self.keeps_text

    @property
    def key(self) -> str:
        """Names it among others; a prefix by itself."""
        if self.is_prefix:
            return self.parts[0]
        return "\0" + json.dumps([self.parts, self.eos, self.keeps_text])

    def around(self, text: str) -> str:
        """The whole input for a text."""
        return text.join(self.parts)


@dataclass(frozen=True, kw_only=True)
class NamedTemplate:
    """An entry of ``templates.toml``, which explains the fields."""

    title: str
    source: str
    text: str = ""
    texts: tuple[str, ...] = ()
    query: str | None = None
    document: str | None = None
    __pydantic_config__ = {"extra": "forbid"}  # noqa: RUF012 - the file holds nothing else

    prompts: dict[bool, tuple[str, ...]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        both = self.texts or (self.text,)
        prompts = {
            True: both if self.query is None else (self.query,),
            False: both if self.document is None else (self.document,),
        }
        object.__setattr__(self, "prompts", prompts)


TEMPLATES = validated(
    dict[str, NamedTemplate], tomllib.loads(resources.TEMPLATES.read_text(encoding="utf-8"))
)


def prompts_of(prompt: str, *, query: bool) -> tuple[str, ...]:
    """The prompts that a design's text means: those of a named template, or the text itself."""
    return TEMPLATES[prompt].prompts[query] if prompt in TEMPLATES else (prompt,)


def is_template(prompt: str) -> bool:
    """Whether a prompt names a template or holds the place of the text."""
    return prompt in TEMPLATES or PLACE in prompt


def check_prompt(prompt: str) -> None:
    """Refuse a template with more than one place for the text.

    Raises:
        EmbedLabError: the message quotes it.
    """
    if prompt not in TEMPLATES and prompt.count(PLACE) > 1:
        raise EmbedLabError(
            f"The template {_short(prompt)} has {PLACE} {prompt.count(PLACE)} times; write it once "
            "(template=echo puts the text in twice)."
        )


def check_template(prompt: str) -> None:
    """Refuse what ``template=`` does not take.

    Raises:
        EmbedLabError: it is no known name and has no place for the text, or more than one.
    """
    if not is_template(prompt):
        raise EmbedLabError(
            f"The template {_short(prompt)} has no {PLACE}; write {PLACE} where the text goes, or "
            f"name one of {', '.join(TEMPLATES)}."
        )
    check_prompt(prompt)


def _short(text: str, limit: int = 60) -> str:
    return repr(text if len(text) <= limit else text[:limit] + "…")
