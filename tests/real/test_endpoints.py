"""The served endpoints, from gradio_client and over plain HTTP, on the real backbone."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import httpx
import numpy as np
import pytest
from gradio_client import Client
from gradio_client.exceptions import AppError
from support.serving import ROOT, Served, client_of

from embedlab import Backbone, Design, embed, load_backbone

TEXTS = ["The river burst its bank.", "She opened an account at the bank.", "Ein Satz, 🙂."]
ENDPOINTS = {
    "/embed": ["texts", "design", "backbone"],
    "/retrieve": ["query", "corpus", "design_a", "design_b", "k"],
    "/similarity": ["texts", "design_a", "design_b"],
    "/project": ["corpus", "design_a", "design_b"],
    "/clusters": ["corpus", "design", "k", "method"],
    "/layers": ["corpus", "attention"],
    "/mask_proof": ["text_a", "text_b"],
    "/tokens": ["text", "design"],
    "/key_tokens": ["texts", "design"],
    "/leaderboard": ["corpus", "designs", "texts", "labels", "backbone"],
    "/health": [],
    "/offers": [],
    "/finetune": [
        *("backbone", "design", "data", "steps", "batch", "learning_rate", "mode", "seed"),
        *("score", "held_out"),
    ],
}
Call = Callable[..., Any]


@pytest.fixture(scope="module")
def client(served: Served) -> Client:
    return client_of(served.url)


@pytest.fixture(scope="module")
def post(served: Served) -> Call:
    """One call as curl makes it: POST the data, then read the event's outcome."""

    def call(endpoint: str, data: list[Any] | str) -> tuple[str, Any]:
        url = f"{served.url}gradio_api/call{endpoint}"
        body = data if isinstance(data, str) else json.dumps({"data": data})
        headers = {"Content-Type": "application/json"}
        with httpx.Client(timeout=120) as http:
            answer = http.post(url, content=body.encode(), headers=headers)
            if answer.status_code != 200:
                return "refused", answer.text
            events = http.get(f"{url}/{answer.json()['event_id']}").text
        outcome, payload = re.findall(r"event: (\w+)\ndata: (.*)", events)[-1]
        return outcome, json.loads(payload)

    return call


def test_exactly_these_are_served_and_documented(client: Client) -> None:
    described = client.view_api(return_format="dict")
    assert not described["unnamed_endpoints"]
    named = described["named_endpoints"]
    assert {
        name: [parameter["parameter_name"] for parameter in endpoint["parameters"]]
        for name, endpoint in named.items()
    } == ENDPOINTS
    for endpoint in named.values():
        assert len(endpoint["description"]) > 20
        assert all(parameter["python_type"]["type"] for parameter in endpoint["parameters"])


def test_embed_is_what_the_library_gives(client: Client, smollm2: Backbone, post: Call) -> None:
    client.predict(["a text"], "M1", api_name="/embed")
    [loaded] = client.predict(api_name="/health")["loaded"]
    if loaded["precision"] != "float32":  # the application takes what is faster on this CPU
        smollm2 = load_backbone("smollm2-135m", dtype=loaded["precision"], device="cpu")
    for name in ("causal/mean@11+skip_first", "M5"):
        answer = client.predict(TEXTS, name, api_name="/embed")
        design = Design.parse(name)
        assert answer["design"] == str(design) and answer["dim"] == 576
        assert answer["truncated"] == [False] * 3
        vectors = np.array(answer["vectors"])
        np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
        np.testing.assert_allclose(vectors, embed(TEXTS, design, smollm2), atol=1e-5)
    outcome, [over_http] = post("/embed", [TEXTS, "M5", "smollm2-135m"])
    assert outcome == "complete" and over_http == answer


def test_a_long_text_is_reported_as_cut(client: Client) -> None:
    answer = client.predict(["short", "long " * 3000], "causal/eos", api_name="/embed")
    assert answer["truncated"] == [False, True]


def test_retrieve(client: Client, post: Call) -> None:
    line = (ROOT / "assets/senses_queries.jsonl").read_text().splitlines()[0]
    query = json.loads(line)
    arguments = [query["query"], "senses", "M1", "bidirectional/mean", 5]
    answer = client.predict(*arguments, api_name="/retrieve")
    assert answer["corpus"] == "senses" and answer["texts"] == "160"
    rows = [json.loads(row) for row in (ROOT / "assets/senses.jsonl").read_text().splitlines()]
    for side, design in (("a", "causal/eos"), ("b", "bidirectional/mean")):
        assert answer[side]["design"] == design
        results = answer[side]["results"]
        assert [hit["rank"] for hit in results] == [1, 2, 3, 4, 5]
        scores = [hit["score"] for hit in results]
        assert scores == sorted(scores, reverse=True) and -1 <= scores[-1] <= scores[0] <= 1.00001
        for hit in results:
            assert hit["text"] == rows[hit["id"]]["text"]
            assert hit["relevant"] == (hit["id"] in query["relevant"])
    ranks_b = {hit["id"]: hit["rank"] for hit in answer["b"]["results"]}
    for hit in answer["a"]["results"]:
        if hit["id"] in ranks_b:
            assert hit["move"] == ranks_b[hit["id"]] - hit["rank"]
    assert post("/retrieve", arguments) == ("complete", [answer])
    own = client.predict("a query of my own", "senses", "M1", "M1", 3, api_name="/retrieve")
    assert [hit["relevant"] for hit in own["a"]["results"]] == [None] * 3
    assert own["a"] == own["b"]


def test_similarity_is_the_product_of_the_vectors(client: Client, post: Call) -> None:
    arguments = [TEXTS, "causal/mean", "M4"]
    answer = client.predict(*arguments, api_name="/similarity")
    for side, design in (("a", "causal/mean"), ("b", "bidirectional/last_layer_trainable")):
        assert answer[side]["design"] == design
        vectors = np.array(client.predict(TEXTS, design, api_name="/embed")["vectors"])
        np.testing.assert_allclose(answer[side]["matrix"], vectors @ vectors.T, atol=1e-5)
    assert post("/similarity", arguments) == ("complete", [answer])


def test_project(client: Client, post: Call) -> None:
    arguments = ["senses", "M1", "bidirectional/mean"]
    answer = client.predict(*arguments, api_name="/project")
    assert answer["corpus"] == "senses" and answer["method"] == "UMAP"
    rows = [json.loads(row) for row in (ROOT / "assets/senses.jsonl").read_text().splitlines()]
    for side in "ab":
        points = answer[side]["points"]
        assert [point["id"] for point in points] == list(range(160))
        assert [point["label"] for point in points] == [row["sense"] for row in rows]
        assert np.isfinite([[point["x"], point["y"]] for point in points]).all()
    assert post("/project", arguments) == ("complete", [answer])


@pytest.mark.parametrize(
    "text",
    [
        "a",
        "<script>alert(1)</script>${1}{{2}}",
        "שלום עולם",
        "👩‍👩‍👧‍👦" * 40,
        "\x01\x02 control signs",
        "line\nline\r\n\ttab",
        "0" * 5000,
        "\u202eright to left",
    ],
)
def test_strange_texts_are_embedded(client: Client, text: str) -> None:
    answer = client.predict([text], "causal/mean", api_name="/embed")
    assert np.linalg.norm(answer["vectors"][0]) == pytest.approx(1, abs=1e-5)


def test_nul_bytes_and_lone_surrogates_are_left_out(post: Call) -> None:
    plain = post("/embed", [["some text"], "M1", ""])
    assert plain[0] == "complete"
    for strange in (r"some\u0000 text", r"some text\u0000"):
        outcome = post("/embed", f'{{"data": [["{strange}"], "M1", ""]}}')
        _answered(outcome)
    _answered(post("/embed", r'{"data": [["some \ud800 text"], "M1", ""]}'))
    _answered(post("/retrieve", r'{"data": ["a \udfff query", "senses", "M1", "M1", 3]}'))


def _answered(outcome: tuple[str, Any]) -> None:
    """A result, or one clear sentence."""
    kind, payload = outcome
    if kind != "complete":
        _one_sentence(payload["error"])


SENSES = ["senses", "M1", "M2"]


@pytest.mark.parametrize(
    ("endpoint", "data", "words"),
    [
        ("/embed", [[""], "M1", ""], "empty"),
        ("/embed", [["  \n"], "M1", ""], "empty"),
        ("/embed", [[], "M1", ""], "text"),
        ("/embed", ["one text", "M1", ""], "texts must be a list of strings"),
        ("/embed", [{"0": "a"}, "M1", ""], "texts must be a list of strings"),
        ("/embed", [[1, None], "M1", ""], "texts must be a list of strings"),
        ("/embed", [None, "M1", ""], "texts must be a list of strings"),
        ("/embed", [["a"], "M9", ""], "'M9' is not a design"),
        ("/embed", [["a"], "causal/max", ""], "'max' is not a known pooling"),
        ("/embed", [["a"], 7, ""], "design is '7'; it must be a string"),
        ("/embed", [["a"], "causal/mean@99", ""], "99"),
        ("/embed", [["a"], "causal/mean@-40", ""], "-40"),
        ("/embed", [["a"], "M1", "gpt-5"], "gpt-5"),
        ("/embed", [["a"], "M1", "../../etc"], "../../etc"),
        ("/embed", [["a"] * 10_000, "M1", ""], "10,000 texts are more than the 5,000"),
        ("/embed", [["a" * 3_000_000], "M1", ""], "3,000,000 characters"),
        ("/embed", [["a"], "M1?query=" + "x" * 600, ""], "500"),
        ("/retrieve", ["", *SENSES, 10], "The query is empty"),
        ("/retrieve", ["q", "nope", "M1", "M2", 10], "'nope' is not a corpus offered here"),
        ("/retrieve", ["q", "own", "M1", "M2", 10], "'own' is not a corpus offered here"),
        ("/retrieve", ["q", *SENSES, 0], "k is 0; ask for 1 to 100"),
        ("/retrieve", ["q", *SENSES, -1], "k is -1; ask for 1 to 100"),
        ("/retrieve", ["q", *SENSES, 10**9], "k is 1000000000; ask for 1 to 100"),
        ("/retrieve", ["q", *SENSES, "many"], "k is 'many'"),
        ("/retrieve", [["q"], *SENSES, 3], "query is"),
        ("/similarity", [["a"] * 61, "M1", "M2"], "61 texts were sent; /similarity takes up to 60"),
        ("/similarity", [["a", ""], "M1", "M2"], "empty"),
        ("/similarity", [["a", "b"], "M1", "eos"], "'eos' is not a design"),
        ("/project", ["nope", "M1", "M2"], "'nope' is not a corpus offered here"),
        ("/project", [None, "M1", "M2"], "corpus is 'None'; it must be a string"),
        ("/project", ["senses", "M1", "causal/mean@31"], "31"),
        ("/clusters", ["senses", "M1", -1, "k-means"], "-1 clusters were asked for"),
        ("/clusters", ["senses", "M1", 101, "k-means"], "choose 1 to 100"),
        ("/clusters", ["senses", "M1", 1, "HDBSCAN"], "A cluster of 1 texts"),
        ("/clusters", ["senses", "M1", 5, "ward"], "'ward' is not a way to cluster"),
    ],
)
def test_bad_input_gives_one_sentence(
    post: Call, endpoint: str, data: list[Any], words: str
) -> None:
    outcome, payload = post(endpoint, data)
    assert outcome == "error"
    assert words in payload["error"]
    _one_sentence(payload["error"])


def test_the_client_sees_the_same_sentence(client: Client) -> None:
    with pytest.raises(AppError, match="'M9' is not a design; write attention/pooling"):
        client.predict(["a"], "M9", api_name="/embed")


def _one_sentence(message: str) -> None:
    assert 10 < len(message) < 400 and message.endswith((".", "?"))
    assert not re.search(
        r"Traceback|\.py\b|line \d|Exception|Error:|/home|/root|site-packages", message
    )


def test_health_answers_and_shows_what_is_loaded(client: Client) -> None:
    answer = client.predict(api_name="/health")
    assert answer["status"] == "ok"
    assert [loaded["backbone"] for loaded in answer["loaded"]] == ["smollm2-135m"]
    assert 0 < answer["memory_mb"]["states"] <= answer["memory_mb"]["states_budget"]
