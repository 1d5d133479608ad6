"""Errors of endpoints as the client sees them: one sentence instead of a traceback."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import gradio as gr

from embedlab.errors import EmbedLabError
from embedlab.ui.shared.session import UNEXPECTED

log = logging.getLogger("embedlab")


@contextmanager
def client_errors(endpoint: str) -> Iterator[None]:
    """Answer a bad request with one clear sentence; usable as a decorator, too."""
    try:
        yield
    except EmbedLabError as error:
        raise gr.Error(str(error), print_exception=False) from error
    except Exception as error:
        log.exception("/%s failed", endpoint)
        raise gr.Error(UNEXPECTED, print_exception=False) from error
