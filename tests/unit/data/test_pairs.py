"""Pairs to train on: what a set checks, how it is split, and what of it is never trained on."""

import random
import re
from collections import Counter

import pytest
from support.pairs import normal, texts_of

from embedlab.data.corpus import Corpus
from embedlab.data.pair_table import read_pairs
from embedlab.data.pairs import PairSet, describe, without_overlap
from embedlab.data.readers import read_table
from embedlab.data.training_sets import find_pairs
from embedlab.errors import EmbedLabError


def made(*pairs, **more):
    anchors, positives, *negatives = zip(*pairs, strict=True)
    return PairSet(
        **{"id": "x", "title": "X", "anchors": anchors, "positives": positives}
        | ({"negatives": tuple((text,) for text in negatives[0])} if negatives else {})
        | more
    )


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"anchors": (), "positives": ()}, "has no pairs"),
        ({"anchors": ("a",), "positives": ("b",)}, "one pair has no in-batch negatives"),
        ({"anchors": ("a",) * 3, "positives": ("b",) * 3}, "All 3 pairs of 'X' are identical"),
        ({"anchors": ("a", "c"), "positives": ("b", " ")}, "Row 2 of 'X' has an empty positive"),
        ({"anchors": ("", "c"), "positives": ("b", "d")}, "Row 1 of 'X' has an empty anchor"),
        (
            {"anchors": ("a", "c"), "positives": ("b", "d"), "negatives": (("e",), ("f", ""))},
            "Row 2 of 'X' has an empty negative",
        ),
        ({"anchors": ("a", "c"), "positives": ("b",)}, "2 anchors but 1 positives"),
        ({"anchors": ("a", "c"), "positives": ()}, "2 anchors but 0 positives"),
        (
            {"anchors": ("a", "c"), "positives": ("b", "d"), "negatives": (("e",),)},
            "2 anchors but 1 list of negatives",
        ),
    ],
)
def test_a_set_checks_itself(parts, message):
    with pytest.raises(EmbedLabError, match=message):
        PairSet(id="x", title="X", **parts)


def test_a_part_may_be_of_any_size():
    pairs = made(("a", "b", "c"), ("d", "e", "f"), ("g", "h", "i"))
    part = pairs.take([2, 0])
    assert (part.anchors, part.positives, part.negatives) == (
        ("g", "a"),
        ("h", "b"),
        (("i",), ("c",)),
    )
    assert len(pairs.take([1])) == 1
    assert not pairs.take(())


def test_the_digest_follows_the_texts_and_their_order():
    pairs = made(("a", "b"), ("c", "d"))
    assert re.fullmatch("[0-9a-f]{64}", pairs.digest)
    assert pairs.digest == made(("a", "b"), ("c", "d"), title="Y", notes=("n",)).digest
    others = [
        made(("c", "d"), ("a", "b")),
        made(("b", "a"), ("d", "c")),
        made(("ab", "d"), ("c", "d")),
        made(("a", "b", "x"), ("c", "d", "y")),
        pairs.take([0]),
    ]
    assert len({pairs.digest, *(other.digest for other in others)}) == 6


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("negative", [False, True])
def test_a_split_never_leaks(seed, negative):
    draw = random.Random(seed)
    text = lambda: draw.choice(("w{}", "W{}", " w{} ")).format(draw.randrange(150))  # noqa: E731
    columns = [[text() for _ in range(100)] for _ in range(2 + negative)]
    pairs = made(*zip(*columns, strict=True))
    train, held = pairs.split(10, seed)
    rows = lambda some: Counter(zip(some.anchors, some.positives, strict=True))  # noqa: E731
    assert 2 <= len(held) <= 10
    assert rows(train) + rows(held) <= rows(pairs)
    trained = texts_of(train) | {normal(text) for text in train.every_negative}
    assert not texts_of(held) & trained
    assert len(train) + len(held) == len(pairs)
    lost = sum(map(len, pairs.negatives)) - sum(map(len, train.negatives + held.negatives))
    assert bool(lost) == any("left out of training for being held out" in n for n in train.notes)
    again = pairs.split(10, seed)
    assert [part.digest for part in again] == [train.digest, held.digest]


def test_a_split_follows_its_seed_and_holds_out_a_fifth_at_most():
    pairs = made(*((f"a{i}", f"b{i}") for i in range(50)))
    train, held = pairs.split(1000, seed=1)
    assert (len(train), len(held)) == (40, 10)
    assert held.digest != pairs.split(1000, seed=2)[1].digest
    assert sorted(held.anchors, key=pairs.anchors.index) == list(held.anchors)
    with pytest.raises(EmbedLabError, match="-1 pairs cannot be held out"):
        pairs.split(-1, seed=0)


@pytest.mark.parametrize(
    ("pairs", "held_out"),
    [
        (made(("a", "b"), ("c", "d")), 1),
        (made(*((f"a{i}", f"b{i}") for i in range(9))), 9),
        (made(*((f"a{i}", f"b{i}") for i in range(50))), 0),
        (made(*((f"a{i}", "the same answer") for i in range(50))), 10),
        (made(*((f"a{i}", f"a{i + 1}") for i in range(50))), 10),
        (made(*[("a", "b")] * 48, ("c", "d"), ("e", "d")), 10),
    ],
)
def test_nothing_is_held_out_where_too_little_would_be_left(pairs, held_out):
    train, held = pairs.split(held_out, seed=0)
    assert train.digest == pairs.digest
    assert len(held) == 0


STS = Corpus(id="s", title="S", texts=("One cat.", "Two cats.", "A dog."), pairs=((0, 1, 5.0),))
SEARCH = Corpus(
    id="q",
    title="Q",
    texts=("The answer.", "Another text."),
    queries=("Which one?",),
    relevant=(frozenset({0}),),
    fields={"genre": ("x", "y")},
)
TOPICS = Corpus(id="t", title="T", texts=("Sport news.",), fields={"label": ("sport",)})
PLAIN = Corpus(id="p", title="P", texts=("Sport news.",))


@pytest.mark.parametrize(
    ("corpus", "pair", "stands"),
    [
        (STS, ("One cat.", "Two cats."), True),
        (STS, ("two  CATS.", " one cat."), True),
        (STS, ("One cat.", "A dog."), False),
        (STS, ("One cat.", "Something else"), False),
        (SEARCH, ("which one?", "New passage"), True),
        (SEARCH, ("New question", "The\nanswer."), True),
        (SEARCH, ("The answer.", "Which one?"), True),
        (SEARCH, ("New question", "Another text."), False),
        (TOPICS, ("sport news.", "new"), True),
        (TOPICS, ("new", "Sport  News."), True),
        (TOPICS, ("new", "newer"), False),
        (PLAIN, ("Sport news.", "new"), False),
    ],
)
def test_what_stands_in_an_evaluation_corpus(corpus, pair, stands):
    pairs = made(("k1", "k2"), pair, ("k3", "k4"), removed=3)
    rest = without_overlap(pairs, [corpus])
    assert rest.removed == 3 + stands
    assert len(rest) == 3 - stands
    assert ("k1" in rest.anchors, pair[0] in rest.anchors) == (True, not stands)


def test_overlap_with_several_corpora_keeps_negatives_beside_their_pairs():
    pairs = made(
        ("One cat.", "Two cats.", "n1"),
        ("k1", "k2", "The answer."),
        ("which one?", "k", "n3"),
        ("k3", "k4", "n4"),
    )
    rest = without_overlap(pairs, [STS, SEARCH])
    assert (rest.anchors, rest.negatives) == (("k1", "k3"), (("The answer.",), ("n4",)))
    assert rest.removed == 2
    assert not rest.part
    assert without_overlap(rest, [STS, SEARCH]) is rest


def test_too_little_left_of_a_set_is_said():
    pairs = made(("One cat.", "Two cats."), ("Two cats.", "One cat."), ("a", "b"))
    with pytest.raises(EmbedLabError, match="2 of the 3 pairs of 'X' also stand in an evaluation"):
        without_overlap(pairs, [STS])


def test_pairs_come_from_a_file(tmp_path):
    path = tmp_path / "mine.csv"
    path.write_text("query,good\nwho is,me\nwhat is,that\nwho is,me\n", encoding="utf-8")
    pairs = find_pairs(str(path), ("", ("good",), ()))
    assert (pairs.id, pairs.title, pairs.source) == ("own", "mine.csv", "mine.csv")
    assert list(zip(pairs.anchors, pairs.positives, strict=True)) == [
        ("who is", "me"),
        ("what is", "that"),
    ]
    assert pairs.taken == "anchor: 'query'; positive: 'good'"
    assert pairs.notes == ("1 row was left out: repeats the pair of row 1 (row 3).",)
    with pytest.raises(EmbedLabError, match="neither a file nor a training set"):
        find_pairs("nowhere.csv")


def test_pairs_come_from_a_dataset_of_the_hub(monkeypatch):
    """In the layout of the paper's training data: a query, a positive, a negative."""
    asked = []

    def rows(name, limit, splits, progress):
        asked.append((name, tuple(splits)))
        texts = [(f"what is it {i}?", f"It is {i}.", f"It is not {i}.") for i in range(4)]
        found = [dict(zip(("query", "positive", "negative"), row, strict=True)) for row in texts]
        return found, dict.fromkeys(found[0])

    monkeypatch.setattr("embedlab.data.hub_dataset._hub_rows", rows)
    pairs = find_pairs("yixuantt/ir_data")
    assert asked == [("yixuantt/ir_data", ("train",))]
    assert (pairs.title, pairs.source) == ("yixuantt/ir_data", "Hugging Face Hub")
    assert pairs.anchors[1] == "what is it 1?" and pairs.positives[1] == "It is 1."
    assert pairs.negatives[1] == ("It is not 1.",) and len(pairs) == 4


def test_without_a_hub_the_authors_data_is_refused_in_a_sentence(monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(EmbedLabError, match="'yixuantt/ir_data' cannot be read while HF_HUB_OFF"):
        find_pairs("yixuantt/ir_data")
    # A mistyped path is none of a dataset.
    with pytest.raises(EmbedLabError, match="neither a file nor a training set"):
        find_pairs("data/mine.csv")


def test_only_the_first_rows_are_read(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("a,b\n" + "".join(f"an a {i},some b {i}\n" for i in range(5)))
    pairs = read_pairs(read_table(path, max_texts=3)).pair_set()
    assert pairs.anchors == ("an a 0", "an a 1", "an a 2")
    assert pairs.notes == ("Only the first 3 of 5 rows were read.",)


@pytest.mark.parametrize(
    ("more", "line"),
    [
        ({}, "2 pairs"),
        (
            {"removed": 1234, "in_domain": ("stsb",)},
            "2 pairs, 1,234 left out because they stand in an evaluation corpus; "
            "in-domain for STS benchmark",
        ),
        (
            {"removed": 1, "in_domain": ("boolq", "other")},
            "2 pairs, 1 left out because it stands in an evaluation corpus; "
            "in-domain for BoolQ and other",
        ),
        ({"negatives": (("n",), ("m",))}, "2 pairs with a hard negative each"),
        ({"negatives": (("n", "m"), ())}, "2 pairs with 0 to 2 hard negatives each"),
        (
            {"anchors": ("a", "a"), "negatives": (("n", "m"), ("n", "m"))},
            "2 pairs of 1 anchor, with 2 positives and 2 hard negatives each",
        ),
    ],
)
def test_a_set_in_one_line(more, line):
    assert describe(made(("a", "b"), ("c", "d"), **more)) == line
