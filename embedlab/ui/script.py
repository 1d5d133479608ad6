"""The scripts in ``assets/``, for components that run one when they are put on the page."""

from __future__ import annotations

from embedlab.ui.theme import ASSETS


def script(*names: str) -> str:
    """Scripts of ours as one; those that draw need ``load_plotly.js`` before them."""
    return "\n".join((ASSETS / name).read_text(encoding="utf-8") for name in names)
