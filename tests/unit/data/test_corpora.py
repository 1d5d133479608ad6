from dataclasses import replace

import pytest

from embedlab.data.corpora import CORPORA, load_corpus
from embedlab.data.corpus import Corpus, grades_of
from embedlab.errors import EmbedLabError
from embedlab.text import clean_text


def test_counts_of_the_built_in_corpora():
    stsb = load_corpus("stsb")
    assert len(stsb.pairs) == 1379
    assert len(set(stsb.texts)) == len(stsb.texts)
    boolq = load_corpus("boolq")
    assert (len(boolq.queries), len(boolq.texts)) == (3270, 2938)
    assert all(len(relevant) == 1 for relevant in boolq.relevant)
    semanlink = load_corpus("semanlink")
    judgements = sum(map(len, semanlink.relevant))
    assert (len(semanlink.texts), len(semanlink.queries), judgements) == (314, 190, 759)
    trec = load_corpus("trec")
    assert len(trec.texts) == 5382
    assert {name: len(set(values)) for name, values in trec.fields.items()} == {
        "coarse": 6,
        "fine": 50,
    }
    sms = load_corpus("sms-spam")
    assert (len(sms.texts), sms.labels.count("spam")) == (4837, 638)
    bbc = load_corpus("bbc")
    assert (len(bbc.texts), len(set(bbc.texts)), len(set(bbc.labels))) == (2127, 2127, 5)
    assert "98 repeated texts were left out." in bbc.notes


def test_stsb_pairs_stand_in_file_order():
    stsb = load_corpus("stsb")
    i, j, score = stsb.pairs[0]
    assert (stsb.texts[i], stsb.texts[j]) == (
        "A girl is styling her hair.",
        "A girl is brushing her hair.",
    )
    assert score == 2.5
    assert all(0 <= score <= 5 for *_, score in stsb.pairs)


def test_the_hand_written_corpus_is_whole():
    senses = load_corpus("senses")
    assert list(senses.fields) == ["sense", "word", "context"]
    assert all(senses.relevant)
    assert senses.size_note == f"{len(senses.texts)}"


@pytest.mark.parametrize("corpus_id", list(CORPORA))
def test_every_corpus_names_its_source_and_licence(corpus_id):
    corpus = load_corpus(corpus_id)
    assert corpus.id == corpus_id
    assert corpus.source
    assert corpus.licence
    assert all(text.strip() for text in (*corpus.texts, *corpus.queries))


@pytest.mark.parametrize("corpus_id", list(CORPORA))
@pytest.mark.parametrize("n", [1, 7, 100])
def test_samples_keep_order_and_point_at_the_same_texts(corpus_id, n):
    whole = load_corpus(corpus_id)
    part = whole.sample(n, seed=3)
    assert len(part.texts) == n
    assert part.seed == 3
    assert part.size_note == f"{n} of {len(whole.texts):,}"
    rest = iter(whole.texts)
    assert all(text in rest for text in part.texts)  # a subsequence
    scores = {(whole.texts[i], whole.texts[j], s) for i, j, s in whole.pairs}
    assert {(part.texts[i], part.texts[j], s) for i, j, s in part.pairs} <= scores
    answers: dict[str, set[str]] = {}
    for query, relevant in zip(whole.queries, whole.relevant, strict=True):
        answers.setdefault(query, set()).update(whole.texts[i] for i in relevant)
    for query, relevant in zip(part.queries, part.relevant, strict=True):
        assert relevant
        assert {part.texts[i] for i in relevant} <= answers[query]


def test_samples_follow_their_seed():
    trec = load_corpus("trec")
    assert trec.sample(50, 1).texts == trec.sample(50, 1).texts
    assert trec.sample(50, 1).texts != trec.sample(50, 2).texts
    assert trec.sample(10_000, 1) is trec


def test_samples_keep_something_to_measure():
    assert len(load_corpus("stsb").sample(100, 0).pairs) >= 50
    boolq = load_corpus("boolq").sample(100, 0)
    assert 20 <= len(boolq.queries) <= 25
    assert len(load_corpus("semanlink").sample(100, 0).queries) >= 20


def test_a_sample_of_nothing_is_refused():
    with pytest.raises(EmbedLabError, match="ask for 1 or more"):
        load_corpus("senses").sample(0, 0)


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"fields": {"label": ("x",)}}, "1 values for 2 texts"),
        ({"pairs": ((0, 2, 1.0),)}, "points at text 2"),
        ({"queries": ("q",)}, "relevant texts for 0"),
        ({"queries": ("q",), "relevant": (frozenset({-1}),)}, "points at text -1"),
        ({"queries": ("q",), "relevant": ({0: 0.0},)}, "a relevant text of grade 0"),
        ({"columns": {"price": ("1",)}}, "'price' of 'X' has 1 values for 2 texts"),
        ({"ids": ("x",)}, "1 ids for 2 texts"),
        ({"query_ids": ("x",)}, "1 ids for 0 queries"),
    ],
)
def test_a_corpus_checks_itself(parts, message):
    with pytest.raises(EmbedLabError, match=message):
        Corpus(id="x", title="X", texts=("a", "b"), **parts)


def test_a_sample_keeps_ids_and_grades():
    corpus = Corpus(
        id="x",
        title="X",
        texts=tuple("abcdefgh"),
        ids=tuple("ABCDEFGH"),
        queries=("q", "r"),
        query_ids=("Q", "R"),
        relevant=({1: 2.0, 6: 1.0}, frozenset({4})),
    )
    part = corpus.sample(5, seed=1)
    assert part.ids == tuple(text.upper() for text in part.texts)
    answers = {"Q": {"b": 2.0, "g": 1.0}, "R": {"e": 1.0}}
    for query_id, relevant in zip(part.query_ids, part.relevant, strict=True):
        assert {part.texts[i]: g for i, g in grades_of(relevant).items()} == answers[query_id]
    assert part.query_ids
    ungraded = replace(corpus, relevant=(frozenset({1, 6}), frozenset({4})))
    assert ungraded.annotations_hash != corpus.annotations_hash


def test_some_texts_are_a_corpus_with_all_that_belongs_to_them():
    corpus = Corpus(
        id="senses",
        title="Letters",
        texts=tuple("abcdef"),
        fields={"kind": tuple("112233")},
        columns={"price": tuple("123456")},
        ids=tuple("ABCDEF"),
        rows=(1, 2, 4, 5, 7, 8),
        total=90,
        seed=3,
        pairs=((0, 1, 0.5), (2, 5, 0.9)),
        queries=("q", "r"),
        query_ids=("Q", "R"),
        relevant=({1: 2.0, 5: 1.0}, frozenset({0})),
        notes=("A note.",),
    )
    part = corpus.only([5, 2, 2, 1], "My letters")
    assert part.texts == ("b", "c", "f") and part.title == "My letters"
    assert part.fields == {"kind": ("1", "2", "3")} and part.columns == {"price": ("2", "3", "6")}
    assert part.ids == ("B", "C", "F") and part.rows == (2, 4, 8)
    assert part.pairs == ((1, 2, 0.9),)
    assert part.queries == ("q",) and part.relevant == ({0: 2.0, 2: 1.0},)
    assert part.id == "own" and part.size_note == "3" and part.seed is None
    assert part.part_of == "Letters"
    assert part.notes == ("3 of the 6 texts of Letters.", "A note.")
    assert len(corpus.texts) == 6
    with pytest.raises(EmbedLabError, match="No text would be left"):
        corpus.only([], "x")
    for rows in ([6], [-1, 0]):
        with pytest.raises(EmbedLabError, match="is not one of the 6 texts"):
            corpus.only(rows, "x")


def test_the_fingerprint_follows_the_texts_alone():
    def made(*texts, **more):
        return Corpus(id="x", title="X", texts=texts, **more).fingerprint

    assert made("a", "b") == made("a", "b", notes=("n",))
    assert len({made("a", "b"), made("b", "a"), made("ab"), made("ab", "")}) == 4


def test_cleaning_replaces_only_what_cannot_be_written():
    assert clean_text("a\ud800b\0c") == "a\ufffdbc"
    assert clean_text("\udc00") == "\ufffd"
    assert clean_text("\ud83d\ude00 שלום 👩‍👩‍👧") == "😀 שלום 👩‍👩‍👧"
