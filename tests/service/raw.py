"""What a server says to raw bytes."""

import socket
import time
from contextlib import suppress

from samekind.service.guard import HEADERS


def spoken(address: tuple[str, int], *parts: bytes, pause: float = 0.0, seconds: float = 20.0) -> bytes:
    """What the server says to raw bytes, until it hangs up."""
    with socket.create_connection(address, timeout=seconds) as connection:
        said = b""
        for part in parts:
            with suppress(ConnectionError):  # it has hung up already
                connection.sendall(part)
            time.sleep(pause)
        while True:
            try:
                chunk = connection.recv(65536)
            except ConnectionResetError:
                return said
            if not chunk:
                return said
            said += chunk


def head(said: bytes) -> tuple[int, dict[str, str]]:
    lines = said.partition(b"\r\n\r\n")[0].decode().split("\r\n")
    return int(lines[0].split()[1]), {
        name.lower(): value for name, _, value in (line.partition(": ") for line in lines[1:])
    }


def is_problem(said: bytes, status: int, slug: str) -> None:
    found, headers = head(said)
    assert found == status, said
    assert headers["content-type"] == "application/problem+json"
    assert f"urn:samekind:problem:{slug}".encode() in said
    assert headers["connection"] == "close"
    for name in HEADERS:
        assert name.lower() in headers


ASK = b"GET /api/v1/health HTTP/1.1\r\nHost: localhost\r\n"
