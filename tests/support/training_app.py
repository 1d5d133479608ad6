"""The application on a tiny model, with a training that agents may use, two steps at a time."""

from __future__ import annotations

from embedlab.lab.config import Agents, BackboneEntry, Config, Limits
from embedlab.lab.lab import Lab
from embedlab.ui.agents import serve_agents
from embedlab.ui.app import build_app
from support.models import tiny_backbone

if __name__ == "__main__":
    config = Config(
        backbones=(BackboneEntry(id="tiny"),),
        limits=Limits(state_disk_mb=0),
        mcp=Agents(serve="always", training=True, max_train_steps=2),
    )
    lab = Lab(config)
    backbone = tiny_backbone()
    backbone.cache = lab.states
    lab.models.put("tiny", backbone)
    blocks = build_app(lab)
    blocks.launch(
        mcp_server=False,
        app_kwargs=serve_agents(blocks),
        prevent_thread_lock=True,
        ssr_mode=False,
        quiet=True,
    )
    blocks.block_thread()
