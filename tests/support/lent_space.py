"""A Space whose GPU is lent by the call, its visitor, and what the platform says."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from support.serving import Served, client_of, free_port, serving


class Space:
    """A visitor of a Space, and what the platform says of it."""

    def __init__(self, served: Served, platform: int, backbones: tuple[Path, Path]) -> None:
        self.served, self.backbones = served, backbones
        self._platform = f"http://127.0.0.1:{platform}"

        # The platform's proxy tells by this header who visits.
        self.client = client_of(served.url, headers={"x-ip-token": "visitor-1"})

    def seen(self) -> dict[str, Any]:
        """The calls so far, the workers that live, and the files that the application has open."""
        return dict(httpx.get(f"{self._platform}/calls").json())

    def behave(self, **how: int) -> None:
        httpx.post(f"{self._platform}/behave", params=how)

    def seconds(self, action: Callable[[], Any]) -> list[int]:
        """What an action asked for, a number a call."""
        before = len(self.seen()["calls"])
        action()
        return [call["seconds"] for call in self.seen()["calls"][before:]]

    def ask(self, name: str, *arguments: Any) -> Any:
        return self.client.predict(*arguments, api_name=name)

    def train(self, steps: int, **settings: Any) -> Any:
        return self.client.submit(
            *("", "causal/eos", "stsb-train"),
            **{"steps": steps, "batch": 8, "held_out": 16, **settings},
            api_name="/finetune",
        )


@pytest.fixture(scope="module")
def space(tiny_folder: Path, tmp_path_factory: pytest.TempPathFactory, smollm2: Any) -> Iterator:
    from support.models import tiny_model

    folder = tmp_path_factory.mktemp("space")
    second = folder / "second"
    tiny_model("llama", vocabulary=len(smollm2.tokenizer), seed=1).save_pretrained(second)
    # The words of a vector need an unembedding, here the embeddings.
    first = tmp_path_factory.mktemp("tied")
    shutil.copytree(tiny_folder, first, dirs_exist_ok=True)
    settings = json.loads((first / "config.json").read_text())
    (first / "config.json").write_text(json.dumps(settings | {"tie_word_embeddings": True}))
    smollm2.tokenizer.save_pretrained(second)
    config = folder / "config.yaml"
    config.write_text(
        f"backbones: [{{id: {first}}}, {{id: {second}, hardware: gpu}}]\n"
        f"default_backbone: {first}\ncorpora: [senses]\nlimits: {{state_disk_mb: 0}}\n",
        encoding="utf-8",
    )
    platform = free_port()
    command = ["-m", "support.lent_gpu", str(platform), str(config)]
    with serving(folder, command) as served:
        yield Space(served, platform, (first, second))
