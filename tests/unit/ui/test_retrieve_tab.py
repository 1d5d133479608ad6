"""The Retrieve tab without the page: what differs, judgements by hand, and every preset."""

from __future__ import annotations

import base64
import types
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support.labs import corpus_of, tiny_lab
from support.models import words
from support.tabs import tabs_of

from embedlab.data.corpus import Corpus
from embedlab.errors import EmbedLabError
from embedlab.models.design import PRESET_GROUPS, Design
from embedlab.progress import no_progress
from embedlab.ui.shared.session import Change, Remembered, Session, Values
from embedlab.ui.shared.sidebar import OWN

CORPUS = replace(
    corpus_of(words(*([5, 9, 3, 12] * 5), seed=5)),
    queries=tuple(words(4, 5, 6, seed=9)),
    relevant=(frozenset({1, 7}), frozenset({3}), frozenset({4})),
)


@pytest.fixture(scope="module")
def tabs() -> dict[str, Any]:
    return tabs_of(tiny_lab())


def shown(tabs: dict[str, Any], corpus: Corpus = CORPUS, **changes: Any) -> dict[Any, Any]:
    sidebar, tab = tabs["bench"].sidebar, tabs["retrieve"]
    values = {
        sidebar.backbone: "tiny",
        sidebar.a.model: "",
        sidebar.b.model: "",
        sidebar.corpus: OWN,
        sidebar.own: corpus,
        sidebar.sample: 20,
        sidebar.seed: 0,
        **sidebar.a.set_to(Design.parse("causal/eos")),
        **sidebar.b.set_to(Design.parse("bidirectional/mean")),
    }
    pair = tabs["bench"].pair(values, no_progress)
    controls = {tab.query: "", tab.k: 5, tab.everywhere: False}
    named = {getattr(tab, name): value for name, value in changes.items()}
    return tab.show(pair, Values(controls | named), no_progress)


def press(tabs: dict[str, Any], view: dict[Any, Any], **data: Any) -> dict[Any, Any]:
    """What a press on one of the lists does after this view."""
    tab = tabs["retrieve"]
    remembered = {key: value for key, value in view.items() if isinstance(key, Remembered)}
    return tab._judge(Values(remembered), no_progress, types.SimpleNamespace(_data=data))


def test_what_differs_is_what_one_list_alone_has(tabs: dict[str, Any]) -> None:
    tab = tabs["retrieve"]
    view = shown(tabs, k=15)
    lists, differs = view[tab.lists], view[tab.differs]
    both = lists.split('class="design-b"')
    found = [{text for text in CORPUS.texts if f">{text}" in part} for part in both]
    assert [len(each) for each in found] == [15, 15]
    assert f"Of 15 texts each, {len(found[0] & found[1])} " in differs
    only = differs.split('class="design-b"')
    for part, texts in zip(only, (found[0] - found[1], found[1] - found[0]), strict=True):
        assert {text for text in CORPUS.texts if f">{text}" in part} == texts


def test_a_judgement_by_hand_changes_the_scores_of_its_query(tabs: dict[str, Any]) -> None:
    tab = tabs["retrieve"]
    view = shown(tabs, query="w1 w2 w3")
    assert "mark some with ✓" in view[tab.this_query] and "3 queries" in view[tab.scores]
    index = next(iter(view[tab.listed][1]))
    update = press(tabs, view, index=index, grade=1)
    session = Session()
    session.remember(update)
    marks = session.values({})[tab.marks]
    assert marks == {"w1 w2 w3": {CORPUS.texts[index]: 1}}
    after = shown(tabs, query="w1 w2 w3", marks=marks)
    assert "1 of 20 texts known to be relevant, 1 judged by hand" in after[tab.this_query]
    assert "4 queries" in after[tab.scores]
    assert 'data-grade="1" aria-pressed="true"' in after[tab.lists]
    assert "w1 w2 w3" in after[tab.order]
    session.remember(press(tabs, after, index=index, grade=1))
    assert session.values({})[tab.marks] == {}


def test_two_judgements_at_a_time_are_both_kept() -> None:
    session, marks = Session(), Remembered({})
    first, second = (Change(lambda old, k=key: old | {k: 1}) for key in "ab")
    session.remember({marks: first})
    session.remember({marks: second})
    assert session.values({})[marks] == {"a": 1, "b": 1} and marks.default == {}


@pytest.mark.parametrize(
    "data", [{}, {"index": 99, "grade": 1}, {"index": "0", "grade": 1}, {"index": 0, "grade": 7}]
)
def test_a_press_that_nobody_can_make_changes_nothing(tabs: dict[str, Any], data: dict) -> None:
    assert press(tabs, shown(tabs), **data) == {}


def test_judgements_are_saved_and_loaded(tabs: dict[str, Any], tmp_path: Path) -> None:
    tab, sidebar = tabs["retrieve"], tabs["bench"].sidebar
    marks = {CORPUS.queries[0]: {CORPUS.texts[2]: 1.0}}
    pair = types.SimpleNamespace(corpus=CORPUS)
    saved = tab._save(pair, Values({tab.marks: marks}), None, no_progress)[tab.file]
    path = tmp_path / saved["name"]
    path.write_bytes(base64.b64decode(saved["bytes"]))
    values = Values({tab.load: str(path), sidebar.corpus: OWN, sidebar.own: CORPUS})
    session = Session()
    session.remember(tab._load(values, no_progress, None))
    assert session.values({})[tab.marks] == marks
    path.write_text("q\td\t1\n")
    with pytest.raises(EmbedLabError, match="0 of 1 judgements were read"):
        tab._load(values, no_progress, None)
    with pytest.raises(EmbedLabError, match="no judgement to save"):
        tab._save(types.SimpleNamespace(corpus=corpus_of("ab")), Values(), None, no_progress)


def test_all_presets_answer_in_one_table(tabs: dict[str, Any]) -> None:
    tab = tabs["retrieve"]
    assert shown(tabs)[tab.table] == ""
    table = shown(tabs, everywhere=True)[tab.table]
    for group in PRESET_GROUPS.values():
        for name in group:
            assert f'title="{name}"' in table or f">{name}: " in table.replace(
                '<p class="note"', ""
            )
    assert "nDCG@10 of this query" in table


def test_the_wins_lead_to_their_queries(tabs: dict[str, Any]) -> None:
    tab = tabs["retrieve"]
    view = shown(tabs)
    assert sorted(view[tab.order]) == sorted(CORPUS.queries)
    values = Values({tab.order: view[tab.order]})
    for data, query in (({"index": 2}, 2), ({"curve": 0, "x": 1, "y": 0.5}, 0)):
        event = types.SimpleNamespace(_data=data)
        assert tab._pick(values, no_progress, event) == {tab.query: view[tab.order][query]}
    assert tab._pick(values, no_progress, types.SimpleNamespace(_data={"index": 3})) == {}
    bare = shown(tabs, corpus_of(CORPUS.texts), query="w1")
    assert bare[tab.bars] is None and bare[tab.won] == ""


def test_how_a_side_with_many_texts_is_searched_stands_above_the_lists(monkeypatch) -> None:
    from embedlab.analysis import index

    tabs = tabs_of(tiny_lab())
    tab = tabs["retrieve"]
    assert "approximate search" not in shown(tabs)[tab.lists]
    monkeypatch.setattr(index, "EXACT_UP_TO", 10)
    monkeypatch.setattr(index, "AIM", 0.0)
    view = shown(tabs)[tab.lists]
    assert "A: approximate search among 20 vectors" in view
    assert "B: approximate search among 20 vectors" in view and "recall@10" in view
