"""The interface: the only part that knows Gradio."""

from __future__ import annotations

import logging
import threading
import time
from pathlib import Path

import gradio as gr
from fastapi import Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse

from embedlab import gpu
from embedlab.analysis import projection
from embedlab.lab import first_view
from embedlab.lab.config import default_config, load_config
from embedlab.lab.lab import Lab
from embedlab.memory import share_freed_memory
from embedlab.terminal import progress_bar
from embedlab.ui.agents import serve_agents, serves_agents
from embedlab.ui.api.endpoints import add_endpoints, add_train
from embedlab.ui.page import Workspace
from embedlab.ui.shared.theme import HEAD, STYLES, Theme

log = logging.getLogger("embedlab")

#: Seconds that the first page gets before the model is loaded (a page that is shown asks for it by
#: itself), and again before UMAP is compiled: each keeps a core busy.
HEAD_START = 6


def build_app(lab: Lab) -> gr.Blocks:
    """The application for a Lab, not yet launched."""
    gpu.refused_by(gr.Error)
    # Uploaded and downloaded files stay on disk as long as trained models do.
    seconds = 60 * lab.config.limits.keep_runs_minutes
    with gr.Blocks(
        title="EmbedLab", analytics_enabled=False, fill_width=True, delete_cache=(600, seconds)
    ) as blocks:
        Workspace(lab, blocks)
        add_endpoints(lab)
        if serves_agents(lab.config.mcp) and lab.config.mcp.training:
            add_train(lab)
    return blocks.queue(max_size=lab.config.limits.max_users, default_concurrency_limit=16)


def launch(config: Path | None = None, host: str | None = None, port: int | None = None) -> None:
    """Serve the application until it is stopped.

    Args:
        config: a spaces_config.yaml; by default the one in this folder, else EmbedLab's own.
        host: the address to listen on; by default Gradio's (GRADIO_SERVER_NAME or 127.0.0.1).
        port: the port; by default Gradio's (GRADIO_SERVER_PORT or the first free from 7860).
    """
    share_freed_memory()
    lab = Lab(load_config(config or default_config()))
    lab.backbones.load_for_lent_gpu()
    app = build_app(lab)
    agents = serve_agents(app) if serves_agents(lab.config.mcp) else {}
    limits = lab.config.limits
    # Beside the start of the server, which waits for itself most of the time.
    threading.Thread(target=_warm_up, args=(lab,), daemon=True).start()
    app.launch(
        prevent_thread_lock=True,
        server_name=host,
        server_port=port,
        max_file_size=max(limits.max_upload_mb, limits.max_prepared_mb) * 10**6,
        theme=Theme(),
        css_paths=STYLES,
        head=HEAD,
        footer_links=["api"],
        ssr_mode=False,
        mcp_server=False,  # Gradio's own, which would have neither our names nor our bounds
        app_kwargs={"exception_handlers": {RequestValidationError: _refused}, **agents},
    )
    app.block_thread()


async def _refused(request: Request, error: Exception) -> JSONResponse:
    """Return 422 for an invalid body: FastAPI's own handler echoes it, and crashes on NaN."""
    return JSONResponse({"detail": "The body is not a request of this API."}, status_code=422)


def _warm_up(lab: Lab) -> None:
    try:
        if first_view.compute(lab):
            time.sleep(HEAD_START)
        if not gpu.LENT:  # there every pass has a visitor who pays for it
            with progress_bar() as progress:
                lab.warm_up(progress)
        time.sleep(HEAD_START)
        projection.warm_up()
    except Exception as error:
        # The page tries the same again when it is opened, and shows the reason.
        log.warning("The first view could not be prepared: %s", error)
