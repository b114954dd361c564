"""The server's own part: addresses to listen at, and connections that are slow, broken or too many."""

import socket
import time
from contextlib import suppress
from typing import Any

import pytest
from fastapi import Response
from raw import ASK, head, is_problem, spoken
from stand_in import TOKEN, application, running

from samekind.errors import SamekindError, UsageError
from samekind.service import server
from samekind.service.server import listen


def test_the_server_does_not_say_what_it_is() -> None:
    with running() as address:
        status, headers = head(spoken(address, ASK + b"Connection: close\r\n\r\n"))
    assert status == 200
    assert "server" not in headers
    assert "uvicorn" not in str(headers).lower()


@pytest.mark.parametrize(
    "request_",
    [
        b"nonsense\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET /a b HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nX: \x00\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 600_000 + b"\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    ],
)
def test_what_is_no_http_gets_a_problem_and_the_next_client_an_answer(request_: bytes) -> None:
    with running() as address:
        said = spoken(address, request_ if request_.endswith(b"\n") else request_ + b"\r\n\r\n")
        status, _ = head(spoken(address, ASK + b"Connection: close\r\n\r\n"))
    is_problem(said, 400, "bad_request")
    assert status == 200


def test_a_head_that_drips_in_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "HEAD_SECONDS", 0.5)
    with running() as address:
        began = time.monotonic()
        said = spoken(address, *[b"GET / HTTP/1.1\r\nHost: a\r\n"], *[b"X: y\r\n"] * 2, pause=0.05)
        seconds = time.monotonic() - began
    is_problem(said, 408, "too_slow")
    assert seconds < 5


def test_a_client_that_says_nothing_is_not_waited_for_either(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "HEAD_SECONDS", 0.3)
    with running() as address:
        is_problem(spoken(address), 408, "too_slow")


def test_the_second_request_of_a_connection_must_come_in_time_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "HEAD_SECONDS", 0.5)
    with running() as address:
        said = spoken(address, ASK + b"\r\n", b"GET / HT", pause=0.2)
    first, _, rest = said.partition(b'{"status":"ok"}')
    assert head(first)[0] == 200
    is_problem(rest, 408, "too_slow")


def test_a_body_that_was_answered_early_may_not_drip_in_forever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "HEAD_SECONDS", 0.5)
    ask = (
        b"POST /api/v1/galleries/pictures/search/picture HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\n"
    )
    with running(token=TOKEN) as address:
        began = time.monotonic()
        said = spoken(address, ask, *[b"x"] * 20, pause=0.1)
        seconds = time.monotonic() - began
    assert head(said)[0] == 401
    assert seconds < 8


def test_a_connection_goes_on_after_a_body_that_was_answered_early() -> None:
    ask = b"POST /api/v1/galleries/pictures/search/picture HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n"
    with running(token=TOKEN) as address:
        said = spoken(address, ask, bytes(1000), ASK + b"Connection: close\r\n\r\n", pause=0.2)
    assert said.count(b"HTTP/1.1 ") == 2
    assert said.endswith(b'{"status":"ok"}')


def test_connections_beyond_the_limit_are_told_to_come_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "CONNECTIONS", 3)
    with running() as address:
        kept = [socket.create_connection(address) for _ in range(3)]
        time.sleep(0.3)
        said = spoken(address)
        for connection in kept:
            connection.close()
        time.sleep(0.3)
        status, _ = head(spoken(address, ASK + b"Connection: close\r\n\r\n"))
    is_problem(said, 503, "overloaded")
    assert status == 200


def test_an_answer_that_nobody_takes_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "STUCK_SECONDS", 0.3)
    app = application()

    @app.get("/large")
    async def large() -> Any:
        return Response(bytes(64 * 2**20))

    with running(app) as address, socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.connect(address)
        connection.sendall(b"GET /large HTTP/1.1\r\nHost: localhost\r\n\r\n")
        time.sleep(3)
        connection.settimeout(10)
        got = 0
        with suppress(ConnectionResetError):
            while chunk := connection.recv(2**20):
                got += len(chunk)
        assert got < 64 * 2**20


def test_a_large_answer_is_sent_whole_to_who_takes_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "STUCK_SECONDS", 0.3)
    app = application()

    @app.get("/large")
    async def large() -> Any:
        return Response(bytes(32 * 2**20))

    with running(app) as address, socket.create_connection(address, timeout=10) as connection:
        connection.sendall(b"GET /large HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        got = 0
        while chunk := connection.recv(2**20):
            got += len(chunk)
            time.sleep(0.02)
    assert got > 32 * 2**20


def test_what_waits_for_leave_to_send_too_much_is_refused_before_it_sends() -> None:
    ask = b"POST /api/v1/galleries/pictures/search/picture HTTP/1.1\r\nHost: localhost\r\n"
    with running(max_bytes=1000) as address:
        said = spoken(address, ask + b"Content-Length: 5000\r\nExpect: 100-continue\r\n\r\n")
    is_problem(said, 413, "too_many_bytes")
    assert b"100 Continue" not in said


def test_a_chunked_body_is_refused_where_it_gets_too_long_not_at_its_end() -> None:
    ask = b"POST /api/v1/galleries/pictures/search/picture HTTP/1.1\r\nHost: localhost\r\n"
    ask += b"Transfer-Encoding: chunked\r\n\r\n"
    with running(max_bytes=1000) as address:
        said = spoken(address, ask, *[b"200\r\n" + bytes(512) + b"\r\n"] * 2, pause=0.1)
    is_problem(said, 413, "too_many_bytes")


def test_a_port_in_use_is_told_with_what_to_do() -> None:
    with listen("127.0.0.1", 0) as bound:
        bound.listen()
        port = bound.getsockname()[1]
        with pytest.raises(SamekindError, match=rf"Port {port} of 127.0.0.1 is in use.*--port") as found:
            listen("127.0.0.1", port)
    assert not isinstance(found.value, UsageError)


@pytest.mark.parametrize("host", ["no.such.host.invalid", "300.1.1.1", "203.0.113.7", "a" * 300])
def test_a_host_that_is_not_of_this_machine_is_wrong_usage(host: str) -> None:
    with pytest.raises(UsageError, match="--host"):
        listen(host, 0)


def test_of_two_that_bound_a_port_the_second_to_listen_is_told() -> None:
    with listen("127.0.0.1", 0) as bound:
        port = bound.getsockname()[1]
        with listen("127.0.0.1", port) as other:
            bound.listen()
            with pytest.raises(SamekindError, match=f"Port {port} of 127.0.0.1 is in use"):
                server.serve(application(), other, lambda: None)


def test_small_answers_are_not_held_back() -> None:
    with listen("127.0.0.1", 0) as bound:
        assert bound.proto == socket.IPPROTO_TCP  # which is when asyncio turns Nagle's algorithm off


def test_an_application_that_cannot_start_says_why() -> None:
    app = application()

    async def fail() -> None:
        raise SamekindError("No process could be started.")

    app.state.service.decoders.start = fail
    with listen("127.0.0.1", 0) as bound, pytest.raises(SamekindError, match="No process"):
        server.serve(app, bound, lambda: None)
