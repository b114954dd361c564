"""The service over a gallery in shards: the same answers, and a lost shard is told, never left out."""

import asyncio
import re
from pathlib import Path
from typing import Any

import pytest
from here import Here
from palette import PaletteRetriever
from stand_in import FREE, asked, slug
from starlette.testclient import TestClient

from samekind.errors import Unavailable
from samekind.gallery.shards.sharded import ShardedGallery
from samekind.gallery.store import Gallery
from samekind.service.app import create_app
from samekind.service.served import Served
from samekind.service.settings import Settings

API = "/api/v1/galleries/pictures"
LOST = "Shard 2 of 3 of the gallery pictures is lost."


class Losing(Here):
    """Of which one may be lost."""

    lost = False

    def ask(self, *question: Any) -> Any:
        if self.lost:
            raise Unavailable(LOST, 4.5)
        return super().ask(*question)

    def alive(self) -> list[int]:
        return [2, 0 if self.lost else 2, 2]


@pytest.fixture
def shards(gallery: Gallery) -> Losing:
    return Losing(gallery.path, 3)


@pytest.fixture
def served(gallery: Gallery, shards: Losing) -> Served:
    return Served("pictures", ShardedGallery(gallery, shards), Settings(**FREE, reload_seconds=0.05))


def plain(answer: Any) -> Any:
    """Without what differs from one time to the next."""
    text = re.sub(rb'"(encode|search|uptime_seconds)":[0-9.e-]+', b"", answer.content)
    return answer.status_code, answer.headers["content-type"], text


def test_every_answer_is_the_same_as_without_shards(gallery: Gallery, served: Served) -> None:
    alone = Served("pictures", gallery, Settings(**FREE))
    some = gallery.search(text="red", k=2).hits[1].id

    def asks(client: TestClient) -> list[Any]:
        ids = [some, "0" * 24]
        search = {"terms": [{"text": "red", "weight": 2}, {"id": some, "weight": -1}], "k": 5, "domains": ["toy"]}
        return [
            plain(client.post(f"{API}/search", json=search)),
            *(plain(client.get(f"{API}/search", params=asked)) for asked in ({"text": "red"}, {"like": some, "k": 50})),
            plain(client.get(f"{API}/search", params={"text": "red", "domain": "atlas"})),
            plain(client.get(f"{API}/search", params={"text": "red", "offset": 7, "k": 3})),
            *(plain(client.get(f"{API}{what}")) for what in ("", "/domains", "/stats")),
            *(plain(client.get(f"{API}/items/{one}{what}")) for one in ids for what in ("", "/picture", "/thumbnail")),
        ]

    answers = []
    for one in (alone, served):
        with asked(create_app({"pictures": one}, Settings(**FREE))) as client:
            answers.append(asks(client))
    assert answers[0] == answers[1]
    assert {status for status, *_ in answers[0]} == {200, 404, 422}


def test_a_lost_shard_is_told_and_when_to_ask_again(served: Served, shards: Losing, gallery: Gallery) -> None:
    some = gallery.search(text="red", k=1).hits[0].id
    with asked(create_app({"pictures": served}, Settings(**FREE))) as client:
        assert client.get("/api/v1/ready").status_code == 200
        assert 'samekind_replicas{gallery="pictures",shard="2"} 2.0' in client.get("/metrics").text
        shards.lost = True
        for path in (f"{API}/search?text=red", f"{API}/items/{some}", f"{API}/items/{some}/thumbnail"):
            answer = client.get(path)
            assert (answer.status_code, slug(answer)) == (503, "unavailable")
            assert answer.headers["retry-after"] == "5"
            assert answer.json()["detail"] == LOST
        client.portal.call(_until, lambda: 0 in served.replicas)  # type: ignore[union-attr]
        answer = client.get("/api/v1/ready")
        assert (answer.status_code, slug(answer)) == (503, "unavailable")
        assert "shard 2 of 3" in answer.json()["detail"]
        assert client.get("/api/v1/health").status_code == 200
        assert 'samekind_replicas{gallery="pictures",shard="2"} 0.0' in client.get("/metrics").text
        shards.lost = False
        client.portal.call(_until, lambda: 0 not in served.replicas)  # type: ignore[union-attr]
        assert client.get("/api/v1/ready").status_code == 200
        assert client.get(f"{API}/search?text=red").status_code == 200


async def _until(true: Any) -> None:
    async with asyncio.timeout(60):
        while not true():
            await asyncio.sleep(0.02)


def test_a_gallery_in_shards_is_followed_as_it_grows(served: Served, gallery: Gallery, tmp_path: Path) -> None:
    from palette import paint

    with asked(create_app({"pictures": served}, Settings(**FREE))) as client:
        Gallery.open(gallery.path, PaletteRetriever()).add(paint(tmp_path / "photos" / "toy" / "new.png", 77))
        client.portal.call(_until, lambda: served.reloads == 1)  # type: ignore[union-attr]
        assert client.get(f"{API}/stats").json()["rows"] == 13
        assert len(client.get(f"{API}/search?text=red&k=50").json()["hits"]) == 13
