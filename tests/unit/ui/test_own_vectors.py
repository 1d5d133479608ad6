"""Vectors from a file on the page: given, shown under every tab, and nobody else's."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.labs import corpus_of, tiny_lab
from support.models import words
from support.tabs import tabs_of

from embedlab.analysis.clusters import Clustering
from embedlab.data.corpus import Corpus
from embedlab.errors import EmbedLabError
from embedlab.models.design import Design
from embedlab.progress import no_progress
from embedlab.ui.shared import code
from embedlab.ui.shared.session import Session, Values, set_values
from embedlab.ui.shared.sidebar import OWN, Sidebar
from embedlab.ui.tabs.inside.tab import PANELS

CORPUS = replace(
    corpus_of(words(*([5, 9, 3, 12] * 6), seed=3)),
    fields={"kind": tuple(str(i % 3) for i in range(24))},
    queries=("w1 w2", "w3"),
    relevant=(frozenset({1, 7}), frozenset({3})),
)
ROWS = np.random.default_rng(0).normal(size=(24, 6)).astype(np.float32)


@pytest.fixture(scope="module")
def tabs() -> dict[str, Any]:
    return tabs_of(tiny_lab())


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "other.npy"
    np.save(path, ROWS)
    return path


def controls(sidebar: Sidebar, corpus: Corpus = CORPUS) -> dict[Any, Any]:
    return {
        sidebar.backbone: "tiny",
        sidebar.a.model: "",
        sidebar.b.model: "",
        sidebar.corpus: OWN,
        sidebar.own: corpus,
        sidebar.sample: len(corpus.texts),
        sidebar.seed: 0,
        **sidebar.a.set_to(Design.parse("causal/mean")),
        **sidebar.b.set_to(Design.parse("bidirectional/mean")),
    }


def give(sidebar: Sidebar, session: Session, file: Path, **more: str) -> dict[Any, Any]:
    """Upload a file and press the button; what the controls say then."""
    panel = sidebar.own_texts.vectors
    for upload, column, place, path in (
        (panel.file, panel.column, panel.of_texts, file),
        (panel.queries, panel.queries_column, panel.of_queries, more.get("queries")),
    ):
        if path:
            read = panel._reader(upload, column, place)
            session.remember(read(Values({upload: str(path), column: None}), no_progress))
    values = session.values(controls(sidebar) | {panel.name: more.get("name", "")})
    updates = session.remember(sidebar._use_vectors(values, no_progress, None))
    return controls(sidebar) | set_values(updates)


def test_uploaded_vectors_are_design_b_and_stay_in_their_session(tabs, file) -> None:
    sidebar, session = tabs["bench"].sidebar, Session()
    after = give(sidebar, session, file)
    assert after[sidebar.b.preset] == "file: other"
    pair = tabs["bench"].pair(session.values(after), no_progress)
    assert pair.names == ("tiny-llama · causal/mean", "file: other")
    lengths = np.linalg.norm(ROWS, axis=1, keepdims=True)
    np.testing.assert_allclose(pair.b.vectors, ROWS / lengths, atol=1e-6)
    with pytest.raises(EmbedLabError, match="has no vectors of the name 'file: other'"):
        tabs["bench"].pair(Session().values(after), no_progress)
    other = session.values(after | {sidebar.own: corpus_of(CORPUS.texts[:5])})
    with pytest.raises(EmbedLabError, match="has no vectors of the name"):
        tabs["bench"].pair(other, no_progress)


def test_another_corpus_offers_other_vectors(tabs, file) -> None:
    sidebar, session = tabs["bench"].sidebar, Session()
    after = give(sidebar, session, file)
    there = session.values(after | {sidebar.own: corpus_of(["w1", "w2"])})
    updates = sidebar.follow({sidebar.own}, there, no_progress)
    assert updates.keys() <= sidebar.followers({sidebar.own}, there)
    preset = updates[sidebar.b.preset]
    assert preset["value"] == "bidirectional/mean"
    assert not any(value.startswith("file: ") for _, value in preset["choices"])
    back = sidebar.follow({sidebar.own}, session.values(after), no_progress)
    assert ("file: other", "file: other") in back[sidebar.a.preset]["choices"]
    # The design's other controls lead back to designs of the backbone.
    changed = session.values(after | {sidebar.b.pooling: "weighted_mean"})
    assert sidebar.follow({sidebar.b.pooling}, changed, no_progress)[sidebar.b.preset] == "custom"
    updates = sidebar.follow({sidebar.b.preset}, session.values(after), no_progress)
    assert set(updates) == {sidebar.b.weights}
    assert updates[sidebar.b.weights]["info"].startswith("Vectors from a file")


def test_every_tab_shows_vectors_or_says_why_not(tabs, file, tmp_path) -> None:
    sidebar, session = tabs["bench"].sidebar, Session()
    after = give(sidebar, session, file)
    pair = tabs["bench"].pair(session.values(after), no_progress)

    def show(tab: str, **changes: Any) -> dict[Any, Any]:
        view = tabs[tab]
        values = {c: c.value for c in view.inputs}
        named = {getattr(view, name): value for name, value in changes.items()}
        return view.show(pair, Values(values | named), no_progress)

    assert "file: other" in str(show("map"))
    assert show("similarity")[tabs["similarity"].heat_b] is not None
    retrieve, inside = tabs["retrieve"], tabs["inside"]
    view = show("retrieve", query="w1 w2")
    assert "no vector of the query" in view[retrieve.lists]
    assert view[retrieve.lists].count('class="ranked-list"') == 1
    assert "B: file: other has no vector of 2 of 2 queries" in view[retrieve.scores].replace(
        "&#58;", ":"
    )
    for panel in PANELS:
        shown = show("inside", panel=panel.id)
        why, group = inside.places[panel.id]
        refused = panel.id != "shape"
        assert ("vectors from a file" in shown[why]) == refused
        assert shown[group]["visible"] != refused
    for name in ("map", "retrieve", "similarity"):
        text = code.view_code(
            pair, name, query="w1", n_neighbors=15, min_dist=0.1, clustering=Clustering()
        )
        compile(text, "shown", "exec")
        assert "np.load(" in text and "design_b" not in text

    asked = tmp_path / "asked.npy"
    np.save(asked, ROWS[:2])
    pair = tabs["bench"].pair(
        session.values(give(sidebar, session, file, queries=str(asked))), no_progress
    )
    view = show("retrieve", query="w1 w2")
    assert view[retrieve.lists].count('class="ranked-list"') == 2
    assert "2 queries" in view[retrieve.scores]


def test_vectors_that_do_not_fit_are_refused_and_nothing_is_lost(tabs, file, tmp_path) -> None:
    sidebar, session = tabs["bench"].sidebar, Session()
    values = session.values(controls(sidebar))
    with pytest.raises(EmbedLabError, match="There are no vectors yet"):
        sidebar._use_vectors(values, no_progress, None)
    give(sidebar, session, file)
    short = tmp_path / "short.npy"
    np.save(short, ROWS[:20])
    with pytest.raises(EmbedLabError, match="has 20 vectors for 24 texts"):
        give(sidebar, session, short)
    assert list(session.values({})[sidebar.vectors][CORPUS.fingerprint]) == ["other"]
    give(sidebar, session, file, name="again")
    assert list(session.values({})[sidebar.vectors][CORPUS.fingerprint]) == ["other", "again"]


def test_a_visitors_vectors_are_bounded_together(tmp_path) -> None:
    sidebar = tabs_of(tiny_lab(max_prepared_mb=1))["bench"].sidebar
    session, path = Session(), tmp_path / "wide.npy"
    np.save(path, np.ones((24, 6000), np.int8))
    give(sidebar, session, path, name="first")
    with pytest.raises(EmbedLabError, match="more than 1 MB together"):
        give(sidebar, session, path, name="second")
    give(sidebar, session, path, name="first")  # takes its own place
