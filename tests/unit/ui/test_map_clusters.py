"""The clusters below the maps, and the endpoint that gives them."""

from __future__ import annotations

import csv
import io
import json
import re
import types
from typing import Any

import numpy as np
import pytest
from support.labs import corpus_of, tiny_lab
from support.models import tiny_backbone, words
from support.tabs import tabs_of

from embedlab.analysis.clusters import Clustering, cluster
from embedlab.errors import EmbedLabError
from embedlab.lab import clusters as lab_clusters
from embedlab.lab.lab import Lab
from embedlab.models.design import Design
from embedlab.progress import no_progress
from embedlab.ui.api.clusters import clusters_endpoint
from embedlab.ui.shared.session import Values
from embedlab.ui.shared.view import Pair
from embedlab.ui.tabs.map_clusters import ClusterPanel

TEXTS = words(*([4, 9, 6] * 10), seed=5)


@pytest.fixture(scope="module")
def lab() -> Lab:
    lab, backbone = tiny_lab(), tiny_backbone(tied=True)  # tied: it can be read as an unembedding
    backbone.cache = lab.states
    lab.models.put("tiny", backbone)
    return lab


@pytest.fixture(scope="module")
def panel(lab: Lab) -> ClusterPanel:
    return tabs_of(lab)["map"].clusters


@pytest.fixture(scope="module")
def pair(lab: Lab) -> Pair:
    backbone = lab.backbone("tiny")
    texts = corpus_of(TEXTS)
    a, b = (lab.embedded(texts, Design.parse(d)) for d in ("causal/mean", "bidirectional/eos"))
    return Pair(("tiny", "tiny"), (backbone, backbone), texts, a, b, 0)


def shown(panel: ClusterPanel, pair: Pair, **changes: Any) -> tuple[Values, dict[Any, Any]]:
    values = {control: control.value for control in panel.inputs}
    values |= {getattr(panel, name): value for name, value in changes.items()}
    drawn = panel.show(pair, Values(values), no_progress)
    return Values(values | drawn), drawn


def pressed(panel: ClusterPanel, pair: Pair, values: Values, code: Any) -> tuple[list[int], str]:
    return panel.picked(pair, values, types.SimpleNamespace(_data={"index": code}), no_progress)


def test_a_press_on_a_cluster_or_a_stream_selects_its_texts(panel, pair) -> None:
    values, drawn = shown(panel, pair, k=4)
    a, b = (cluster(s.vectors, TEXTS, Clustering(k=4)) for s in (pair.a, pair.b))
    html = drawn[panel.flow]
    row = re.compile(
        r'data-index="(\d+)" title="Select these texts"><strong dir="auto">([^<]+)</strong> '
        r'<span class="num">(\d+)'
    )
    rows = row.findall(html)
    assert [name for _, name, _ in rows] == [*a.names, *b.names]
    for number, (code, name, size) in enumerate(rows):
        side, c = (a, number) if number < 4 else (b, number - 4)
        texts, what = pressed(panel, pair, values, int(code))
        assert texts == np.flatnonzero(side.labels == c).tolist() and len(texts) == int(size)
        assert what == f"{'A' if side is a else 'B'}: {name}"
    stream = re.compile(r'data-index="(\d+)" title="Select the texts that both[^>]*>(.) ([^<]+) <b')
    for code, arrow, _ in stream.findall(html):
        texts, what = pressed(panel, pair, values, int(code))
        [(i, j)] = {(a.labels[t], b.labels[t]) for t in texts}
        assert texts == np.flatnonzero((a.labels == i) & (b.labels == j)).tolist()
        assert what == f"A: {a.names[i]} and B: {b.names[j]}" and arrow in "→←⇄"
    for odd in (-1, 10**6, "1", None, 1.5, True):
        assert pressed(panel, pair, values, odd) == ([], "")


def test_moved_texts_say_from_where_to_where(lab, panel, pair) -> None:
    _, drawn = shown(panel, pair, k=5)
    flow = lab_clusters.flow(lab, pair.a, pair.b, Clustering(k=5))
    a, b = (lab_clusters.clusters(lab, s, Clustering(k=5)) for s in (pair.a, pair.b))
    found = re.findall(
        r'data-index="(\d+)"[^>]*>[^<]*</button>\s*<span class="muted">moved from <em dir="auto">'
        r'([^<]*)</em> to <em dir="auto">([^<]*)</em>',
        drawn[panel.moved],
    )
    assert [int(i) for i, *_ in found] == flow.moved.tolist()
    for i, source, goal in found:
        assert (source, goal) == (a.names[a.labels[int(i)]], b.names[b.labels[int(i)]])


def test_the_means_of_clusters_say_what_groups_do(lab, pair) -> None:
    from embedlab.lab.inside import key_tokens

    how = Clustering(k=3)
    spoken = lab_clusters.spoken_names(lab, pair.a, how)
    labels = lab_clusters.clusters(lab, pair.a, how).labels
    for c, name in enumerate(spoken):
        members = tuple(np.flatnonzero(labels == c).tolist())
        [tokens] = key_tokens(lab, pair.a, members, together=True)
        assert name.split(" · ") == [token.word for token in tokens[:3]]
    assert len(spoken) == 3
    head = lab.embedded(pair.corpus, Design.parse("M4"))
    assert lab_clusters.spoken_names(lab, head, how) == ()  # vectors that are no states


def test_controls_out_of_range_are_a_sentence(panel, pair) -> None:
    for change, words_ in (
        ({"k": 61}, "The number of clusters is 61; choose 0 to 60"),
        ({"least": 1, "method": "HDBSCAN"}, "A cluster of 1 texts was asked for"),
        ({"method": "Ward"}, "'Ward' is not a way to cluster"),
        ({"level": "finest"}, "'finest' is not a level of clusters"),
    ):
        with pytest.raises(EmbedLabError, match=words_):
            shown(panel, pair, **change)


def test_noise_is_shown_and_can_be_selected(panel, pair) -> None:
    values, drawn = shown(panel, pair, method="HDBSCAN", least=12)
    assert "in no cluster" in drawn[panel.flow]
    assert "texts are in no cluster" in drawn[panel.flow]
    code = int(
        re.findall(r'data-index="(\d+)"[^>]*><strong dir="auto">in no cl', drawn[panel.flow])[0]
    )
    texts, what = pressed(panel, pair, values, code)
    assert texts and what.endswith("in no cluster")


def test_a_saved_file_has_both_clusters_of_every_text(lab, panel, pair) -> None:
    values, _ = shown(panel, pair, k=6)
    _, header, *rows = csv.reader(io.StringIO(panel.table(pair, values, no_progress)))
    assert header == [
        *("row", "text", "cluster under A", "coarse cluster under A"),
        *("cluster under B", "coarse cluster under B"),
    ]
    a = lab_clusters.clusters(lab, pair.a, Clustering(k=6))
    assert [row[2] for row in rows] == [a.names[c] for c in a.labels]
    assert [row[3] for row in rows] == [a.coarse.names[c] for c in a.coarse.labels]


def test_the_endpoint_gives_a_cluster_a_text_and_names(lab) -> None:
    answer = clusters_endpoint(lab)("senses", "causal/mean", 6)
    json.dumps(answer)
    assert set(answer) == {
        *("corpus", "texts", "design", "method", "note", "labels", "clusters", "coarse"),
    }
    assert answer["texts"] == "160" and answer["method"] == "k-means, k = 6"
    for level in (answer, answer["coarse"]):
        for c, each in enumerate(level["clusters"]):
            assert each["size"] == level["labels"].count(c)
            assert level["labels"][each["medoid"]] == c
    for label, coarse in zip(answer["labels"], answer["coarse"]["labels"], strict=True):
        assert answer["clusters"][label]["parent"] == coarse
    assert (
        "clusters of 40 texts or more"
        in clusters_endpoint(lab)("senses", "M1", 40, "HDBSCAN")["method"]
    )
