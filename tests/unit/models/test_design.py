"""Design names: what is written is what is read back."""

from __future__ import annotations

import itertools
import subprocess
import sys

import pytest

from embedlab import PAPER, PRESETS, Design, EmbedLabError
from embedlab.models.design import ATTENTIONS
from embedlab.models.pooling import POOLINGS


def test_every_design_reads_back_as_itself():
    for attention, pooling, layer, skip in itertools.product(
        ATTENTIONS, POOLINGS, (-1, 0, 11, -3), (False, True)
    ):
        if layer != -1 and not POOLINGS[pooling].reads_layer:
            continue
        if skip and not POOLINGS[pooling].takes_mean:
            continue
        design = Design(attention=attention, pooling=pooling, layer=layer, skip_first=skip)
        assert Design.parse(str(design)) == design


@pytest.mark.parametrize("prompt", ["query: ", "a&b=c?d/e+f@1 %20", "Frage — «wörtlich»\n", "?"])
def test_prompts_read_back_too(prompt):
    design = Design(attention="causal", pooling="mean", query_prompt=prompt, document_prompt="d ")
    assert Design.parse(str(design)) == design
    assert design.name == "causal/mean"


def test_names_and_aliases_of_the_paper():
    assert str(Design.parse("causal/mean@20+skip_first")) == "causal/mean@20+skip_first"
    assert {name: str(design) for name, design in PAPER.items()} == {
        "M1": "causal/eos",
        "M2": "causal/last_layer_trainable",
        "M3": "causal/multi_layer_trainable",
        "M4": "bidirectional/last_layer_trainable",
        "M5": "bidirectional/multi_layer_trainable",
    }
    assert Design.parse("m4") == PAPER["M4"]
    assert PAPER["M5"].alias == "M5" and Design.parse("causal/mean").alias is None
    assert len(PRESETS) == 7


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("sideways/mean", "causal, bidirectional"),
        ("causal/max", "weighted_mean"),
        ("causal", "M5"),
        ("", "bidirectional/mean"),
        ("causal/mean@x", "bidirectional/mean"),
        ("causal/eos+skip_first", "mean or weighted_mean"),
        ("causal/multi_layer_trainable@3", "its own layers"),
        ("causal/mean?what=1", "query=… and document=…"),
        ("causal/mean?nonsense", "query=… and document=…"),
        ("x" * 5000, "…"),
    ],
)
def test_an_unknown_design_is_refused_with_what_is_known(text, hint):
    with pytest.raises(EmbedLabError) as caught:
        Design.parse(text)
    assert hint in str(caught.value)
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize(
    "statement",
    [
        "from embedlab import Design; Design.parse('M5')",
        "import embedlab.models.design",
        "import embedlab.lab.config",
    ],
)
def test_designs_and_the_config_do_not_import_torch(statement):
    program = f"{statement}; import sys; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
