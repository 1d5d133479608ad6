"""Links: what an address sets, what is said of the rest, and what is written back."""

from __future__ import annotations

import itertools
import types
import warnings
from collections.abc import Callable
from typing import Any

import gradio as gr
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.labs import tiny_lab
from support.opened_tabs import opened_by_visitor

from embedlab.data.tables import own_texts
from embedlab.lab.address import CONTROLS, PARAMETERS, Address, own_corpus
from embedlab.lab.config import Defaults
from embedlab.lab.lab import Lab
from embedlab.models.design import Design
from embedlab.ui.page import Workspace
from embedlab.ui.shared.links import LINKED

SENSES = "One word, several senses"


class Page:
    """A visitor's page: its screen, and the answers to its events, one after the other.

    All of them share the components, which take a second to build, and none a session.
    """

    number = itertools.count()

    def __init__(self, work: Workspace, link: str | None = "") -> None:
        self.work, self.blocks = work, work.blocks
        self.links, self.sidebar = self.work.links, self.work.sidebar
        self.request = types.SimpleNamespace(session_hash=f"page {next(self.number)}")
        self.screen = {b: getattr(b, "value", None) for b in self.blocks.blocks.values()}
        self.views = {view.id: view for view in self.work.views}
        if link is not None:
            self.screen[self.links.bar] = link
            self.fire(self.blocks, "load")

    def fire(self, component: Any, event: str, data: dict[str, Any] | None = None) -> Any:
        fns = [
            fn
            for fn in self.blocks.fns.values()
            if (component._id, event) in fn.targets and self.links.bar in fn.outputs
        ]
        values = {c: self.screen[c] for c in fns[0].inputs}
        sent = gr.EventData(component, data or {})
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            answer = fns[0].fn(values, self.request, sent, gr.Progress())
        assert set(answer) <= {*fns[0].outputs, "__type__"}
        for c, update in answer.items():
            is_update = isinstance(update, dict) and "__type__" in update
            if not is_update:
                self.screen[c] = update
            elif "value" in update:
                self.screen[c] = update["value"]
            elif "selected" in update:
                self.screen[c] = update["selected"]
        return answer

    def open(self, link: Any, number: int = 1) -> Any:
        return self.fire(self.links.bar, "link", {"query": link, "number": number})

    def paste(self, *texts: str) -> Any:
        own = self.sidebar.own_texts
        self.screen[own.pasted] = "\n".join(texts)
        return self.fire(own.use_pasted, "click")

    def tab(self, title: str) -> Any:
        tabs = (b for b in self.blocks.blocks.values() if isinstance(b, gr.Tab))
        tab = next(tab for tab in tabs if tab.label == title)
        opened_by_visitor(self.work, self.screen, tab.id)
        return self.fire(tab, "select")

    @property
    def query(self) -> str:
        return str(self.screen[self.links.bar]["query"])

    @property
    def said(self) -> str:
        return str(self.screen[self.links.bar]["said"])

    @property
    def status(self) -> str:
        return str(self.screen[self.work.status])

    @property
    def designs(self) -> tuple[str, str]:
        values = self.session.values(self.session.choices.current())
        return str(self.sidebar.a.read(values)), str(self.sidebar.b.read(values))

    @property
    def session(self) -> Any:
        return self.work.sessions.of(self.request)

    def remembered(self, what: Any) -> Any:
        return self.session.values({})[what]


@pytest.fixture(scope="module")
def lab() -> Lab:
    """Around a tiny backbone, which has no unembedding for the steps of the shipped defaults."""
    lab = tiny_lab()
    defaults = Defaults(design_b="causal/mean")
    lab.config = lab.config.model_copy(update={"defaults": defaults})
    return lab


@pytest.fixture(scope="module")
def work(lab: Lab) -> Workspace:
    with gr.Blocks() as blocks:
        return Workspace(lab, blocks)


@pytest.mark.parametrize(
    "link",
    [
        "",
        "?b=M5",
        "?n=40&seed=3&a=causal/mean@1&b=bidirectional/mean+skip_first+centre",
        "?corpus=trec&n=60&tab=similarity&count=12&order=labels&scale=rank",
        "?tab=retrieve&q=where+ships+land&k=5",
        "?tab=inside&panel=mask&first=w1+w2&second=w1+w3",
        "?tab=inside&panel=shape&space=centre",
        "?tab=inside&measure=v_measure",
        "?sel=17",
        "?sel=3,7-9,120&colour=cluster+A&neighbours=5&distance=0.3",
        "?tab=similarity&sel=1-20&only=1-40&texts=selected+on+the+map",
        "?q=a+boat+on+the+river",
        "?a=causal/mean?query=find%2520%2526%2520keep%253A%2520",
        "?tab=finetune&hide=study,compare&class=3b",
        "?corpus=trec&part=3-40,900&sel=7,900",
        "?tab=study",
    ],
)
def test_a_state_is_opened_and_written_as_it_was(work: Workspace, link: str) -> None:
    page = Page(work, link)
    assert (page.query, page.said) == (link, ""), page.status
    assert page.status.startswith('<p class="status-line">')  # the view was drawn
    assert Address.parse(page.query).unread == ()


def test_what_a_link_says_is_on_the_screen(work: Workspace) -> None:
    link = "?corpus=trec&n=60&seed=2&a=M3&b=causal/mean@1+centre&tab=retrieve&q=who&k=4&sel=2"
    page = Page(work, link.replace("sel=2", "sel=999999"))
    sidebar, screen = page.sidebar, page.screen
    assert screen[sidebar.corpus] == "trec" and screen[sidebar.sample] == 60
    assert screen[sidebar.seed] == 2 and screen[sidebar.a.preset] == "M3"
    assert screen[sidebar.b.pooling] == "mean" and screen[sidebar.b.layer] == 1
    assert screen[sidebar.b.steps] == ["centre"] and screen[sidebar.b.preset] == "custom"
    assert screen[page.work.tabs] == "retrieve"
    retrieve = page.views["retrieve"]
    assert screen[retrieve.query] == "who" and screen[retrieve.k] == 4
    assert "60 of 5,382" in page.status and "causal/mean@1+centre" in page.status.replace(
        "<wbr>", ""
    )
    assert screen[retrieve.lists].count("<li") == 8
    assert "1 of the 1 texts to be selected are not among the 60 shown" in page.said


def test_a_link_selects_by_the_numbers_in_the_corpus(work: Workspace) -> None:
    whole = work.lab.whole("trec")
    shown = work.lab.sample(whole, 30, 1)
    numbers = sorted(shown.rows)[3:6]
    assert numbers != [4, 5, 6]
    page = Page(work, f"?corpus=trec&n=30&seed=1&sel={','.join(map(str, numbers))}")
    marked = page.remembered(page.views["map"].marked)
    assert marked.rows == (3, 4, 5) and marked.words == LINKED
    assert [shown.texts[i] for i in marked.rows] == [whole.texts[n - 1] for n in numbers]


def test_the_view_is_computed_once_for_a_link(work, monkeypatch):
    page, drawn = Page(work, None), []
    for view in page.work.views:

        def show(pair: Any, *_: Any, name: str = view.id) -> dict[Any, Any]:
            drawn.append((name, *map(str, pair.designs)))
            return {}

        monkeypatch.setattr(view, "show", show)
    page.screen[page.links.bar] = "?tab=similarity&a=M2&b=M4&sel=5"
    page.fire(page.blocks, "load")
    # The browser reports the tab that the answer opened, as it does any other.
    page.tab("Similarity")
    assert drawn == [("similarity", str(Design.parse("M2")), str(Design.parse("M4")))]


NONSENSE = {
    "?corpus=nowhere&a=M2": "“nowhere” is no corpus offered here",
    "?a=M2&b=causal/nothing": "'nothing' is not a known pooling",
    "?a=M2&b=causal/mean@99": "causal/mean@99 names layer 99, and tiny-llama has 4",
    "?a=M2&b=causal/eos%2Bnative": "the files of tiny-llama name another design",
    "?a=M2&b=file:%20mine": "“file: mine” is vectors from a file",
    "?a=M2&tab=nothing": "“nothing” is no tab",
    "?a=M2&tab=inside&panel=nothing": "“nothing” is no panel of Inside",
    "?a=M2&hide=inside,nothing&tab=inside": "the tab Inside is hidden here",
    "?a=M2&hide=map,retrieve,similarity,inside,compare,finetune,study": "“study” stays",
    "?a=M2&sel=161": "1 of the 1 texts to be selected are not among the 160 shown",
    "?a=M2&only=161": "1 of the 1 texts to be kept are not among the 160 shown",
    "?a=M2&model=gpt": "model is “gpt”, not one offered here (tiny)",
    "?a=M2&model_b=run": "model_b was trained by whoever made the link",
    "?a=M2&lesson=nothing": "there is no lesson “nothing”",
    "?a=M2&a=M3": "a is there twice",
    "?a=M2&scale=loud": "scale cannot be “loud”",
    "?a=M2&k=1000": "k cannot be “1000”",
    "?a=M2&distance=nan": "distance cannot be “nan”",
    "?a=M2&texts=typed+below": "texts that were typed are in no link",
    "?a=M2&q=" + "x" * 10**6: "the first 16,000 are read",
    "?a=M2&tab=<img src=x onerror=alert(1)>": "“<img src=x onerror=alert(1)>”, which is no tab",
    "?a=M2&seed=-1": "seed is “-1”",
}


@pytest.mark.parametrize("link", NONSENSE)
def test_what_cannot_be_used_is_said_in_one_line_and_the_rest_is_shown(work, link):
    page = Page(work, link)
    assert page.designs[0] == str(Design.parse("M2")), page.status
    assert NONSENSE[link] in page.said and "\n" not in page.said
    assert SENSES in page.status and Address.parse(page.query).unread == ()


def test_a_link_in_an_open_page_leaves_what_it_does_not_name(work: Workspace) -> None:
    page = Page(work, "?n=40&a=M2&tab=retrieve&sel=5")
    n = page.screen[page.sidebar.sample]
    page.open("?b=M4&tab=similarity", 7)
    assert page.screen[page.links.bar]["number"] == 7
    assert page.query == "?n=40&a=M2&b=M4&tab=similarity&sel=5"
    assert page.designs == tuple(str(Design.parse(name)) for name in ("M2", "M4"))
    assert page.screen[page.sidebar.sample] == n == 40
    page.open("?corpus=senses&model=tiny", 8)
    assert page.screen[page.sidebar.sample] == 40
    page.open("?sel=", 8)
    assert "sel" not in page.query and page.screen[page.links.bar]["number"] == 8
    page.open({"no": "text"}, 9)
    assert page.screen[page.links.bar]["number"] == 9
    page.open("?q=stale", "not a number")  # type: ignore[arg-type]
    assert page.screen[page.links.bar]["number"] == 9


def test_own_texts_are_waited_for_and_then_the_rest_is_applied(work: Workspace) -> None:
    texts = [f"text number {i} of mine" for i in range(12)]
    corpus = own_texts("\n".join(texts))
    name = own_corpus(corpus.fingerprint, 12)
    page = Page(work, f"?corpus={name}&n=6&b=M4&sel=1-12&hide=study")
    assert "(12 texts, " in page.status and "own" in page.status and SENSES not in page.status
    assert page.query == f"?corpus={name}&n=6&b=M4&sel=1-12&hide=study"  # a reload still has it
    page.paste(*texts)
    assert "6 of 12 texts" in page.status and page.screen[page.sidebar.sample] == 6
    assert page.designs[1] == str(Design.parse("M4"))
    assert len(page.remembered(page.views["map"].marked).rows) == 6
    assert "6 of the 12 texts to be selected are not among the 6 shown" in page.said
    assert page.query.startswith(f"?corpus={name}&n=6&b=M4&sel=")


def test_other_texts_than_those_of_the_link_are_shown_and_said(work: Workspace) -> None:
    page = Page(work, f"?corpus={own_corpus('3f9a' * 4, 12)}&sel=1-3&b=M4")
    assert "(12 texts, 3f9a…)" in page.status
    page.paste(*(f"another text {i}" for i in range(5)))
    assert "these are not the texts of the link" in page.said
    assert "5 texts" in page.status and page.remembered(page.views["map"].marked) is None
    assert page.designs[1] == str(Design.parse("M4"))


def test_a_choice_during_a_slow_link_counts(work, monkeypatch):
    page = Page(work)
    follow = page.sidebar.follow

    def meanwhile(*args: Any) -> Any:
        monkeypatch.setattr(page.sidebar, "follow", follow)
        page.screen[page.sidebar.b.attention] = "bidirectional"
        page.fire(page.sidebar.b.attention, "input")
        page.tab("Retrieve")
        return follow(*args)

    monkeypatch.setattr(page.sidebar, "follow", meanwhile)
    page.open("?a=M2&b=causal/mean&tab=inside")
    assert page.designs == (str(Design.parse("M2")), "bidirectional/mean")
    assert page.remembered(page.work.active) == "retrieve"


def test_a_click_on_the_map_changes_the_address(work: Workspace) -> None:
    page = Page(work)
    page.fire(page.views["map"].map, "point_click", {"index": 16})
    assert page.query == "?sel=17"
    page.fire(page.views["map"].map, "lasso", {"indices": [0, 1, 2, 9]})
    assert page.query == "?sel=1-3,10"
    page.fire(page.views["map"].map, "find", {"query": "rivers"})
    assert page.query == "?q=rivers&sel=1-3,10"
    page.fire(page.views["map"].map, "cleared", {})
    assert page.query == ""
    page.tab("Study")
    assert page.query == "?tab=study"
    page.tab("Map")
    assert page.query == ""


def test_texts_that_were_picked_are_named_by_where_they_come_from(work: Workspace) -> None:
    page = Page(work, "?only=2-9&sel=1-20")
    selection = page.views["map"].panel.block
    page.fire(selection, "keep", {"name": "Mine"})
    assert page.query == "?corpus=senses&part=2-9"
    texts = page.remembered(page.views["map"].shown).corpus.texts
    assert texts == work.lab.whole("senses").texts[1:9]
    again = Page(work, page.query)
    assert again.remembered(again.views["map"].shown).corpus.texts == texts
    assert "8 of One word" in again.status
    again.fire(again.views["map"].panel.block, "back")
    assert again.query == "" and SENSES in again.status


def test_every_control_in_links_is_a_tabs(work: Workspace) -> None:
    named = [name for view in Page(work, None).work.views for name in view.linked]
    assert sorted([*named, "colour"]) == sorted(CONTROLS) and set(CONTROLS) <= PARAMETERS.keys()


@pytest.fixture(scope="module")
def opened(work: Workspace) -> Callable[[str], Any]:
    page = Page(work)

    def run(link: str) -> Any:
        values = page.session.values(page.session.choices.current() | {page.links.bar: link})
        values.setdefault(page.sidebar.own, None)
        event = gr.EventData(page.links.bar, {"query": link})
        _, followed = page.links.actions
        sets = followed.sets_of(values, event)
        updates = followed.run(values, lambda *_: None, event)
        assert {c for c in updates if isinstance(c, gr.components.Component)} <= sets
        return updates[page.links._said]

    return run


values = st.sampled_from(
    ["", "1", "0", "-1", "1-3,9", "senses", "trec", "M1", "causal/mean@9", "inside", "mask", "run"]
) | st.text(max_size=20)


@given(st.lists(st.tuples(st.sampled_from([*PARAMETERS, "x"]), values), max_size=12))
@settings(max_examples=150, deadline=None)
def test_no_link_breaks_the_page(opened, pairs):
    said = opened("?" + "&".join(f"{key}={value}" for key, value in pairs))
    assert all("\n" not in sentence for sentence in said)
