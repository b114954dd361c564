"""A host that behaves as badly as a test wants."""

import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from samekind.images.address import Address
from samekind.images.errors import ImageError
from samekind.images.fetch import Patience, fetch

HURRY = Patience(connect=2.0, read=0.4, total=1.0)
Handler = Callable[[socket.socket], None]


def loopback(address: Address) -> bool:
    """What these tests allow instead of public addresses: one single address."""
    return str(address) == "127.0.0.1"


class Host:
    """A host on the loopback that answers each path by a function, well or badly."""

    def __init__(self, context: ssl.SSLContext | None = None) -> None:
        self.answers: dict[str, Handler] = {}
        self.requests: list[str] = []
        self.left_early = threading.Event()
        self._context = context
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def url(self, path: str = "/", scheme: str = "http", host: str = "127.0.0.1") -> str:
        return f"{scheme}://{host}:{self.port}{path}"

    def say(self, path: str, status: str = "200 OK", body: bytes = b"", **headers: str) -> None:
        """Answer a path properly."""
        fields = {"Content-Length": str(len(body)), **{key.replace("_", "-"): value for key, value in headers.items()}}
        head = f"HTTP/1.1 {status}\r\n" + "".join(f"{key}: {value}\r\n" for key, value in fields.items() if value)
        self.answers[path] = lambda connection: connection.sendall(head.encode() + b"\r\n" + body)

    def drip(self, path: str, start: bytes, drop: bytes, pause: float) -> None:
        """Answer a path for ever."""

        def flow(connection: socket.socket) -> None:
            connection.sendall(start)
            while True:
                connection.sendall(drop)
                time.sleep(pause)

        self.answers[path] = flow

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        try:
            if self._context:
                connection = self._context.wrap_socket(connection, server_side=True)
            request = b""
            while b"\r\n\r\n" not in request:
                received = connection.recv(4096)
                if not received:
                    return
                request += received
            self.requests.append(request.decode())
            self.answers[request.decode().split(" ")[1]](connection)
        except OSError:
            self.left_early.set()
        finally:
            connection.close()

    @staticmethod
    def get(url: str, **options: Any) -> bytes:
        """Fetch in a hurry, from the loopback only."""
        return fetch(url, **{"max_bytes": 100_000, "allowed": loopback, "patience": HURRY, **options})

    def reason(self, url: str, **options: Any) -> str:
        """The slug of the error that fetching raises."""
        with pytest.raises(ImageError) as caught:
            self.get(url, **options)
        assert str(caught.value)
        return caught.value.reason

    def close(self) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)  # wakes the thread that accepts
        self._socket.close()


@pytest.fixture
def host() -> Iterator[Host]:
    """A host on the loopback."""
    one = Host()
    yield one
    one.close()


@pytest.fixture
def make_host() -> type[Host]:
    """For hosts with a certificate, or closed ones."""
    return Host
