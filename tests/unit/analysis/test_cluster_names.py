"""Names of clusters: c-TF-IDF against loops over its formula, and names of a small corpus."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import sparse

from embedlab.analysis.cluster_names import Names, c_tf_idf
from embedlab.analysis.stop_words import stop_words
from embedlab.analysis.terms import pieces, words

SUPPORT = [
    "I cannot login, the password is wrong",
    "How do I reset the password of my login?",
    "The login page doesn't take my new password",
    "My card was declined, so the payment failed",
    "The payment by card isn't possible",
    "Please refund the payment to my card",
]
TWO = np.array([0, 0, 0, 1, 1, 1])


def by_hand(counts: list[list[int]], overall: list[int]) -> list[list[float]]:
    """tf(w, c) · log(1 + A / f(w)), written out."""
    total = 0
    for row in counts:
        for count in row:
            total += count
    average = total / len(counts)
    return [
        [count * math.log(1 + average / overall[w]) for w, count in enumerate(row)]
        for row in counts
    ]


def test_c_tf_idf_is_its_formula() -> None:
    generator = np.random.default_rng(0)
    counts = generator.integers(0, 4, (5, 30)) * generator.integers(0, 2, (5, 30))
    overall = counts.sum(axis=0) + generator.integers(1, 3, 30)  # some texts are in no cluster
    expected = by_hand(counts.tolist(), overall.tolist())
    np.testing.assert_allclose(c_tf_idf(counts, overall).toarray(), expected, rtol=1e-12)
    shuffled = sparse.csr_array(counts[:, ::-1].copy())[:, ::-1]  # indices out of order
    np.testing.assert_allclose(c_tf_idf(shuffled, overall).toarray(), expected, rtol=1e-12)
    np.testing.assert_array_equal(shuffled.toarray(), counts)


def test_names_rank_words_by_c_tf_idf() -> None:
    """Where every word tells its cluster and is in several of its texts, nothing else decides."""
    texts = [
        "kite kite wind",
        "kite wind wind rope",
        "rope kite",
        "soup salt",
        "soup salt soup pan pan",
    ]
    texts += ["pan soup bread salt salt", "bread soup"]
    labels = np.array([0, 0, 0, 1, 1, 1, 1])
    vocabulary = sorted({word for text in texts for word in text.split()})
    counts = [[0] * len(vocabulary) for _ in range(2)]
    for text, label in zip(texts, labels, strict=True):
        for word in text.split():
            counts[label][vocabulary.index(word)] += 1
    overall = [sum(column) for column in zip(*counts, strict=True)]
    for found, row in zip(Names(texts).words(labels, 2), by_hand(counts, overall), strict=True):
        best = sorted(range(len(row)), key=lambda w: (-row[w], vocabulary[w]))
        assert found == [vocabulary[w] for w in best if row[w]]


def test_names_make_sense_and_have_no_stop_words() -> None:
    login, payment = Names(SUPPORT).of(TWO, 2)
    assert set(login.split(" · ")[:2]) == {"login", "password"}
    assert set(payment.split(" · ")[:2]) == {"payment", "card"}
    assert not set(f"{login} · {payment}".split(" · ")) & {"the", "my", "doesn", "don", "please"}


def test_a_word_that_every_cluster_has_comes_last() -> None:
    texts = [f"order {word}" for word in ("shoe", "shoe", "lamp", "lamp")]
    assert Names(texts).of(np.array([0, 0, 1, 1]), 2) == ("shoe · order", "lamp · order")


def test_words_that_begin_alike_are_said_once() -> None:
    texts = ["payment payments", "payments payment paid", "tree forest", "forest tree"]
    assert Names(texts).of(np.array([0, 0, 1, 1]), 2) == ("payment · paid", "tree · forest")


@pytest.mark.parametrize(
    ("texts", "first"),
    [
        (["支付失败，银行卡被拒绝", "我的支付没有成功", "银行卡支付失败"], "支付失败"),
        (["ログインできません", "パスワードを忘れてログインできない", "ログインが"], "ログイン"),
        (["เข้าสู่ระบบไม่ได้", "ลืมรหัสผ่าน เข้าสู่ระบบ", "เข้าสู่ระบบ"], "เข้าสู"),
        (["4711-0815", "4711-0900", "4711-1200"], "4711-"),
        (["x += 1;", "x += 2;", "y += 1;"], "+="),
    ],
    ids=["Chinese", "Japanese", "Thai", "numbers", "code"],
)
def test_without_words_n_grams_of_characters_are_the_name(texts: list[str], first: str) -> None:
    others = ["%%%% !!!!", "%%%% ????"]
    name, _ = Names([*texts, *others]).of(np.array([0] * len(texts) + [1] * len(others)), 2)
    assert name.split(" · ")[0].startswith(first)


def test_only_stop_words_are_better_than_nothing() -> None:
    assert (
        Names(["who are you", "who is it", "where", "where was it"])
        .of(np.array([0, 0, 1, 1]), 2)[0]
        .startswith("who")
    )


def test_equal_clusters_get_different_names() -> None:
    names = Names(["blue cars"] * 4 + ["green"]).of(np.array([0, 0, 1, 1, -1]), 2)
    assert names == ("blue · cars", "blue · cars (2)")
    assert Names(["a text"]).of(np.array([-1]), 0) == ()


def test_languages_are_told_by_their_stop_words() -> None:
    german = list(words("Ich habe das nicht, und die Zahlung ist noch nicht da."))
    english = list(words("I did not get the refund that you have promised to me."))
    counts = dict.fromkeys([*german, *english], 1)
    found = stop_words(counts)
    assert {"ich", "habe", "nicht", "the", "did", "have"} <= found
    assert not {"zahlung", "refund"} & found
    only = stop_words(dict.fromkeys(english, 1))
    assert "the" in only and "ich" not in only
    assert stop_words({}) == set() == stop_words({"screw": 3, "bolt": 2})


def test_words_of_a_text() -> None:
    text = "Mary's e-mail: see https://example.org/a?b=c, 3 GPT2 models cost 12.5; l’été हिन्दी"
    assert list(words(text)) == [
        *("mary", "mail", "see", "gpt2", "models", "cost", "été", "हिन्दी"),
    ]
    assert list(words("支付 ok")) == ["支付", "ok"]
    assert list(pieces("ab 12345")) == ["ab", "123", "234", "345", "1234", "2345", "12345"]
