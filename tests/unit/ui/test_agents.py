"""Which tools agents get, and the bounds of the one that trains."""

from __future__ import annotations

import gradio as gr
import pytest
from support.labs import tiny_lab

from embedlab.errors import EmbedLabError
from embedlab.lab.config import Agents
from embedlab.lab.lab import Lab
from embedlab.ui import agents
from embedlab.ui.api.endpoints import add_endpoints, add_train
from embedlab.ui.api.offers import offers_endpoint
from embedlab.ui.api.train import train_endpoint
from embedlab.validation import validated

ALLOWED = Agents(training=True, max_train_steps=3)


def lab_for_agents(config: Agents) -> Lab:
    lab = tiny_lab()
    lab.config = lab.config.model_copy(update={"mcp": config})
    return lab


def tools_of(lab: Lab) -> dict[str, str]:
    pytest.importorskip("mcp")
    with gr.Blocks() as blocks:
        add_endpoints(lab)
        if lab.config.mcp.training:
            add_train(lab)
    return agents.AgentTools(blocks).tool_to_endpoint


def test_every_public_endpoint_but_the_stream_is_a_tool_and_training_needs_leave() -> None:
    assert tools_of(lab_for_agents(Agents())) == {
        name: endpoint for name, endpoint in agents.TOOLS.items() if name != "train"
    }
    assert tools_of(lab_for_agents(ALLOWED)) == agents.TOOLS


def test_on_a_space_tools_stand_behind_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPACE_ID", "someone/embedlab")
    monkeypatch.setenv("SYSTEM", "spaces")
    assert "embedlab_search" in tools_of(lab_for_agents(Agents()))


def test_a_server_is_there_where_the_package_is_unless_the_config_says_no(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for there in (True, False):
        monkeypatch.setattr(agents, "mcp_installed", lambda there=there: there)
        assert agents.serves_agents(Agents()) is there
        assert not agents.serves_agents(Agents(serve="never"))
    with pytest.raises(EmbedLabError, match=r'pip install "embedlab\[mcp\]"'):
        agents.serves_agents(Agents(serve="always"))


@pytest.mark.parametrize(
    ("values", "words"),
    [({"serve": "yes"}, "serve is 'yes'"), ({"max_train_steps": 0}, "max_train_steps is 0")],
)
def test_an_impossible_config_is_refused(values: dict[str, object], words: str) -> None:
    with pytest.raises(EmbedLabError, match=words):
        validated(Agents, values, "mcp")


def test_an_agent_s_training_is_bounded() -> None:
    train = train_endpoint(lab_for_agents(ALLOWED))
    for steps in (0, 4):
        with pytest.raises(gr.Error, match=rf"steps is {steps}; an agent may ask for 1 to 3"):
            train("M1", "stsb-train", steps=steps)
    with pytest.raises(gr.Error, match="batch is 33; an agent may ask for 1 to 32"):
        train("M1", "stsb-train", batch=33)
    with pytest.raises(gr.Error, match="steps is"):
        train("M1", "stsb-train", steps=True)


def test_what_is_offered_can_be_asked_for() -> None:
    lab = lab_for_agents(Agents())
    offered = offers_endpoint(lab)()
    assert offered["backbones"] == [{"id": "tiny", "title": "tiny"}]
    assert [corpus["id"] for corpus in offered["corpora"]] == list(lab.config.corpora)
    assert offered["presets"]["M5"] == "bidirectional/multi_layer_trainable"
    assert {"prompteol", "topic"} <= offered["templates"].keys()
    assert "+filterN" in offered["steps"] and "rerouted" in offered["attentions"]
