"""The endpoints of the inside tab answer with the documented fields, as plain JSON."""

from __future__ import annotations

import json

import pytest
from support.labs import tiny_lab

from embedlab.ui.api.inside import inside_endpoints

CURVE = {"design", "scores", "low", "high"}
PROOF = {
    *("tokens_a", "tokens_b", "start", "first_changed", "moved", "largest_before"),
    *("precision", "holds", "note"),
}
TOKENS = {
    *("design", "layer", "token_count", "positions", "ids", "tokens", "weights", "norms"),
    *("cosines", "norm_ratio", "note"),
}


@pytest.fixture(scope="module")
def endpoints() -> dict:
    return {function.__name__: function for function in inside_endpoints(tiny_lab())}


def test_tokens_have_their_ids(endpoints) -> None:
    answer = endpoints["tokens"]("w1 w2 w3", "causal/mean@2")
    assert set(answer) == TOKENS
    assert len(answer["ids"]) == len(answer["tokens"]) == answer["token_count"]
    json.dumps(answer)


def test_a_mask_proof_is_given_for_both_attention_modes(endpoints) -> None:
    answer = endpoints["mask_proof"]("w1 w2", "w1 w3")
    assert {mode: set(proof) for mode, proof in answer.items()} == {
        "causal": PROOF,
        "bidirectional": PROOF,
    }
    json.dumps(answer)


def test_layers_have_curves_with_their_bands(endpoints) -> None:
    answer = endpoints["layers"]("senses", "causal")
    assert set(answer) == {"corpus", "texts", "measure", "unit", "n", "bootstrap", "curves"}
    assert all(set(curve) == CURVE for curve in answer["curves"])
    json.dumps(answer)
