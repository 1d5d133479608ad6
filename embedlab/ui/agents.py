"""EmbedLab for agents: its endpoints as the tools of an MCP server (Model Context Protocol).

Gradio has the server, which speaks streamable HTTP at ``/gradio_api/mcp/``; a tool is an endpoint
under another name, with its docstring, its checks and its limits. What is ours: names that say what
a tool is for, answers as JSON, an introduction, and a training that is only there where a
deployment allows it.
"""

from __future__ import annotations

import importlib.util
import json
from typing import Any

import gradio as gr
from gradio.mcp import GradioMCPServer

from embedlab.errors import EmbedLabError
from embedlab.lab.config import Agents

#: Every tool by its name, with its endpoint. `/train` is there where the config allows it;
#: `/finetune`, a stream without such bounds, is no tool.
TOOLS = {
    "what_is_offered": "/offers",
    "search": "/retrieve",
    "compare_designs": "/leaderboard",
    "similarity": "/similarity",
    "layer_curve": "/layers",
    "clusters": "/clusters",
    "key_tokens": "/key_tokens",
    "tokens": "/tokens",
    "mask_proof": "/mask_proof",
    "map_points": "/project",
    "embed": "/embed",
    "health": "/health",
    "train": "/train",
}
#: What a client tells its model about the server as a whole.
INTRODUCTION = """\
EmbedLab embeds texts with a small language model under different designs and says what differs.
A design is attention/pooling[@layer][+step…][?template=NAME], such as causal/eos, causal/mean@11 or
causal/mean_last+filter1.5+centre?template=topic; M1 to M5 are those of arXiv 2409.02727.
Begin with what_is_offered. To choose a design for somebody's texts: compare_designs, with a label
for each text if there are some. A difference is a finding only where its row says separable."""


def mcp_installed() -> bool:
    """Whether the package ``mcp`` is there, which Gradio's server needs."""
    return importlib.util.find_spec("mcp") is not None


def serves_agents(agents: Agents) -> bool:
    """Whether a deployment serves an MCP server.

    Raises:
        EmbedLabError: the config says so and the package is missing.
    """
    if agents.serve == "always" and not mcp_installed():
        raise EmbedLabError(
            "mcp.serve is 'always' and the package mcp is not installed; "
            'run pip install "embedlab[mcp]", or leave the key out.'
        )
    return agents.serve != "never" and mcp_installed()


class AgentTools(GradioMCPServer):
    """Gradio's MCP server around an application, with the tools of :data:`TOOLS`."""

    def __init__(self, blocks: gr.Blocks) -> None:
        super().__init__(blocks)
        # With what is not listed for people too: of those only `/train` is a tool.
        self.api_info = blocks.get_api_info(all_endpoints=True)
        self.tool_to_endpoint = self.get_tool_to_endpoint()
        self.mcp_server.instructions = INTRODUCTION

    def get_tool_to_endpoint(self) -> dict[str, str]:
        """The tools whose endpoints are served, on a Space behind the Space's name."""
        served = self.api_info["named_endpoints"]
        return {
            self.tool_prefix + name: endpoint
            for name, endpoint in TOOLS.items()
            if endpoint in served
        }

    def postprocess_output_data(self, data: Any, root_url: str) -> list[Any]:
        """Each result as JSON; Gradio would write it as Python does, with ``None`` and ``True``."""
        return [
            self.types.TextContent(type="text", text=json.dumps(output, ensure_ascii=False))
            for output in data
        ]


def serve_agents(blocks: gr.Blocks) -> dict[str, Any]:
    """Make an application an MCP server, before it is launched.

    Gradio mounts a server that stands in its place already, and leaves to us what has to run as
    long as the application does.

    Returns:
        arguments of FastAPI, for ``app_kwargs`` of ``launch``.
    """
    server = AgentTools(blocks)
    blocks.mcp_server_obj, blocks.mcp_server = server, True
    return {"lifespan": server.lifespan}
