"""The colourings of a view against what a loop over texts and vectors gives."""

from __future__ import annotations

import numpy as np
import pytest
from support.labs import tiny_lab
from support.models import tiny_backbone, words

from embedlab import embed
from embedlab.analysis.clusters import COARSE, Clustering
from embedlab.analysis.comparison import Embedded
from embedlab.data.corpus import Corpus
from embedlab.errors import EmbedLabError
from embedlab.lab import clusters, colourings
from embedlab.lab.colourings import Context, colouring, offered
from embedlab.lab.lab import Lab
from embedlab.models.design import Design

LENGTHS = [*range(2, 26), 100, 90]  # the last two are longer than the tiny model reads
TEXTS = tuple(words(*LENGTHS, seed=1))
N = len(TEXTS)
CORPUS = Corpus(
    id="own",
    title="Own",
    texts=TEXTS,
    fields={
        "kind": tuple("abc"[i % 3] for i in range(N)),
        "stars": tuple(str(1 + i % 5) for i in range(N)),
    },
    columns={
        "price": tuple("" if i == 3 else f"{i}.5" for i in range(N)),
        "team": tuple(["red", "blue"][i % 2] for i in range(N)),
        "remark": tuple(f"remark {i}" for i in range(N)),
    },
)


@pytest.fixture(scope="module")
def lab() -> Lab:
    return tiny_lab()


@pytest.fixture(scope="module")
def sides(lab: Lab) -> tuple[Embedded, Embedded]:
    a, b = (lab.embedded(CORPUS, Design.parse(d)) for d in ("causal/mean", "bidirectional/eos"))
    return a, b


def ten_nearest(side: Embedded, index: int) -> list[int]:
    """By comparing with every other text."""
    cosines = [
        (-float(side.vectors[index].astype(float) @ v.astype(float)), i)
        for i, v in enumerate(side.vectors)
    ]
    return [i for _, i in sorted(cosines) if i != index][:10]


def test_what_a_corpus_offers(lab, sides) -> None:
    keys = list(offered(lab, *sides))
    assert keys[:4] == ["label kind", "label stars", "cluster A", "cluster B"]
    assert keys[4:7] == ["numbers stars", "column price", "column team"]  # remark groups nothing
    assert {"tokens", "cut", "overlap", "hubs A", "near B", "query A"} <= set(keys)
    for key in keys:
        found = colouring(lab, key, *sides, Context(selected=1, query="w1 w2"))
        assert len(found) == N and found.title == offered(lab, *sides)[key]
    with pytest.raises(EmbedLabError, match="'column colour'"):
        colouring(lab, "column colour", *sides, Context())


def test_two_models_have_lengths_of_their_own(lab, sides) -> None:
    a, _ = sides
    other = tiny_backbone("qwen2", seed=1)
    b = lab.embedded_on(CORPUS, Design.parse("causal/eos"), other)
    keys = offered(lab, a, b)
    assert {"tokens A", "tokens B", "cut A", "cut B"} <= set(keys) and "tokens" not in keys


def test_labels_and_columns(lab, sides) -> None:
    kind = colouring(lab, "label kind", *sides, Context())
    assert [kind.names[code] for code in kind.codes] == list(CORPUS.fields["kind"])
    stars = colouring(lab, "numbers stars", *sides, Context())
    assert stars.values.tolist() == [float(s) for s in CORPUS.fields["stars"]]
    price = colouring(lab, "column price", *sides, Context())
    assert np.isnan(price.values[3]) and price.values[4] == 4.5
    assert colouring(lab, "column team", *sides, Context()).kind == "categories"


def test_length_is_of_the_text_alone_and_truncated_texts_are_marked(lab, sides) -> None:
    tokens = colouring(lab, "tokens", *sides, Context())
    assert tokens.values.tolist() == LENGTHS  # a token a word
    cut = colouring(lab, "cut", *sides, Context())
    # The tiny model reads 64 tokens, the end token among them.
    assert cut.codes.tolist() == [int(length > 63) for length in LENGTHS]
    assert cut.names == ("whole", "cut to 64 tokens")


def test_overlap_of_the_neighbourhoods_by_hand(lab, sides) -> None:
    found = colouring(lab, "overlap", *sides, Context())
    for i in range(N):
        a, b = (set(ten_nearest(side, i)) for side in sides)
        assert found.values[i] == pytest.approx(len(a & b) / len(a | b), abs=1e-6)


@pytest.mark.parametrize("letter", ["A", "B"])
def test_hubness_by_hand(lab, sides, letter) -> None:
    side = sides["AB".index(letter)]
    lists = [ten_nearest(side, i) for i in range(N)]
    expected = [sum(i in near for near in lists) for i in range(N)]
    found = colouring(lab, f"hubs {letter}", *sides, Context())
    assert found.values.tolist() == expected and sum(expected) == 10 * N


def test_similarity_to_the_selected_text_and_to_the_query(lab, sides) -> None:
    near = colouring(lab, "near B", *sides, Context(selected=7))
    expected = [
        100 * float(sides[1].vectors[7].astype(float) @ v.astype(float)) for v in sides[1].vectors
    ]
    np.testing.assert_allclose(near.values, expected, atol=1e-4)
    assert near.values[7] == pytest.approx(100, abs=1e-3)
    query = colouring(lab, "query A", *sides, Context(query="w5 w6"))
    vector = embed(["w5 w6"], sides[0].design, sides[0].backbone, query=True)[0]
    np.testing.assert_allclose(query.values, 100 * (sides[0].vectors @ vector), atol=1e-3)
    assert "“w5 w6”" in query.note


def test_without_a_selected_text_or_a_query_there_is_no_colour_and_a_word() -> None:
    lab = tiny_lab()
    pair = [lab.embedded(CORPUS, Design.parse("causal/mean"))] * 2
    near = colouring(lab, "near A", *pair, Context())
    assert near.range is None and near.note.startswith("No text is selected; click one")
    query = colouring(lab, "query A", *pair, Context(query="  "))
    assert query.range is None and query.note.startswith("There is no query yet")


def test_clusters_are_those_of_the_panel(lab, sides) -> None:
    how = Clustering(k=6)
    for letter, side in zip("AB", sides, strict=True):
        for level in ("fine", COARSE):
            found = colouring(
                lab, f"cluster {letter}", *sides, Context(clustering=how, level=level)
            )
            expected = clusters.clusters(lab, side, how).at(level)
            assert found.codes.tolist() == expected.labels.tolist()
            assert len(found.names) == len(expected)


def test_the_first_colours_are_the_labels_else_the_clusters_of_b() -> None:
    assert colourings.first_key(CORPUS) == "label kind"
    assert colourings.first_key(Corpus(id="own", title="x", texts=("a",))) == "cluster B"


def test_a_title_says_what_was_measured_under_what() -> None:
    names = ("causal/eos", "causal/mean")
    assert colourings.measured_under("hubs B", names, "Hubness") == "Hubness (causal/mean)"
    assert colourings.measured_under("overlap", names, "Overlap").endswith("eos and causal/mean)")
    assert colourings.measured_under("column Plan B", names, "Plan B") == "Plan B"
