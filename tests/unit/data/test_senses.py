"""The hand-written sample corpus keeps the promises that the views and the colours lean on."""

import json
import re
from collections import Counter
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest

ASSETS = Path(__file__).resolve().parents[3] / "assets"
WORDS, SENSES_PER_WORD, PER_CONTEXT = 8, 2, 5
PER_SENSE = 2 * PER_CONTEXT


def read(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (ASSETS / name).read_text("utf-8").splitlines()]


def words(text: str) -> list[str]:
    return re.findall(r"[\w’-]+", text.lower())


ROWS = read("senses.jsonl")
QUERIES = read("senses_queries.jsonl")


def test_every_sense_has_five_sentences_of_each_context() -> None:
    assert len(ROWS) == WORDS * SENSES_PER_WORD * PER_SENSE
    assert all(set(row) == {"text", "sense", "word", "context"} for row in ROWS)
    assert set(Counter(row["sense"] for row in ROWS).values()) == {PER_SENSE}
    balance = Counter((row["sense"], row["context"]) for row in ROWS)
    assert set(balance.values()) == {PER_CONTEXT}
    assert {context for _, context in balance} == {"before", "after"}


def test_sense_names_are_the_word_and_a_one_word_gloss() -> None:
    for row in ROWS:
        assert re.fullmatch(rf"{row['word']}: [a-z]+", row["sense"])


def test_order_pairs_the_two_senses_of_a_word_eight_places_apart() -> None:
    blocks = [(sense, list(rows)) for sense, rows in groupby(ROWS, key=lambda row: row["sense"])]
    assert len(blocks) == WORDS * SENSES_PER_WORD
    first = [rows[0]["word"] for _, rows in blocks]
    assert first[:WORDS] == first[WORDS:]
    assert len(set(first)) == WORDS
    for _, rows in blocks:
        expected = ["before"] * PER_CONTEXT + ["after"] * PER_CONTEXT
        assert [row["context"] for row in rows] == expected


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["text"])
def test_sentence(row: dict[str, Any]) -> None:
    tokens = words(row["text"])
    assert 6 <= len(tokens) <= 14
    assert tokens.count(row["word"]) == 1
    # No sentence may touch another of the ambiguous words, nor the plural of any.
    others = {form for r in ROWS for form in (r["word"], r["word"] + "s")} - {row["word"]}
    assert not others & set(tokens)
    place = (tokens.index(row["word"]) + 0.5) / len(tokens)
    assert place > 0.5 if row["context"] == "before" else place < 0.5
    assert row["text"][0].isupper()
    assert row["text"].endswith((".", "!", "?"))
    assert row["text"] == " ".join(row["text"].split())
    assert not set(row["text"]) & set("\"'")


def test_no_two_sentences_are_near_duplicates() -> None:
    bags = [set(words(row["text"])) for row in ROWS]
    assert len({row["text"].lower() for row in ROWS}) == len(ROWS)
    for i, a in enumerate(bags):
        for b in bags[:i]:
            assert len(a & b) / len(a | b) < 0.5, (a, b)


def test_no_content_word_gives_a_sense_away() -> None:
    # A word of five letters or more in over two of ten sentences would label the sense by itself.
    for sense, rows in groupby(ROWS, key=lambda row: row["sense"]):
        group = list(rows)
        counts = Counter(w for row in group for w in set(words(row["text"])) if len(w) > 4)
        del counts[group[0]["word"]]
        assert max(counts.values()) <= 2, (sense, counts.most_common(3))


def test_queries_point_at_sentences_of_their_sense() -> None:
    assert len(QUERIES) == 12
    assert len({query["query"].lower() for query in QUERIES}) == len(QUERIES)
    for query in QUERIES:
        assert set(query) == {"query", "relevant", "sense"}
        relevant = query["relevant"]
        assert relevant == sorted(set(relevant))
        assert len(relevant) == PER_SENSE or 3 <= len(relevant) <= 6
        assert all(0 <= i < len(ROWS) for i in relevant)
        assert {ROWS[i]["sense"] for i in relevant} == {query["sense"]}


def test_half_of_the_queries_name_the_ambiguous_word() -> None:
    named = [query["sense"].split(":")[0] in words(query["query"]) for query in QUERIES]
    assert sum(named) == len(QUERIES) / 2
