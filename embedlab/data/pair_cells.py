"""The texts in a cell of a table of pairs: one text, or a list of texts and objects as JSON."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterable, Sequence
from typing import Any

from embedlab.data.columns import cell_kind, kind_of, normal_name
from embedlab.text import clean_text

#: Where an object has its text, the first that it has; a title stands before it.
_TEXT_KEYS = (
    *("text", "content", "passage", "body", "document", "doc", "sentence", "paragraph"),
    *("abstract", "snippet", "answer", "question", "query", "value"),
)
_SAMPLE = 200
#: Texts side by side without a comma, as numpy prints arrays: Python would join them.
_NO_COMMA = re.compile(r"""["']\s+["']""")


def texts_in(cell: str) -> tuple[str, ...] | None:
    """The texts of a cell, stripped and without blank ones; None where its list cannot be read.

    A cell that is no list and no object is one text. Objects give their text, behind their title
    where they have one, joined by a space as mteb does.
    """
    cell = cell.strip()
    if not cell or cell_kind(cell) != "json":
        return (clean_text(cell).strip(),) if cell else ()
    value = parsed(cell)
    if value is None:
        return None
    texts = (text_of(item) for item in (value if isinstance(value, list) else [value]))
    return tuple(text for text in texts if text)


def kind_of_texts(cells: Sequence[str]) -> str:
    """What most of the texts of a column are: one of :data:`embedlab.data.columns.KINDS`."""
    kind = kind_of(cells)
    return kind_of(flat(cells)) if kind == "json" else kind


def holds_lists(cells: Sequence[str]) -> bool:
    """Whether the cells of a column are lists or objects."""
    return kind_of(cells) == "json"


def flat(cells: Iterable[str]) -> list[str]:
    """The texts of the first filled cells of a column, to judge it by."""
    filled = [cell for cell in cells if cell.strip()][:_SAMPLE]
    return [text for cell in filled for text in texts_in(cell) or ()]


def parsed(cell: str) -> Any:
    """A list or an object in JSON, or as Python prints it; None where it is neither."""
    try:
        return json.loads(cell)
    except (ValueError, RecursionError):
        pass
    if _NO_COMMA.search(cell):
        return None
    try:
        value = ast.literal_eval(cell)
    except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError):
        return None
    return value if isinstance(value, (list, dict)) else None


def text_of(item: Any) -> str:
    """The text of a list's item; "" where it has none."""
    if isinstance(item, str):
        return clean_text(item).strip()
    if not isinstance(item, dict):
        return ""
    texts = {
        normal_name(str(key)): clean_text(value).strip()
        for key, value in item.items()
        if isinstance(value, str) and value.strip()
    }
    title = texts.pop("title", "")
    text = next((texts[key] for key in _TEXT_KEYS if key in texts), "")
    if not text and len(texts) == 1:
        text = next(iter(texts.values()))
    return f"{title} {text}".strip()
