"""What a browser or a client sent, as values of the type it should have."""

from __future__ import annotations

from typing import Any

from embedlab.errors import EmbedLabError


def string(value: Any, name: str) -> str:
    """A string.

    Raises:
        EmbedLabError: it is something else.
    """
    if not isinstance(value, str):
        raise EmbedLabError(f"{name} is {str(value)[:40]!r}; it must be a string.")
    return value


def strings(texts: Any) -> list[str]:
    """A list of strings.

    Raises:
        EmbedLabError: it is something else.
    """
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise EmbedLabError("texts must be a list of strings.")
    return texts


def within(value: Any, what: str, least: float, most: float) -> float:
    """A number from ``least`` to ``most``.

    Raises:
        EmbedLabError: it is something else.
    """
    if not isinstance(value, int | float) or not least <= value <= most:
        raise EmbedLabError(f"{what} is {str(value)[:20]}; choose {least:g} to {most:g}.")
    return value


def whole_number(value: Any, what: str, least: int = 0) -> int:
    """An int of a sane size.

    Raises:
        EmbedLabError: it is something else.
    """
    if not isinstance(value, int | float) or not least <= value < 2**31:
        raise EmbedLabError(f"{what} is {str(value)[:20]!r}; write a whole number from {least} up.")
    return int(value)
