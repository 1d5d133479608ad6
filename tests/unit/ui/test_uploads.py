"""The upload of a table, and the two panels that stand on it: own texts and own pairs."""

from __future__ import annotations

import types
from pathlib import Path

import gradio as gr
import pytest

from embedlab.errors import EmbedLabError
from embedlab.lab.config import Config
from embedlab.progress import no_progress
from embedlab.ui.shared.own_texts import OwnTexts
from embedlab.ui.shared.session import Sessions, Updates, Values
from embedlab.ui.shared.table_upload import TableUpload
from embedlab.ui.tabs.finetune.own_pairs import OwnPairs

LAB = types.SimpleNamespace(config=Config())


@pytest.fixture(scope="module")
def texts() -> OwnTexts:
    with gr.Blocks():
        return OwnTexts(LAB, Sessions())


@pytest.fixture(scope="module")
def pairs() -> OwnPairs:
    with gr.Blocks():
        return OwnPairs(LAB.config.limits, Sessions())


def read(upload: TableUpload, path: Path | None) -> Updates:
    return upload._read({upload.file: path and str(path)}, no_progress)


def values(upload: TableUpload, updates: Updates) -> Values:
    """The inputs of the next event after these updates."""
    chosen = {column: updates[column]["value"] for column in upload.columns}
    return Values({upload.table: updates[upload.table], **chosen})


@pytest.fixture
def reviews(tmp_path: Path) -> Path:
    path = tmp_path / "reviews.csv"
    rows = [f"{i},review number {i},{'good' if i % 3 else 'bad'}\n" for i in range(9)]
    path.write_text("id,review,mood\n" + "".join(rows))
    return path


def test_a_table_is_read_and_its_columns_are_guessed(texts: OwnTexts, reviews: Path) -> None:
    upload = texts.upload
    updates = read(upload, reviews)
    assert updates[upload.group]["visible"]
    text, label = (updates[column] for column in upload.columns)
    assert (text["value"], label["value"]) == ("review", "mood")
    assert text["choices"] == ["id", "review", "mood"]
    assert label["choices"] == [("(none)", ""), "id", "review", "mood"]
    corpus = texts.from_file(values(upload, updates), no_progress)
    assert len(corpus.texts) == 9 and corpus.fields["mood"][:2] == ("bad", "good")
    no_label = {**values(upload, updates), upload.columns[1]: ""}
    assert texts.from_file(no_label, no_progress).fields == {}


def test_the_form_shows_what_would_be_read(texts: OwnTexts, tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    rows = ["a,<b>first</b> text,x,alpha beta gamma", "b,,y,d e f", "c,third text,,g h i"]
    path.write_text("\n".join(["id,text,label,note", *rows, "d,third text,x,j k l"]))
    upload = texts.upload
    updates = read(upload, path)
    shown = updates[upload.shown]
    for part in (
        "3 texts in column <strong>text</strong>, labels in column <strong>label</strong>",
        "encoding utf-8",
        "x 2, unlabelled 1",
        "&lt;b&gt;first",
        "a · x",
        "Row 2 was left out: no text.",
        "1 of 3 texts repeat earlier ones.",
    ):
        assert part in shown
    chosen = values(upload, updates)
    other = upload._preview(Values({**chosen, upload.columns[0]: "note"}), no_progress)
    assert "4 texts in column <strong>note</strong>" in other[upload.shown]
    refused = upload._preview(Values({**chosen, upload.columns[0]: "nope"}), no_progress)
    assert "no column" in refused[upload.shown]


def test_a_title_and_its_text_are_offered_as_one(texts: OwnTexts, tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    path.write_text('{"title": "The shop", "text": "It opens."}\n{"title": "The door", "text": ""}')
    updates = read(texts.upload, path)
    text = updates[texts.upload.columns[0]]
    assert text["value"] == "title + text" == text["choices"][0]
    corpus = texts.from_file(values(texts.upload, updates), no_progress)
    assert corpus.texts == ("The shop It opens.", "The door")


def test_another_encoding_reads_the_file_again(texts: OwnTexts, tmp_path: Path) -> None:
    path, upload = tmp_path / "t.csv", texts.upload
    path.write_bytes("text,label\nCafé im März,a\nTür zu,b\nÜber Nacht,a\n".encode("cp1252"))
    updates = read(upload, path)
    assert updates[upload.encoding]["value"] == "cp1252" and "Café im März" in updates[upload.shown]
    again = upload._read_again({upload.file: str(path), upload.encoding: "cp1251"}, no_progress)
    assert again[upload.encoding]["value"] == "cp1251" and "Cafй" in again[upload.shown]


def test_a_cleared_file_leaves_nothing_to_use(texts: OwnTexts, pairs: OwnPairs) -> None:
    for upload in (texts.upload, pairs.upload):
        updates = read(upload, None)
        assert updates[upload.table] is None and not updates[upload.group]["visible"]
    assert updates[pairs.pairs] is None
    cleared = Values({pairs.upload.table: None, **dict.fromkeys(pairs.upload.inputs)})
    assert not pairs._ask(cleared, no_progress)[pairs.keep]["visible"]
    empty = Values(dict.fromkeys(texts.upload.inputs))
    with pytest.raises(EmbedLabError, match="no file yet; upload a txt, csv, jsonl or parquet"):
        texts.from_file(empty, no_progress)


def test_pasted_texts(texts: OwnTexts) -> None:
    assert texts.from_paste({texts.pasted: "a\n\nb"}, no_progress).texts == ("a", "b")
    with pytest.raises(EmbedLabError, match="no text yet"):
        texts.from_paste({texts.pasted: None}, no_progress)


def test_own_pairs(pairs: OwnPairs, tmp_path: Path) -> None:
    path = tmp_path / "pairs.csv"
    path.write_text("query,answer,other\nwho are you,nobody,x\nwhy,because,y\n")
    upload = pairs.upload
    updates = read(upload, path)
    assert updates[pairs.pairs] is None  # a new file, whose columns are not confirmed yet
    assert "who are you" in updates[upload.shown] and "2 pairs" in updates[upload.shown]
    chosen = values(upload, updates) | {pairs.keep: None}
    assert [chosen[column] for column in upload.columns] == ["query", "answer", ""]
    assert not pairs._ask(Values(chosen), no_progress)[pairs.keep]["visible"]
    result = pairs.read(chosen, no_progress)
    assert result.anchors == ("who are you", "why") and not result.negatives
    twice = {**chosen, upload.columns[1]: "query"}
    with pytest.raises(EmbedLabError, match="chosen twice"):
        pairs.read(twice, no_progress)


def test_queries_and_scored_pairs_can_be_chosen_in_a_table(texts: OwnTexts, tmp_path: Path) -> None:
    path = tmp_path / "answers.jsonl"
    path.write_text(
        '{"query": "who was it?", "positive": ["nobody at all"], "negative": ["not this one"]}\n'
    )
    updates = read(texts.upload, path)
    text = updates[texts.upload.columns[0]]
    assert text["value"] == "queries with their relevant texts" == text["choices"][0]
    corpus = texts.from_file(values(texts.upload, updates), no_progress)
    assert corpus.queries == ("who was it?",) and corpus.relevant == (frozenset({0}),)
    as_rows = {**values(texts.upload, updates), texts.upload.columns[0]: "query"}
    assert texts.from_file(as_rows, no_progress).texts == ("who was it?",)


def test_several_files_make_a_corpus_with_queries(texts: OwnTexts, tmp_path: Path) -> None:
    files = {
        "corpus.jsonl": '{"_id": "d1", "title": "T", "text": "a <b>text</b>"}',
        "queries.jsonl": '{"_id": "q1", "text": "a query"}',
        "qrels.tsv": "query-id\tcorpus-id\tscore\nq1\td1\t1\nq1\td2\t1",
    }
    for name, content in files.items():
        (tmp_path / name).write_text(content)
    upload = texts.upload
    paths = [str(tmp_path / name) for name in files]
    updates = upload._read({upload.file: paths}, no_progress)
    shown = updates[upload.shown]
    assert updates[upload.group]["visible"] and "1 text, 1 query" in shown
    assert not any(updates[column]["visible"] for column in upload.columns)
    assert "a document that is not there" in shown and "<b>text" not in shown
    corpus = texts.from_file(Values({upload.result: updates[upload.result]}), no_progress)
    assert (corpus.texts, corpus.ids) == (("T a <b>text</b>",), ("d1",))
    table = upload._read({upload.file: [str(tmp_path / "corpus.jsonl")]}, no_progress)
    assert table[upload.result] is None and table[upload.columns[0]]["visible"]
    assert table[upload.columns[0]]["value"] == "title + text"


def test_own_pairs_ask_which_rows_belong_together(pairs: OwnPairs, tmp_path: Path) -> None:
    path = tmp_path / "pairs.csv"
    path.write_text(
        "premise,hypothesis,label\nIt rains hard.,It is wet.,0\nIt rains hard.,It is dry.,2\n"
        "She runs.,She moves.,0\nShe runs.,She is glad.,1\n"
    )
    updates = read(pairs.upload, path)
    assert "Proposed: label=0" in updates[pairs.upload.shown]
    chosen = values(pairs.upload, updates) | {pairs.keep: None}
    asked = pairs._ask(Values(chosen), no_progress)[pairs.keep]
    assert asked["visible"] and asked["value"] is None
    assert asked["choices"][0] == ("label=0 (proposed)", "label=0")
    assert ("Every row", "all") in asked["choices"]
    with pytest.raises(EmbedLabError, match="Answer in 'Rows that belong together'"):
        pairs.read(Values(chosen), no_progress)
    answered = Values({**chosen, pairs.keep: "label=0"})
    result = pairs.read(answered, no_progress)
    assert result.positives == ("It is wet.", "She moves.")
    assert result.negatives == (("It is dry.",), ())
    assert "It is dry." in pairs._preview(answered, no_progress)[pairs.upload.shown]


def test_several_columns_of_one_kind_are_one_choice(pairs: OwnPairs, tmp_path: Path) -> None:
    path = tmp_path / "pairs.csv"
    path.write_text("q,pos,neg_1,neg_2\nwho is it,nobody,you see,they saw\nwhy so,because,no,yes\n")
    updates = read(pairs.upload, path)
    negative = updates[pairs.upload.columns[2]]
    assert negative["value"] == "neg_1, neg_2" == negative["choices"][-1]
    chosen = values(pairs.upload, updates) | {pairs.keep: None}
    assert pairs.read(Values(chosen), no_progress).negatives[0] == ("you see", "they saw")
