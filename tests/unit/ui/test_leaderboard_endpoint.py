"""The endpoint ``/leaderboard`` answers with plain JSON, and refuses what it cannot compare."""

from __future__ import annotations

import json

import pytest
from support.labs import tiny_lab
from support.models import words

from embedlab import EmbedLabError
from embedlab.ui.api.leaderboard import leaderboard_endpoint

TEXTS = words(*range(3, 23))
LABELS = [str(i % 2) for i in range(20)]


@pytest.fixture(scope="module")
def ask():
    return leaderboard_endpoint(tiny_lab())


def test_labelled_texts_give_a_table_with_intervals(ask):
    designs = ["causal/eos", "causal/mean", "M3", "causal/mean@9"]
    answer = ask(designs=designs, texts=TEXTS, labels=LABELS)
    json.dumps(answer, allow_nan=False)
    assert (answer["measure"], answer["label_free"]) == ("knn_accuracy", False)
    assert [row["rank"] for row in answer["rows"]] == [1, 2, 3]
    scores = [row["scores"]["knn_accuracy"] for row in answer["rows"]]
    assert all(each["low"] <= each["score"] <= each["high"] for each in scores)
    assert [each["score"] for each in scores] == sorted((s["score"] for s in scores), reverse=True)
    assert answer["best"] in designs[:2] and answer["answer"][0].startswith("For these 20 texts")
    assert answer["left_out"][0]["design"] == "causal/mean@9"
    matrix = answer["agreement"]["linear_cka"]
    assert len(matrix) == 3 and all(matrix[i][i] == 1 for i in range(3))
    others = [row for row in answer["rows"] if row["design"] != answer["best"]]
    assert all(row["p"] is not None and row["loss"] is not None for row in others)


def test_without_labels_it_is_a_proposal(ask):
    answer = ask(designs=["causal/eos", "causal/mean"], texts=TEXTS)
    assert answer["label_free"] and "proposal and no result" in answer["answer"][0]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"texts": TEXTS, "corpus": "senses"}, "either a corpus or texts"),
        ({"labels": LABELS}, "labels but no texts"),
        ({"texts": TEXTS, "labels": LABELS[:3]}, "3 values for 20 texts"),
        ({"texts": TEXTS, "designs": ["M9"]}, "'M9' is not a design"),
        ({"corpus": "nothing"}, "nothing"),
        ({"texts": TEXTS, "designs": ["causal/mean@99"]}, "no design to compare"),
    ],
)
def test_what_it_cannot_compare_it_says(ask, arguments, message):
    with pytest.raises(EmbedLabError, match=message):
        ask(**arguments)
