"""A local Ray cluster of two nodes with one CPU each."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psutil


@contextmanager
def two_nodes(*, pinned: bool = False) -> Iterator[Any]:
    """The cluster, to which this process is connected; its ``second`` node can be removed.

    ``pinned`` nodes have a core each.
    """
    import ray
    from ray.cluster_utils import Cluster

    two = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    two.second = two.add_node(num_cpus=1)
    if pinned:  # before any worker is started, as they inherit it
        for core, node in enumerate(two.list_all_nodes()):
            raylet(node).cpu_affinity([core])
    ray.init(address=two.address, logging_level=logging.ERROR, log_to_driver=False)
    try:
        yield two
    finally:
        ray.shutdown()
        two.shutdown()


def raylet(node: Any) -> psutil.Process:
    """A node's process that starts its workers."""
    return psutil.Process(node.all_processes["raylet"][0].process.pid)
