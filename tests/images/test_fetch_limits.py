"""No host keeps us longer or feeds us more than agreed."""

import socket
import threading
import time
from typing import Any

import pytest

from samekind.images.fetch import Patience


def test_a_body_announced_too_large_is_not_read(host: Any) -> None:
    host.drip("/", b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n", b"x" * 1000, 0)
    assert host.reason(host.url()) == "too_many_bytes"
    assert host.left_early.wait(10)


@pytest.mark.parametrize("head", [b"", b"Transfer-Encoding: chunked\r\n"])
def test_an_endless_body_is_cut(host: Any, head: bytes) -> None:
    drop = b"400\r\n" + b"x" * 1024 + b"\r\n" if head else b"x" * 1024
    host.drip("/", b"HTTP/1.1 200 OK\r\n" + head + b"\r\n", drop, 0)
    assert host.reason(host.url()) == "too_many_bytes"
    assert host.left_early.wait(10)


def test_the_limit_of_bytes_is_exact(host: Any) -> None:
    host.say("/", body=b"12345")
    host.say("/open", body=b"12345", Content_Length="")
    for path in ("/", "/open"):
        assert host.get(host.url(path), max_bytes=5) == b"12345"
        assert host.reason(host.url(path), max_bytes=4) == "too_many_bytes"


@pytest.mark.parametrize(
    "start",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX-Slow: ",
        b"HTTP/1.1 100 Continue\r\n\r\n",
        b"",
    ],
    ids=["in the body", "in the headers", "in preliminary answers", "in the first line"],
)
def test_a_slow_drip_ends(host: Any, start: bytes) -> None:
    host.drip("/", start, b"HTTP/1.1 100 Continue\r\n\r\n" if b"100" in start else b"x", 0.05)
    begin = time.monotonic()
    assert host.reason(host.url()) == "url_failed"
    assert time.monotonic() - begin < 10
    assert host.left_early.wait(10)


def test_silence_ends(host: Any) -> None:
    host.answers["/"] = lambda _: time.sleep(20)
    begin = time.monotonic()
    assert host.reason(host.url(), patience=Patience(read=0.3, total=60.0)) == "url_failed"
    assert time.monotonic() - begin < 10


def test_a_host_that_speaks_no_tls_ends(host: Any) -> None:
    begin = time.monotonic()
    assert host.reason(host.url(scheme="https")) == "url_failed"
    assert time.monotonic() - begin < 10


def test_a_resolver_that_hangs_ends(host: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    enough = threading.Event()

    def hang(*_: object, **__: object) -> list[object]:
        enough.wait(20)
        return []

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    begin = time.monotonic()
    assert host.reason("http://slow.example/") == "url_failed"
    assert time.monotonic() - begin < 10
    enough.set()
