"""The address of a view: what the query string of the page's URL says, and how it is written.

``?corpus=senses&a=M1&b=causal/mean@11&tab=inside&panel=mask&sel=3,7-9`` names texts, designs, the
open tab and the selected texts. A link says what it minds; the rest stays as it is. What can be
read of it is read, and what cannot becomes a short sentence in :attr:`Address.unread`. Whether
there is such a corpus, or a text with that number, is for a deployment to say and not for this
module.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, unquote

from embedlab.errors import EmbedLabError
from embedlab.models.design import PAPER, Design
from embedlab.text import one_line, shorten

#: Characters of a link that are read, and of a query or another text in it.
MAX_LINK, MAX_TEXT = 16_000, 500
#: Texts that a selection may have, and the characters that one may take in a link.
MAX_SELECTED, MAX_SELECTION = 50_000, 2000
#: Controls of tabs that a link can set, in the order in which they are written.
CONTROLS = (
    *("colour", "neighbours", "distance", "k", "texts", "count", "order", "scale"),
    *("measure", "centre", "text", "first", "second", "space"),
)
#: The model of a side that has none of its own: the backbone as loaded.
UNTRAINED = "untrained"
#: The corpus of a link about somebody's own texts: a hash of them, and how many they are.
_OWN = re.compile(r"own:([0-9a-f]{12}):(\d{1,8})")
_NAME = re.compile(r"[\w.-]{1,60}")
#: Parameters of others, which are neither read nor reported: Gradio's, the Hub's, trackers'.
_FOREIGN = re.compile(r"__\w*|view|logs|deep_link|utm_\w*|fbclid|gclid")
#: What stays readable in a URL's query; ``+`` is left to those parameters in which it is no space.
_SAFE = "/:@,.!*'()~?=;$"


@dataclass(frozen=True, kw_only=True)
class Address:
    """What a link says of a view; None or empty is what it leaves out.

    ``Address.parse(str(address)) == address``, and ``str`` is "" for one that says nothing.

    Attributes:
        corpus: a corpus's id, or ``own:HASH:N`` for N texts of somebody's own; see :attr:`own`.
        n, seed: the number of texts, and the seed of sample and map.
        model: the backbone; model_a, model_b: other models of A and B.
        a, b: the designs.
        tab, panel: the open tab, and the open panel of one that has several.
        q: the query; "" for none.
        part: the numbers of the texts that are a corpus of their own, picked from the one named.
        sel, only: the numbers of the selected texts in their corpus, from 1, and of those that a
            filter leaves; () for none.
        controls: what controls of the tabs say, by their names in :data:`CONTROLS`.
        lesson: the id of the open lesson.
        hide: the ids of tabs that are not shown.
        class_name: the class whose predictions are gathered.
        unread: what could not be read, a sentence each; addresses are equal whatever it says.

    Raises:
        EmbedLabError: a value that no link can have.
    """

    corpus: str = ""
    part: tuple[int, ...] = ()
    n: int | None = None
    seed: int | None = None
    model: str = ""
    model_a: str = ""
    model_b: str = ""
    a: Design | None = None
    b: Design | None = None
    tab: str = ""
    panel: str = ""
    q: str | None = None
    sel: tuple[int, ...] | None = None
    only: tuple[int, ...] | None = None
    controls: tuple[tuple[str, str], ...] = ()
    lesson: str = ""
    hide: tuple[str, ...] = ()
    class_name: str = ""
    unread: tuple[str, ...] = field(default=(), compare=False)

    def __post_init__(self) -> None:
        for name in ("part", "sel", "only"):
            if (numbers := getattr(self, name)) is not None:
                object.__setattr__(self, name, tuple(sorted({*numbers})))
        given = dict(self.controls)
        ordered = tuple((name, given[name]) for name in CONTROLS if name in given)
        object.__setattr__(self, "controls", ordered)
        # Every value is read back as it was, or it would not be what another page opens.
        for key, parameter in PARAMETERS.items():
            value = parameter.of(self)
            if value is None:
                continue
            try:
                same = parameter.read(parameter.write(value)) == value
            except EmbedLabError as error:
                raise EmbedLabError(f"{error}.") from None
            if not same:
                raise EmbedLabError(f"{key} is {_quoted(str(value))}, which no link can hold.")

    @classmethod
    def of(cls, **values: Any) -> Address:
        """An address of these fields; what no link can have is left out, and ``unread`` says so."""
        given: dict[str, Any] = {}
        unread = []
        for name, value in values.items():
            try:
                cls(**{name: value})
            except EmbedLabError as error:
                unread.append(str(error).rstrip("."))
            else:
                given[name] = value
        return cls(**given, unread=tuple(unread))

    @property
    def own(self) -> tuple[str, int] | None:
        """Of texts of somebody's own the hash and how many they are; None for a built-in corpus."""
        match = _OWN.fullmatch(self.corpus)
        return (match[1], int(match[2])) if match else None

    @property
    def said(self) -> str:
        """What could not be read, in one line; "" where everything could."""
        return in_one_line(self.unread)

    def __str__(self) -> str:
        given = ((key, each, each.of(self)) for key, each in PARAMETERS.items())
        parts = [f"{key}={each.encoded(value)}" for key, each, value in given if value is not None]
        return "?" + "&".join(parts) if parts else ""

    @classmethod
    def parse(cls, link: str) -> Address:
        """Read a link, or its part from ``?`` on; never raises."""
        query, unread = _query(link)
        values: dict[str, Any] = {}
        seen: set[str] = set()
        for pair in filter(None, query.split("&")):
            name, _, raw = pair.partition("=")
            key = _decoded(name)
            parameter = PARAMETERS.get(key)
            if parameter is None:
                unread += [] if _FOREIGN.fullmatch(key) else [_unknown(key)]
            elif key in seen:
                unread.append(f"{key} is there twice; the first one counts")
            else:
                seen.add(key)
                try:
                    read = parameter.read(parameter.decoded(raw))
                except EmbedLabError as error:
                    unread.append(str(error))
                else:
                    values = parameter.put(values, read)
        return cls(**values, unread=tuple(unread))


def in_one_line(sentences: Iterable[str], most: int = 4) -> str:
    """Sentences without their stops as one line, of which the first few are shown."""
    listed = list(dict.fromkeys(sentences))
    more = [f"and {len(listed) - most:,} more like these"] if len(listed) > most else []
    line = "; ".join([*listed[:most], *more])
    return line and f"{line}."


def own_corpus(fingerprint: str, n: int) -> str:
    """The corpus of an address for n texts of somebody's own with this fingerprint."""
    return f"own:{fingerprint[:12]}:{n}"


def ranges(numbers: Iterable[int]) -> str:
    """``3,7-9`` for rising numbers."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    return ",".join(str(a) if a == b else f"{a}-{b}" for a, b in runs)


def fits(numbers: Iterable[int]) -> bool:
    """Whether a selection is short enough for a link."""
    return len(ranges(numbers)) <= MAX_SELECTION


# How each parameter is read and written


@dataclass(frozen=True, kw_only=True)
class _Parameter:
    """One parameter: the field that it is for, and how its text becomes a value and back.

    ``plus`` says that ``+`` is itself and no space: designs are full of it. Of a control, ``name``
    is the control's.
    """

    name: str
    read: Callable[[str], Any]
    write: Callable[[Any], str] = str
    plus: bool = False

    def of(self, address: Address) -> Any:
        """The address's value, None where it leaves that out."""
        if self.name in CONTROLS:
            return dict(address.controls).get(self.name)
        value = getattr(address, self.name)
        empty = value == "" or value == ()
        return None if empty and self.name not in ("q", "sel", "only") else value

    def put(self, values: dict[str, Any], read: Any) -> dict[str, Any]:
        """The arguments of an address with one more value."""
        if self.name in CONTROLS:
            return {**values, "controls": (*values.get("controls", ()), (self.name, read))}
        return {**values, self.name: read}

    def encoded(self, value: Any) -> str:
        text = quote(self.write(value), safe=_SAFE + "+" * self.plus)
        return text if self.plus else text.replace("%20", "+")

    def decoded(self, raw: str) -> str:
        return _decoded(raw if self.plus else raw.replace("+", " "))


def _decoded(raw: str) -> str:
    return one_line(unquote(raw, errors="replace"))


def _text(what: str) -> Callable[[str], str]:
    def read(text: str) -> str:
        if len(text) > MAX_TEXT:
            raise EmbedLabError(
                f"{what} has {len(text):,} characters, where {MAX_TEXT} can be in a link"
            )
        if text != one_line(text):
            raise EmbedLabError(f"{what} is more than one line of text")
        return text

    return read


def _name(what: str, pattern: re.Pattern[str] = _NAME, known: str = "") -> Callable[[str], str]:
    def read(text: str) -> str:
        if not pattern.fullmatch(text):
            raise EmbedLabError(f"{what} is {_quoted(text)}, which is no {known or 'name'}")
        return text

    return read


def _number(what: str, least: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        if not re.fullmatch(r"[0-9]{1,9}", text) or int(text) < least:
            raise EmbedLabError(
                f"{what} is {_quoted(text)}, which is no whole number from {least} up"
            )
        return int(text)

    return read


def _design(what: str) -> Callable[[str], Design]:
    def read(text: str) -> Design:
        if len(text) > 4 * MAX_TEXT:
            raise EmbedLabError(f"{what} has {len(text):,} characters, which is no design")
        # Programs that take a + for a space have left one.
        text = text if text.lower().startswith("file:") else text.replace(" ", "+")
        try:
            return Design.parse(text)
        except (EmbedLabError, OverflowError) as error:
            reason = str(error).partition(";")[0].rstrip(".")
            shown = "" if text[:20] in reason else f"{_quoted(text)}: "
            raise EmbedLabError(f"{what}: {shown}{reason}") from None

    return read


def _written_design(design: Design) -> str:
    alias = next((alias for alias, paper in PAPER.items() if paper == design), "")
    return alias or str(design)


def _numbers(what: str) -> Callable[[str], tuple[int, ...]]:
    def read(text: str) -> tuple[int, ...]:
        numbers: set[int] = set()
        for part in text.split(",") if text else ():
            match = re.fullmatch(r"([1-9]\d{0,7})(?:-([1-9]\d{0,7}))?", part, re.ASCII)
            first, last = (int(match[1]), int(match[2] or match[1])) if match else (1, 0)
            if first > last:
                raise EmbedLabError(
                    f"{what} has {_quoted(part)}, where a text's number or a range such as 3-9 "
                    "should stand"
                )
            if len(numbers) + last - first >= MAX_SELECTED:
                raise EmbedLabError(f"{what} names more than {MAX_SELECTED:,} texts")
            numbers.update(range(first, last + 1))
        return tuple(sorted(numbers))

    return read


def _names(what: str) -> Callable[[str], tuple[str, ...]]:
    one = _name(what)

    def read(text: str) -> tuple[str, ...]:
        return tuple(dict.fromkeys(one(name.strip()) for name in text.split(",")))

    return read


_CORPUS = re.compile(rf"{_OWN.pattern}|(?!own)[\w.-]{{1,60}}")
#: Everything that a link can say, in the order in which it is written.
PARAMETERS: dict[str, _Parameter] = {
    "corpus": _Parameter(name="corpus", read=_name("corpus", _CORPUS, "corpus")),
    "part": _Parameter(name="part", read=_numbers("part"), write=ranges, plus=True),
    "n": _Parameter(name="n", read=_number("n", 1)),
    "seed": _Parameter(name="seed", read=_number("seed", 0)),
    **{
        key: _Parameter(name=key, read=_name(key, re.compile(r"[^\s<>\"']{1,120}"), "model"))
        for key in ("model", "model_a", "model_b")
    },
    **{
        key: _Parameter(name=key, read=_design(key), write=_written_design, plus=True)
        for key in "ab"
    },
    "tab": _Parameter(name="tab", read=_name("tab", known="tab")),
    "panel": _Parameter(name="panel", read=_name("panel", known="panel")),
    "q": _Parameter(name="q", read=_text("q")),
    **{
        key: _Parameter(name=key, read=_numbers(key), write=ranges, plus=True)
        for key in ("sel", "only")
    },
    **{key: _Parameter(name=key, read=_text(key)) for key in CONTROLS},
    "lesson": _Parameter(name="lesson", read=_name("lesson")),
    "hide": _Parameter(name="hide", read=_names("hide"), write=",".join),
    "class": _Parameter(name="class_name", read=_name("class", re.compile(r"\w[\w-]{0,39}"))),
}


def _query(link: str) -> tuple[str, list[str]]:
    """The query of a link in readable length, and what is said of the rest."""
    unread = []
    if len(link) > MAX_LINK:
        unread.append(
            f"the link has {len(link):,} characters, of which the first {MAX_LINK:,} are read"
        )
        link = link[:MAX_LINK].rpartition("&")[0]
    start, question, rest = link.partition("?")
    # A whole URL, or what follows its question mark; designs have question marks too.
    query = rest if question and (not start or "://" in start) else link
    return query.partition("#")[0], unread


def _unknown(key: str) -> str:
    of_design = key in ("template", "query", "document", "pool", "band", "bias")
    hint = " (inside a design, write %26 for &)" if of_design else ""
    return f"{_quoted(key)} is no part of a link{hint}"


def _quoted(text: str) -> str:
    return f"“{shorten(text, 40)}”"
