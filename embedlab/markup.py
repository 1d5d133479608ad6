"""Text as inert HTML."""

from __future__ import annotations

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
