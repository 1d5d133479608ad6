"""What a browser or a client sent, as values of the type it should have.

The functions raise EmbedLabError for anything else; ``what`` is the value's name in its sentence.
"""

from __future__ import annotations

from typing import Any

import gradio as gr

from embedlab.errors import EmbedLabError
from embedlab.models.design import Design
from embedlab.text import clean_text

#: Characters of the longest name of anything: a mode, a corpus, a backbone.
_LONGEST_NAME = 200
_LARGEST = 10**9


def string(value: Any, what: str) -> str:
    """A string, without NULs and halves of characters."""
    if not isinstance(value, str):
        raise EmbedLabError(f"{what} is {_shown(value)}; it must be a string.")
    return clean_text(value)


def word(value: Any, what: str) -> str:
    """A string that names something, so a short one."""
    text = string(value, what)
    if len(text) > _LONGEST_NAME:
        raise EmbedLabError(
            f"{what} has {len(text):,} characters; names have up to {_LONGEST_NAME}."
        )
    return text


def design(value: Any, what: str) -> Design:
    """A design by its name."""
    text = string(value, what)
    if len(text.partition("?")[0]) > _LONGEST_NAME:
        raise EmbedLabError(
            f"{text[:40] + '…'!r} is not a design; write attention/pooling, such as "
            "'causal/mean@11', or one of M1 to M5."
        )
    return Design.parse(text)


def strings(texts: Any) -> list[str]:
    """A list of strings, without NULs and halves of characters."""
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise EmbedLabError("texts must be a list of strings.")
    return [clean_text(text) for text in texts]


def within(value: Any, what: str, least: float, most: float) -> float:
    """A number from ``least`` to ``most``."""
    if not isinstance(value, int | float) or not least <= value <= most:
        raise EmbedLabError(f"{what} is {str(value)[:20]}; choose {least:g} to {most:g}.")
    return value


def whole_number(value: Any, what: str, least: int = 0) -> int:
    """An int of a sane size."""
    if not isinstance(value, int | float) or not least <= value < 2**31:
        raise EmbedLabError(f"{what} is {str(value)[:20]!r}; write a whole number from {least} up.")
    return int(value)


def whole(value: Any, what: str) -> int:
    """An int that a client sent, up to 10⁹ on either side."""
    if not isinstance(value, int) or isinstance(value, bool):
        raise EmbedLabError(f"{what} is {_shown(value)}; it must be a whole number.")
    return int(number(value, what))


def number(value: Any, what: str) -> float:
    """A number that a client sent, up to 10⁹ on either side."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise EmbedLabError(f"{what} is {_shown(value)}; it must be a number.")
    if not abs(value) <= _LARGEST:  # nor is "not a number"
        raise EmbedLabError(f"{what} is not within ±{_LARGEST:,}; choose another number.")
    return float(value)


def event_data(event: gr.EventData) -> dict[str, Any]:
    """What an event of a component of ours carries; its values are not checked."""
    return event._data if isinstance(event._data, dict) else {}


def _shown(value: Any) -> str:
    """The beginning of a value, for a message; a list or a mapping by its kind alone."""
    if isinstance(value, list | dict):
        return "a list" if isinstance(value, list) else "a mapping"
    return repr(str(value)[:20])
