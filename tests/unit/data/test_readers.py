import csv
import gzip
import json
import pickle
import zipfile
from pathlib import Path

import pandas as pd
import pytest

from embedlab.data.hub_dataset import load_hub_dataset
from embedlab.data.readers import read_table
from embedlab.data.tables import own_texts, table_to_corpus
from embedlab.errors import EmbedLabError


@pytest.fixture
def write(tmp_path):
    def write(name, content):
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return write


def corpus_of(path, **chosen):
    return table_to_corpus(read_table(path), **chosen)


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_delimiters_are_found(write, delimiter):
    rows = [
        ["body", "topic"],
        ["one, two; three", "x"],
        ["four | five\nsix", "y"],
        ["se\tven", "x"],
    ]
    path = write("t.csv", "")
    with path.open("w", newline="") as file:
        csv.writer(file, delimiter=delimiter).writerows(rows)
    corpus = corpus_of(path)
    assert list(corpus.texts) == [row[0] for row in rows[1:]]
    assert corpus.labels == ("x", "y", "x")
    assert list(corpus.fields) == ["topic"]


def test_a_single_column_may_hold_commas(write):
    corpus = corpus_of(write("t.csv", "text\nhello, world\nplain\na, b, c\n"))
    assert corpus.texts == ("hello, world", "plain", "a, b, c")
    assert corpus.labels is None


def test_ragged_rows_are_counted(write):
    corpus = corpus_of(write("t.csv", "text,label\na b,x\nonly\nc,d,e\nf g,y\n"))
    assert corpus.texts == ("a b", "f g")
    assert [row for row, _ in corpus.left_out] == [2, 3]


def test_blank_rows_are_counted(write):
    corpus = corpus_of(write("t.csv", "text,label\na,x\n,x\n\n  ,y\nb,\n"))
    assert corpus.texts == ("a", "b")
    assert corpus.labels == ("x", "")
    assert "3 blank rows were left out." in corpus.notes
    assert corpus.total == 2


def test_rows_without_a_header_are_all_kept(write):
    long = "a sentence long enough that nobody would ever take it for a column's name"
    corpus = corpus_of(write("t.csv", f"{long},1\nshort one,0\nanother,0\nlast,1\n"))
    assert corpus.texts[0] == long
    assert corpus.labels == ("1", "0", "0", "1")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_encodings(write, encoding):
    corpus = corpus_of(write("t.csv", "text,label\ncafé €,x\nthé,y\n".encode(encoding)))
    assert corpus.texts == ("café €", "thé")
    assert ("The file was read as Windows-1252." in corpus.notes) == (encoding == "cp1252")


def test_a_megabyte_in_one_cell(write):
    text = "word " * 200_000
    assert corpus_of(write("t.csv", f'text,label\n"{text}",x\n')).texts == (text.strip(),)


def test_txt_is_one_text_a_line(write):
    corpus = corpus_of(write("t.txt", "one\r\n\r\ntwo\u2028still two\rthree"))
    assert corpus.texts == ("one", "two\u2028still two", "three")


def test_json_lines_skip_what_is_no_object(write):
    lines = [
        json.dumps({"sentence": "a\ud800 b", "class": 1}),
        "{broken",
        "[" * 100_000,
        "17",
        json.dumps({"sentence": "c", "class": 0, "extra": {"k": [1]}}),
        "",
    ]
    corpus = corpus_of(write("t.jsonl", "\n".join(lines)))
    assert corpus.texts == ("a\ufffd b", "c")
    assert corpus.fields["class"] == ("1", "0")
    table = read_table(write("t.jsonl", "\n".join(lines)))
    assert table.row_numbers == (1, 5)
    assert table.left_out == (
        (2, "not JSON"),
        (3, "not JSON"),
        (4, "a number instead of an object"),
    )


@pytest.mark.parametrize(
    "content",
    [
        [{"text": "a"}, {"text": "b"}],
        ["a", "b"],
        {"text": ["a", "b"]},
        {"data": [{"text": "a"}, {"text": "b"}]},
    ],
)
def test_shapes_of_json(write, content):
    assert corpus_of(write("t.json", json.dumps(content))).texts == ("a", "b")


@pytest.mark.parametrize("depth", [900, 990, 1500])
def test_deep_nesting_beside_the_text_does_no_harm(write, depth):
    deep = "[" * depth + "]" * depth
    lines = ['{"text": "a", "label": ' + deep + "}", '{"text": "b"}']
    assert "b" in corpus_of(write("t.jsonl", "\n".join(lines))).texts


def test_parquet(tmp_path):
    frame = pd.DataFrame(
        {
            "id": range(6),
            "note": pd.Categorical(["u", "v"] * 3),
            "words": ["a b", None, "c d e f", "g", "h", "i"],
            "vector": [[1.0, 2.0]] * 6,
        }
    )
    frame.to_parquet(tmp_path / "t.parquet")
    corpus = corpus_of(tmp_path / "t.parquet")
    assert corpus.texts == ("a b", "c d e f", "g", "h", "i")
    assert corpus.labels == ("u", "u", "v", "u", "v")


def test_a_parquet_without_text_lists_its_columns(tmp_path):
    pd.DataFrame({"id": [1], "weight": [0.5]}).to_parquet(tmp_path / "t.parquet")
    with pytest.raises(EmbedLabError, match="no column with text; its columns are 'id', 'weight'"):
        read_table(tmp_path / "t.parquet")


@pytest.mark.parametrize("ending", ["csv", "txt", "jsonl", "json", "parquet"])
def test_row_limits_keep_the_true_total(tmp_path, ending):
    path = tmp_path / f"t.{ending}"
    frame = pd.DataFrame({"text": [f"text {i}" for i in range(2500)]})
    match ending:
        case "csv":
            frame.to_csv(path, index=False)
        case "txt":
            path.write_text("\n".join(frame["text"]))
        case "parquet":
            frame.to_parquet(path)
        case _:
            frame.to_json(path, orient="records", lines=ending == "jsonl")
    corpus = table_to_corpus(read_table(path, max_texts=1200))
    assert corpus.texts == tuple(frame["text"][:1200])
    assert corpus.size_note == "1,200 of 2,500"
    assert "Only the first 1,200 of 2,500 rows were read." in corpus.notes


class Trap:
    def __reduce__(self):
        return (pytest.fail, ("the file was unpickled",))


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("name", ["t.csv", "t.parquet", "t.jsonl"])
def test_a_pickle_is_never_opened(write, protocol, name):
    said = f"is a pickle, not the {Path(name).suffix} file its name says|cannot be read as parquet"
    with pytest.raises(EmbedLabError, match=f"'{name}' ({said})"):
        read_table(write(name, pickle.dumps(Trap(), protocol=protocol)))


def test_a_zip_named_csv(tmp_path):
    with zipfile.ZipFile(tmp_path / "t.csv", "w") as archive:
        archive.writestr("a", "b")
    with pytest.raises(EmbedLabError, match="a zip archive"):
        read_table(tmp_path / "t.csv")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("t.csv", b"", "is empty"),
        ("t.csv", b"text,label\n", "no rows"),
        ("t.csv", b"\n\n\n", "no rows"),
        ("t.csv", b"\xef\xbb\xbf", "no rows"),
        ("t.csv", b"a,b,c\n1\n2\n", "as many cells as its header"),
        ("t.csv", b"text\na\0b\n", "NUL bytes"),
        ("t.csv", "text\nabc\n".encode("utf-16")[2:], "NUL bytes"),
        ("t.csv", ",".join(f"c{i}" for i in range(300)) + "\n", "300 columns"),
        ("t.csv", gzip.compress(b"text\na\n", mtime=0), "a gzip archive"),
        ("t.exe", b"MZ", "unknown kind; use .txt, .csv"),
        ("t.json", b"{}", "holds no rows"),
        ("t.json", b"3", "holds no rows"),
        ("t.jsonl", b"nothing\nhere\n", "holds no rows"),
        ("t.parquet", b"PAR1 but not really PAR1", "cannot be read as parquet"),
        ("t.csv", b"id,score\n1,0.5\n2,0.25\n", "no column with text"),
        ("t.txt", b"\n \n\n", "no column with text"),
    ],
)
def test_bad_files_get_one_sentence(write, tmp_path, name, content, message):
    with pytest.raises(EmbedLabError, match=message) as caught:
        corpus_of(write(name, content))
    assert str(tmp_path) not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_over_the_limit_is_not_read(write):
    with pytest.raises(EmbedLabError, match=r"has 2\.0 MB; the limit is 1\.0 MB"):
        read_table(write("t.txt", b"x" * 2_000_000), max_bytes=1_000_000)


def test_a_missing_file(tmp_path):
    with pytest.raises(EmbedLabError, match=r"'gone.csv' cannot be opened"):
        read_table(tmp_path / "gone.csv")


def test_columns_can_be_chosen(write):
    path = write("t.csv", "text,title,kind,id\na,A one,x,1\nb,B one,y,2\n")
    corpus = corpus_of(path, text_column="title", label_column="kind")
    assert corpus.texts == ("A one", "B one")
    assert corpus.labels == ("x", "y")
    assert corpus_of(path, label_column="").labels is None
    with pytest.raises(EmbedLabError, match="holds only numbers"):
        corpus_of(path, text_column="id")
    with pytest.raises(EmbedLabError, match="no column 'nope'; its columns are 'text', 'title'"):
        corpus_of(path, label_column="nope")


def test_other_columns_survive_as_they_are_written(write):
    path = write(
        "t.csv",
        "id,text,kind,price,remark,vector\n"
        '1,a text,x,007,"one, two","[1, 2]"\n2,,x,8,blank,"[1]"\n'
        '3,b text,y,NaN,,"[3]"\n4,c text,y,2,z,"[4]"\n',
    )
    corpus = corpus_of(path, label_column="kind")
    assert corpus.columns == {"price": ("007", "NaN", "2"), "remark": ("one, two", "", "z")}
    assert corpus.ids == ("1", "3", "4") and list(corpus.fields) == ["kind"]
    # What is no label is a column then, and lists such as vectors are none.
    assert list(corpus_of(path, label_column="").columns) == ["kind", "price", "remark"]
    part = corpus.sample(2, seed=0)
    for text, price in zip(part.texts, part.columns["price"], strict=True):
        assert corpus.columns["price"][corpus.texts.index(text)] == price


def test_guesses(write):
    table = read_table(write("t.csv", "n,long,few\n" + "1,some words here,x\n2,more words,y\n" * 3))
    assert (table.text_column, table.label_column) == ("long", "few")
    table = read_table(write("t.csv", "Long,TEXT,Category\nmuch longer than that,a,x\n"))
    assert (table.text_column, table.label_column) == ("TEXT", "Category")


def test_pasted_texts():
    corpus = own_texts("one\n\n <script>alert(1)</script> \r\nשלום\0\ud800\n")
    assert corpus.texts == ("one", "<script>alert(1)</script>", "שלום\ufffd")
    assert corpus.notes == ("1 blank row was left out.",)
    assert own_texts("a\nb\nc", max_texts=2).size_note == "2 of 3"
    for nothing in ("", " \n\0\n"):
        with pytest.raises(EmbedLabError, match="one text per line"):
            own_texts(nothing)


def test_a_hub_dataset_offline_is_refused_at_once(monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(EmbedLabError, match="HF_HUB_OFFLINE is set"):
        load_hub_dataset("stanfordnlp/imdb")


@pytest.mark.parametrize("name", ["csv", "/etc/passwd", "../data/x", "a/b/c", "", "~/x"])
def test_only_names_of_hub_datasets_are_tried(name):
    with pytest.raises(EmbedLabError, match="not the name of a Hub dataset"):
        load_hub_dataset(name)


def test_a_txt_with_as_many_tabs_in_every_line_is_a_table(tmp_path):
    path = tmp_path / "t.txt"
    path.write_text('spam\tYou won "a prize"\nham\tSee you at six\nham\tOn my way\n')
    table = read_table(path)
    assert [*table.columns.values()] == [
        ["spam", "ham", "ham"],
        ['You won "a prize"', "See you at six", "On my way"],
    ]
    assert any("as many tabs" in note for note in table.notes)
    path.write_text("a text\twith a tab\nand one without\n")
    assert read_table(path).columns == {"text": ["a text\twith a tab", "and one without"]}
