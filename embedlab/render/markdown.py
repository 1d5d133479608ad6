"""Markdown that people write in files, as HTML in which nothing can run and nothing is fetched."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from functools import cache
from typing import TYPE_CHECKING

from markupsafe import Markup

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.token import Token

#: A name in braces, which stands for a value.
_NAME = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)\}")
#: What a value may stand in; in `code`, and in the target of a link, braces mean themselves.
_WORDS = "text"


def markdown(text: str, values: Mapping[str, str] | None = None) -> Markup:
    """Paragraphs, lists, emphasis, `code` and links as HTML.

    HTML in the text is shown as it is written, images are not known, and a link leads to a web
    address or to nothing.

    Args:
        text: Markdown.
        values: what takes the place of ``{name}`` outside of code; they are no Markdown.
    """
    parser = _parser()
    tokens = parser.parse(text)
    for token in _inline(tokens):
        if token.type == _WORDS and values:
            token.content = _NAME.sub(lambda m: values.get(m[1], m[0]), token.content)
        if token.type == "link_open":
            token.attrs |= {"target": "_blank", "rel": "noopener noreferrer"}
    return Markup(
        parser.renderer.render(tokens, parser.options, {})
    )  # the renderer escapes all words


def names(text: str) -> Collection[str]:
    """The names in braces that :func:`markdown` would look for values of, in their order."""
    words = [token.content for token in _inline(_parser().parse(text)) if token.type == _WORDS]
    return list(dict.fromkeys(name for each in words for name in _NAME.findall(each)))


@cache
def _parser() -> MarkdownIt:
    from markdown_it import MarkdownIt

    parser = MarkdownIt("commonmark", {"html": False})
    return parser.disable(["image", "html_block", "html_inline"])


def _inline(tokens: list[Token]) -> Iterator[Token]:
    for token in tokens:
        yield from token.children or ()
