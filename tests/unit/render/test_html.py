"""Templates: whatever a value holds, what comes out is text."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from jinja2 import UndefinedError
from markupsafe import Markup
from support.scripts import SCRIPTS

import embedlab.render
from embedlab.render import html
from embedlab.render.html import Macros
from embedlab.study.report import Ran
from embedlab.text import one_line

TEMPLATES = Path(embedlab.render.__file__).parent / "templates"
HOSTILE = [*SCRIPTS, "\" onclick='x' `${1}`", "a\0b"]


class Read(HTMLParser):
    """The tags with their attributes, and the text."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.words = ""
        self.feed(str(source))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag != "wbr":  # where a name may break
            self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data: str) -> None:
        self.words += data


def pieces(text: str) -> list[Markup]:
    """Everything that several tabs share, around a text."""
    return [
        html.note([text]),
        html.muted(text),
        html.table(("", "A", text), [(text, text, text)], text, measured_on=text),
        html.table((), [], text),
        Macros("lists.html").item(1, text, pick=1, label=text, relevant=True, move=text, hint=text),
        Macros("lists.html").side_by_side(html.muted(text), html.note([text])),
        Macros("results.html").selected_text(text, text, 0.5, 3),
        Macros("results.html").changed_list([text], [0], [0.5], 0.5, 1),
        Macros("inside.html").tokens(text, text, [(text, 0.5)], 1.0),
        Macros("study.html").facts([(text, text)]),
        Macros("frames.html").figure(text, text),
    ]


def without_space(text: str) -> str:
    return "".join(one_line(text).split())


@pytest.mark.parametrize("text", HOSTILE)
def test_no_text_becomes_markup_or_a_template_of_gradios(text: str) -> None:
    for piece, harmless in zip(pieces(text), pieces("text"), strict=True):
        shown, expected = Read(piece), Read(harmless)
        assert shown.tags == expected.tags
        assert [name for name, _ in shown.attributes] == [name for name, _ in expected.attributes]
        assert without_space(text) in without_space(shown.words)
        assert not set("${}`\0") & set(piece)


def test_html_is_inserted_once_and_text_beside_it_is_escaped() -> None:
    both = html.note(["a & b"]) + "<b>"
    assert "a &amp; b" in both and "&lt;b&gt;" in both
    assert html.joined([html.muted("&"), html.muted("<")]).count("&amp;") == 1


def test_a_design_may_break_in_its_name() -> None:
    shown = Macros("study.html").cells([Ran("causal/last_layer", "done", "", None)])
    assert "causal/<wbr>last_<wbr>layer<" in shown


def test_no_template_can_switch_escaping_off() -> None:
    with pytest.raises(KeyError):
        html._ENVIRONMENT.filters["safe"]
    for path in TEMPLATES.iterdir():
        source = path.read_text(encoding="utf-8")
        assert not re.search(r"autoescape|\|\s*(safe|tojson|xmlattr|urlize)\b|Markup", source), path


def test_a_value_that_is_missing_is_an_error() -> None:
    with pytest.raises(UndefinedError):
        Macros("lists.html").empty()


def test_scores_are_in_points() -> None:
    assert [html.points(x) for x in (0.6123, None)] == ["61.2", "–"]
    assert html.points(0.013, sign=True) == "+1.3"
    interval = Macros("table.html").interval
    assert "[10.0 … 20.0]" in interval(0.1, 0.2) and interval(None, 0.2).strip() == ""
