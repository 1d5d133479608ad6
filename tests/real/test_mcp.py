"""What an agent sees: the official MCP client over streamable HTTP, on the running application."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from support.serving import ROOT, Served, client_of

mcp = pytest.importorskip("mcp")

Session = Any
ANIMALS = ["The cat sleeps on the sofa.", "A dog barks at the gate.", "Two horses graze quietly."]
MONEY = ["She pays in cash.", "The loan costs four per cent.", "He saves for a new roof."]


def talk(url: str, conversation: Callable[[Session], Awaitable[None]]) -> None:
    """Hold a conversation with the server at an application's address."""
    from mcp import ClientSession
    from mcp.client.streamable_http import streamable_http_client

    async def run() -> Exception | None:
        async with (
            streamable_http_client(f"{url}gradio_api/mcp/") as (read, write, _),
            ClientSession(read, write) as session,
        ):
            try:
                await conversation(session)
            except Exception as error:  # in here it would come out in groups of groups
                return error
        return None

    if error := asyncio.run(run()):
        raise error


async def call(session: Session, tool: str, **arguments: Any) -> Any:
    """A tool's answer, which is JSON."""
    result = await session.call_tool(tool, arguments)
    [content] = result.content
    assert not result.isError, content.text
    return json.loads(content.text)


async def refusal(session: Session, tool: str, **arguments: Any) -> str:
    result = await session.call_tool(tool, arguments)
    assert result.isError
    return str(result.content[0].text)


def test_an_agent_finds_its_way_from_the_introduction_to_a_design(served: Served) -> None:
    async def conversation(session: Session) -> None:
        hello = await session.initialize()
        assert hello.serverInfo.name == "EmbedLab"
        assert "attention/pooling" in hello.instructions and "what_is_offered" in hello.instructions

        tools = {tool.name: tool for tool in (await session.list_tools()).tools}
        assert {"search", "compare_designs", "layer_curve", "embed"} <= tools.keys()
        assert "train" not in tools and "finetune" not in tools
        for tool in tools.values():
            assert len(tool.description) > 40, tool.name
            for name, described in tool.inputSchema["properties"].items():
                assert described["description"], f"{tool.name}: {name}"
        search = tools["search"].inputSchema
        assert search["required"] == ["query", "corpus", "design_a", "design_b"]
        assert search["properties"]["k"]["default"] == 10

        here = await call(session, "what_is_offered")
        assert "senses" in {corpus["id"] for corpus in here["corpora"]}
        assert here["presets"]["M1"] == "causal/eos" and "+centre" in here["steps"]

        designs = ["causal/eos", "causal/mean@1", "causal/last?template=prompteol"]
        table = await call(
            session,
            "compare_designs",
            designs=designs,
            texts=ANIMALS + MONEY,
            labels=["animal"] * 3 + ["money"] * 3,
        )
        assert {row["design"] for row in table["rows"]} == set(designs)
        assert table["answer"] and all("separable" in row for row in table["rows"])

        curve = await call(session, "layer_curve", corpus="senses", attention="causal")
        assert {one["design"].split("/")[0] for one in curve["curves"]} == {"causal"}
        for one in curve["curves"]:
            assert len(one["scores"]) == 31 and 0 < max(filter(None, one["scores"])) <= 1

        line = (ROOT / "assets/senses_queries.jsonl").read_text().splitlines()[0]
        query = json.loads(line)
        found = await call(
            session,
            "search",
            query=query["query"],
            corpus="senses",
            design_a="causal/eos",
            design_b=here["presets"]["Topic"],
            k=5,
        )
        assert [hit["rank"] for hit in found["b"]["results"]] == [1, 2, 3, 4, 5]
        relevant = [sum(hit["relevant"] for hit in found[side]["results"]) for side in "ab"]
        assert relevant[1] > relevant[0]

        # The same as over HTTP, whose endpoint it is.
        vectors = await call(session, "embed", texts=ANIMALS[:1], design="M1")
        client = client_of(served.url)
        assert vectors == client.predict(ANIMALS[:1], "M1", api_name="/embed")

    talk(served.url, conversation)


def test_an_error_is_a_sentence_and_training_is_not_there(served: Served) -> None:
    async def conversation(session: Session) -> None:
        await session.initialize()
        words = await refusal(session, "embed", texts=["a"], design="sideways/mean")
        assert "'sideways'" in words and "causal" in words
        assert "corpus" in await refusal(session, "layer_curve", corpus="atlantis")
        for tool in ("train", "finetune", "no_such_tool"):
            words = await refusal(session, tool, design="M1", data="stsb-train")
            assert "Traceback" not in words and re.search(f"(?i)unknown tool.*{tool}", words)

    printed = len(served.log.read_text())
    talk(served.url, conversation)
    assert "Traceback" not in served.log.read_text()[printed:]


@pytest.mark.slow
def test_where_it_is_allowed_an_agent_trains_within_bounds(tmp_path: Path) -> None:
    """In a deployment of its own, on a tiny model, to the end."""
    from support.serving import serving

    app = ROOT / "tests/support/training_app.py"
    with serving(tmp_path, [str(app)]) as allowed:

        async def conversation(session: Session) -> None:
            await session.initialize()
            [train] = [t for t in (await session.list_tools()).tools if t.name == "train"]
            assert train.inputSchema["required"] == ["design", "data"]
            words = await refusal(session, "train", design="M1", data="stsb-train", steps=5)
            assert "steps is 5" in words and "1 to 2" in words
            words = await refusal(session, "train", design="M1", data="stsb-train", batch=999)
            assert "batch is 999" in words
            trained = await call(session, "train", design="M1", data="stsb-train", steps=2, batch=2)
            assert (trained["state"], trained["step"], trained["steps"]) == ("done", 2, 2)
            again = await call(
                session, "embed", texts=ANIMALS, design="M1", backbone=trained["run"]
            )
            plain = await call(session, "embed", texts=ANIMALS, design="M1")
            assert again["vectors"] != plain["vectors"]

        talk(allowed.url, conversation)
        listed = client_of(allowed.url).view_api(return_format="dict")["named_endpoints"]
        assert "/finetune" in listed and "/train" not in listed
