"""Files in the shapes that people have hold the texts that were written, each row once."""

from __future__ import annotations

import csv
import io
import json

import pytest
from support.shapes import PARQUET_SHAPES, TEXT_SHAPES, delimited, records, write

from embedlab.data.readers import read_table, read_upload
from embedlab.data.tables import Table
from embedlab.errors import EmbedLabError

ROWS = [
    ("The harbour was quiet, and cold.", "calm"),
    ('"We leave at dawn," said the captain.', "talk"),
    ("Nobody answered him; the ship was old.", "calm"),
    ("Rats had eaten the rope.", "calm"),
    ('"Gold" was painted on the bow.', "talk"),
    ('The 12" plank broke at 5%.', "calm"),
]
TEXTS = [text for text, _ in ROWS]


@pytest.fixture
def read(tmp_path):
    def read(ending: str, content: str | bytes, **options) -> Table:
        path = tmp_path / f"t{ending}"
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return read_table(path, **options)

    return read


@pytest.mark.parametrize("shape", [*TEXT_SHAPES, *PARQUET_SHAPES])
def test_every_row_is_read_as_it_was_written(read, shape):
    (ending, content), column = write(shape, ROWS)
    table = read(ending, content)
    assert table.columns[column] == TEXTS
    assert table.row_numbers == (1, 2, 3, 4, 5, 6)
    assert table.left_out == ()
    label = next(name for name in table.columns if "label" in name or name == "Gruppe")
    assert table.columns[label] == [name for _, name in ROWS]
    assert table.encoding == ("" if ending == ".parquet" else "utf-8")


@pytest.mark.parametrize("shape", ["csv", "csv, sep=", "tsv, plain", "jsonl", "json, columns"])
@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "cp1252"])
def test_shapes_in_other_encodings(read, shape, encoding):
    rows = [("Die Straße war naß, für März.", "früh"), ("Ein Café über dem Fluß.", "spät")]
    rows += [(f"Größe {i} war schöner.", "früh") for i in range(4)]
    ending, make, column = TEXT_SHAPES[shape]
    table = read(ending, make(rows).encode(encoding))
    assert table.columns[column] == [text for text, _ in rows]


def test_a_stray_quotation_mark_swallows_no_line(read):
    """In tsv even where the swallowing reading has as many cells a row."""
    lines = ['0\t"We leave\ta', "1\tNobody answered\tb", '2\tat dawn"\ta', "3\tIt rained\tb"]
    table = read(".tsv", "\n".join(["id\ttext\tlabel", *lines]))
    assert table.columns["text"] == ['"We leave', "Nobody answered", 'at dawn"', "It rained"]
    lines = ["one,a", '"two,b', '"three, and more",a', "four,b"]
    table = read(".csv", "\n".join(["text,label", *lines]))
    assert table.columns["text"] == ["one", '"two', "three, and more", "four"]
    assert any("line 3 do not pair up" in note for note in table.notes)


@pytest.mark.parametrize("speech", ["first", "last"])
def test_speech_that_begins_a_cell_is_kept_whole(read, speech):
    lines = ['"Where to?" she asked.', '"Out," he said, "and not back."', "Fine.", '"No," said Ben']
    rows = [("line", "speaker"), *zip(lines, "abab", strict=True)]
    order = 1 if speech == "first" else -1
    table = read(".csv", "\n".join(",".join(row[::order]) for row in rows))
    assert table.columns["line"] == lines
    assert "Speech that holds delimiters was kept in one cell, on 2 lines." in table.notes


def test_speech_in_two_cells_of_a_line_is_left_out(read):
    lines = ["Ben,Anna,day", '"Out," he said,"No," said she,Monday', "Hello.,Good day.,Tuesday"]
    table = read(".csv", "\n".join(lines))
    assert table.left_out == ((1, "another number of cells than the header"),)


@pytest.mark.parametrize("stray", ["Good morning", '"Good" morning'])
def test_a_tab_and_a_break_in_one_cell_of_a_tsv(read, stray):
    content = f'id\ttext\tlabel\n1\t"We\tleave\nat dawn"\ta\n2\t{stray}\tb\n3\tIt rained\ta\n'
    table = read(".tsv", content)
    assert table.columns["text"] == ["We\tleave\nat dawn", stray, "It rained"]


def test_a_break_that_ends_otherwise_than_the_rows_is_inside_of_a_cell(read):
    """With two columns nothing else tells it from two rows with a stray mark each."""
    rows = ["text\tlabel", '"We\tleave\nat dawn"\ta', "It rained\tb", "It snowed\ta"]
    table = read(".tsv", "\r\n".join(rows))
    assert table.columns["text"] == ["We\tleave\nat dawn", "It rained", "It snowed"]
    table = read(".tsv", "\n".join(rows))
    assert table.columns["text"] == ['"We', 'at dawn"', "It rained", "It snowed"]
    assert "Quotation marks were read as part of the texts." in table.notes


def test_a_stray_quotation_mark_far_down(read):
    lines = [f'"text {i}, of many",a' for i in range(20_000)]
    lines[15_000] = '"text 15000 of many,a'
    table = read(".csv", "\n".join(["text,label", *lines]), max_texts=30_000)
    assert len(table.row_numbers) == 20_000
    assert table.columns["text"][15_000] == '"text 15000 of many'
    assert table.columns["text"][15_001] == "text 15001, of many"


@pytest.mark.parametrize("delimiter", [",", "\t"])
def test_quotation_marks_that_begin_far_down(read, delimiter):
    rows = [(f"text {i} of many", "a") for i in range(20_000)]
    rows[15_000:] = [(f'text {i}, "quoted",\tof many', "b") for i in range(15_000, 20_000)]
    table = read(".csv", delimited(rows, delimiter=delimiter), max_texts=30_000)
    assert table.columns["text"] == [text for text, _ in rows]


def test_texts_over_several_lines_stay_whole(read):
    rows = [("one\ntwo, three\nfour", "a"), ("five", "b"), ('six\n"seven"', "a")]
    for delimiter in ",;\t":
        table = read(".csv", delimited(rows, delimiter=delimiter))
        assert table.columns["text"] == [text for text, _ in rows]


def test_backslashes_that_escape_nothing_stay(read):
    content = 'text,label\n"C:\\new \\"here\\", and",a\n"C:\\temp",b\n'
    assert read(".csv", content).columns["text"] == ['C:\\new "here", and', "C:\\temp"]
    content = 'text,label\n"a folder C:\\dir\\",a\n"another, D:\\",b\n'
    assert read(".csv", content).columns["text"] == ["a folder C:\\dir\\", "another, D:\\"]


@pytest.mark.parametrize(
    "lines",
    [
        ["Hello shop, how are you", "Hello door, how are you", "Hello bank, how are you"],
        ["Well, I never, said she", "No comma here", "One, two", "Yes, of course"],
        ["I came; I saw; I won", "He left; she stayed", "All is well", "So be it; fine"],
    ],
)
def test_one_text_a_line_may_hold_punctuation(read, lines):
    table = read(".csv", "\n".join(lines))
    assert table.columns == {"text": lines}
    assert any("one text" in note for note in table.notes)


def test_a_table_with_spaces_behind_its_commas(read):
    content = 'remark, verdict\nI loved it all, good\n"I hated it, all", bad\nNot for me, bad\n'
    content += "Fine by me, good\n"
    table = read(".csv", content)
    assert list(table.columns) == ["remark", "verdict"]
    assert len(table.row_numbers) == 4


@pytest.mark.parametrize(
    ("content", "columns", "rows"),
    [
        # A question is the header: dates below it, and a team that is none of the teams.
        (
            "Timestamp,In your own words: what did you like most about the day you spent with us?,"
            "Team\n2024/01/01,The part on maps.,red\n2024/01/02,The part on search.,blue\n"
            "2024/01/03,The food was good.,red\n2024/01/04,Nothing at all.,blue\n",
            3,
            4,
        ),
        # Years are names where texts stand below them.
        ("2019,2020\nIt went well.,It went badly.\nSo we said.,So they said.\n", 2, 2),
        # The first row is like the others: its label repeats.
        ("I liked it,good\nNot at all,bad\nThe best ever,good\nNever again,bad\n", 2, 4),
        ("good,I liked it\nbad,Not at all\ngood,The best ever\n", 2, 3),
        ("7,Some text here\n8,Some more text\n", 2, 2),
        ("a sentence like all the others here,0\nanother sentence of these,1\nthe last,0\n", 2, 3),
    ],
)
def test_headers_are_told_by_the_rows_below(read, content, columns, rows):
    table = read(".csv", content)
    assert (len(table.columns), len(table.row_numbers)) == (columns, rows)
    assert any(note.startswith("No header") for note in table.notes) == all(
        name.startswith("column") for name in table.columns
    )


def test_an_upload_gives_the_same_table(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("text,label\na b,x\nonly\nc d,y\n")
    assert read_upload(path, max_bytes=10**6, max_texts=10) == read_table(path)
    (_, content), _ = write("parquet, class labels", ROWS)
    path = tmp_path / "t.parquet"
    path.write_bytes(content)
    assert read_upload(path, max_bytes=10**6, max_texts=10) == read_table(path, max_texts=10)


def test_hashtags_and_headers_are_no_comments(read):
    table = read(".csv", "#id,text\n1,one of these\n2,two of these\n")
    assert list(table.columns) == ["#id", "text"]
    tweets = ["#monday again", "#coffee first", "no tag at all"]
    assert read(".csv", "\n".join(tweets)).columns["text"] == tweets


def test_rows_that_do_not_fit_are_listed(read):
    table = read(".csv", "text,label\na b,x\nonly\nc,d,e\n\ng h,y\ni j,y\n")
    assert table.columns["text"] == ["a b", "", "g h", "i j"]
    assert table.row_numbers == (1, 4, 5, 6)
    assert [row for row, _ in table.left_out] == [2, 3]


# JSON


def test_one_bad_element_costs_itself(read):
    lines = [json.dumps(each) for each in records(ROWS)]
    lines[1] = '{"text": "an "odd" one", "label": "x"}'
    lines[4] = '{"text": unquoted, "meta": [{"text": "inside"}, {"text": "of it"}]}'
    for glue in (",\n  ", ", "):
        table = read(".json", "[" + glue.join(lines) + "]")
        assert table.columns["text"] == [TEXTS[0], TEXTS[2], TEXTS[3], TEXTS[5]]
        assert table.row_numbers == (1, 3, 4, 6)
        assert table.left_out == ((2, "not JSON"), (5, "not JSON"))


def test_two_bad_elements_in_a_row_are_two(read):
    lines = [json.dumps(each) for each in records(ROWS)]
    lines[1] = lines[2] = '{"text": "an "odd" one", "label": "x"}'
    table = read(".json", "[" + ",\n".join(lines) + "]")
    assert [row for row, _ in table.left_out] == [2, 3]
    assert table.row_numbers == (1, 4, 5, 6)


def test_arrays_behind_each_other_are_all_read(read):
    content = '[{"text": "a b"},\n{"text": "c d"}]\n[\n{"text": "e f"}]\n'
    for ending in (".json", ".jsonl"):
        assert read(ending, content).columns["text"] == ["a b", "c d", "e f"]


def test_an_array_with_too_many_mistakes_is_refused_and_not_half_read(read):
    content = "[" + '{"text": a},\n' * 30_000 + '{"text": "a b"}]'
    with pytest.raises(EmbedLabError, match="is not JSON"):
        read(".json", content)


def test_elements_that_are_no_objects_are_said(read):
    table = read(".json", json.dumps([{"text": "a"}, None, 3, [1], {"text": "b"}]))
    assert table.row_numbers == (1, 5)
    assert dict(table.left_out) == {
        2: "null instead of an object",
        3: "a number instead of an object",
        4: "a list instead of an object",
    }


@pytest.mark.parametrize("kept", [1, 3, 5])
def test_a_file_that_was_cut_off_says_so(read, kept):
    whole = json.dumps(records(ROWS), indent=0)
    cut = whole[: whole.index(json.dumps(TEXTS[kept])) + 12]
    table = read(".json", cut)
    assert table.columns["text"] == TEXTS[:kept]
    assert table.left_out == ((kept + 1, "the file ends inside it"),)
    line = cut.count("\n") + 1
    assert any(f"line {line}" in note and "cut off" in note for note in table.notes)


@pytest.mark.parametrize("content", ['{"data": [{"text": "a"}, {"te', '{"text": {"0": "a", "1'])
def test_a_page_that_was_cut_off_is_refused(read, content):
    with pytest.raises(EmbedLabError, match=r"ends in line 1 before it is complete.*cut off"):
        read(".json", content)


@pytest.mark.parametrize(
    ("content", "line"),
    [
        ('[\n {"text": "a"},\n {"text": "b"},\n]', 3),
        ('[{"text": "a"},\n\n{"text": "b"}\n,\n\n]\n', 4),
        ('[{"text": "a"},,\n{"text": "b"}]', 1),
    ],
)
def test_a_comma_too_many_is_said_with_its_line(read, content, line):
    table = read(".json", content)
    assert table.columns["text"] == ["a", "b"]
    assert f"There is a comma too many in line {line}." in table.notes


@pytest.mark.parametrize(
    "content", ['{"text": ["a", "b"],\n}', '[\n{"text": "a",}]', '{"data": [{"text": "a"},\n]}']
)
def test_a_comma_too_many_elsewhere_is_refused_with_its_line(read, content):
    line = content[: content.rindex(",")].count("\n") + 1
    with pytest.raises(EmbedLabError, match=f"a comma too many in line {line}"):
        read(".json", content)


def test_squad_is_refused_with_a_sentence(read):
    answers = [{"text": "a mason", "answer_start": 4}]
    article = {
        "title": "History of the tower",
        "paragraphs": [
            {
                "context": "The tower was built by a mason in the year of the flood.",
                "qas": [{"id": "1", "question": "Who built the tower here?", "answers": answers}],
            }
        ],
    }
    content = json.dumps({"version": "2", "data": [article, article]})
    with pytest.raises(EmbedLabError, match=r"lists inside of lists.*write one row for each text"):
        read(".json", content)


def test_what_an_annotator_chose_is_a_label(read):
    tasks = [
        {
            "id": i,
            "data": {"text": text},
            "annotations": [
                {
                    "result": [
                        {"from_name": "tone", "type": "choices", "value": {"choices": [label]}}
                    ]
                }
            ],
        }
        for i, (text, label) in enumerate(ROWS)
    ]
    table = read(".json", json.dumps(tasks))
    assert table.columns["data.text"] == TEXTS
    assert table.columns["tone"] == [label for _, label in ROWS]
    assert table.label_columns == ("tone",)


def test_rows_as_lists_with_and_without_a_header(read):
    lists = [list(row) for row in ROWS]
    assert read(".json", json.dumps([["text", "label"], *lists])).columns["text"] == TEXTS
    content = "\n".join(map(json.dumps, lists))
    assert read(".jsonl", content).columns["column 1"] == TEXTS


def test_pandas_names_of_rows_are_ids(read):
    frame = {"text": {f"d{i}": text for i, text in enumerate(TEXTS)}}
    table = read(".json", json.dumps(frame))
    assert table.columns["text"] == TEXTS
    assert table.columns["index"] == [f"d{i}" for i in range(6)]
    assert table.id_column == "index"


def test_one_object_is_one_row_whatever_lists_it_has(read):
    row = {"query": "who built it?", "pos": ["a mason"], "ctxs": [{"title": "t", "text": "x"}]}
    table = read(".json", json.dumps(row))
    assert table.columns["query"] == ["who built it?"]


# Parquet


def test_parquet_names_every_column(read):
    (_, content), _ = write("parquet, odd columns", ROWS)
    table = read(".parquet", content)
    assert table.columns["tags"][0] == '["one", "two"]'
    assert table.columns["embedding"][0] == "[40 numbers]"
    assert table.columns["when"][1] == "1970-01-02"
    assert set(table.columns["kept"]) == {"True", "False"}
    assert "Column 'raw' holds bytes that are not text." in table.notes
    assert "Column 'embedding' holds lists of numbers." in table.notes


def test_the_names_of_labels_come_from_the_metadata(read):
    (_, content), _ = write("parquet, class labels", ROWS)
    assert read(".parquet", content).label_columns == ("label",)


@pytest.mark.parametrize("ending", [".csv", ".jsonl", ".parquet"])
def test_ids_are_found(read, ending):
    rows = [("A text of some words.", "x1"), ("Another of these.", "x2")]
    if ending == ".parquet":
        (_, content), _ = write("parquet", rows)
        assert read(ending, content).id_column is None
        return
    content = (
        delimited(rows, header=("text", "doc_id"))
        if ending == ".csv"
        else "\n".join(map(json.dumps, records(rows, label="_id")))
    )
    assert read(ending, content).id_column in ("doc_id", "_id")


# Marks where programs put them, and what has no header or no names


@pytest.mark.parametrize("ending", [".csv", ".tsv"])
@pytest.mark.parametrize("quoting", [csv.QUOTE_MINIMAL, csv.QUOTE_ALL])
@pytest.mark.parametrize("header", ["text", "remark", ""])
def test_a_single_column_is_read_as_programs_write_it(read, ending, quoting, header):
    texts = ["Plain one here.", "With a comma, here.", 'He said "no".', "Two\nlines", "A\ttab; one"]
    sink = io.StringIO(newline="")
    delimiter = "," if ending == ".csv" else "\t"
    writer = csv.writer(sink, delimiter=delimiter, quoting=quoting, lineterminator="\n")
    writer.writerows([text] for text in ([header] if header else []) + texts)
    table = read(ending, sink.getvalue())
    assert table.columns == {header or "text": texts}
    assert len(table.row_numbers) == 5


def test_lines_in_a_quoted_cell_of_a_tsv_stay_one_text(read):
    rows = [(f'"We leave {i}"\tat dawn\nor later', "a") for i in range(30)]
    table = read(".tsv", delimited(rows, delimiter="\t"))
    assert table.columns["text"] == [text for text, _ in rows]


def test_names_such_as_pos_and_neg_are_also_labels(read):
    table = read(".csv", "I liked it a lot.,pos\nIt was not so good.,neg\n")
    assert len(table.row_numbers) == 2


@pytest.mark.parametrize("names", [["0", "1", "2"], ["d7", "d9", "d30"], ["100", "7", "3"]])
def test_a_text_under_each_number_or_id_is_a_row(read, names):
    table = read(".json", json.dumps(dict(zip(names, TEXTS[:3], strict=True))))
    assert table.columns["text"] == TEXTS[:3]
    assert table.columns.get("id", ["0", "1", "2"]) == names


def test_lists_of_rows_side_by_side_are_not_columns(read):
    both = {"train": records(ROWS[:3]), "test": records(ROWS[3:])}
    assert read(".json", json.dumps(both)).columns["text"] == TEXTS


def test_nan_in_json_is_no_text(read):
    table = read(".jsonl", '{"text": "a b", "label": NaN}\n{"text": NaN, "label": "x"}\n')
    assert table.columns == {"text": ["a b", ""], "label": ["", "x"]}
