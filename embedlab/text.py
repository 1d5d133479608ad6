"""Text as inert HTML."""

from __future__ import annotations

import re
from html import escape as _escape


def escape(text: str) -> str:
    """User text as inert HTML, template signs included: Gradio reads those in some places."""
    return (
        _escape(text.replace("\x00", ""))
        .replace("$", "&#36;")
        .replace("{", "&#123;")
        .replace("}", "&#125;")
        .replace("`", "&#96;")
    )


_SURROGATE = re.compile("[\ud800-\udfff]")


def clean_text(text: str) -> str:
    """``text`` without NULs, and with U+FFFD for halves of characters (lone surrogates)."""
    if _SURROGATE.search(text):
        text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text.replace("\0", "")


_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")


def clean(text: str) -> str:
    """One line that JSON and a browser can hold: no control characters, no lone surrogates."""
    one_line = " ".join(_CONTROL.sub(" ", text).split())
    return one_line.encode("utf-8", "replace").decode("utf-8")


def shorten(text: str, limit: int) -> str:
    """``clean(text)``, cut to ``limit`` characters with an ellipsis as the last one."""
    line = clean(text)
    return line if len(line) <= limit else line[: limit - 1].rstrip() + "…"
