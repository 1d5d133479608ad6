"""Markdown from files: what it may become, and what it never does."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.scripts import SCRIPTS

from embedlab.render.markdown import markdown, names

#: All that the text of a lesson can become, and the attributes that it can have.
TAGS = {
    *("p", "em", "strong", "code", "pre", "ul", "ol", "li", "a", "blockquote", "br", "hr"),
    *(f"h{level}" for level in range(1, 7)),
}
ATTRIBUTES = {"href", "target", "rel", "title", "class", "start"}


class Seen(HTMLParser):
    """The tags and attributes of some HTML, and its words."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: list[tuple[str, str]] = []
        self.words = ""
        self.feed(str(html))
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes += [(name, value or "") for name, value in attrs]

    def handle_data(self, data: str) -> None:
        self.words += data

    def check(self) -> None:
        assert self.tags <= TAGS
        assert {name for name, _ in self.attributes} <= ATTRIBUTES
        for name, value in self.attributes:
            scheme = value.partition(":")[0].strip().lower() if ":" in value else ""
            assert name != "href" or scheme not in ("javascript", "data", "vbscript", "file")


HOSTILE = [
    *SCRIPTS,
    "[a](JaVaScRiPt:alert(1)) [b](data:text/html,<script>1</script>) <javascript:alert(1)>",
    "![picture](https://example.org/pixel.png)",
    "[x]: javascript:alert(1)\n\n[x]",
    "&lt;script&gt; &#60;img src=x&#62;",
    "```html\n<script>alert(1)</script>\n```",
    '[t](https://example.org "\\" onmouseover=alert(1)")',
    "<!-- --><![CDATA[<script>]]>",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_nothing_in_a_text_becomes_a_script(text):
    Seen(markdown(text)).check()
    Seen(markdown(f"before **{text}** after\n\n- {text}")).check()
    Seen(markdown("A figure: {a}", {"a": text})).check()


@given(st.text(alphabet="<>[]()!`*_{}\\\"'&;:/ \nabjsx=#-", max_size=60))
def test_whatever_it_is(text):
    Seen(markdown(text, {"a": text})).check()


def test_what_a_text_may_be():
    shown = markdown("One **two** *three* `a_b`\n\n- four\n- [five](https://example.org/x)")
    assert "<strong>two</strong>" in shown and "<em>three</em>" in shown
    assert "<code>a_b</code>" in shown and shown.count("<li>") == 2
    assert (
        '<a href="https://example.org/x" target="_blank" rel="noopener noreferrer">five</a>'
        in shown
    )


def test_figures_are_words_and_no_markdown():
    shown = markdown("**{a}** of {b}, `{a}`, {c}", {"a": "<i>1_2_</i> *3*", "b": "4"})
    assert Seen(shown).words.strip() == "<i>1_2_</i> *3* of 4, {a}, {c}"
    assert "<strong>&lt;i&gt;1_2_&lt;/i&gt; *3*</strong>" in shown


def test_names_are_those_outside_of_code():
    text = "{a} and *{b}* and `{text}`, {a} again, { c } and {4}\n\n    {code}\n\n> {quoted_1}"
    assert names(text) == ["a", "b", "quoted_1"]
