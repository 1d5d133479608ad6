"""Pairs from files of every shape that people train on, varied in names, order and format."""

from __future__ import annotations

import csv
import io
import json
import random

import pytest

from embedlab.data.keep import KeepNeeded, parse_keep
from embedlab.data.pair_cells import texts_in
from embedlab.data.pair_columns import PairColumns, choose_columns
from embedlab.data.pair_table import read_pairs
from embedlab.data.readers import read_table
from embedlab.data.tables import Table
from embedlab.errors import EmbedLabError

TOPICS = ["boiler", "window", "garden", "ladder", "kettle", "mirror"]


def query(i: int) -> str:
    return f"how is the {TOPICS[i]} cleaned"


def answer(i: int, n: int = 0) -> str:
    return [f"Wipe the {TOPICS[i]} with a cloth.", f"Dust the {TOPICS[i]} every spring."][n]


def wrong(i: int, n: int = 0) -> str:
    return [f"Boats sail past the {TOPICS[i]}.", "Snow fell all night long."][n]


def expected(positives: int = 1, negatives: int = 0) -> list[tuple[str, str, list[str]]]:
    return [
        (query(i), answer(i, p), [wrong(i, n) for n in range(negatives)])
        for i in range(len(TOPICS))
        for p in range(positives)
    ]


def json_lines(rows) -> str:
    return "\n".join(json.dumps(row) for row in rows)


def json_array(rows) -> str:
    return json.dumps(list(rows), indent=1)


def separated(delimiter: str):
    def written(rows) -> str:
        rows, out = list(rows), io.StringIO()
        writer = csv.writer(out, delimiter=delimiter)
        writer.writerow(rows[0])
        for row in rows:
            cells = row.values()
            writer.writerow(c if isinstance(c, str) else json.dumps(c) for c in cells)
        return out.getvalue()

    return written


FORMATS = {
    ".jsonl": json_lines,
    ".json": json_array,
    ".csv": separated(","),
    ";.csv": separated(";"),
    ".tsv": separated("\t"),
}


def shuffled(rows, seed: int):
    """The same rows with their columns in another order."""
    names = list(rows[0])
    random.Random(seed).shuffle(names)
    return [{name: row[name] for name in names} for row in rows]


def read(tmp_path, text: str, ending: str, keep: str = "", **columns):
    path = tmp_path / f"pairs{ending.lstrip(';')}"
    path.write_text(text, encoding="utf-8")
    table = read_table(path)
    return read_pairs(table, choose_columns(table, **columns), keep)


def triples(reading) -> list[tuple[str, str, list[str]]]:
    return [(p.anchor, p.positive, list(p.negatives)) for p in reading.pairs]


N = range(len(TOPICS))
TWO = range(2)

#: Each kind of file as its rows, with how many positives and negatives a query has in it.
SHAPES = {
    "FlagEmbedding": (
        [
            {
                "query": query(i),
                "pos": [answer(i, n) for n in TWO],
                "neg": [wrong(i, n) for n in TWO],
            }
            for i in N
        ],
        (2, 2),
    ),
    "FlagEmbedding with scores, ids and an instruction": (
        [
            {
                "id": f"q-{i:04d}",
                "prompt": "Represent this sentence:",
                "query": query(i),
                "pos": [answer(i, n) for n in TWO],
                "neg": [wrong(i, n) for n in TWO],
                "pos_scores": [0.9, 0.8],
                "neg_scores": [0.1, 0.05],
                "pos_id": ["d1", "d2"],
            }
            for i in N
        ],
        (2, 2),
    ),
    "query and pos": ([{"query": query(i), "pos": [answer(i)]} for i in N], (1, 0)),
    "tevatron": (
        [
            {
                "query_id": str(100 + i),
                "query": query(i),
                "positive_passages": [{"docid": f"d{i}", "title": "", "text": answer(i)}],
                "negative_passages": [
                    {"docid": f"n{i}{n}", "title": "", "text": wrong(i, n)} for n in TWO
                ],
            }
            for i in N
        ],
        (1, 2),
    ),
    "reranking": (
        [
            {
                "query": query(i),
                "positive": [answer(i, n) for n in TWO],
                "negative": [wrong(i, n) for n in TWO],
            }
            for i in N
        ],
        (2, 2),
    ),
    "a set of texts": ([{"set": [query(i), answer(i), answer(i, 1)]} for i in N], (2, 0)),
    "several sets": ([{"paraphrases": [query(i), answer(i)], "year": 2020 + i} for i in N], (1, 0)),
    "triplets": (
        [{"anchor": query(i), "positive": answer(i), "negative": wrong(i)} for i in N],
        (1, 1),
    ),
    "triplets by other names": (
        [
            {
                "url": f"https://example.org/{i}",
                "Query": query(i),
                "Pos": answer(i),
                "hard-negative": wrong(i),
                "created": f"2024-03-0{i + 1}",
            }
            for i in N
        ],
        (1, 1),
    ),
    "inference triplets": (
        [{"premise": query(i), "entailment": answer(i), "contradiction": wrong(i)} for i in N],
        (1, 1),
    ),
    "n-tuples": (
        [
            {
                "anchor": query(i),
                "positive": answer(i),
                **{f"negative_{n + 1}": wrong(i, n) for n in TWO},
            }
            for i in N
        ],
        (1, 2),
    ),
    "from 0": (
        [{"sentence_0": query(i), "sentence_1": answer(i), "sentence_2": wrong(i)} for i in N],
        (1, 1),
    ),
    "from 1": (
        [
            {"text1": query(i), "text2": answer(i), "text3": wrong(i), "text4": wrong(i, 1)}
            for i in N
        ],
        (1, 2),
    ),
    "two, and a named negative": (
        [{"sent0": query(i), "sent1": answer(i), "hard_neg": wrong(i)} for i in N],
        (1, 1),
    ),
    "letters": (
        [{"idx": i, "sentence_B": answer(i), "sentence_A": query(i)} for i in N],
        (1, 0),
    ),
    "question and context": (
        [{"context": answer(i), "question": query(i), "qid": f"a{i}f{i}"} for i in N],
        (1, 0),
    ),
    "title and body": ([{"title": query(i), "body": answer(i)} for i in N], (1, 0)),
    "objects": (
        [{"query": {"text": query(i)}, "positive": {"title": "", "text": answer(i)}} for i in N],
        (1, 0),
    ),
}


@pytest.mark.parametrize("ending", FORMATS)
@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape_gives_its_pairs_in_any_format_and_order(tmp_path, shape, ending):
    rows, counts = SHAPES[shape]
    # Tables without a header that can be in any order keep theirs: title before body.
    rows = rows if shape == "title and body" else shuffled(rows, seed=len(shape))
    reading = read(tmp_path, FORMATS[ending](rows), ending)
    assert sorted(triples(reading)) == sorted(expected(*counts))
    assert not reading.left_out
    pairs = reading.pair_set()
    assert len(pairs) == len(reading.pairs)


def test_dpr_joins_titles_and_takes_hard_negatives_alone(tmp_path):
    rows = [
        {
            "dataset": "d",
            "question": query(i),
            "answers": ["a mason"],
            "positive_ctxs": [{"title": TOPICS[i], "text": answer(i), "score": 1000}],
            "negative_ctxs": [{"title": "easy", "text": f"Easy as the {TOPICS[i]}."}],
            "hard_negative_ctxs": [{"title": "snow", "text": wrong(i, 1)}],
        }
        for i in N
    ]
    reading = read(tmp_path, json_array(rows), ".json")
    assert triples(reading) == [
        (query(i), f"{TOPICS[i]} {answer(i)}", [f"snow {wrong(i, 1)}"]) for i in N
    ]
    assert any("'negative_ctxs'" in note for note in reading.notes)


def test_tables_within_rows_are_read_item_by_item(tmp_path):
    halves = [range(3), range(3, 6)]
    rows = [{"asked": list(map(query, h)), "replied": list(map(answer, h))} for h in halves]
    assert triples(read(tmp_path, json_lines(rows), ".jsonl")) == expected()
    rows[1]["replied"].pop()
    reading = read(tmp_path, json_lines(rows), ".jsonl")
    assert triples(reading) == expected()[:3]
    assert dict(reading.left_out) == {2: "its lists differ in length ('asked' 3, 'replied' 2)"}


@pytest.mark.parametrize(
    ("cell", "texts"),
    [
        ("plain text", ("plain text",)),
        ("  ", ()),
        ('["one", " two ", ""]', ("one", "two")),
        ("['one', 'it\\'s two']", ("one", "it's two")),
        ("['one' 'two']", None),  # numpy's print: Python would make it one text
        ('["one", ', ('["one",',)),
        ("[]", ()),
        (
            '[{"title": "T", "text": "one"}, {"contents": "two"}, {"docid": "7"}]',
            ("T one", "two", "7"),
        ),
        ("[laughs] and goes on", ("[laughs] and goes on",)),
        ("[1, 2, 3]", ()),
    ],
)
def test_the_texts_of_a_cell(cell, texts):
    assert texts_in(cell) == texts


def test_a_list_that_cannot_be_read_is_left_out_with_its_row(tmp_path):
    rows = [{"query": query(i), "pos": json.dumps([answer(i)])} for i in N]
    rows[2]["pos"] = "['one' 'two']"
    reading = read(tmp_path, separated(",")(rows), ".csv")
    assert [tuple(each) for each in reading.left_out] == [(3, "its 'pos' cannot be read as a list")]
    assert len(reading.pairs) == len(TOPICS) - 1


def test_every_row_is_used_or_left_out_with_a_reason(tmp_path):
    rows = [{"query": query(i), "pos": [answer(i)], "neg": [wrong(i)]} for i in N]
    rows += [
        {"query": "", "pos": [answer(0)], "neg": []},
        {"query": query(1), "pos": [], "neg": [wrong(2)]},
        {"query": query(0), "pos": [answer(0)], "neg": [wrong(0)]},
        {"query": query(0), "pos": [answer(0)], "neg": [wrong(0, 1), answer(0)]},
    ]
    reading = read(tmp_path, json_lines(rows), ".jsonl")
    assert {tuple(each) for each in reading.left_out} == {
        (7, "no text in 'query'"),
        (8, "no text in 'pos'"),
        (9, "repeats the pair of row 1"),
    }
    first = triples(reading)[0]
    assert first == (query(0), answer(0), [wrong(0), wrong(0, 1), answer(0)])
    assert "1 repeated pair was joined with an earlier one." in reading.notes
    assert (
        "1 hard negative was found to be a positive of the same anchor, and masked."
        in reading.notes
    )
    notes = reading.pair_set().notes
    assert "1 row was left out: repeats the pair of row 1 (row 9)." in notes


# Labels and scores

RELATIONS = ["entailment", "neutral", "contradiction"]


def labelled(values, names=("premise", "hypothesis", "label")):
    """For every topic a true sentence, a neutral one and a false one, with these labels."""
    return [
        dict(zip(names, (query(i), text, value), strict=True))
        for i in N
        for text, value in zip((answer(i), answer(i, 1), wrong(i)), values, strict=True)
        if value is not None
    ]


@pytest.mark.parametrize("ending", FORMATS)
@pytest.mark.parametrize(
    ("rows", "proposal", "negatives"),
    [
        (labelled(["0", "1", "2"]), "label=0", 1),
        (labelled([0, 1, 2], ("sentence1", "sentence2", "gold_label")), "gold_label=0", 1),
        (labelled([0, None, 2]), "label=0", 1),
        (labelled(RELATIONS), "label=entailment", 1),
        (labelled(["ENTAILMENT", "NEUTRAL", "CONTRADICTION"]), "label=ENTAILMENT", 1),
        (labelled(["e", "n", "c"], ("text_a", "text_b", "verdict")), "verdict=e", 1),
        (
            labelled(["1", None, "0"], ("question1", "question2", "is_duplicate")),
            "is_duplicate=1",
            1,
        ),
        (labelled(["yes", None, "no"], ("question", "passage", "relevant")), "relevant=yes", 1),
        (labelled([True, None, False], ("s1", "s2", "same")), "same=true", 1),
        (labelled([4.8, 2.5, 0.2], ("sentence1", "sentence2", "score")), "score>=4", 0),
        (labelled([0.96, 0.5, 0.1], ("text1", "text2", "similarity")), "similarity>=0.8", 0),
        (labelled([0.96, 0.5, 0.1], ("anchor", "positive", "score")), "score>=0.8", 0),
    ],
)
def test_which_rows_belong_together_is_asked_and_proposed(
    tmp_path, rows, proposal, negatives, ending
):
    text = FORMATS[ending](rows)
    with pytest.raises(KeepNeeded) as asked:
        read(tmp_path, text, ending)
    # The proposal as the file writes the value: JSON and CSV write true in their own ways.
    assert asked.value.proposal.casefold() == proposal.casefold()
    assert proposal.split("=")[0].rstrip(">") in str(asked.value)
    assert repr(query(0)) in str(asked.value)
    reading = read(tmp_path, text, ending, keep=asked.value.proposal)
    assert triples(reading) == expected(1, negatives)
    used = {pair.row for pair in reading.pairs}
    left = {row for row, _ in reading.left_out}
    assert not used & left
    assert len(used) + len(left) + negatives * len(TOPICS) == len(rows)
    everything = read(tmp_path, text, ending, keep="all")
    assert len(everything.pairs) == len(rows)


def test_names_of_relations_are_found_in_their_numbers(tmp_path):
    reading = read(tmp_path, json_lines(labelled([0, 1, 2])), ".jsonl", keep="label=entailment")
    assert triples(reading) == expected(1, 1)
    assert "The numbers of 'label' were read as usual: 0 as entailment." in reading.notes
    assert "rows with label=2 are hard negatives" in reading.taken
    # What 1 and 2 mean is not known where somebody keeps another number.
    reading = read(tmp_path, json_lines(labelled([0, 1, 2])), ".jsonl", keep="label=1")
    assert triples(reading) == [(query(i), answer(i, 1), []) for i in N]


def test_an_opposite_without_a_pair_of_its_anchor_is_left_out(tmp_path):
    rows = labelled(RELATIONS)
    del rows[0]
    reading = read(tmp_path, json_lines(rows), ".jsonl", keep="label=entailment")
    reasons = dict(reading.left_out)
    assert reasons[2] == "label is 'contradiction', and no pair has its anchor"
    assert reasons[1] == "label is 'neutral'"


@pytest.mark.parametrize(
    "rows",
    [
        [{"query": query(i), "passage": answer(i), "label": 1} for i in N],
        [{"query": query(i), "passage": answer(i), "topic": "home"} for i in N],
        [{"query": query(i), "passage": answer(i), "id": i, "year": 2020 + i % 2} for i in N],
        [{"query": query(i), "pos": [answer(i)], "neg": [wrong(i)], "label": i % 2} for i in N],
    ],
)
def test_a_column_that_decides_nothing_is_not_asked_about(tmp_path, rows):
    assert len(read(tmp_path, json_lines(rows), ".jsonl").pairs) == len(TOPICS)


def test_a_score_of_many_values_some_of_them_missing(tmp_path):
    rows = [
        {"s1": f"{query(i)} {n}", "s2": f"{answer(i)} {n}", "human score": cell}
        for i in N
        for n, cell in enumerate(["-", "", "nan", "4,5", f"{i % 5}.{i}3"])
    ]
    text = separated(";")(rows)
    with pytest.raises(KeepNeeded, match="Proposed: human score>=4") as asked:
        read(tmp_path, text, ";.csv")
    reading = read(tmp_path, text, ";.csv", keep=asked.value.proposal)
    assert len(reading.pairs) == 7
    assert len(reading.left_out) == len(rows) - 7


def test_one_value_that_denies_every_row_is_asked_about(tmp_path):
    rows = [{"query": query(i), "passage": answer(i), "label": 0} for i in N]
    with pytest.raises(KeepNeeded):
        read(tmp_path, json_lines(rows), ".jsonl")


TABLE = Table(
    columns={
        "a": [query(i) for i in N],
        "b": [answer(i) for i in N],
        "label": ["x", "y", "X ", "", "y", "z"],
        "score": ["1", "2.5", "4", "", "5", "3,5"],
        "left=right": list("abcabc"),
    },
    total=len(TOPICS),
)


@pytest.mark.parametrize(
    ("condition", "rows"),
    [
        ("label=x", [0, 2]),
        ("label = X", [0, 2]),
        ("Label==x,z", [0, 2, 5]),
        ("label!=y", [0, 2, 5]),
        ("score>=4", [2, 4]),
        ("score > 2.5", [2, 4, 5]),
        ("score<2", [0]),
        ("score=4.0", [2]),
        ("left=right=a", [0, 3]),
    ],
)
def test_a_condition_keeps_rows(condition, rows):
    reading = read_pairs(TABLE, PairColumns(anchor="a", positives=("b",)), condition)
    assert [pair.row - 1 for pair in reading.pairs] == rows


@pytest.mark.parametrize(
    ("condition", "message"),
    [
        ("entailment", "no condition on a column; write one such as label=entailment"),
        ("colour=red", "no column 'colour'; the columns are 'a', 'b', 'label'"),
        ("label=w", r"No row has 'label=w'; 'label' is 'y' \(2×\)"),
        ("score>=many", "compares with 'many'; write a number"),
        ("score>=9", "No row has 'score>=9'"),
    ],
)
def test_a_condition_that_cannot_be_met_is_explained(condition, message):
    with pytest.raises(EmbedLabError, match=message):
        parse_keep(condition, TABLE)


# Columns

WORDS = ["some words here", "other words there"]
CONTENTS = {
    "ids": ["8f3a2c91", "77ab01cd"],
    "dates": ["2024-01-31", "2024-02-01"],
    "links": ["https://a.example/b", "https://a.example/c"],
    "numbers": ["1", "2.5"],
    "blank": ["", " "],
}


@pytest.mark.parametrize("content", CONTENTS)
def test_ids_dates_links_and_numbers_are_never_pairs(content):
    table = Table(columns={"query": WORDS, "answer": CONTENTS[content]}, total=2)
    with pytest.raises(EmbedLabError, match="two columns with text"):
        choose_columns(table)
    table = Table(columns={"query": CONTENTS[content], "one": WORDS, "two": WORDS[::-1]}, total=2)
    assert choose_columns(table).names == ("one", "two")


def test_a_constant_is_never_an_anchor_or_a_positive():
    columns = {"dataset": ["from the web"] * 3, "x": [*WORDS, "more"], "y": ["more", *WORDS]}
    assert choose_columns(Table(columns=columns, total=3)).names == ("x", "y")


@pytest.mark.parametrize(
    ("names", "chosen"),
    [
        (("query", "passage"), ("query", ("passage",), ())),
        (("positive", "Anchor", "Hard negative"), ("Anchor", ("positive",), ("Hard negative",))),
        (("S1", "S2"), ("S1", ("S2",), ())),
        (("answer", "asked"), ("asked", ("answer",), ())),
        (("first", "neg", "second"), ("first", ("second",), ("neg",))),
        (("question", "reply"), ("question", ("reply",), ())),
        (("column 1", "column 2", "column 3"), ("column 1", ("column 2",), ())),
        (("pos_2", "query", "pos_1", "neg1"), ("query", ("pos_2", "pos_1"), ("neg1",))),
        (("question2", "question1"), ("question1", ("question2",), ())),
        (("negative_ctxs", "hard_negative_ctxs", "q", "p"), ("q", ("p",), ("hard_negative_ctxs",))),
    ],
)
def test_columns_are_told_by_their_names(names, chosen):
    table = Table(columns=dict.fromkeys(names, WORDS), total=2)
    columns = choose_columns(table)
    assert (columns.anchor, columns.positives, columns.negatives) == chosen


@pytest.mark.parametrize(
    ("columns", "chosen", "message"),
    [
        ({"a": WORDS, "b": WORDS}, {"anchor": "nope"}, r"no column 'nope'.* are 'a', 'b'"),
        ({"a": WORDS, "b": WORDS}, {"negatives": ("bad",)}, "no column 'bad'"),
        ({"a": WORDS, "b": WORDS}, {"anchor": "a", "negatives": ("a",)}, "'a' .*is chosen twice"),
        ({"a": WORDS, "b": ["1", "2.5"]}, {"positives": ("b",)}, "'b' .*holds only numbers"),
        ({"a": WORDS, "b": ["", " "]}, {"anchor": "b"}, "'b' .*holds no text"),
        (
            {"text": WORDS, "score": ["1", "2"]},
            {},
            r"two columns with text.*'score' \(only numbers\)",
        ),
    ],
)
def test_columns_that_cannot_be_pairs_are_explained(columns, chosen, message):
    with pytest.raises(EmbedLabError, match=message):
        choose_columns(Table(columns=columns, total=2), **chosen)


def test_chosen_columns_stay_and_the_others_are_guessed():
    table = Table(columns=dict.fromkeys(("query", "passage", "neg", "note"), WORDS), total=2)
    columns = choose_columns(table, "note", negatives=("query",))
    assert columns == PairColumns(anchor="note", positives=("passage",), negatives=("query",))
    assert str(columns) == "anchor: 'note'; positive: 'passage'; hard negatives: 'query'"


@pytest.mark.parametrize("name", ["label", "emotion", "x"])
def test_labels_are_never_a_positive(tmp_path, name):
    rows = [{"text": query(i), name: ["calm", "glad"][i % 2]} for i in N]
    with pytest.raises(EmbedLabError, match=f"two columns with text.*'{name}' .labels"):
        read(tmp_path, json_lines(rows), ".jsonl")


def test_relations_to_one_premise_are_not_paired_with_it(tmp_path):
    relations = ["entailment", "neutral", "contradiction"]
    rows = [
        {"premise": "A man eats.", "hypothesis": answer(i), "label": relations[i]} for i in range(3)
    ]
    with pytest.raises(EmbedLabError, match="two columns with text"):
        read(tmp_path, json_lines(rows), ".jsonl")
