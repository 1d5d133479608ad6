"""Signing in on a Space: whose token a push uses."""

from __future__ import annotations

import time
from types import SimpleNamespace

import pytest
from gradio.context import LocalContext

from embedlab.ui.shared.sign_in import hub_token


@pytest.mark.parametrize(
    ("session", "token"),
    [
        ({"oauth_info": {"access_token": "mine", "expires_at": time.time() + 3600}}, "mine"),
        ({"oauth_info": {"access_token": "old", "expires_at": time.time() - 3600}}, ""),
        ({}, ""),
        (None, ""),
    ],
)
def test_the_token_is_that_of_the_request_while_it_is_valid(session, token):
    request = SimpleNamespace(request=SimpleNamespace(session=session))
    before = LocalContext.request.set(request)
    try:
        assert hub_token() == token
    finally:
        LocalContext.request.reset(before)


def test_without_a_request_nobody_is_signed_in():
    assert hub_token() == ""
