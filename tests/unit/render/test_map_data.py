"""What the linked map is sent, decoded as a page does it, and the events that it sends back."""

from __future__ import annotations

import base64
import json
from types import SimpleNamespace

import numpy as np
import pytest
from support.scripts import SCRIPTS

from embedlab.analysis.colouring import by_categories, by_codes, by_numbers
from embedlab.errors import EmbedLabError
from embedlab.render.map_data import (
    SEARCHED_CHARACTERS,
    TOOLTIP_CHARACTERS,
    MapName,
    MapSide,
    map_colouring,
    map_found,
    map_frames,
    map_kept,
    map_names,
    map_place,
    map_points,
    map_settled,
    map_texts,
)
from embedlab.render.style import OTHER_COLOUR, PALETTE
from embedlab.ui.tabs.linked_map import (
    event_hidden,
    event_index,
    event_indices,
    event_side,
    map_update,
    selection,
)

HOSTILE = [*SCRIPTS, "a\x00b\ud800", "one\u2028two\n", "${1} {{x}}"]


def numbers(packed: str, kind: str) -> np.ndarray:
    return np.frombuffer(base64.b64decode(packed), kind)


def places(part) -> list[list[float]]:
    return numbers(part["xy"], "<f4").reshape(-1, 2).tolist()


def test_places_fill_the_square_and_keep_their_shape():
    a = map_place([[0.0, 0.0], [4.0, 1.0], [2.0, 2.0]], 3, "A")
    b = map_place([[1e-3, 0.0], [-1e-3, 0.0], [0.0, 5e-4]], 3, "B")
    assert places(a) == [[-1.0, -0.5], [1.0, 0.0], [0.0, 0.5]]
    assert places(b) == [[1.0, -0.25], [-1.0, -0.25], [0.0, 0.25]]
    again = map_place([[5.0, 5.0], [9.0, 6.0], [7.0, 7.0]], 3, "A")
    assert again == a and a["id"] != b["id"]  # the same places, moved
    assert places(map_place([[3.0, 3.0]], 1, "A")) == [[0.0, 0.0]]
    assert places(map_place(np.empty((0, 2)), 0, "A")) == []


@pytest.mark.parametrize(("xy", "message"), [([[1, 2]], "shape"), ([[np.nan, 1]] * 3, "Map B")])
def test_places_that_do_not_fit_are_refused(xy, message):
    with pytest.raises(EmbedLabError, match=message):
        map_place(xy, 3, "B")


def test_points_name_their_places():
    a = MapSide(title="causal/eos", place="p", key="1", layers=True)
    b = MapSide(title="bidirectional/mean", place="q", key="2")
    value = map_points(a=a, b=b, n=3, corpus="c", note="x\ny")
    assert (value["a"]["place"], value["b"]["place"], value["note"]) == ("p", "q", "x y")
    assert (value["a"]["layers"], value["b"]["layers"]) == (True, False)
    with pytest.raises(EmbedLabError, match="t-SNE"):
        map_points(a=a, b=b, n=3, method="t-SNE")


def test_what_travels_for_20_000_points_is_small():
    rng = np.random.default_rng(0)
    place = map_place(rng.normal(size=(20_000, 2)), 20_000, "A")
    colours = map_colouring(by_codes("k", rng.integers(0, 9, 20_000), [f"{i}" for i in range(9)]))
    marks = selection(7, range(10), range(10), n=20_000)
    sizes = [len(json.dumps(part)) for part in (place, colours, marks)]
    assert sizes[0] < 220_000 and sizes[1] < 120_000 and sizes[2] < 300


def test_texts_are_whole_until_they_are_many_characters():
    whole = map_texts(["one\ntwo", "", "x" * 500])
    assert whole == {"lines": "\n".join(["one two", "", "x" * 500]), "most": 0}
    n = 100
    cut = map_texts(["y" * (2 * SEARCHED_CHARACTERS // n)] * n)
    assert cut["most"] == SEARCHED_CHARACTERS // n > TOOLTIP_CHARACTERS
    assert {len(line) for line in cut["lines"].split("\n")} == {cut["most"]}


def test_hostile_texts_stay_one_line_each():
    sent = map_texts(HOSTILE)
    assert len(sent["lines"].split("\n")) == len(HOSTILE)
    colours = map_colouring(by_categories(HOSTILE[0], HOSTILE))
    names = map_names([MapName(text=text, at=0, size=1) for text in HOSTILE], n=1)
    json.dumps([sent, colours, names], ensure_ascii=False).encode("utf-8")


def test_categories_have_codes_counts_and_looks():
    sent = map_colouring(by_categories("sense", ["u", "v", "", "u"]), hidden={1, -1})
    assert numbers(sent["codes"], "<i4").tolist() == [0, 1, -1, 0]
    assert (sent["names"], sent["counts"], sent["hidden"]) == (["u", "v"], [1, 2, 1], [-1, 1])
    assert sent["styles"] == [(PALETTE[0], "circle"), (PALETTE[1], "circle")]
    assert "numbers" not in sent
    assert map_colouring(by_codes("", [-1, -1], ()))["other"] == PALETTE[0]


def test_of_many_categories_the_largest_look_like_no_other():
    codes = np.repeat(np.arange(50), np.arange(1, 51))  # the last is the largest
    styles = map_colouring(by_codes("k", codes, [str(i) for i in range(50)]))["styles"]
    own = [style for style in styles if style[0] != OTHER_COLOUR]
    assert len(own) == len(set(own)) == 32
    assert all(style[0] == OTHER_COLOUR for style in styles[:18])
    twelve = map_colouring(by_codes("k", np.arange(12), list("abcdefghijkl")))["styles"]
    assert len(set(twelve)) == 12


def test_an_outlier_is_not_the_scale_and_nan_is_counted():
    values = np.append(np.arange(100.0), [1e9, np.nan])
    sent = map_colouring(by_numbers("length", values))
    np.testing.assert_array_equal(numbers(sent["numbers"], "<f4"), values.astype("<f4"))
    assert (sent["low"], sent["high"]) == pytest.approx((2, 98))
    assert sent["beyond"] == [True, True] and sent["missing"] == 1 and "codes" not in sent
    same = map_colouring(by_numbers("same", [3.0, 3.0]))
    assert (same["low"], same["high"], same["beyond"]) == (3, 3, [False, False])
    none = map_colouring(by_numbers("none", [np.nan, np.nan]))
    assert (none["low"], none["high"], none["missing"]) == (0, 0, 2)
    rare = map_colouring(by_numbers("rare", [0.0] * 99 + [5.0]))
    assert (rare["low"], rare["high"], rare["beyond"]) == (0, 5, [False, False])


def test_names_filters_found_texts_and_frames():
    names = map_names([MapName(text="a name\n" * 9, at=2, size=3, level=1, key=4)], n=3)
    [own], none = names["a"], names["b"]
    assert none == [] and len(own["text"]) <= 48 and "\n" not in own["text"]
    assert {name: own[name] for name in ("at", "size", "level", "key")} == {
        "at": 2,
        "size": 3,
        "level": 1,
        "key": 4,
    }
    with pytest.raises(EmbedLabError, match="3 is not one of the 3"):
        map_names([MapName(text="x", at=3, size=1)], n=3)
    assert numbers(map_kept([True, False, True])["mask"], "|u1").tolist() == [1, 0, 1]
    assert map_kept(None) == {"mask": None}
    assert map_found("a\nb", [np.int64(1)], [2]) == {"query": "a b", "a": [1], "b": [2]}
    frames = np.linspace(-1, 1, 12, dtype=np.float32).reshape(2, 3, 2)
    sent = map_frames("a", "k", frames, ["", "mean cosine 9"], layer=1)
    decoded = numbers(sent["xy"], "<i2").reshape(2, 3, 2) / 32767
    np.testing.assert_allclose(decoded, frames, atol=2e-5)
    assert (sent["count"], sent["layer"]) == (2, 1)
    settled = map_settled("b", "k", 1, np.array([[0.0, 0.0], [2.0, 1.0]]), "UMAP")
    assert places(settled) == [[-1.0, -0.5], [1.0, 0.5]]


@pytest.mark.parametrize("changes", [{"selected": 3}, {"highlight_a": [-1]}, {"lasso": [0, 9]}])
def test_a_selection_outside_the_texts_is_refused(changes):
    with pytest.raises(EmbedLabError, match="is not one of the 3 texts"):
        selection(**changes, n=3)


def test_equal_parts_are_sent_as_different_updates():
    first, second = (map_update(selection=selection(1, [2], n=3))["selection"] for _ in range(2))
    assert first.pop("revision") != second.pop("revision")
    assert first == second
    assert "value" not in map_update(found=map_found("q", [], []))
    with pytest.raises(ValueError, match="colours"):
        map_update(colours={})


def event(**data) -> SimpleNamespace:
    return SimpleNamespace(_data=data)


@pytest.mark.parametrize("data", [None, [], "0", {}, {"index": None}, {"index": "1"}])
def test_events_without_an_index_are_empty(data):
    empty = SimpleNamespace(_data=data)
    assert event_index(empty, 3) is None
    assert event_indices(empty, 3) == event_hidden(empty, 3) == []
    assert event_side(empty) is None


def test_events_are_checked():
    indices = {index: event_index(event(index=index), 3) for index in (0, 2, 3, -1, 1.5, 10**30)}
    assert indices == {0: 0, 2: 2, 3: None, -1: None, 1.5: None, 10**30: None}
    assert event_index(event(index=True), 3) is None
    many = [2, 0, 2, 9, -1, "1", None, True, [1], 1.0]
    assert event_indices(event(indices=many), 3) == [0, 2]
    assert event_hidden(event(hidden=[*many, -2]), 3) == [-1, 0, 2]
    assert [event_side(event(side=side)) for side in ("a", "b", "c", 1)] == ["a", "b", None, None]
