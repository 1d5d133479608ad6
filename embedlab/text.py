"""Users' text made safe for where it goes: tokenizers, JSON, HTML, spreadsheets, terminals."""

from __future__ import annotations

import re
from html import escape as _escape

_SURROGATE = re.compile("[\ud800-\udfff]")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")


def without_surrogates(text: str) -> str:
    """``text`` with U+FFFD for lone surrogates, which neither UTF-8 nor a tokenizer takes."""
    if _SURROGATE.search(text):
        text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def clean_text(text: str) -> str:
    """``text`` as a corpus stores it: without NULs and lone surrogates."""
    return without_surrogates(text).replace("\0", "")


def one_line(text: str) -> str:
    """One line that JSON and a browser can hold: no control characters, no lone surrogates."""
    return without_surrogates(" ".join(_CONTROL.sub(" ", text).split()))


def shorten(text: str, limit: int) -> str:
    """``one_line(text)``, cut to ``limit`` characters with an ellipsis as the last one."""
    line = one_line(text)
    return line if len(line) <= limit else line[: limit - 1].rstrip() + "…"


def printable(text: str) -> str:
    """One line without anything that could control a terminal or hide in a document."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def escape(text: str) -> str:
    """User text as inert HTML, template signs included: Gradio reads those in some places."""
    return (
        _escape(text.replace("\x00", ""))
        .replace("$", "&#36;")
        .replace("{", "&#123;")
        .replace("}", "&#125;")
        .replace("`", "&#96;")
    )
