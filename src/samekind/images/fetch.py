"""Pictures behind http(s) addresses: public hosts only, checked again at every redirect, bounded in size and time."""

import io
import re
import socket
import ssl
import threading
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from functools import lru_cache
from http.client import HTTPException, HTTPResponse
from typing import Any, NamedTuple, cast
from urllib.parse import quote, urljoin, urlsplit

from samekind.images.address import Address, is_public, parse_address
from samekind.images.errors import EmptyError, TooManyBytesError, UrlFailedError, UrlRefusedError

_REDIRECTS = {301, 302, 303, 307, 308}
_PORTS = {"http": 80, "https": 443}
_HOST = re.compile(r"[a-z0-9._:-]+", re.IGNORECASE)
_PATH_SAFE = "/%:@!$&'()*+,;=~?"
_CHUNK = 64 * 1024


@dataclass(frozen=True, slots=True)
class Patience:
    """Seconds to wait for a connection, for the next bytes, and for all of it; and redirects to follow."""

    connect: float = 10.0
    read: float = 10.0
    total: float = 60.0
    redirects: int = 5


DEFAULT_PATIENCE = Patience()


class _Target(NamedTuple):
    scheme: str
    host: str
    port: int
    path: str

    @property
    def authority(self) -> str:
        """Host and port as the Host header has them."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"


class _Clock:
    """The time that is left; every wait is cut to it, so that no drip of bytes can stretch the whole."""

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds

    def wait(self, at_most: float) -> float:
        """Seconds to wait now; raises TimeoutError when none are left."""
        left = self._end - time.monotonic()
        if left <= 0:
            raise TimeoutError("it took too long in all")
        return min(left, at_most)


class _TimedReader(io.RawIOBase):
    """A socket's incoming bytes under the clock."""

    def __init__(self, connection: socket.socket, clock: _Clock, read_seconds: float) -> None:
        self._connection, self._clock, self._seconds = connection, clock, read_seconds

    def readable(self) -> bool:
        """Always, as BufferedReader wants to know."""
        return True

    def readinto(self, buffer: Any) -> int:
        """What comes next, at most the buffer's length."""
        self._connection.settimeout(self._clock.wait(self._seconds))
        return self._connection.recv_into(buffer)

    def makefile(self, mode: str) -> io.BufferedReader:
        """What `HTTPResponse` asks of a socket."""
        return io.BufferedReader(self, _CHUNK)


def fetch(
    url: str,
    *,
    max_bytes: int,
    patience: Patience = DEFAULT_PATIENCE,
    allowed: Callable[[Address], bool] = is_public,
    context: ssl.SSLContext | None = None,
) -> bytes:
    """The body behind an http(s) URL, at least one byte and at most `max_bytes`.

    The name is resolved once; if every address of it is `allowed`, one of them is connected to, as a number, so that
    a second answer of the name server changes nothing. The name is still what the certificate is verified for. Proxies
    of the environment, cookies and credentials are not used. Raises UrlRefusedError, UrlFailedError,
    TooManyBytesError, EmptyError.
    """
    clock = _Clock(patience.total)
    for _ in range(patience.redirects + 1):
        target = _parse(url)
        try:
            with closing(_connect(target, clock, patience, allowed, context)) as connection:
                answer = _exchange(connection, target, clock, patience, max_bytes)
        except TooManyBytesError as error:
            raise TooManyBytesError(f"{url}: {error}") from error
        except (OSError, HTTPException, ValueError) as error:
            raise UrlFailedError(f"{url} cannot be fetched: {error or type(error).__name__}") from error
        if isinstance(answer, bytes):
            if not answer:
                raise EmptyError(f"{url} has an empty body (0 bytes)")
            return answer
        url = urljoin(url, answer)
    raise UrlFailedError(f"{url} is reached only by more than {patience.redirects} redirects")


def _parse(url: str) -> _Target:
    """The parts of a URL that is safe to ask for; raises UrlRefusedError."""
    try:
        parts = urlsplit(url)
        port, host = parts.port, parts.hostname or ""
        host = host if host.isascii() else host.encode("idna").decode()
    except ValueError as error:  # a UnicodeError of the name is one, too
        raise UrlRefusedError(f"{url!a} is no valid URL: {error}") from error
    scheme = parts.scheme.lower()
    if scheme not in _PORTS:
        raise UrlRefusedError(f"{url!a} is neither http nor https")
    if "@" in parts.netloc:
        raise UrlRefusedError(f"a URL of {host} carries a user name, and no credentials are sent; leave them out")
    if any(ord(letter) < 32 or ord(letter) == 127 for letter in url) or not _HOST.fullmatch(host) or port == 0:
        raise UrlRefusedError(f"{url!a} is no valid URL")
    path = quote(parts.path, safe=_PATH_SAFE) or "/"
    query = f"?{quote(parts.query, safe=_PATH_SAFE)}" if parts.query else ""
    return _Target(scheme, host, port or _PORTS[scheme], path + query)


def _resolve(host: str, port: int, seconds: float) -> list[tuple[int, Any]]:
    """Family and socket address of every address of a name; in a thread, as the system's resolver knows no limit."""
    answers: list[tuple[int, Any]] = []
    errors: list[OSError | UnicodeError] = []

    def ask() -> None:
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            answers.extend((family, address) for family, _, _, _, address in found)
        except (OSError, UnicodeError) as error:
            errors.append(error)

    thread = threading.Thread(target=ask, daemon=True, name="samekind-resolve")
    thread.start()
    thread.join(seconds)
    if thread.is_alive():
        raise TimeoutError(f"the name {host} was not resolved in {seconds:.0f} s")
    if errors:
        raise OSError(f"the name {host} cannot be resolved ({errors[0]})")
    return answers


def _connect(
    target: _Target,
    clock: _Clock,
    patience: Patience,
    allowed: Callable[[Address], bool],
    context: ssl.SSLContext | None,
) -> socket.socket:
    """A connection to a checked address, encrypted for https; raises UrlRefusedError and OSError."""
    answers = _resolve(target.host, target.port, clock.wait(patience.connect))
    for _, address in answers:
        if not allowed(parse_address(address[0])):
            raise UrlRefusedError(f"{target.host} is at {address[0]}, which is no public address; nothing was fetched")
    failure: OSError = OSError(f"the name {target.host} has no address")
    for family, address in answers:
        connection = socket.socket(family, socket.SOCK_STREAM)
        try:
            connection.settimeout(clock.wait(patience.connect))
            connection.connect(address)
            if not allowed(parse_address(connection.getpeername()[0])):
                raise UrlRefusedError(f"{target.host} led to {connection.getpeername()[0]}, which is no public address")
            if target.scheme == "http":
                return connection
            connection.settimeout(clock.wait(patience.connect))
            return (context or _verifying()).wrap_socket(connection, server_hostname=target.host)
        except UrlRefusedError:
            connection.close()
            raise
        except OSError as error:
            connection.close()
            failure = error
    raise failure


@lru_cache(maxsize=1)
def _verifying() -> ssl.SSLContext:
    """Certificates and names are verified; made once, as reading the authorities takes a while."""
    return ssl.create_default_context()


def _exchange(
    connection: socket.socket, target: _Target, clock: _Clock, patience: Patience, max_bytes: int
) -> bytes | str:
    """Ask, and return the body, or where to look instead."""
    lines = (
        f"GET {target.path} HTTP/1.1",
        f"Host: {target.authority}",
        "User-Agent: samekind (picture search; reads single pictures)",
        "Accept: image/*",
        "Accept-Encoding: identity",
        "Connection: close",
    )
    connection.settimeout(clock.wait(patience.read))
    connection.sendall("".join(f"{line}\r\n" for line in (*lines, "")).encode("ascii"))
    reader = _TimedReader(connection, clock, patience.read)
    response = HTTPResponse(cast(socket.socket, reader), method="GET")
    response.begin()
    if response.status in _REDIRECTS:
        location = response.getheader("Location")
        if not location:
            raise HTTPException(f"the host answers {response.status} without saying where to look")
        return location
    if response.status != 200:
        raise HTTPException(f"the host answers {response.status} {response.reason}")
    if response.getheader("Content-Encoding", "identity").lower() != "identity":
        raise HTTPException("the host compresses what was asked for plain")
    return _body(response, max_bytes)


def _body(response: HTTPResponse, max_bytes: int) -> bytes:
    """All of the body; raises TooManyBytesError as soon as that is known."""
    announced = response.length
    body = bytearray()
    if announced is None or announced <= max_bytes:
        while chunk := response.read(min(_CHUNK, max_bytes + 1 - len(body))):
            body += chunk
            if len(body) > max_bytes:
                break
    if (announced or 0) > max_bytes or len(body) > max_bytes:
        raise TooManyBytesError(f"the body is larger than the limit of {max_bytes:,} bytes")
    if announced is not None and len(body) < announced:
        raise HTTPException(f"the connection ended after {len(body):,} of {announced:,} bytes")
    return bytes(body)
