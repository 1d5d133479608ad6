"""Corpora that are hard to show: one text, the same text, labels that cannot be scored."""

from __future__ import annotations

import base64
import csv
import io
import types
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.labs import tiny_lab
from support.models import words
from support.tabs import tabs_of

from embedlab.data.corpus import Corpus
from embedlab.data.readers import read_table
from embedlab.data.tables import table_to_corpus
from embedlab.errors import EmbedLabError
from embedlab.lab.lab import Lab
from embedlab.models.design import Design
from embedlab.progress import no_progress
from embedlab.ui.shared.session import Session, Values
from embedlab.ui.shared.sidebar import OWN
from embedlab.ui.shared.view import Pair
from embedlab.ui.tabs.inside.space import ShapePanel
from embedlab.ui.tabs.inside.tab import PANELS
from embedlab.ui.tabs.inside.tokens import MaskPanel
from embedlab.ui.tabs.map_lists import near

TEXTS = tuple(words(*range(3, 15)))


def corpus(texts: Sequence[str], labels: Sequence[str] = (), **more: Any) -> Corpus:
    fields = {"kind": tuple(labels)} if labels else {}
    return Corpus(id=OWN, title="Own", texts=tuple(texts), fields=fields, **more)


#: Forty messages of which six are different, of twenty authors.
CHAT = corpus([TEXTS[i % 6] for i in range(40)], [f"user{i // 2}" for i in range(40)])
PARTLY = corpus(TEXTS, [*"aaabbb", *[""] * 6])
ODD = {
    "one": corpus(TEXTS[:1]),
    "one labelled": corpus(TEXTS[:1], "a"),
    "two": corpus(TEXTS[:2], "ab"),
    "three": corpus(TEXTS[:3], "aab"),
    "identical": corpus(TEXTS[:1] * 12, "ab" * 6),
    "two identical": corpus(TEXTS[:1] * 2),
    "more labels than texts": CHAT,
    "one label": corpus(TEXTS, "a" * 12),
    "all labels different": corpus(TEXTS, "abcdefghijkl"),
    "no label filled in": corpus(TEXTS, [""] * 12),
    "partly labelled": PARTLY,
}


@pytest.fixture(scope="module")
def lab() -> Lab:
    return tiny_lab()


@pytest.fixture(scope="module")
def tabs(lab: Lab) -> dict[str, Any]:
    return tabs_of(lab)


def pair_of(tabs: dict[str, Any], texts: Corpus) -> Pair:
    sidebar = tabs["bench"].sidebar
    values = {
        sidebar.backbone: "tiny",
        sidebar.a.model: "",
        sidebar.b.model: "",
        sidebar.corpus: OWN,
        sidebar.own: texts,
        sidebar.sample: len(texts.texts),
        sidebar.seed: 0,
        **sidebar.a.set_to(Design.parse("causal/mean")),
        **sidebar.b.set_to(Design.parse("bidirectional/mean+centre")),
    }
    return tabs["bench"].pair(Values(values), no_progress)


def show(tab: Any, pair: Pair, changes: dict[Any, Any] | None = None) -> dict[Any, Any]:
    values = {component: component.value for component in tab.inputs}
    return tab.show(pair, Values(values | (changes or {})), no_progress)


def places(update: dict[str, Any], side: str) -> np.ndarray:
    """The points that the map is sent, (n, 2)."""
    data = base64.b64decode(update[f"place_{side}"]["xy"])
    return np.frombuffer(data, "<f4").reshape(-1, 2)


@pytest.mark.parametrize("kind", ODD)
def test_every_tab_shows_it(tabs: dict[str, Any], kind: str) -> None:
    pair = pair_of(tabs, ODD[kind])
    chart = tabs["map"]
    drawn = show(chart, pair)
    assert np.isfinite(places(drawn[chart.map], "a")).all()
    assert len(drawn[chart.map]["texts"]["lines"].split("\n")) == len(ODD[kind].texts)
    selected = show(chart, pair, {chart.selected: (pair.corpus.fingerprint, 0)})
    assert "selected-text" in selected[chart.neighbours]
    show(tabs["retrieve"], pair, {tabs["retrieve"].query: "w1 w2"})
    show(tabs["similarity"], pair)
    for panel in PANELS:
        if panel is not MaskPanel:  # shows what is typed, whatever the corpus
            show(tabs["inside"], pair, {tabs["inside"].panel: panel.id})


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("more labels than texts", "20 labels but only 6 different texts"),
        ("identical", "12 labelled texts are the same text"),
        ("one label", "12 labelled texts have the same label, &#x27;a&#x27;"),
        ("all labels different", "12 labels are different"),
        ("one labelled", "only one text has a label"),
        ("no label filled in", "no text has a label"),
    ],
)
def test_a_score_that_is_not_possible_says_why(
    tabs: dict[str, Any], kind: str, reason: str
) -> None:
    chart, texts = tabs["map"], ODD[kind]
    shown = show(chart, pair_of(tabs, texts))
    quality = shown[chart.quality]
    assert "<td>–</td>" in quality and reason in quality
    # Another label can still be chosen.
    fields = {**texts.fields, "half": tuple("ab"[i % 2] for i in range(len(texts.texts)))}
    both = Corpus(id=OWN, title="Own", texts=texts.texts, fields=fields)
    choices = show(chart, pair_of(tabs, both))[chart.field]["choices"]
    assert choices[:2] == [("kind", "label kind"), ("half", "label half")]


def test_unlabelled_texts_are_no_class_and_n_says_so(tabs: dict[str, Any]) -> None:
    chart = tabs["map"]
    quality = show(chart, pair_of(tabs, PARTLY))[chart.quality]
    assert "n = 12 texts, labels: kind (of 6 texts; unlabelled ones are no class)" in quality


def test_repeated_texts_share_a_place_and_are_counted(tabs: dict[str, Any]) -> None:
    chart = tabs["map"]
    shown = show(chart, pair_of(tabs, CHAT))
    for side in "ab":
        points = places(shown[chart.map], side).tolist()
        assert len({tuple(point) for point in points}) == 6 and points[0] == points[6]
    assert "34 of the 40 texts repeat earlier ones" in shown[chart.quality]
    assert "corpus.without_repetitions()" in shown[chart.code] and "(6, 32)" in shown[chart.code]


def test_too_few_texts_for_a_shape_are_a_sentence(tabs: dict[str, Any]) -> None:
    panel = next(p for p in tabs["inside"].panels if isinstance(p, ShapePanel))
    assert "at least three texts" in show(panel, pair_of(tabs, ODD["two"]))[panel.table]
    assert "are the same" in show(panel, pair_of(tabs, ODD["identical"]))[panel.table]


def saved(tabs: dict[str, Any], handler: str, texts: Corpus, **remembered: Any) -> dict[str, Any]:
    """The file that a press on CSV saves."""
    chart, pair = tabs["map"], pair_of(tabs, texts)
    drawn = show(chart, pair)
    values = {component: component.value for component in chart.inputs}
    values |= {chart.field: drawn[chart.field]["value"], chart.drawn: drawn[chart.drawn]}
    for name, value in remembered.items():
        values[getattr(chart, name)] = (pair.corpus.fingerprint, value)
    event = types.SimpleNamespace(_data={})
    return getattr(chart, handler)(pair, Values(values), event, no_progress)[chart.file]


HARD = ("=1+1 is two", "'@quoted", "-dash\nand a second line", "+plus, comma", 'a "quote"', "#hash")


@pytest.mark.parametrize(
    ("handler", "remembered", "expected"),
    [
        ("_save_map", {}, [*range(18)]),
        ("_save_list", {"selected": 12}, None),
    ],
)
def test_a_saved_file_reads_back_as_the_corpus(
    tabs: dict[str, Any],
    tmp_path: Path,
    handler: str,
    remembered: dict[str, Any],
    expected: list[int] | None,
) -> None:
    texts = corpus(
        [*TEXTS, *HARD],
        [*"abc" * 5, "", "c", "a"],
        ids=tuple(f"doc {i}" for i in range(18)),
        rows=tuple(range(10, 28)),
    )
    file = saved(tabs, handler, texts, **remembered)
    about, header, *rows = csv.reader(io.StringIO(file["text"]))
    assert about[0].startswith("# ") and "causal/mean" in about[0]
    assert header[:4] == ["row", "id", "text", "label"]
    assert not any(cell.startswith(("=", "+", "@")) for row in rows for cell in row)
    path = tmp_path / file["name"]
    path.write_text(file["text"].partition("\n")[2], encoding="utf-8-sig", newline="")
    found = table_to_corpus(read_table(path))
    chosen = expected if expected is not None else [texts.texts.index(t) for t in found.texts]
    assert found.texts == tuple(texts.texts[i] for i in chosen)
    assert found.ids == tuple(texts.ids[i] for i in chosen)
    assert found.labels == tuple(texts.fields["kind"][i] for i in chosen)
    assert [int(row[0]) for row in rows] == [texts.rows[i] for i in chosen]
    if expected is None:
        pair = pair_of(tabs, texts)
        nearest = {i for ids in near(tabs["map"].lab, pair, 12) for i in ids}
        assert chosen[0] == 12 and set(chosen) == {12, *nearest}


def test_own_texts_of_another_process_have_to_be_loaded_again(lab: Lab, tabs) -> None:
    sidebar, session = tabs["bench"].sidebar, Session()
    session.choices.arrive({sidebar.corpus: OWN}, seen=7)
    assert session.choices.forgot
    values = {sidebar.corpus: OWN, sidebar.own: None}
    with pytest.raises(EmbedLabError, match="loaded again: the server was restarted"):
        sidebar.whole(Values({**values, sidebar.forgot: True}), no_progress)
    with pytest.raises(EmbedLabError, match="not given any texts yet"):
        sidebar.whole(Values(values), no_progress)
    # What the server sets from now on is confirmed by numbers that the page has not seen yet.
    session.choices.settle(1, {sidebar.sample: 5})
    revision = object()
    assert session.choices.answer(revision)[revision] == 8
