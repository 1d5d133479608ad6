"""The built-in training sets, against their own files."""

import csv
import json
import re
from collections import Counter

import pytest
from support.pairs import normal, texts_of

from embedlab import assets
from embedlab.data.corpora import load_corpus
from embedlab.data.training_sets import TRAINING_SETS, load_pairs


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
