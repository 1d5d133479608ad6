"""Which column is taken for the texts and which for the labels, whatever they are called."""

from __future__ import annotations

import random

import pytest

from embedlab.data.columns import cell_kind, guess_labels, guess_text, kind_of, parts_of
from embedlab.data.tables import Table, table_to_corpus
from embedlab.errors import EmbedLabError

N = 12
NOUNS = [
    "shop",
    "door",
    "mouth",
    "book",
    "lake",
    "bank",
    "road",
    "tree",
    "wall",
    "boat",
    "hat",
    "sea",
]
ANSWERS = [f"I liked the part on the {noun}." for noun in NOUNS]
NOT_TEXT = {
    "integers": [str(7 * i) for i in range(N)],
    "decimals": [f"{i}.{i}5" for i in range(N)],
    "prices": [f"${i},000.50" for i in range(N)],
    "percentages": [f"{i} %" for i in range(N)],
    "dates": [f"2024-01-{i + 1:02}" for i in range(N)],
    "timestamps": [f"2024/01/{i + 1:02} 9:00:00 AM" for i in range(N)],
    "iso times": [f"2024-01-{i + 1:02}T10:00:00+00:00" for i in range(N)],
    "mail dates": [f"Mon, {i + 1} Jan 2024 10:00:00 GMT" for i in range(N)],
    "german dates": [f"{i + 1}. März 2024" for i in range(N)],
    "spanish dates": [f"{i + 1} de enero de 2024" for i in range(N)],
    "chinese dates": [f"2024年1月{i + 1}日" for i in range(N)],
    "links": [f"https://example.org/a-long-path-with-many-words/{noun}" for noun in NOUNS],
    "bare links": [f"www.example.org/{noun}" for noun in NOUNS],
    "addresses": [f"{noun}@example.org" for noun in NOUNS],
    "files": [f"images/{noun}.jpg" for noun in NOUNS],
    "hex": [f"{i:02}deadbeefcafe{i:02}" for i in range(N)],
    "uuids": [f"3f2504e0-4f89-11d3-9a0c-0305e82c33{i:02}" for i in range(N)],
    "codes": [f"INV-{i:04}" for i in range(N)],
    "tickers": [noun.upper() for noun in NOUNS],
    "user names": [f"{noun}_{i}" for i, noun in enumerate(NOUNS)],
    "vectors": [f"[0.{i}, 0.2, 0.3, -0.4]" for i in range(N)],
    "objects": [f'{{"url": "a page with many words in its title {i}"}}' for i in range(N)],
    "python lists": [f"['some words', 'and {noun}']" for noun in NOUNS],
    "a constant": ["the same sentence about the same thing in every single row"] * N,
    "blanks": [""] * N,
}


@pytest.mark.parametrize("kind", NOT_TEXT)
@pytest.mark.parametrize("name", ["x", "field 1", "description"])
def test_what_is_no_text_is_never_taken(kind, name):
    columns = {name: NOT_TEXT[kind], "y": ANSWERS}
    assert guess_text(columns) == "y"
    assert guess_text(dict(reversed(columns.items()))) == "y"
    alone = Table(columns={"x": NOT_TEXT[kind]}, total=N)
    with pytest.raises(EmbedLabError, match=r"has no column with text; its columns are 'x' \("):
        table_to_corpus(alone)


@pytest.mark.parametrize("seed", range(5))
def test_all_of_them_together_in_any_order(seed):
    columns = [*NOT_TEXT.items(), ("zz", ANSWERS), ("team", ["red", "blue"] * 6)]
    random.Random(seed).shuffle(columns)
    assert guess_text(dict(columns)) == "zz"
    assert guess_labels(dict(columns), ["zz"]) == "team"


@pytest.mark.parametrize(
    "name",
    [
        *("text", "Text", "tweet", "review_text", "reviewText", "Review Text", "chunk", "headline"),
        *("utterance", "body", "content", "passage", "sentences", "tweet_text", "comment"),
    ],
)
def test_a_usual_name_wins_over_a_few_more_words(name):
    columns = {"other": [f"{text} And the end." for text in ANSWERS], name: ANSWERS}
    assert guess_text(columns) == name


def test_a_name_does_not_make_numbers_or_links_a_text():
    for kind in ("integers", "links", "vectors", "uuids", "timestamps"):
        assert guess_text({"text": NOT_TEXT[kind], "x": ANSWERS}) == "x"


def test_a_question_as_header_names_nothing_and_the_answers_are_the_text():
    columns = {
        "Timestamp": NOT_TEXT["timestamps"],
        "In your own words, what did you like about the text and the message?": ANSWERS,
        "Team": ["red", "blue"] * 6,
    }
    text = guess_text(columns)
    assert text == [*columns][1] and guess_labels(columns, [text]) == "Team"


def test_title_and_text_are_joined_as_mteb_joins_them():
    columns = {
        "_id": [f"d{i}" for i in range(3)],
        "title": ["The shop", "The door", "The mouth"],
        "text": ["It opens.", "", "It is shut."],
    }
    table = Table(columns=columns, total=3)
    assert table.text_column == "title + text"
    assert table.text_choices == ["title + text", "_id", "title", "text"]
    corpus = table_to_corpus(table)
    assert corpus.texts == ("The shop It opens.", "The door", "The mouth It is shut.")
    assert corpus.ids == ("d0", "d1", "d2")
    assert "columns 'title' and 'text'" in corpus.notes[0] and "The shop It" in corpus.notes[0]
    assert table_to_corpus(table, "text").texts == ("It opens.", "It is shut.")
    assert table_to_corpus(table, "text + title").texts[0] == "It opens. The shop"
    with pytest.raises(EmbedLabError, match=r"no column 'title \+ nope'"):
        table_to_corpus(table, "title + nope")
    odd = {"a + b": ["x y"], "a": ["1"], "b": ["2"]}
    assert parts_of("a + b", odd) == ["a + b"] and parts_of("b + a", odd) == ["b", "a"]
    # Codes beside a text are no titles.
    assert guess_text({"title": NOT_TEXT["codes"], "text": ANSWERS}) == "text"


def test_scripts_without_spaces_and_mixed_cells_are_texts():
    for texts in (
        ["今天天气很好", "我在2020年毕业了", "他昨天没有来"],
        ["明日は雨が降ります", "駅はどこですか", "元気です"],
        ["see https://example.org/a now", "no link here", "@you look: www.example.org"],
        ["covid19 is here", "B2B sales grew by 12%", "in 2024 we met"],
    ):
        assert kind_of(texts) == "text"
        assert guess_text({"n": ["1", "2", "3"], "c": texts}) == "c"
    assert cell_kind("[deleted]") == cell_kind("[1] As they say.") == "text"


def test_the_same_text_throughout_is_taken_where_its_name_says_so():
    labels = ["a", "b"] * 6
    assert guess_text({"text": ["n/a"] * N, "label": labels}) == "text"
    assert guess_text({"message": ["n/a"] * N, "group": labels}) == "message"
    assert guess_text({"dataset": ["n/a"] * N, "c": ANSWERS}) == "c"


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        ({"label": ["0", "1"] * 6, "topic": ["x", "y"] * 6}, "label"),
        ({"label": ["0", "1"] * 6, "label_text": ["bad", "good"] * 6}, "label_text"),
        ({"Genres": ["x", "y"] * 6}, "Genres"),
        ({"stars": ["1.0", "4.5"] * 6, "shop": ["x", "y"] * 6}, "shop"),
        ({"stars": ["1.0", "4.5"] * 6}, "stars"),
        ({"x": ["0.12345", "-0.54321"] * 6}, None),
        ({"day": ["2024-01-01", "2024-01-02"] * 6}, "day"),
        ({"author": [f"user{i // 2}" for i in range(N)]}, "author"),
        ({"id": [str(i) for i in range(N)], "note": ["a sentence"] * N}, None),
        ({"vector": NOT_TEXT["vectors"], "mood": ["good", "bad", ""] * 4}, "mood"),
        ({"label": ["one"] * N, "class": ["x", "y"] * 6}, "class"),
    ],
)
def test_labels(columns, expected):
    assert guess_labels({"text": ANSWERS, **columns}, ["text"]) == expected


def test_what_the_file_says_are_labels_come_first():
    table = Table(
        columns={"text": ANSWERS, "label": ["x", "y"] * 6, "kind": ["u", "v"] * 6},
        total=N,
        label_columns=("kind",),
    )
    assert table.label_column == "kind"
    assert [*table_to_corpus(table).fields] == ["kind", "label"]
    assert table_to_corpus(table, label_column="").fields == {}


def test_missing_labels_are_no_class_and_counted():
    labels = ["a", "NaN", "", "b", "NA", "NA", "None", "null", "a", "b", "a", "b"]
    corpus = table_to_corpus(Table(columns={"text": ANSWERS, "label": labels}, total=N))
    missing = {"NaN", "NA", "null"}
    assert corpus.labels == tuple("" if label in missing else label for label in labels)
    assert "2 texts with the label 'NA' were taken as unlabelled." in corpus.notes


def test_row_numbers_and_what_is_left_out():
    table = Table(
        columns={"text": ["a b", " ", "c d", ""], "id": list("pqrs")},
        total=4,
        row_numbers=(1, 3, 4, 7),
    )
    corpus = table_to_corpus(table)
    assert corpus.rows == (1, 4) and corpus.ids == ("p", "r")
    assert corpus.left_out == ((3, "no text"), (7, "no text"))
    sample = table_to_corpus(Table(columns={"text": ANSWERS}, total=N)).sample(5, seed=1)
    assert [ANSWERS[row - 1] for row in sample.rows] == list(sample.texts)


def test_guarded_cells_are_read_as_they_were_before_the_guard():
    columns = {"text": ["'=1+1 is two", "''@x", "plain words", "'tis"], "n": ["-1", "2", "3", "4"]}
    corpus = table_to_corpus(Table(columns=columns, total=4))
    assert corpus.texts == ("=1+1 is two", "'@x", "plain words", "'tis")
    assert any(note.startswith("2 cells were read without the apostrophe") for note in corpus.notes)
    # Where a formula stands as it is, nothing was guarded.
    columns = {"text": ["'=1+1 is two", "=2 here", "plain words"]}
    assert table_to_corpus(Table(columns=columns, total=3)).texts == tuple(columns["text"])


def test_short_messages_that_repeat_are_the_text_that_they_are_called():
    columns = {
        "text": ["ok then", "thanks", "ok then", "thanks"] * 3,
        "device": [f"a browser on a computer with number {i}" for i in range(12)],
    }
    assert guess_text(columns) == "text"


@pytest.mark.parametrize("name", ["airline_sentiment", "mood"])
def test_labels_of_few_rows(name):
    columns = {"tweet": [f"some words {i}" for i in range(5)], name: list("abcab")}
    assert guess_labels(columns, ["tweet"]) == name
