"""Shards on several nodes of a cluster: one that is lost with all its replicas costs no answer."""

import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from raylets import joined
from rows import clustered, made

from samekind.gallery.shards.replicas import spreading

pytest.importorskip("ray.serve", reason="needs Ray Serve, which is not installed: pip install 'ray[serve]'")

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

LONG = 300.0  # seconds that a busy machine may take to start a process
ROWS, DIM = 3000, 12


def until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + LONG
    while not true():
        assert time.monotonic() < deadline, "it does not come about"
        time.sleep(0.1)


def test_a_lost_node_costs_no_answer_and_its_replicas_are_made_anew_on_others(tmp_path: Path) -> None:
    gallery = made(tmp_path / "g", clustered(ROWS, DIM))
    queries = clustered(6, DIM, 5)
    expected = gallery.answers(queries)
    with joined(cores=2) as raylets, spreading(raylets.address, 2, replicas=2, patience=LONG) as spread:
        sharded = spread(gallery)
        homes = {node: raylets.workers(node, "ServeReplica") for node in raylets.nodes}
        assert sum(map(len, homes.values())) == 4
        answered, ended = [0], threading.Event()
        wrong: list[object] = []

        def stream() -> None:
            while not ended.is_set():
                try:
                    wrong.extend([] if sharded.answers(queries) == expected else ["another answer"])
                except Exception as error:
                    wrong.append(error)
                answered[0] += 1

        client = threading.Thread(target=stream)
        client.start()
        try:
            until(lambda: answered[0] > 10)
            lost, kept = sorted(raylets.nodes, key=lambda node: len(homes[node]), reverse=True)
            assert homes[lost]
            raylets.end(lost)
            until(lambda: len(raylets.workers(kept, "ServeReplica")) == 4)
            until(lambda: sharded.alive() == [2, 2])
            later = answered[0]
            until(lambda: answered[0] > later + 10)
        finally:
            ended.set()
            client.join()
        assert not wrong
