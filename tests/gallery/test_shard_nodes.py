"""Shards on several nodes of a cluster: one that is lost with all its replicas costs no answer."""

from pathlib import Path

import pytest
from meanwhile import LONG, searching, until
from raylets import joined
from rows import clustered, made

from samekind.gallery.shards.replicas import spreading

pytest.importorskip("ray.serve", reason="needs Ray Serve, which is not installed: pip install 'ray[serve]'")

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

ROWS, DIM = 3000, 12


def test_a_lost_node_costs_no_answer_and_its_replicas_are_made_anew_on_others(tmp_path: Path) -> None:
    gallery = made(tmp_path / "g", clustered(ROWS, DIM))
    queries = clustered(6, DIM, 5)
    expected = gallery.answers(queries)
    with joined(cores=2) as raylets, spreading(raylets.address, 2, replicas=2, patience=LONG) as spread:
        sharded = spread(gallery)
        homes = {node: raylets.workers(node, "ServeReplica") for node in raylets.nodes}
        assert sum(map(len, homes.values())) == 4
        with searching(lambda: sharded.answers(queries), expected, clients=1) as searches:
            searches.more(10)
            lost, kept = sorted(raylets.nodes, key=lambda node: len(homes[node]), reverse=True)
            assert homes[lost]
            raylets.end(lost)
            until(lambda: len(raylets.workers(kept, "ServeReplica")) == 4)
            until(lambda: sharded.alive() == [2, 2])
            searches.more(10)
        assert not searches.wrong
