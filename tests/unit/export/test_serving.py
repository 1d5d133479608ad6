"""Commands of servers: what each design gets, or why it gets none."""

from __future__ import annotations

import json
import shlex

import pytest
from support.models import tiny_backbone
from support.runs import run_info

from embedlab import Design
from embedlab.export.model_card import model_card
from embedlab.export.serving import servers


def flag(command: str, name: str) -> str:
    words = shlex.split(command)
    return words[words.index(name) + 1]


@pytest.mark.parametrize(
    ("design", "vllm", "tei", "causal"),
    [
        ("causal/eos", "LAST", "last-token", True),
        ("causal/mean", "MEAN", "mean", True),
        ("bidirectional/mean", "MEAN", "mean", False),
    ],
)
def test_the_flags_give_the_design(design, vllm, tei, causal):
    first, second = servers(Design.parse(design), "qwen2", folder="model")
    assert json.loads(flag(first.command, "--pooler-config")) == {"pooling_type": vllm}
    assert ("--hf-overrides" in first.command) is not causal
    if not causal:
        assert json.loads(flag(first.command, "--hf-overrides")) == {"is_causal": False}
    assert flag(second.command, "--pooling") == tei and "--model-id model" in second.command


@pytest.mark.parametrize(
    ("design", "why"),
    [
        ("M3", "multi_layer_trainable is a head with weights of its own"),
        ("causal/mean@4", "it reads another layer than the last"),
        ("causal/mean+skip_first", "its mean leaves the first token out"),
        ("causal/weighted_mean", "it pools by weighted_mean"),
        ("causal/mean+dim4", "it has the steps +dim4"),
        ("rerouted/mean", "its attention is rerouted"),
        ("causal/last?template=topic", "its template stands around the text"),
    ],
)
def test_what_they_cannot_give_has_a_reason(design, why):
    for server in servers(Design.parse(design), "qwen2"):
        assert not server.command
        assert server.reason.startswith(f"{server.name} cannot give this design: {why}")


def test_text_embeddings_inference_has_few_decoders():
    assert "has no llama" in servers(Design.parse("causal/eos"), "llama")[1].reason
    both = servers(Design.parse("bidirectional/mean"), "qwen3")
    assert both[0].command and "runs qwen3 causally alone" in both[1].reason


def test_a_prompt_is_left_to_the_client():
    design = Design.parse("causal/eos?query=query%3A%20")
    assert servers(design, "qwen2")[0].note == 'Write "query: " before queries yourself.'


def test_the_card_of_an_export_has_them():
    design = Design.parse("bidirectional/mean")
    info = run_info(tiny_backbone(), design)
    known = servers(design, "llama", folder="PATH")
    card = model_card(info, "sentence-transformers", own_code=False, servers=known)
    assert f"```bash\n{known[0].command}\n```" in card and known[1].reason in card
    assert "These servers were not run where this was written." in card
