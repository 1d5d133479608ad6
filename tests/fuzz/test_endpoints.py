"""Hostile requests: whatever a client sends to a named endpoint, it gets a result or one sentence.

Most cases call the served functions directly, with the same error handling; some go over HTTP to a
separate application process. Counting, deadlines and seeds as in
``test_fuzz_readers.py``.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from inspect import signature
from pathlib import Path
from typing import Any

import gradio as gr
import httpx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.fuzzing import CASES as READERS_CASES
from support.fuzzing import ODD_NUMBERS, ODD_TEXT, ODD_VALUES, PLACES, clear, fuzz
from support.fuzzing import case as timed
from support.models import tiny_model, tiny_tokenizer
from support.serving import serving

from embedlab import Design
from embedlab.errors import EmbedLabError
from embedlab.lab.config import BackboneEntry, Config, Limits
from embedlab.lab.lab import Lab
from embedlab.ui.api.endpoints import add_endpoints
from embedlab.ui.shared.session import UNEXPECTED

#: Cases this file has at least.
LEAST_CASES = 2_000
#: Seconds a client waits for an answer.
ANSWER_SECONDS = 60
CONFIG = """
default_backbone: tiny
backbones: [{id: tiny, max_length: 64}]
corpora: [senses]
limits: {state_disk_mb: 0, max_texts: 200, max_text_chars: 100000, max_train_steps: 3}
"""
Call = Callable[..., Any]

# What is sent

SOUND_DESIGNS = (
    *("M1", "m2", "M3", "M4", "M5", "causal/mean@1", "bidirectional/weighted_mean@0", " M1 "),
    *("causal/mean@2+skip_first", "bidirectional/eos@-1", "M1?query=find%3A%20&document=x"),
)
GOOD_DESIGNS = st.sampled_from(SOUND_DESIGNS)
ODD_DESIGNS = st.one_of(
    ODD_VALUES,
    st.sampled_from(
        [
            *("causal/mean@" + "9" * 5000, "causal/mean@-" + "9" * 30, "causal/mean@٣", "M1?"),
            *("M1?query=\ud800", "M1?query=%ED%A0%80", "M1?query=%00", "M1?query=" + "x" * 10**5),
            *("M1?" + "a&" * 1000, "M1?x=1", "M6", "causal/" + "x" * 10**5, "/", "?", "@", "M1@2"),
            *("causal/mean@2@2", "causal/eos+skip_first", "multi_layer_trainable", "causal/mean@5"),
        ]
    ),
    st.from_regex(r"(causal|bidirectional|both)/(eos|mean|max)(@-?\d{1,6})?(\+skip_first)?"),
)
WORDS = st.lists(st.sampled_from([f"w{i}" for i in range(20)]), min_size=1, max_size=8).map(
    " ".join
)
GOOD_TEXTS = st.lists(WORDS | ODD_TEXT.filter(lambda t: len(t) < 1000), min_size=1, max_size=4)
ODD_TEXTS = st.one_of(
    ODD_VALUES,
    st.lists(ODD_VALUES, max_size=3),
    st.sampled_from([["a"] * 201, ["a" * 10**5 * 2], ["a"] * 61, [["a"]], [{}], {"0": "a"}]),
    st.just([{"path": "/etc/hostname", "meta": {"_type": "gradio.FileData"}}]),
)
SOME_TEXT = WORDS | ODD_TEXT
ODD_NAMES = ODD_VALUES | st.sampled_from(
    ["../senses", "senses\0", "SENSES", "run:", "run:x", "own"]
)

#: The arguments of each endpoint: what is sound, and what is not.
ARGUMENTS: dict[str, tuple[Any, Any]] = {
    "texts": (GOOD_TEXTS, ODD_TEXTS),
    "design": (GOOD_DESIGNS, ODD_DESIGNS),
    "design_a": (GOOD_DESIGNS, ODD_DESIGNS),
    "design_b": (GOOD_DESIGNS, ODD_DESIGNS),
    "designs": (st.lists(GOOD_DESIGNS, min_size=1, max_size=3), st.lists(ODD_DESIGNS, max_size=3)),
    "labels": (st.just([]), ODD_TEXTS),
    "backbone": (st.sampled_from(["", "tiny"]), ODD_NAMES),
    "corpus": (st.just("senses"), ODD_NAMES),
    "query": (SOME_TEXT, ODD_VALUES),
    "k": (
        st.sampled_from([1, 3, 100]),
        ODD_VALUES | ODD_NUMBERS | st.sampled_from([0, 101, 10**9]),
    ),
    "attention": (st.sampled_from(["", "causal", "bidirectional"]), ODD_NAMES),
    "text": (SOME_TEXT, ODD_VALUES),
    "text_a": (WORDS.map(lambda t: f"{t} w1"), ODD_VALUES),
    "text_b": (WORDS.map(lambda t: f"{t} w2"), ODD_VALUES),
    "method": (st.sampled_from(["k-means", "HDBSCAN"]), ODD_NAMES),
    "data": (st.just("stsb-train"), ODD_NAMES),
    "steps": (st.sampled_from([1, 2]), ODD_VALUES | ODD_NUMBERS | st.sampled_from([0, 4, 10**5])),
    "batch": (st.sampled_from([2, 3]), ODD_VALUES | ODD_NUMBERS),
    "learning_rate": (st.sampled_from([0, 1e-3]), ODD_VALUES | ODD_NUMBERS),
    "mode": (st.sampled_from(["lora", "head"]), ODD_NAMES),
    "seed": (st.sampled_from([0, 7]), ODD_VALUES | ODD_NUMBERS),
    "score": (st.just(False), st.integers() | st.text(max_size=5) | st.none()),
    "held_out": (st.sampled_from([0, 2]), ODD_VALUES | ODD_NUMBERS),
}
PARAMETERS = {
    "embed": ("texts", "design", "backbone"),
    "retrieve": ("query", "corpus", "design_a", "design_b", "k"),
    "similarity": ("texts", "design_a", "design_b"),
    "project": ("corpus", "design_a", "design_b"),
    "clusters": ("corpus", "design", "k", "method"),
    "layers": ("corpus", "attention"),
    "mask_proof": ("text_a", "text_b"),
    "tokens": ("text", "design"),
    "key_tokens": ("texts", "design"),
    "leaderboard": ("corpus", "designs", "texts", "labels", "backbone"),
    "finetune": (
        *("backbone", "design", "data", "steps", "batch", "learning_rate", "mode", "seed"),
        *("score", "held_out"),
    ),
}
ENDPOINTS = tuple(PARAMETERS)


@st.composite
def requests(draw: Any, name: str) -> list[Any]:
    """Arguments for an endpoint: sound ones, of which up to three are not."""
    parameters = PARAMETERS[name]
    odd = draw(st.sets(st.sampled_from(parameters), max_size=3))
    arguments = [draw(ARGUMENTS[parameter][parameter in odd]) for parameter in parameters]
    if name == "project":  # a sound one takes a second, so there is one pair of sound designs
        return ["M1" if isinstance(a, str) and a in SOUND_DESIGNS else a for a in arguments]
    return arguments


def sound(value: Any) -> None:
    """A result is plain JSON of whole characters and holds no path of this machine."""
    text = json.dumps(value, ensure_ascii=False)
    text.encode()
    for place in PLACES:
        assert place not in text


# The functions themselves


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The current folder of these tests: a tiny backbone and a configuration that offers it."""
    folder = tmp_path_factory.mktemp("served")
    tiny_model("llama").save_pretrained(folder / "tiny")
    tiny_tokenizer().save_pretrained(folder / "tiny")
    (folder / "spaces_config.yaml").write_text(CONFIG)
    before = Path.cwd()
    os.chdir(folder)
    yield folder
    os.chdir(before)


@pytest.fixture(scope="module")
def endpoints(home: Path) -> Iterator[dict[str, Call]]:
    """The functions that Gradio would call, by name."""
    limits = Limits(state_disk_mb=0, max_texts=200, max_text_chars=10**5, max_train_steps=3)
    tiny = BackboneEntry(id="tiny", max_length=64)
    lab = Lab(Config(backbones=(tiny,), corpora=("senses",), limits=limits))
    with gr.Blocks() as blocks:
        add_endpoints(lab)
    yield {str(served.api_name): served.fn for served in blocks.fns.values()}
    lab.runs.close()


def test_every_endpoint_is_here(endpoints: dict[str, Call]) -> None:
    # /health and /offers take nothing that could be hostile.
    result = {name: tuple(signature(function).parameters) for name, function in endpoints.items()}
    assert result == PARAMETERS | {"health": (), "offers": ()}


def _ask(endpoints: dict[str, Call], name: str, arguments: list[Any]) -> None:
    with timed(f"/{name}"):
        try:
            result = endpoints[name](*arguments)
            if name == "finetune":
                result = list(result)
        except gr.Error as error:
            assert error.message != UNEXPECTED, repr(error.__cause__)
            raise EmbedLabError(error.message) from error
        sound(result)
        if name == "embed":
            np.testing.assert_allclose(np.linalg.norm(result["vectors"], axis=1), 1, atol=1e-4)


@fuzz(500)
@given(requests("embed"))
def test_embed(endpoints: dict[str, Call], arguments: list[Any]) -> None:
    _ask(endpoints, "embed", arguments)


@fuzz(350)
@given(requests("retrieve"))
def test_retrieve(endpoints: dict[str, Call], arguments: list[Any]) -> None:
    _ask(endpoints, "retrieve", arguments)


@fuzz(250)
@given(requests("similarity"))
def test_similarity(endpoints: dict[str, Call], arguments: list[Any]) -> None:
    _ask(endpoints, "similarity", arguments)


@fuzz(150)
@given(requests("project").filter(lambda arguments: not _is_sound(*arguments)))
def test_project(endpoints: dict[str, Call], arguments: list[Any]) -> None:
    """Sound requests go over HTTP: compiling UMAP makes every later small product slower here."""
    _ask(endpoints, "project", arguments)


def _is_sound(corpus: Any, *designs: Any) -> bool:
    try:
        return corpus == "senses" and all(Design.parse(design).name for design in designs)
    except (AttributeError, ValueError):
        return False


@fuzz(40)
@given(requests("clusters"))
def test_clusters(endpoints: dict[str, Call], arguments: list[Any]) -> None:
    _ask(endpoints, "clusters", arguments)


@fuzz(60)
@given(requests("layers"))
def test_layers(endpoints: dict[str, Call], arguments: list[Any]) -> None:
    _ask(endpoints, "layers", arguments)


@fuzz(250)
@given(requests("mask_proof"))
def test_mask_proof(endpoints: dict[str, Call], arguments: list[Any]) -> None:
    _ask(endpoints, "mask_proof", arguments)


@fuzz(250)
@given(requests("tokens"))
def test_tokens(endpoints: dict[str, Call], arguments: list[Any]) -> None:
    _ask(endpoints, "tokens", arguments)


@fuzz(100)
@given(requests("key_tokens"))
def test_key_tokens(endpoints: dict[str, Call], arguments: list[Any]) -> None:
    _ask(endpoints, "key_tokens", arguments)


@fuzz(60)
@given(requests("leaderboard").filter(lambda arguments: arguments[1]))
def test_leaderboard(endpoints: dict[str, Call], arguments: list[Any]) -> None:
    """Without designs it compares all, which takes seconds."""
    _ask(endpoints, "leaderboard", arguments)


@fuzz(150)
@given(requests("finetune").filter(lambda arguments: arguments[8] is not True))
def test_finetune(endpoints: dict[str, Call], arguments: list[Any]) -> None:
    _ask(endpoints, "finetune", arguments)


# Over HTTP


@pytest.fixture(scope="module")
def url(home: Path) -> Iterator[str]:
    """``embedlab serve`` on a free port, ended when the tests are."""
    command = ["-m", "embedlab", "serve", "--config", str(home / "spaces_config.yaml")]
    with serving(home, command, cwd=home) as application:
        yield application.url


@pytest.fixture(scope="module")
def http() -> Iterator[httpx.Client]:
    with httpx.Client(timeout=ANSWER_SECONDS) as client:
        yield client


def _post(http: httpx.Client, url: str, endpoint: str, body: bytes) -> None:
    """One call as curl makes it; the answer is a result or one sentence."""
    with timed(f"HTTP {endpoint}"):
        address = f"{url}gradio_api/call/{endpoint}"
        answer = http.post(address, content=body, headers={"Content-Type": "application/json"})
        assert answer.status_code < 500, answer.text[:500]
        _no_leak(answer.text)
        if answer.status_code != 200:
            return
        events = http.get(f"{address}/{answer.json()['event_id']}").text
        _no_leak(events)
        kind, payload = [
            (event.split("\n")[0], event.partition("data: ")[2])
            for event in events.strip().split("\n\n")
            if not event.startswith("event: heartbeat")
        ][-1]
        if kind == "event: complete":
            return
        error = json.loads(payload)
        if error == {"error": None}:  # Gradio's own answer: another number of arguments, a file
            assert not _fits(endpoint, body) or b"gradio.FileData" in body, body[:500]
            return
        assert error["error"] != UNEXPECTED, body[:500]
        clear(error["error"])


def _fits(endpoint: str, body: bytes) -> bool:
    """Whether a body has as many arguments as the endpoint takes."""
    return len(json.loads(body)["data"]) == len(PARAMETERS[endpoint])


def _no_leak(text: str) -> None:
    for place in PLACES:
        assert place not in text, text[:1000]


def _jsonable(value: Any) -> bool:
    try:
        return len(json.dumps(value)) < 300_000
    except (ValueError, RecursionError):
        return False


CALLS = st.sampled_from(ENDPOINTS[:-1]).flatmap(
    lambda name: st.tuples(st.just(name), requests(name))
)


@fuzz(40)
@given(CALLS.filter(_jsonable))
def test_requests_over_http(url: str, http: httpx.Client, call: tuple[str, list[Any]]) -> None:
    _post(http, url, call[0], json.dumps({"data": call[1]}).encode())


BODIES = st.one_of(
    st.binary(max_size=60),
    st.sampled_from(
        [
            *(b"", b"{", b"[]", b"null", b'"data"', b'{"data": 5}', b'{"data": null}', b"\xff\xfe"),
            *(b'{"data": []}', b'{"data": [["a"]]}', b'{"data": [["a"], "M1", "", 1, 2, 3, 4]}'),
            *(b'{"data": {"texts": ["a"]}}', b'{"texts": ["a"]}', b'{"data": "' + b"a" * 10**6),
            *(b"[" * 10**5, b'{"data":' * 1000, b'{"data": [' + b"[" * 990 + b"]" * 990 + b"]}"),
            *(b'{"data": NaN}', b'{"": "\\ud800"}'),
            *(b'{"data": [1e999]}', b'{"data": [' + b"9" * 10**4 + b"]}"),
            b'{"data": [["\\ud800"], "M1", "\\udfff"]}',
            b'{"data": [{"path": "/etc/passwd", "meta": {"_type": "gradio.FileData"}}, "M1", ""]}',
            b'{"data": [["a"], "M1", ""], "session_hash": [1], "event_data": {"x": 1}}',
            b'{"data": [["a"], "M1", ""], "fn_index": 3, "trigger_id": -1, "batched": true}',
            b'{"data": [["a"], "M1", ""], "simple_format": "x"}',
        ]
    ),
    ODD_VALUES.filter(_jsonable).map(lambda value: json.dumps({"data": value}).encode()),
)


@fuzz(80)
@given(st.sampled_from(ENDPOINTS), BODIES)
def test_bodies_over_http(url: str, http: httpx.Client, endpoint: str, body: bytes) -> None:
    _post(http, url, endpoint, body)


def test_it_still_answers(url: str, http: httpx.Client) -> None:
    _post(http, url, "embed", b'{"data": [["w1 w2"], "M1", ""]}')


def test_the_number_of_cases() -> None:
    cases = {name: n for name, n in READERS_CASES.items() if "/" in name or "HTTP" in name}
    print(f"\n{sum(cases.values()):,} cases: {cases}")
    if len(cases) < 2 * len(ENDPOINTS):
        pytest.skip("only some of the fuzzers ran")
    assert sum(cases.values()) >= LEAST_CASES
