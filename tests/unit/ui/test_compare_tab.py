"""The Compare tab: rows that arrive, what a row's buttons do, and other texts chosen meanwhile."""

from __future__ import annotations

import csv
import io
import types
from dataclasses import replace
from typing import Any

import pytest
from support.labs import corpus_of, tiny_lab
from support.models import words
from support.tabs import tabs_of

from embedlab.analysis.contestants import KINDS
from embedlab.analysis.filtering import Condition, TextFilter
from embedlab.data.corpus import Corpus
from embedlab.errors import Cancelled
from embedlab.models.design import Design
from embedlab.progress import no_progress
from embedlab.text import escape
from embedlab.ui.shared.session import Session, Values
from embedlab.ui.shared.sidebar import OWN

TEXTS = tuple(words(*range(3, 23)))
CORPUS = Corpus(
    id=OWN,
    title="<b>Words</b> ${x}",
    texts=TEXTS,
    fields={"kind": tuple(f"<i>{i % 2}" for i in range(20)), "side": ("a", "b") * 10},
)


@pytest.fixture(scope="module")
def tabs() -> dict[str, Any]:
    return tabs_of(tiny_lab())


@pytest.fixture
def tab(tabs):
    return tabs["compare"]


class Page:
    """A session with the tab open."""

    def __init__(self, tabs: dict[str, Any], corpus: Corpus = CORPUS) -> None:
        self.tab, self.bench, self.session = tabs["compare"], tabs["bench"], Session()
        self.values = {c: c.value for c in self.tab.inputs}
        self.screen: dict[Any, Any] = {}
        self.open(corpus)

    def open(self, corpus: Corpus, a: str = "causal/eos", b: str = "bidirectional/mean") -> None:
        sidebar = self.bench.sidebar
        values = {
            sidebar.backbone: "tiny",
            sidebar.a.model: "",
            sidebar.b.model: "",
            sidebar.corpus: OWN,
            sidebar.own: corpus,
            sidebar.sample: 50,
            sidebar.seed: 0,
            **sidebar.a.set_to(Design.parse(a)),
            **sidebar.b.set_to(Design.parse(b)),
        }
        pair = self.bench.pair(Values(values), no_progress)
        now = self.session.values(self.values | values)
        self.take(self.tab.show(pair, now, no_progress))

    def take(self, updates: dict[Any, Any]) -> None:
        self.screen |= self.session.remember(updates)

    def compare(self, kinds=("presets",), progress=no_progress):
        inputs = {**self.values, self.tab.kinds: list(kinds), self.tab.trainings.run_ids: []}
        for updates in self.tab._compare(self.session, inputs, progress):
            self.take(updates)
            yield self.html("table")

    def html(self, name: str) -> str:
        return str(self.screen[getattr(self.tab, name)])


def test_rows_arrive_and_the_answer_follows(tabs, tab):
    page = Page(tabs)
    assert "press &#x27;Compare all designs&#x27;" in page.html("answer").replace("&#39;", "&#x27;")
    assert not page.screen[tab.more]["visible"]
    tables = list(page.compare())
    counts = [table.count("<tr") - 1 for table in tables]
    assert (counts[0], counts[-1], len(counts)) == (1, 12, 15)
    assert counts == sorted(counts)
    # The tiny model has no unembedding, which two presets need.
    assert "Not in the table: 2" in page.html("state")
    assert page.screen[tab.more]["visible"]
    assert "For these 20 texts take" in page.html("answer")
    assert len(page.screen[tab.maps]["maps"]) == 9
    assert page.screen[tab.matrix]["figure"]["data"][0]["type"] == "heatmap"
    assert page.screen[tab.by]["choices"] == [
        ("kNN accuracy", "knn_accuracy"),
        ("V-measure", "v_measure"),
    ]
    assert page.screen[tab.field]["choices"] == ["kind", "side"]


def test_while_rows_are_missing_it_says_so_far_and_tests_nothing(tabs):
    page = Page(tabs)
    tables = page.compare()
    for _ in range(3):
        table = next(tables)
    assert page.html("answer").count("So far:") == 1
    assert "separable" not in table and "data-get" not in table
    tables.close()


def test_what_a_visitor_wrote_is_inert(tabs, tab):
    page = Page(tabs)
    *_, table = page.compare(["presets", "steps"])
    for text in (table, page.html("state"), page.html("answer"), page.html("table")):
        assert "<b>Words" not in text and "<i>" not in text.replace("<i style", "")
    assert escape("<b>Words</b> ${x}") in table
    assert page.screen[tab.maps]["names"] == ["<i>0", "<i>1"]  # set as textContent


def test_a_row_becomes_a_or_b_and_the_table_stays(tabs, tab):
    page = Page(tabs)
    list(page.compare())
    event = types.SimpleNamespace(_data={"name": "causal/mean", "side": "B"})
    now = page.session.values(page.values)
    updates = tab._pick(now, no_progress, event)
    panel = page.bench.sidebar.b
    assert updates[panel.pooling] == "mean" and updates[panel.attention] == "causal"
    assert updates[panel.model] == "" and set(updates) <= set(panel.controls)
    page.open(CORPUS, b="causal/mean")
    rows = page.html("table").split("<tr")
    row = next(r for r in rows if 'data-name="causal/mean"' in r)
    assert '<span class="chip chip-b">B</span>' in row
    assert page.screen[tab.more]["visible"]
    for data in ({}, {"name": "no/such", "side": "A"}, {"name": "causal/mean", "side": "C"}, [1]):
        assert tab._pick(now, no_progress, types.SimpleNamespace(_data=data)) == {}


def test_other_texts_chosen_meanwhile_win(tabs, tab):
    page = Page(tabs)
    tables = page.compare()
    next(tables)
    other = corpus_of([*TEXTS[:15], "w1 w2 w3"])
    page.open(other)
    assert page.html("table") == ""
    # The computation ends, and what it shows last is the other corpus's empty table.
    assert list(tables) == [""]
    page.open(CORPUS)
    assert page.html("table").count("<tr") == 2  # what was there is still there
    relabelled = replace(CORPUS, fields={"kind": CORPUS.fields["side"]})
    page.open(relabelled)
    assert page.html("table") == ""


def test_a_measure_chosen_meanwhile_holds(tabs, tab):
    page = Page(tabs)
    tables = page.compare()
    next(tables)
    page.session.choices.arrive({**page.values, tab.by: "v_measure"}, 0)
    list(tables)
    assert page.screen[tab.by]["value"] == "v_measure"
    page = Page(tabs)
    tables = page.compare()
    next(tables)
    page.session.choices.arrive({**page.values, tab.field: "side"}, 0)
    assert list(tables) == [""]  # with other labels it is another table


def test_stop_leaves_the_rows_and_says_how_to_go_on(tabs):
    page, calls = Page(tabs, corpus_of(words(*range(4, 30), seed=9))), []

    def progress(done, total, what):
        calls.append(what)
        if what.startswith("4 of"):
            raise Cancelled

    tables = list(page.compare(progress=progress))
    assert tables[-1].count("<tr") - 1 == 4
    assert "Compare again to go on" in page.html("state")
    assert any("0 of 14 rows" in what for what in calls)


def test_unlabelled_texts_get_a_proposal_that_says_what_it_is(tabs, tab):
    page = Page(tabs, corpus_of(words(*range(3, 30), seed=2)))
    list(page.compare())
    assert "proposal and no result" in page.html("answer")
    assert 'class="answer weak"' in page.html("answer")
    assert not page.screen[tab.by]["visible"]


def test_the_chosen_designs_are_mapped_and_ranked_by_the_chosen_measure(tabs, tab):
    page = Page(tabs)
    page.values |= {tab.mapped: ["causal/mean", "no/such"], tab.by: "v_measure"}
    list(page.compare())
    assert [each["title"] for each in page.screen[tab.maps]["maps"]] == ["causal/mean"]
    assert page.screen[tab.by]["value"] == "v_measure"
    head = page.html("table").partition("</thead>")[0]
    assert head.index("V-measure") < head.index("kNN accuracy")
    assert "no paired test" in page.html("answer")


def test_the_saved_table_has_every_number(tabs, tab):
    page = Page(tabs)
    list(page.compare(["presets", "steps"]))
    pair = page.bench.embedded(page.session.values({})[tab.shown], no_progress)
    values = page.session.values(page.values)
    saved = tab._save(pair, values, None, no_progress)[tab.file]
    lines = saved["text"].splitlines()
    assert lines[0].lstrip('"').startswith("# kNN accuracy, n = 20 texts")
    rows = list(csv.DictReader(io.StringIO("\n".join(lines[1:]))))
    table = page.session.values({})[tab.result]
    assert len(rows) == len(table.rows) == 18
    by_name = {row.name: row for row in table.rows}
    for row in rows:
        score = by_name[row["design"]].scores["knn_accuracy"]
        assert float(row["knn_accuracy"]) == pytest.approx(score.score)
        assert float(row["knn_accuracy low"]) == pytest.approx(score.low)
        assert int(row["passes"]) == by_name[row["design"]].cost.passes


def test_a_filter_holds_for_the_small_maps(tabs, tab):
    page = Page(tabs)
    list(page.compare())
    choice = page.session.values({})[tab.shown]
    some = (1, 4, 9)
    kept = TextFilter(
        corpus_key=choice.corpus.key,
        n=20,
        conditions=(Condition(what="some", words="some", rows=some),),
    )
    now = page.session.values(page.values | {tab.shown: replace(choice, kept=kept)})
    drawn = tab._screen(now, no_progress)[tab.maps]
    assert drawn["texts"] == [TEXTS[i] for i in some]
    assert drawn["categories"] == [1, 0, 1]
    whole = page.screen[tab.maps]["maps"][0]["xy"]
    assert drawn["maps"][0]["xy"] == [whole[i] for i in some]


def test_all_kinds_are_offered(tab):
    assert [value for _, value in tab.kinds.choices] == list(KINDS)
