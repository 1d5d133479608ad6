"""Sign in with Hugging Face, on a Space whose front matter asks for it."""

from __future__ import annotations

import os
import time

from gradio.context import LocalContext

#: Whether visitors can sign in here: the platform gives a Space its own client.
OFFERED = bool(os.environ.get("OAUTH_CLIENT_ID"))


def hub_token() -> str:
    """The Hub token of the visitor whose request is being handled; empty if not signed in."""
    request = LocalContext.request.get(None)
    session = getattr(getattr(request, "request", request), "session", None)
    signed_in = (session or {}).get("oauth_info") or {}
    if signed_in.get("expires_at", float("inf")) < time.time():
        return ""
    return str(signed_in.get("access_token", ""))
