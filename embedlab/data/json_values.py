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
_NEXT_ELEMENT = re.compile(r"[,\n]\s*(?=[\[{\"\d\-tfn])")
_NEXT_OBJECT = re.compile(r"\n(?=[\[{])")
_FIRST_NAME = re.compile(r'\{\s*"([^"]*)"')
#: Places that are tried behind a damaged element, and in a whole file.
_TRIES, _ALL_TRIES = 200, 5_000
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
            if isinstance(value, Bad):
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
    found = _SPACE.match(text, at)
    return found.end() if found else at


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


def _damaged_array(text: str, at: int) -> Values:
    """The elements that can be read; notes say what is wrong with the others, and where."""
    rows: list[Any] = []
    notes: list[str] = []
    shared: frozenset[str] = frozenset()
    tries = _ALL_TRIES
    while True:
        before, at = at, _space(text, at)
        at_end = text[at : at + 1] in ("", "]")
        gap = text[before:at]
        if gap.count(",") > (0 if at_end else 1) or (rows == [] and "," in gap):
            comma = before + gap.rindex(",")
            notes.append(f"There is a comma too many in {_line(text, comma)}.")
        if at_end:
            break
        try:
            value, at = _DECODER.raw_decode(text, at)
        except (ValueError, RecursionError):
            after, lost, used = _next_element(text, at, shared, tries)
            tries -= used
            notes.append(f"The element in {_line(text, at)} is not JSON and was left out.")
            if not after:
                closed = text.rstrip().endswith("]")
                rows += [NOT_JSON] * lost
                rows.append(NOT_JSON if closed else CUT)
                at = text.rindex("]") if closed else at
                break
            rows += [NOT_JSON] * (1 + lost)
            at = after
            continue
        rows.append(value)
        if isinstance(value, dict):
            names = frozenset(value)
            shared = (shared & names) or names
    if not any(not isinstance(row, Bad) for row in rows):
        raise _not_json(text)
    if text[at : at + 1] != "]":
        notes.append(
            f"The file ends in {_line(text, len(text.rstrip()))} before the array is closed, so it "
            "is probably cut off."
        )
    elif rest := text[at + 1 :].strip():
        notes.append(f"What follows the array was not read: {rest[:40]!r}.")
    return Values(rows=rows, notes=tuple(dict.fromkeys(notes))[:20])


def _next_element(text: str, at: int, shared: frozenset[str], tries: int) -> tuple[int, int, int]:
    """Where a sound element begins that has what is ``shared`` by those before; 0 for nowhere.

    Also how many more damaged ones are skipped, and how many places were tried.
    """
    lost = used = 0
    margin = _margin(text, at)
    for found in _NEXT_ELEMENT.finditer(text, at + 1):
        used += 1
        if used > min(_TRIES, tries):
            break
        try:
            value, end = _DECODER.raw_decode(text, found.end())
        except (ValueError, RecursionError):
            name = _FIRST_NAME.match(text, found.end())
            lost += name is not None and name[1] in shared
            continue
        # A value inside of the damaged element is none itself: it has other names, or stands
        # further right, or is a name.
        alike = isinstance(value, dict) and shared <= value.keys()
        aligned = margin is not None and _margin(text, found.end()) == margin
        if alike or (aligned and re.match(r"\s*[,\]]", text[end : end + 100])):
            return found.end(), lost, used
    return 0, lost, used


def _margin(text: str, at: int) -> str | None:
    """The white space before a value that begins its line, else None."""
    before = text[text.rfind("\n", 0, at) + 1 : at]
    return before if not before.strip() and "\n" in text[:at] else None


def _stream(text: str, at: int) -> Values:
    """Objects behind each other, over one line or many each."""
    rows: list[Any] = []
    notes: list[str] = []
    start = at
    while at < len(text):
        start = at
        try:
            value, at = _DECODER.raw_decode(text, at)
        except (ValueError, RecursionError):
            after = _NEXT_OBJECT.search(text, at + 1)
            if not after:
                rows.append(CUT)
                notes.append(f"The object that begins in {_line(text, start)} is not complete.")
                break
            rows.append(NOT_JSON)
            notes.append(f"The object that begins in {_line(text, start)} is not JSON.")
            at = after.end()
            continue
        rows.append(value)
        at = _space(text, at)
    if not any(not isinstance(row, Bad) for row in rows):
        raise _not_json(text)
    return Values(rows=rows, notes=tuple(notes[:20]))
