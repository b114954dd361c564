"""A Ray cluster of several nodes, on this machine, whose nodes come and go while tests use it."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

HERE = Path(__file__).parent


class Raylets:
    """A head without processors, and two nodes with one each, or more."""

    def __init__(self, cores: int = 1) -> None:
        from ray.cluster_utils import Cluster

        self.cores = cores
        small = {"object_store_memory": 80 * 2**20, "include_dashboard": False}
        self._cluster = Cluster(head_node_args={"num_cpus": 0, **small}, initialize_head=True)
        self.address: str = self._cluster.address
        self.nodes: list[Any] = []
        for _ in range(2):
            self.begin()

    def workers(self, node: Any, kind: str = "Samekind") -> list[psutil.Process]:
        """The processes of our actors there."""
        raylet = psutil.Process(node.all_processes["raylet"][0].process.pid)
        return [each for each in raylet.children() if each.name().startswith(f"ray::{kind}"[:15])]

    def end(self, node: Any) -> None:
        """At once, with everything that runs there."""
        self._cluster.remove_node(node, allow_graceful=False)
        self.nodes.remove(node)

    def begin(self) -> None:
        """Another node joins."""
        for last in (False, False, True):
            try:
                self.nodes.append(self._cluster.add_node(num_cpus=self.cores, object_store_memory=80 * 2**20))
                return
            except Exception as error:  # Ray waits for 30 s, and has no class of errors for that
                if last or "timed out" not in str(error):
                    raise

    def close(self) -> None:
        """End all."""
        self._cluster.shutdown()


@contextmanager
def joined(cores: int = 1) -> Iterator[Raylets]:
    """A cluster for as long as this lasts."""
    folder = tempfile.mkdtemp(prefix="rt-", dir="/tmp")  # short, for the names of sockets
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(HERE))  # workers find palette.py and perils.py
        patch.setenv("RAY_TMPDIR", folder)
        Path(folder, "ray").mkdir()
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        found = Raylets(cores)
        try:
            yield found
        finally:
            found.close()
    shutil.rmtree(folder, ignore_errors=True)
