"""Which encoding a file is read in, and what becomes of bytes that are none of it."""

from __future__ import annotations

import pytest

from embedlab.data.decoding import ENCODINGS, decode
from embedlab.data.readers import read_table, read_upload
from embedlab.errors import EmbedLabError

#: A few rows in each language, as short as files of a first try are.
SHORT = {
    "cp1252": [
        "text,label\ncafé €,x\nthé,y\n",
        "Text;Art\nDie Lieferung kam spät im März;Lob\nSie kam früh;Tadel\n",
        "text\nIt’s a “nice” day\nplain line\n",
        "texto\nEl niño comió piña en la montaña\n¿Dónde está?\n",
        "texto\nAs opiniões são boas\nlimões caros\n",
        "texte\nLe goût est sûr, bien sûr\nun coût élevé\n",
        "tekst\nVõi oli põhjas, sõber\nõde jõi töö ajal\n",
        "text\n" + "a plain english line\n" * 200 + "one café\n",
    ],
    "cp1251": [
        "text,label\nДоставка пришла поздно,плохо\nВсё хорошо,хорошо\n",
        "Отзыв;Оценка\nОчень понравился магазин, приду ещё;5\n",
        "відгук\nДуже гарний магазин, прийду ще\nНіхто не відповів\n",
    ],
    "gb18030": [
        "评论,类别\n手机很好用,好\n快递太慢,坏\n",
        "文本\n你好\n",
        "a,b\n质量很好，下次还来。,好评\n包装破了！,差评\n",
    ],
    "big5": ["評論,類別\n手機很好用,好\n送貨太慢,差\n"],
    "cp932": [
        "text,label\nこの店の料理はおいしいです,良い\n対応がとても悪かった,悪い\n",
        "テキスト\nありがとう\nカタカナとｶﾅ\n",
    ],
    "euc_jp": ["text,label\nこの店の料理はおいしいです,良い\n対応がとても悪かった,悪い\n"],
    "cp949": ["내용,분류\n직원이 친절해요,좋음\n가격이 비싸요,나쁨\n", "내용\n안녕하세요\n"],
    "cp1250": [
        "text,label\nZażółć gęślą jaźń dzień dobry,a\nPříliš žluťoučký kůň,b\n",
        "text,label\nNagyon jó volt a főétel.,a\nA kiszolgálás lassú, de kedves.,b\n",
        "vélemény;jegy\nA tűzhely későn melegedett föl;2\nSzép, gyűrűs fedél;5\n",
    ],
    "cp1253": ["text,label\nΤο φαγητό ήταν πολύ καλό,α\nΗ παράδοση άργησε,β\n"],
    "koi8-r": ["text,label\nДоставка пришла поздно,плохо\nВсё хорошо,хорошо\n"],
    "koi8-u": [
        "text,label\nДоставка приїхала пізно,погано\nУсе добре, дякую,добре\n",
        "text\nЄ питання щодо ціни.\nҐанок зламався\n",
    ],
}


@pytest.mark.parametrize("encoding", SHORT)
def test_short_files_are_read_in_their_encoding(encoding):
    for text in SHORT[encoding]:
        assert decode(text.encode(encoding)) == (
            text,
            encoding,
            (f"The file was read as {ENCODINGS[encoding]}.",),
        )


@pytest.mark.parametrize("mark", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_what_unicode_says_of_itself_is_believed(mark):
    text = "text\nnaïve 这家 🙂\n"
    assert decode(text.encode(mark))[::2] == (text, ())


@pytest.mark.parametrize("bad", [b"Gr\xfc\xdfe", b"caf\xe9", b"\xff", b"cut \xe2\x80"])
def test_a_few_bad_bytes_do_not_change_the_encoding(tmp_path, bad):
    rows = [f"Das Café in der Straße Nr. {i}" for i in range(9)]
    data = "\n".join(["text", *rows]).encode() + b"\n" + bad + b" here\n"
    path = tmp_path / "t.csv"
    path.write_bytes(data)
    table = read_table(path)
    assert table.encoding == "utf-8"
    assert table.columns["text"][:-1] == rows
    assert table.columns["text"][-1].count("�") == 1
    assert "Bytes that are not UTF-8 were read as � in 1 place (line 11)." in table.notes


def test_a_damaged_character_of_two_bytes():
    text = "评论,类别\n" + "手机很好用,好\n快递太慢,坏\n" * 40
    data = bytearray(text.encode("gb18030"))
    del data[len(data) // 2 | 1]
    read, encoding, _ = decode(bytes(data))
    assert encoding == "gb18030"
    assert read.count("手机很好用") >= 38


@pytest.mark.parametrize("name", ["gb18030", "GBK", "gbk", "gb2312"])
def test_the_user_may_choose(tmp_path, name):
    path = tmp_path / "t.csv"
    path.write_bytes("text\n你好 吗\n".encode("gbk"))
    for table in (
        read_table(path, encoding=name),
        read_upload(path, max_bytes=10**6, max_texts=10, encoding=name),
    ):
        assert table.columns["text"] == ["你好 吗"]
    assert read_table(path, encoding="cp1251").columns["text"] != ["你好 吗"]


def test_every_choice_that_is_offered_can_be_read():
    for name, title in ENCODINGS.items():
        text = "a,b\nc,d\n"
        for asked in (name, title):
            assert decode(text.encode(name), asked)[0].lstrip("\ufeff") == text


@pytest.mark.parametrize("name", ["nonsense", "base64", "rot13", "\0", "é"])
def test_other_names_are_refused(tmp_path, name):
    path = tmp_path / "t.csv"
    path.write_text("text\nsome\n")
    with pytest.raises(EmbedLabError, match=r"encoding .*, which is not known; use one such as"):
        read_table(path, encoding=name)


@pytest.mark.parametrize(
    ("encoding", "read_as", "texts"),
    [
        ("cp1250", "cp1250", ["Czajnik długo się gotował.", "Spóźniliśmy się, więc szliśmy."]),
        ("iso8859-2", "iso8859-2", ["Czajnik długo się gotował.", "Spóźniliśmy się na ciąg."]),
        ("cp1254", "cp1254", ["Çaydanlık bu sabah geç kaynadı.", "Komşunun köpeği havladı."]),
        ("cp1252", "cp1252", ["Ketillinn var lengi að sjóða í dag.", "Ekkert betra en brauð."]),
        ("cp1252", "cp1252", ["Der Raum hat 30 m² und 75 m³ Luft.", "Größe ½, ±1 µm."]),
        ("cp1252", "cp1252", ["¿Dónde está? ¡Aquí!", "El niño comió más pan."]),
    ],
)
def test_latin_letters_beyond_the_west(encoding, read_as, texts):
    text, name, _ = decode("\n".join(texts).encode(encoding))
    assert (text.split("\n"), name) == (texts, read_as)
