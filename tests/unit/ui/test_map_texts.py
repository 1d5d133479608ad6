"""Filters and selections through the page's own handlers, without a browser."""

from __future__ import annotations

import base64
import csv
import io
import json
import re
import types
from typing import Any

import gradio as gr
import numpy as np
import pyarrow.parquet as pq
import pytest
from support.labs import tiny_lab
from support.models import words
from support.opened_tabs import opened_by_visitor

from embedlab.data.corpus import Corpus
from embedlab.lab.lab import Lab
from embedlab.models.design import Design
from embedlab.ui import page
from embedlab.ui.page import Workspace
from embedlab.ui.shared.sidebar import OWN

N = 24
TEXTS = tuple(words(*([4, 7, 9] * 8), seed=2))
CORPUS = Corpus(
    id=OWN,
    title="Own <texts>",
    texts=TEXTS,
    fields={"kind": tuple("abc"[i % 3] for i in range(N))},
    columns={"price": tuple("" if i == 5 else str(i) for i in range(N))},
    ids=tuple(f"d{i}" for i in range(N)),
    queries=("w1 w2",),
    relevant=(frozenset({3}),),
)


@pytest.fixture(scope="module")
def lab() -> Lab:
    return tiny_lab()


class Visit:
    """One visitor of a page: sends its events and keeps what is on the screen."""

    def __init__(self, work: Workspace, session: str) -> None:
        self.work, self.bench = work, work.bench
        self.map, self.request = work.views[0], types.SimpleNamespace(session_hash=session)
        self.screen = {b: getattr(b, "value", None) for b in work.blocks.blocks.values()}
        sidebar = work.sidebar
        self.screen |= {sidebar.own: CORPUS, sidebar.corpus: OWN, sidebar.sample: N}
        self.screen |= sidebar.a.set_to(Design.parse("causal/mean"))
        self.screen |= sidebar.b.set_to(Design.parse("bidirectional/mean+centre"))
        self.send(sidebar.corpus, "input")

    def send(self, component: Any, event: str, **data: Any) -> dict[Any, Any]:
        """An event of a component; returns what it changed."""
        [fn] = [f for f in self.work.blocks.fns.values() if (component._id, event) in f.targets]
        values = {c: self.screen[c] for c in fn.inputs}
        answer = fn.fn(values, self.request, gr.EventData(component, data), gr.Progress())
        changed = {}
        for c, update in answer.items() if "__type__" not in answer else ():
            whole = isinstance(update, dict) and "__type__" in update
            changed[c] = update
            self.screen[c] = update.get("value", self.screen[c]) if whole else update
        return changed

    def set(self, component: Any, value: Any, event: str = "input") -> dict[Any, Any]:
        self.screen[component] = value
        return self.send(component, event)

    @property
    def kept(self) -> Any:
        return self.remembered(self.bench.kept)

    def remembered(self, what: Any) -> Any:
        return self.work.sessions.of(self.request).values({})[what]

    def mask(self, changed: dict[Any, Any]) -> list[int] | None:
        """The texts that the map shows."""
        sent = changed[self.map.map]["kept"]["mask"]
        return (
            None
            if sent is None
            else np.flatnonzero(np.frombuffer(base64.b64decode(sent), "u1")).tolist()
        )

    def line(self, tab: str = "map") -> str:
        return re.sub(r"<[^>]+>", "", str(self.screen[self.work.filter_lines[tab]]))

    def open(self, tab: str) -> dict[Any, Any]:
        opened_by_visitor(self.work, self.screen, tab)
        return self.send(
            next(
                b for b in self.work.blocks.blocks.values() if isinstance(b, gr.Tab) and b.id == tab
            ),
            "select",
        )


@pytest.fixture(scope="module")
def work(lab: Lab) -> Workspace:
    with gr.Blocks() as blocks:
        return Workspace(lab, blocks)


@pytest.fixture
def visit(work: Workspace, request: pytest.FixtureRequest) -> Visit:
    return Visit(work, request.node.nodeid)


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What toasts say."""
    said: list[str] = []
    monkeypatch.setattr(page.gr, "Info", lambda message="", **_: said.append(str(message)))
    monkeypatch.setattr(page.gr, "Warning", lambda message="", **_: said.append(str(message)))
    return said


A_TEXTS = [i for i in range(N) if i % 3 == 0]


def test_a_press_on_the_legend_filters_and_another_ends_it(visit: Visit) -> None:
    changed = visit.send(visit.map.map, "legend", hidden=[1, 2])
    assert visit.mask(changed) == A_TEXTS == list(visit.kept.rows)
    assert changed[visit.map.map]["colouring"]["hidden"] == [1, 2]
    assert visit.line().startswith("Filter 8 of 24 texts: kind = a clear")
    changed = visit.send(visit.map.map, "legend", hidden=[])
    assert visit.mask(changed) is None and visit.kept is None and visit.line() == ""


def test_hiding_every_entry_is_refused(visit: Visit, told: list[str]) -> None:
    visit.send(visit.map.map, "legend", hidden=[1])
    visit.send(visit.map.map, "legend", hidden=[0, 1, 2])
    assert "No text would be left" in told[-1] and len(visit.kept.rows) == 16
    for odd in (["a"], None, [99], [True]):  # what no legend sends hides nothing
        visit.send(visit.map.map, "legend", hidden=odd)
        assert visit.kept is None


def test_the_control_filters_by_words_values_and_numbers_together(visit: Visit, told) -> None:
    chooser = visit.map.chooser
    changed = visit.set(chooser.by, "column price")
    assert changed[chooser.low]["visible"] and not changed[chooser.words]["visible"]
    assert "0 to 23 here. Texts without a number have no colour: 1 of 24" in changed[chooser.note]
    visit.screen |= {chooser.low: 4, chooser.high: 9}
    visit.send(chooser.only, "click")
    assert visit.kept.rows == (4, 6, 7, 8, 9) and visit.line().count("price 4 to 9")
    changed = visit.set(chooser.by, "label kind")
    assert [name for name, _ in changed[chooser.values]["choices"]] == ["a (8)", "b (8)", "c (8)"]
    visit.screen[chooser.values] = [0, 2]
    visit.send(chooser.only, "click")
    assert visit.kept.rows == (6, 8, 9)
    visit.set(chooser.by, "letters")
    visit.screen[chooser.words] = TEXTS[8].split()[0].upper()
    changed = visit.send(chooser.only, "click")
    assert 8 in visit.kept.rows and set(visit.kept.rows) <= {6, 8, 9}
    before = visit.kept
    visit.screen[chooser.words] = "(["
    visit.send(chooser.only, "click")
    assert "“([” in the text is true of no text" in told[-1] and visit.kept == before
    visit.send(visit.work.filter_lines["map"], "clear")
    assert visit.kept is None


def test_a_filter_holds_in_every_tab_that_lists_texts(visit: Visit, lab: Lab) -> None:
    visit.send(visit.map.map, "legend", hidden=[1, 2])
    texts = {TEXTS[i] for i in A_TEXTS}
    others = [text for text in TEXTS if text not in texts]

    def only_these(shown: object) -> None:
        assert any(text in str(shown) for text in texts)
        assert not any(f">{text}<" in str(shown) or f"\n{text}<" in str(shown) for text in others)

    changed = visit.send(visit.map.map, "point_click", index=3)
    only_these(changed[visit.map.neighbours])
    assert "Nearest 7 texts among the 8 texts of the filter" in str(changed[visit.map.neighbours])
    assert set(changed[visit.map.map]["selection"]["highlight_a"]) <= set(A_TEXTS)
    changed = visit.send(visit.map.map, "find", query="w1 w2")
    only_these(changed[visit.map.neighbours])
    retrieve, similarity, inside = visit.work.views[1:4]
    visit.screen[retrieve.query] = "w1 w2"
    only_these(visit.open("retrieve")[retrieve.lists])
    assert visit.line("retrieve").startswith("Filter 8 of 24 texts: kind = a")
    heat = visit.open("similarity")[similarity.heat_a]
    assert heat["csv"].count("\n") == 2 + 8 * 9 // 2
    assert "8 texts" in heat["caption"]
    hist = visit.screen[similarity.histogram]
    a = lab.embedded(CORPUS, Design.parse("causal/mean")).vectors[A_TEXTS]
    assert hist["csv"].count("\nA,") > 0 and len(a) == 8
    visit.open("inside")
    changed = visit.open("shape")
    panel = next(p for p in inside.panels if p.id == "shape")
    only_these(changed[panel.hubs])
    assert visit.line("inside").startswith("Filter 8 of 24")
    assert set(visit.work.filter_lines) == {"map", "retrieve", "similarity", "inside", "compare"}


def test_figures_of_filtered_texts_stand_in_rows_of_their_own(visit: Visit, lab: Lab) -> None:
    before = str(visit.screen[visit.map.quality])
    visit.send(visit.map.map, "legend", hidden=[1, 2])
    quality = str(visit.screen[visit.map.quality])
    rows = dict(re.findall(r'<th scope="row">([^<]+)</th><td>([^<]+)</td>', quality))
    for name, value in re.findall(r'<th scope="row">([^<]+)</th><td>([^<]+)</td>', before):
        assert rows[name] == value  # over all texts as before
    vectors = lab.embedded(CORPUS, Design.parse("causal/mean")).vectors.astype(float)
    cosines = vectors @ vectors.T
    hits = []
    for i in A_TEXTS:
        near = [j for j in np.argsort(-cosines[i], kind="stable") if j != i][:10]
        kinds = [CORPUS.fields["kind"][j] for j in near]
        best = max(kinds.count(k) for k in kinds)
        hits.append(next(k for k in kinds if kinds.count(k) == best) == "a")
    assert rows["kNN accuracy, filtered texts"] == f"{100 * np.mean(hits):.1f}"
    pairs = [cosines[i, j] for i in A_TEXTS for j in A_TEXTS if i < j]
    assert rows["Mean cosine, filtered texts"] == f"{100 * np.mean(pairs):.1f}"
    assert "over 8 texts (kind = a), with neighbours among all texts" in quality


def test_another_corpus_ends_a_filter_with_a_word(visit: Visit, told: list[str]) -> None:
    visit.send(visit.map.map, "legend", hidden=[1, 2])
    sidebar = visit.work.sidebar
    visit.screen[sidebar.own] = CORPUS.only(range(20), "Twenty")
    visit.send(sidebar.corpus, "input")
    assert visit.kept is None and visit.line() == ""
    assert told == ["The filter on the texts before ended with them: kind = a."]
    # The same texts with another label are other texts for a filter, too.
    visit.send(visit.map.map, "legend", hidden=[1])
    visit.screen[sidebar.own] = Corpus(
        id=OWN, title="x", texts=visit.screen[sidebar.own].texts, fields={"half": ("x",) * 20}
    )
    visit.send(sidebar.corpus, "input")
    assert visit.kept is None and len(told) == 2


def test_values_of_other_texts_or_clusters_are_not_left_standing(visit: Visit, told) -> None:
    chooser, sidebar = visit.map.chooser, visit.work.sidebar
    visit.set(chooser.by, "cluster A")
    visit.screen[chooser.values] = [1]
    visit.set(sidebar.a.pooling, "eos")
    assert visit.screen[chooser.values] == [] and visit.screen[chooser.by] == "cluster A"
    visit.screen[chooser.by] = "label kind"  # as if the browser had not heard of it yet
    visit.screen[chooser.values] = [1]
    visit.send(chooser.only, "click")
    assert "These values are of other texts or clusters" in told[-1] and visit.kept is None
    visit.set(chooser.by, "label kind")
    bare = Corpus(id=OWN, title="Bare", texts=TEXTS)
    visit.screen[sidebar.own] = bare
    visit.send(sidebar.corpus, "input")
    assert visit.screen[chooser.by] == "letters"


def test_another_design_leaves_a_filter_as_it_was(visit: Visit) -> None:
    chooser = visit.map.chooser
    visit.set(chooser.by, "hubs A")
    visit.screen[chooser.low] = 10
    visit.send(chooser.only, "click")
    before = visit.kept
    assert "Hubness under A (causal/mean) at least 10" in visit.line()
    visit.set(visit.work.sidebar.a.pooling, "eos")
    assert visit.kept == before and "(causal/mean)" in visit.line()


def test_visitors_have_filters_and_selections_of_their_own(work: Workspace) -> None:
    one, other = Visit(work, "one"), Visit(work, "other")
    one.send(one.map.map, "legend", hidden=[1, 2])
    one.send(one.map.map, "lasso", indices=[0, 3])
    assert other.kept is None and other.remembered(other.map.marked) is None
    other.send(other.map.map, "legend", hidden=[0])
    assert len(one.kept.rows) == 8 and len(other.kept.rows) == 16
    assert one.remembered(one.map.marked).rows == (0, 3)


def select(visit: Visit, *rows: int) -> dict[Any, Any]:
    return visit.send(visit.map.map, "lasso", indices=list(rows))


def test_texts_are_selected_by_lasso_control_and_cluster(visit: Visit, told) -> None:
    panel, chooser = visit.map.panel, visit.map.chooser
    changed = select(visit, 7, 3, 3, 99, -1)
    assert visit.remembered(visit.map.marked).rows == (3, 7)
    assert "2 of 24 texts selected</strong>: marked on the map" in changed[panel.block]
    assert 'data-copy="d3\nd7"' in changed[panel.block]
    visit.set(chooser.by, "label kind")
    visit.screen[chooser.values] = [1]
    changed = visit.send(chooser.select, "click")
    rows = [i for i in range(N) if i % 3 == 1]
    assert changed[visit.map.map]["selection"]["lasso"] == rows
    assert "8 of 24 texts selected</strong>: kind = b" in changed[panel.block]
    visit.send(visit.map.map, "legend", hidden=[1])
    assert "texts selected" not in visit.screen[panel.block]  # hidden by the filter
    with pytest.raises(gr.Error, match="There is no text that the filter leaves with kind = b"):
        visit.send(chooser.select, "click")
    visit.send(visit.work.filter_lines["map"], "clear")
    assert "8 of 24 texts selected" in visit.screen[panel.block]  # and there again
    visit.send(visit.map.map, "legend", hidden=[0])
    visit.set(chooser.by, "shown")
    visit.send(chooser.select, "click")  # what the legend left
    marked = visit.remembered(visit.map.marked)
    assert marked.rows == visit.kept.rows and marked.words == "kind = b or c"
    visit.send(visit.work.filter_lines["map"], "clear")
    changed = visit.send(visit.map.map, "name_click", side="a", level=0, key=0)
    assert "cluster of A: " in changed[panel.block]
    changed = visit.send(panel.block, "deselect")
    assert changed[visit.map.map]["selection"]["lasso"] == [] and changed[panel.block] == ""


def test_what_is_done_with_nothing_selected_is_a_sentence(visit: Visit, told) -> None:
    block = visit.map.panel.block
    for event in ("only", "hide", "keep", "leave"):
        visit.send(block, event)
        assert "No text is selected" in told[-1]
    visit.send(block, "back")
    assert "There are no texts to go back to" in told[-1]
    for event in ("compare", "download"):
        with pytest.raises(gr.Error, match="No text is selected"):
            visit.send(block, event, kind="csv")
    select(visit, 1)
    with pytest.raises(gr.Error, match=r"None.* is not a kind of file"):
        visit.send(block, "download")


def test_selected_texts_are_shown_alone_or_hidden(visit: Visit) -> None:
    select(visit, *range(10))
    visit.send(visit.map.panel.block, "only")
    assert visit.kept.rows == tuple(range(10)) and "marked on the map" in visit.line()
    select(visit, 0, 1, 20)  # the last one is hidden already
    assert "2 of 24 texts selected" in visit.screen[visit.map.panel.block]
    visit.send(visit.map.panel.block, "hide")
    assert visit.kept.rows == tuple(range(2, 10))


def test_some_texts_become_a_corpus_and_the_way_back(visit: Visit, told) -> None:
    block, sidebar = visit.map.panel.block, visit.work.sidebar
    select(visit, 4, 6, 8)
    visit.send(block, "keep", name="My <three>")
    made = visit.screen[sidebar.own]
    assert made.texts == tuple(TEXTS[i] for i in (4, 6, 8)) and made.title == "My <three>"
    assert made.fields["kind"] == ("b", "a", "c") and made.columns["price"] == ("4", "6", "8")
    assert (
        visit.screen[sidebar.corpus] == OWN
        and "My &lt;three&gt;" in visit.screen[visit.work.status]
    )
    assert "Back to Own &lt;texts&gt;" in visit.screen[block]
    select(visit, 0)
    visit.send(block, "leave")
    assert visit.screen[sidebar.own].texts == (TEXTS[6], TEXTS[8])
    assert visit.screen[sidebar.own].title == "2 of My <three>"
    visit.send(block, "back")
    assert visit.screen[sidebar.own] is made
    visit.send(block, "back")
    assert visit.screen[sidebar.own] is CORPUS and "Back to" not in visit.screen[block]
    select(visit, *range(N))
    visit.send(block, "leave")
    assert told[-1] == "No text would be left; choose at least one."
    assert visit.screen[sidebar.own] is CORPUS


def test_two_selections_are_compared(visit: Visit, lab: Lab) -> None:
    block = visit.map.panel.block
    select(visit, 0, 3, 6)
    changed = visit.send(block, "compare")
    assert "Remembered: " in changed[block] and "Select others" in changed[block]
    changed = select(visit, 1, 4, 6)
    shown = str(changed[block])
    cells = dict(re.findall(r'<th scope="row">([^<]+)</th><td>([^<]+)</td>', shown))
    vectors = lab.embedded(CORPUS, Design.parse("causal/mean")).vectors.astype(float)
    between = [vectors[i] @ vectors[j] for i in (0, 3, 6) for j in (1, 4, 6) if i != j]
    assert cells["Between 1 and 2"] == f"{100 * np.mean(between):.1f}"
    within = [vectors[0] @ vectors[3], vectors[0] @ vectors[6], vectors[3] @ vectors[6]]
    assert cells["Within 1: 3 texts"] == f"{100 * np.mean(within):.1f}"
    assert (
        "in no pair with themselves: 1 text" in shown
        and "c-TF-IDF" in shown
        and "Cluster of A" in shown
    )
    changed = select(visit, 5)
    assert "there is nothing within 2" in changed[block]
    changed = visit.send(block, "forget")
    assert "Within 1" not in changed[block]


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_a_download_has_whole_texts_places_and_neighbours(visit: Visit, lab: Lab, kind) -> None:
    select(visit, 2, 5)
    file = visit.send(visit.map.panel.block, "download", kind=kind)[visit.map.file]
    assert file["name"] == f"texts.{kind}"
    data = base64.b64decode(file["bytes"])
    if kind == "csv":
        rows = [*csv.DictReader(io.StringIO(data.decode("utf-8-sig").partition("\n")[2]))]
        near = [row["nearest ids under A"].split() for row in rows]
    else:
        rows = (
            [json.loads(line) for line in data.decode().splitlines()]
            if kind == "jsonl"
            else pq.read_table(io.BytesIO(data)).to_pylist()
        )
        near = [row["nearest ids under A"] for row in rows]
    assert [row["text"] for row in rows] == [TEXTS[2], TEXTS[5]]
    assert [row["id"] for row in rows] == ["d2", "d5"] and [row["label"] for row in rows] == [
        "c",
        "c",
    ]
    vectors = lab.embedded(CORPUS, Design.parse("causal/mean")).vectors.astype(float)
    for i, ids in zip((2, 5), near, strict=True):
        order = [j for j in np.argsort(-(vectors @ vectors[i]), kind="stable") if j != i][:10]
        assert ids == [f"d{j}" for j in order]
    assert all(
        -1 <= float(row[f"{axis} under {d}"]) <= 1 for row in rows for axis in "xy" for d in "AB"
    )
    assert str(rows[0]["price"]) == "2" and rows[1]["price"] in ("", None)


def test_colours_follow_the_selected_text_and_the_query(visit: Visit) -> None:
    changed = visit.set(visit.map.field, "near A")
    assert "No text is selected" in changed[visit.map.map]["colouring"]["note"]
    changed = visit.send(visit.map.map, "point_click", index=4)
    colouring = changed[visit.map.map]["colouring"]
    numbers = np.frombuffer(base64.b64decode(colouring["numbers"]), "<f4")
    assert numbers.argmax() == 4 and numbers[4] == pytest.approx(100, abs=1e-3)
    changed = visit.set(visit.map.field, "query B")
    assert "There is no query yet" in changed[visit.map.map]["colouring"]["note"]
    changed = visit.send(visit.map.map, "find", query="w3 w4")
    assert "“w3 w4”" in changed[visit.map.map]["colouring"]["note"]
