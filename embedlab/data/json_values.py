"""The values of a JSON file, whole or damaged: an array, one value a line, or a stream of them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from embedlab.data.rows import Bad, Unreadable

_SPACE = re.compile(r"[\s,\x1e]*")
#: Where the next element of an array, or the next object of a stream, may begin.
_NEXT_ELEMENT = re.compile(r",\s*(?=[\[{\"])|\n\s*(?=[\[{\"\d\-tfn])")
_NEXT_OBJECT = re.compile(r"\n(?=[\[{])")
_FIRST_NAME = re.compile(r'\{\s*"([^"]*)"')
#: Places that are tried behind a damaged element, and in a whole file.
_TRIES, _ALL_TRIES = 1_000, 20_000
_MOST_NOTES = 20
#: What is looked at to see whether each line is a value.
_HEAD = 200_000
_DECODER = json.JSONDecoder()

NOT_JSON = Bad("not JSON")
CUT = Bad("the file ends inside it")


@dataclass(kw_only=True)
class Values:
    """The rows of a file: values, or :class:`Bad` where there should be one.

    ``whole`` is set, in place of rows, where the file is one value that is not an array.
    """

    rows: list[Any] = field(default_factory=list)
    whole: Any = None
    notes: tuple[str, ...] = ()


def json_values(text: str, *, lines: bool) -> Values:
    """The values in a text, in the order of their likelihood: one document, lines, a stream.

    Args:
        text: the whole file.
        lines: whether the file's name says that each line is a value.

    Raises:
        Unreadable: it is no JSON.
    """
    several = "\n" in text.strip()
    if lines and several and _is_lines(text, named_so=True):
        return Values(rows=list(_of_lines(text)))
    whole = _decoded(text)
    if not isinstance(whole, Bad):
        return Values(rows=whole) if isinstance(whole, list) else Values(whole=whole)
    if several and _is_lines(text, named_so=False):
        return Values(rows=list(_of_lines(text)))
    start = _space(text, 0)
    if text[start : start + 1] == "[":
        return _damaged_array(text, start + 1)
    if text[start : start + 1] == "{":
        return _stream(text, start)
    if lines:
        return Values(rows=list(_of_lines(text)))
    raise _not_json(text)


def _is_lines(text: str, *, named_so: bool) -> bool:
    """Whether each line is a value: half of the first ones an object or an array, or all a string.

    Where the file's name says so, one is enough, unless objects are spread over lines.
    """
    lines = [line.strip() for line in text[:_HEAD].split("\n")[:50] if line.strip()]
    first = [_decoded(line) for line in lines]
    whole = [value for value in first if isinstance(value, dict | list)]
    words = [value for value in first if isinstance(value, str) and not isinstance(value, Bad)]
    if named_so and whole and not {"{", "["} & {*lines}:
        return True
    return 2 * len(whole) >= len(first) or len(words) == len(first)


def _decoded(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return NOT_JSON


def _of_lines(text: str) -> Iterator[Any]:
    """A value for each line; several behind each other in one line are as many rows."""
    for line in text.split("\n"):
        if line.strip(" \t\r,\x1e"):
            value = _decoded(line)
            # Half an object needs no second look, of which a damaged file may have millions.
            if isinstance(value, Bad) and any(end in line for end in "}]"):
                yield from _behind_each_other(line)
            else:
                yield value


def _behind_each_other(line: str) -> list[Any]:
    values, at = [], _space(line, 0)
    while at < len(line):
        try:
            value, at = _DECODER.raw_decode(line, at)
        except (ValueError, RecursionError):
            return [NOT_JSON]
        values.append(value)
        at = _space(line, at)
    return values


def _space(text: str, at: int) -> int:
    space = _SPACE.match(text, at)
    return space.end() if space else at


def _line(text: str, at: int) -> str:
    return f"line {text.count(chr(10), 0, at) + 1:,}"


def _not_json(text: str) -> Unreadable:
    """The error that says what is wrong with the JSON, and in which line."""
    why = "it is empty"
    try:
        json.loads(text)
    except json.JSONDecodeError as error:
        before = text[: error.pos].rstrip()
        if text[error.pos : error.pos + 1] in ("]", "}") and before.endswith(","):
            why = f"there is a comma too many in {_line(text, len(before) - 1)}"
        elif error.pos >= len(text.rstrip()) or error.msg.startswith("Unterminated"):
            end = _line(text, len(text.rstrip()))
            why = f"it ends in {end} before it is complete, so it is probably cut off"
        else:
            why = f"line {error.lineno:,}: {error.msg[:1].lower()}{error.msg[1:]}"
    except ValueError:
        why = "it holds a number that is too long"
    except RecursionError:
        why = "it is nested too deeply"
    return Unreadable(f"is not JSON ({why}); mend it, or write one JSON object a line")


# Arrays and streams with a mistake


class _Mistakes:
    """Notes on what is wrong in a text: the first ones, since each counts the lines before it."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.notes: list[str] = []

    def add(self, what: str, at: int) -> None:
        """Note a mistake; ``what`` has {} for its line."""
        if len(self.notes) < _MOST_NOTES:
            self.notes.append(what.format(_line(self.text, at)))


def _damaged_array(text: str, at: int) -> Values:
    """The elements that can be read; notes say what is wrong with the others, and where."""
    rows: list[Any] = []
    mistakes = _Mistakes(text)
    shared: frozenset[str] = frozenset()
    tries = _ALL_TRIES
    while True:
        gap, at = at, _space(text, at)
        at_end = text[at : at + 1] in ("", "]")
        if text.count(",", gap, at) > (0 if at_end or not rows else 1):
            mistakes.add("There is a comma too many in {}.", text.rindex(",", gap, at))
        if at_end and text[(behind := _space(text, at + 1)) : behind + 1] == "[":
            at = behind + 1
            continue
        if at_end:
            break
        try:
            value, at = _DECODER.raw_decode(text, at)
        except (ValueError, RecursionError):
            mistakes.add("The element in {} is not JSON and was left out.", at)
            after, lost, tries = _next_element(text, at, shared, tries)
            rows += [NOT_JSON] * lost
            if not after:
                closed = text.rstrip().endswith("]")
                rows.append(NOT_JSON if closed else CUT)
                at = text.rindex("]") if closed else at
                break
            rows.append(NOT_JSON)
            at = after
            continue
        rows.append(value)
        if isinstance(value, dict):
            names = frozenset(value)
            shared = (shared & names) or names
    if all(isinstance(row, Bad) for row in rows):
        raise _not_json(text)
    if text[at : at + 1] != "]":
        mistakes.add(
            "The file ends in {} before the array is closed, so it is probably cut off.",
            len(text.rstrip()),
        )
    elif rest := text[at + 1 : at + 1_000].strip():
        mistakes.notes.append(f"What follows the array was not read: {rest[:40]!r}.")
    return Values(rows=rows, notes=tuple(mistakes.notes))


def _next_element(text: str, at: int, shared: frozenset[str], tries: int) -> tuple[int, int, int]:
    """Where a sound element begins that has what is ``shared`` by those before; 0 for nowhere.

    Also how many more damaged ones are skipped, and how many places may still be tried.

    Raises:
        Unreadable: too many places were tried, so that what is behind them would be lost.
    """
    lost = 0
    margin = _margin(text, at)
    for used, match in enumerate(_NEXT_ELEMENT.finditer(text, at + 1), start=1):
        if used > min(_TRIES, tries):
            raise _not_json(text)
        try:
            value, end = _DECODER.raw_decode(text, match.end())
        except (ValueError, RecursionError):
            name = _FIRST_NAME.match(text, match.end())
            lost += name is not None and name[1] in shared
            continue
        # A value inside of the damaged element is none itself: it has other names, or stands
        # further right, or is a name.
        alike = isinstance(value, dict) and shared <= value.keys()
        aligned = margin is not None and _margin(text, match.end()) == margin
        if alike or (aligned and re.match(r"\s*[,\]]", text[end : end + 100])):
            return match.end(), lost, tries - used
    return 0, lost, tries


def _margin(text: str, at: int) -> str | None:
    """The white space before a value that begins its line, else None."""
    start = text.rfind("\n", 0, at) + 1
    return text[start:at] if start and not text[start:at].strip() else None


def _stream(text: str, at: int) -> Values:
    """Objects behind each other, over one line or many each."""
    rows: list[Any] = []
    mistakes = _Mistakes(text)
    while at < len(text):
        try:
            value, at = _DECODER.raw_decode(text, at)
        except (ValueError, RecursionError):
            after = _NEXT_OBJECT.search(text, at + 1)
            rows.append(NOT_JSON if after else CUT)
            mistakes.add(
                "The object that begins in {} is not "
                + ("JSON." if after else "complete; the file is probably cut off."),
                at,
            )
            at = after.end() if after else len(text)
            continue
        rows.append(value)
        at = _space(text, at)
    if all(isinstance(row, Bad) for row in rows):
        raise _not_json(text)
    return Values(rows=rows, notes=tuple(mistakes.notes))
