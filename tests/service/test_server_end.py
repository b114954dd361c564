"""How the server ends, and what it does when too much is asked of it."""

import asyncio
import socket
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx2
import pytest
from palette import PaletteRetriever
from raw import ASK, head, spoken
from stand_in import application, running

from samekind.service import server


def test_requests_in_flight_are_answered_before_the_end() -> None:
    app, order = application(), []
    search, close = app.state.service.batcher.search, app.state.service.batcher.close

    async def slow(*given: Any, **wanted: Any) -> Any:
        order.append("asked")
        await asyncio.sleep(1)
        order.append("answered")
        return await search(*given, **wanted)

    async def closing() -> None:
        order.append("closed")
        await close()

    app.state.service.batcher.search, app.state.service.batcher.close = slow, closing
    ask = b"GET /api/v1/galleries/pictures/search?text=red HTTP/1.1\r\nHost: localhost\r\n\r\n"
    said: list[bytes] = []
    with running(app) as address:
        asking = threading.Thread(target=lambda: said.append(spoken(address, ask)))
        asking.start()
        while "asked" not in order:
            time.sleep(0.01)
    asking.join(20)
    assert head(said[0])[0] == 200
    assert b'"hits":[{' in said[0]
    assert order == ["asked", "answered", "closed"]


def test_more_searches_than_may_wait_are_sent_away_at_once_and_the_others_answered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    encode = PaletteRetriever.encode_texts

    def slow(retriever: PaletteRetriever, texts: Sequence[str]) -> Any:
        time.sleep(0.3)
        return encode(retriever, texts)

    monkeypatch.setattr(PaletteRetriever, "encode_texts", slow)

    def ask(number: int) -> tuple[float, int, str | None]:
        began = time.monotonic()
        answer = client.get("/api/v1/galleries/pictures/search", params={"text": "red"})
        return time.monotonic() - began, answer.status_code, answer.headers.get("retry-after")

    with (
        running(whole=True, waiting=3, batch=1) as (host, port),
        httpx2.Client(base_url=f"http://{host}:{port}", timeout=30) as client,
        ThreadPoolExecutor(16) as threads,
    ):
        found = list(threads.map(ask, range(16)))
    refused = [(seconds, after) for seconds, status, after in found if status == 503]
    assert {status for _, status, _ in found} == {200, 503}
    assert len(refused) >= 8
    assert all(after is not None and 1 <= int(after) <= 30 for _, after in refused)
    assert len(found) - len(refused) >= 4  # one that is computed, and three that wait
    assert max(seconds for seconds, _ in refused) < max(seconds for seconds, status, _ in found if status == 200)


def test_requests_that_do_not_end_are_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "GRACE", 1)
    app, asked = application(), threading.Event()

    async def never(*given: Any, **wanted: Any) -> Any:
        asked.set()
        await asyncio.sleep(600)

    app.state.service.batcher.search = never
    ask = b"GET /api/v1/galleries/pictures/search?text=red HTTP/1.1\r\nHost: localhost\r\n\r\n"
    said: list[bytes] = []
    began = time.monotonic()
    with running(app) as address:
        asking = threading.Thread(target=lambda: said.append(spoken(address, ask)))
        asking.start()
        assert asked.wait(20)
        began = time.monotonic()
    asking.join(20)
    assert time.monotonic() - began < 8
    assert head(said[0])[0] == 503
    assert b"not_ready" in said[0]


def test_an_idle_connection_does_not_hold_up_the_end() -> None:
    with running() as address:
        kept = socket.create_connection(address)
        kept.sendall(ASK + b"\r\n")
        assert kept.recv(65536)
        began = time.monotonic()
    assert time.monotonic() - began < 5
    kept.close()
