"""A Ray cluster, reached or started, and what goes wrong with it in a sentence."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from embedlab.errors import Cancelled, EmbedLabError

#: Seconds that an address is given to answer.
ANSWER_SECONDS = 5.0
_DEFAULT_PORT = 6379


def ray_module() -> Any:
    """Ray itself.

    Raises:
        EmbedLabError: it is not installed.
    """
    try:
        import ray.data
    except ImportError as error:
        raise EmbedLabError(
            'Ray is not installed; install it with: pip install "embedlab[ray]"'
        ) from error
    return ray


@contextmanager
def connected(address: str = "") -> Iterator[Any]:
    """Ray, connected to the cluster at an address, or to one of this machine alone.

    A connection that is there already is used and stays.

    Args:
        address: such as ``10.0.0.1:6379``, ``ray://10.0.0.1:10001`` or ``auto``; by default what
            ``RAY_ADDRESS`` says, else a cluster is started here and ends with the block.

    Raises:
        EmbedLabError: Ray is not installed, or the address does not answer.
    """
    ray = ray_module()
    if ray.is_initialized():
        yield ray
        return
    address = address or os.environ.get("RAY_ADDRESS", "")
    if address not in ("", "auto", "local"):
        _check_answers(address)
    try:
        ray.init(
            address=address or "local",
            include_dashboard=False if address in ("", "local") else None,
            log_to_driver=False,
            logging_level=logging.ERROR,
        )
    except Exception as error:
        raise EmbedLabError(
            f"The Ray cluster at {address or 'this machine'!r} could not be joined "
            f"({type(error).__name__}); check the address, and that it runs the same versions of "
            "Ray and Python."
        ) from error
    try:
        yield ray
    finally:
        ray.shutdown()


def _check_answers(address: str) -> None:
    """Ask a port whether it is there: Ray itself tries for a minute, and ends the process."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not host:
        host, port = port, str(_DEFAULT_PORT)
    if not port.isdigit():
        raise EmbedLabError(
            f"{address[:60]!r} is no address of a Ray cluster; write host:port, such as "
            "'10.0.0.1:6379'."
        )
    try:
        socket.create_connection((host.strip("[]"), int(port)), ANSWER_SECONDS).close()
    except (OSError, OverflowError) as error:
        raise EmbedLabError(
            f"No Ray cluster answers at {address[:60]!r}; start one there with `ray start --head`, "
            "or leave --address out for one on this machine."
        ) from error


def check_gpus(gpus_per_worker: float) -> None:
    """Refuse workers that the cluster has no GPUs for.

    Raises:
        EmbedLabError: it has fewer than one worker needs.
    """
    import ray

    there = ray.cluster_resources().get("GPU", 0.0)
    if there < gpus_per_worker:
        raise EmbedLabError(
            f"--gpus-per-worker is {gpus_per_worker:g}, and the cluster has {there:g} GPUs; leave "
            "it out for workers on CPUs."
        )


def shares(workers: int, gpus_per_worker: float) -> tuple[int, int]:
    """The CPUs of each worker, and how many workers; by default as many as there is room for.

    Without GPUs so many workers share the cluster's CPUs, none with more than a machine has.
    """
    import ray

    have = ray.cluster_resources()
    cpus = int(have.get("CPU", 1))
    if gpus_per_worker:
        return 1, workers or max(1, int(have.get("GPU", 0) / gpus_per_worker))
    if not workers:
        return 1, max(1, cpus)
    largest = max(int(node["Resources"].get("CPU", 0)) for node in ray.nodes() if node["Alive"])
    return max(1, min(cpus // workers, largest)), workers


@contextmanager
def ray_errors(what: str) -> Iterator[None]:
    """Explain in a sentence what went wrong on a cluster, as far as that is known.

    Args:
        what: was to be done, such as ``the embedding``.
    """
    from ray import exceptions

    try:
        yield
    except (EmbedLabError, Cancelled):
        raise
    except Exception as error:
        for each in _causes(error):
            if isinstance(each, EmbedLabError | Cancelled):
                raise type(each)(str(each)) from error
        for each in _causes(error):
            if isinstance(each, exceptions.OutOfMemoryError):
                raise EmbedLabError(
                    f"A worker of {what} ran out of memory and was stopped by Ray; use fewer "
                    "--workers for a machine, or a smaller backbone. What is finished stays: the "
                    "same command goes on."
                ) from error
            if isinstance(each, _lost_worker(exceptions)):
                raise EmbedLabError(
                    f"A worker of {what} ended again and again, or its machine is gone; most often "
                    "its memory did not suffice, so use fewer --workers for a machine. What is "
                    "finished stays: the same command goes on."
                ) from error
        raise


def _lost_worker(exceptions: Any) -> tuple[type[Exception], ...]:
    return (
        exceptions.WorkerCrashedError,
        exceptions.RayActorError,
        exceptions.NodeDiedError,
        exceptions.ObjectLostError,
    )


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """An error and what it came from, in Ray's way and in Python's."""
    seen: set[int] = set()
    waiting = [error]
    while waiting:
        each = waiting.pop(0)
        if each is None or id(each) in seen:
            continue
        seen.add(id(each))
        yield each
        waiting += [getattr(each, "cause", None), each.__cause__, each.__context__]
