"""A Ray cluster that is not there."""

from __future__ import annotations

import socket
import sys

import pytest

from embedlab import EmbedLabError
from embedlab.cluster import connected, ray_errors


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


def test_what_fails_on_a_cluster_is_a_sentence():
    exceptions = pytest.importorskip("ray").exceptions
    for error, said in (
        (exceptions.OutOfMemoryError("killed"), "A worker of the embedding ran out of memory"),
        (exceptions.ActorDiedError(), "A worker of the embedding ended again and again"),
        (EmbedLabError("tiny has no layer 99."), "tiny has no layer 99."),
    ):
        with pytest.raises(EmbedLabError, match=said), ray_errors("the embedding"):
            raise RuntimeError("of Ray Data") from error
    with pytest.raises(RuntimeError), ray_errors("the embedding"):
        raise RuntimeError("a fault")
