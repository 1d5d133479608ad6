"""A Ray cluster that is not there."""

from __future__ import annotations

import socket
import sys

import pytest

from embedlab import EmbedLabError
from embedlab.cluster import connected


def test_ray_that_is_not_installed_is_one_sentence_with_the_command(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(EmbedLabError) as error, connected():
        pass
    assert str(error.value) == (
        'Ray is not installed; install it with: pip install "embedlab[ray]"'
    )


def test_an_address_that_does_not_answer_is_said_at_once():
    pytest.importorskip("ray")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))  # bound, and nobody listens
        address = f"127.0.0.1:{free.getsockname()[1]}"
        said = f"No Ray cluster answers at '{address}'"
        with pytest.raises(EmbedLabError, match=said), connected(address):
            pass
    said = "'ray://host:port' is no address"
    with pytest.raises(EmbedLabError, match=said), connected("ray://host:port"):
        pass
