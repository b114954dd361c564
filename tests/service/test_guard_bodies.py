"""Bodies of requests: how large, how slow and how many of them are taken, and what a client that leaves costs."""

import asyncio

import pytest
from peer import Peer, echo, scope
from stand_in import SEARCH, asked, picture, slug
from starlette.types import Receive, Scope, Send

from samekind.service.bodies import BESIDE, Bodies
from samekind.service.settings import Settings

TYPES = [
    "application/octet-stream",
    "image/png",
    "multipart/form-data; boundary=x",
    "text/plain",
    "application/x-www-form-urlencoded",
]


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("address", [f"{SEARCH}/picture", SEARCH, "/nothing"])
@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_of_too_many_bytes_is_refused_before_it_is_looked_at(kind: str, address: str, chunked: bool) -> None:
    body = bytes(2001)
    with asked(max_bytes=2000) as client:
        content = iter([body[:1500], body[1500:]]) if chunked else body
        answer = client.post(address, content=content, headers={"Content-Type": kind})
    assert (answer.status_code, slug(answer)) == (413, "too_many_bytes")
    assert answer.headers["connection"] == "close"


def test_a_picture_of_exactly_the_limit_is_taken() -> None:
    with asked(max_bytes=len(picture())) as client:
        assert client.post(f"{SEARCH}/picture", content=picture()).status_code == 200


def test_json_may_be_longer_by_what_base64_adds() -> None:
    with asked(max_bytes=3000) as client:
        headers = {"Content-Type": "application/json"}
        fits = client.post(SEARCH, content=b" " * (4000 + BESIDE), headers=headers)
        exceeds = client.post(SEARCH, content=b" " * (4001 + BESIDE), headers=headers)
    assert (slug(fits), slug(exceeds)) == ("invalid", "too_many_bytes")


def test_nothing_is_read_beyond_the_limit() -> None:
    peer = Peer(*[bytes(1000)] * 50)
    asyncio.run(Bodies(echo, Settings(max_bytes=2500))(scope(), peer.receive, peer.send))
    assert (peer.status, peer.asked) == (413, 3)


def test_nothing_is_read_of_what_announces_too_much() -> None:
    peer = Peer(b"x")
    asyncio.run(Bodies(echo, Settings(max_bytes=100))(scope(content_length="101"), peer.receive, peer.send))
    assert (peer.status, peer.asked) == (413, 0)


def test_a_body_that_is_announced_short_and_comes_long_is_refused() -> None:
    peer = Peer(bytes(60), bytes(60))
    asyncio.run(Bodies(echo, Settings(max_bytes=100))(scope(content_length="5"), peer.receive, peer.send))
    assert peer.status == 413


def test_a_body_must_arrive_in_time() -> None:
    peer = Peer(*[b"x"] * 100, pause=0.02)
    asyncio.run(Bodies(echo, Settings(), seconds=0.1)(scope(), peer.receive, peer.send))
    assert peer.status == 408
    assert 2 < peer.asked < 20
    assert b"urn:samekind:problem:too_slow" in peer.got[1]["body"]


def test_the_application_gets_the_whole_body_at_once() -> None:
    peer = Peer(b"one ", b"two ", b"three")
    asyncio.run(Bodies(echo, Settings())(scope(), peer.receive, peer.send))
    assert peer.got[1]["body"] == b"one two three"


def test_together_bodies_have_a_limit_which_ends_with_them() -> None:
    async def run() -> tuple[int, int]:
        bodies = Bodies(slow, Settings(max_bytes=64 * 1024))
        many = [Peer(bytes(64 * 1024)) for _ in range(40)]
        await asyncio.gather(*(bodies(scope(), peer.receive, peer.send) for peer in many))
        again = Peer(bytes(64 * 1024))
        await bodies(scope(), again.receive, again.send)
        return sum(peer.status == 503 for peer in many), again.status

    async def slow(scope: Scope, receive: Receive, send: Send) -> None:
        await asyncio.sleep(0.1)
        await echo(scope, receive, send)

    refused, later = asyncio.run(run())
    assert refused == 40 - 17
    assert later == 200


def test_a_client_that_goes_while_it_sends_is_not_answered() -> None:
    peer = Peer(leaves=True)
    asyncio.run(Bodies(echo, Settings())(scope(), peer.receive, peer.send))
    assert peer.got == []


def test_work_for_a_client_that_has_gone_is_cancelled() -> None:
    ended = []

    async def long(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await asyncio.sleep(30)
        except asyncio.CancelledError:
            ended.append(True)
            raise

    peer = Peer(b"x", pause=0.02, leaves=True)
    asyncio.run(asyncio.wait_for(Bodies(long, Settings())(scope(), peer.receive, peer.send), 5))
    assert ended == [True]
    assert peer.got == []


def test_a_cancellation_from_outside_goes_on() -> None:
    async def long(scope: Scope, receive: Receive, send: Send) -> None:
        await asyncio.sleep(30)

    async def run() -> None:
        peer = Peer(b"x")
        task = asyncio.create_task(Bodies(long, Settings())(scope(), peer.receive, peer.send))
        await asyncio.sleep(0.1)
        task.cancel()
        await task

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(run())
