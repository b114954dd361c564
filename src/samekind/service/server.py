"""The server: an address to listen at, connections that may not be slow forever, and an end in good order."""

import asyncio
import errno
import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, cast

import h11
import uvicorn
from fastapi import FastAPI
from uvicorn.protocols.http.h11_impl import H11Protocol

from samekind.errors import SamekindError, UsageError
from samekind.service.guard import HEADERS
from samekind.service.problems import Problem

CONNECTIONS: Final = 512  # at once; more are answered with `overloaded`
HEAD_SECONDS: Final = 10.0  # a request's head must have arrived within
STUCK_SECONDS: Final = 15.0  # after which an answer that is not taken any further is given up
KEEP_ALIVE: Final = 15  # seconds that a connection may rest between requests
GRACE: Final = 8  # seconds that requests are given to end in
_HEAD_BYTES: Final = 32 * 1024
_BACKLOG: Final = 256


def listen(host: str, port: int) -> socket.socket:
    """A socket that is bound; with port 0, to a free one. Raises UsageError for no address of this machine."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError) as error:
        raise UsageError(f"There is no address {host}; give --host one of this machine, such as 127.0.0.1.") from error
    family, kind, protocol, _, address = found[0]
    bound = socket.socket(family, kind, protocol)  # named, or asyncio would leave Nagle's algorithm on
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(address)
    except OSError as error:
        bound.close()
        raise _unbound(host, port, error) from error
    return bound


def _unbound(host: str, port: int, error: OSError) -> SamekindError:
    if error.errno == errno.EADDRINUSE:
        return SamekindError(f"Port {port} of {host} is in use. Stop what listens there, or choose another: --port N.")
    if error.errno == errno.EACCES:
        return SamekindError(f"This user may not listen at port {port}. Choose one from 1024 on: --port N.")
    if error.errno == errno.EADDRNOTAVAIL:
        return UsageError(f"{host} is no address of this machine; give --host one that is, such as 127.0.0.1.")
    return SamekindError(f"Nothing can listen at port {port} of {host}: {os.strerror(error.errno or 0)}.")


def serve(app: FastAPI, bound: socket.socket, ready: Callable[[], None]) -> None:
    """Answer requests at a bound socket until SIGINT or SIGTERM, then those in flight, and return.

    `ready` is called once requests are taken. Raises what the application raises when it cannot start.
    """
    asyncio.run(Server(app, ready).run_at(bound))


class Server(uvicorn.Server):
    """Uvicorn's server, which a signal ends in good order, and not by that signal."""

    def __init__(self, app: FastAPI, ready: Callable[[], None]) -> None:
        self._application = app
        self._ready = ready
        super().__init__(
            uvicorn.Config(
                app,
                http=Connection,
                ws="none",
                loop="asyncio",
                lifespan="off",  # that of `run_at`, whose errors are ours to tell
                log_config=None,
                log_level="critical",  # what goes wrong is logged by the application; clients' mistakes are not
                access_log=False,
                server_header=False,
                proxy_headers=False,
                timeout_keep_alive=KEEP_ALIVE,
                timeout_graceful_shutdown=GRACE,
                h11_max_incomplete_event_size=_HEAD_BYTES,
                backlog=_BACKLOG,
            )
        )

    async def run_at(self, bound: socket.socket) -> None:
        """Start the application, serve until `should_exit`, and end the application."""
        async with self._application.router.lifespan_context(self._application):
            await self.serve(sockets=[bound])

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, and say so."""
        try:
            await super().startup(sockets)
        except OSError as error:  # another process had bound the port as well, and was the first to listen
            host, port = sockets[0].getsockname()[:2] if sockets else ("", 0)
            raise _unbound(host, port, error) from error
        self._ready()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """The first SIGINT or SIGTERM stops the server, which is what was asked for and no failure."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.signal(number, self.handle_exit) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


class Connection(H11Protocol):
    """A connection that must get its requests' heads across in time, and take its answers."""

    _late: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client is there."""
        super().connection_made(cast("asyncio.Transport", transport))
        if len(self.connections) > CONNECTIONS:
            self._turn_away(Problem("overloaded", "The service is busy. Try again in 1 s.", retry_after=1.0))
        else:
            self._expect_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """It is no longer."""
        self._head_came()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Some of a request has come."""
        if self._late is None and self.conn.their_state is h11.IDLE:
            self._expect_head()
        super().data_received(data)
        if self.conn.their_state is not h11.IDLE:
            self._head_came()

    def send_400_response(self, msg: str) -> None:
        """What is no HTTP gets a problem as any other request."""
        self._turn_away(Problem("bad_request", "The request is no valid HTTP."))

    def on_response_complete(self) -> None:
        """Give up later if the client does not take what was sent, or still sends what nobody wants."""
        super().on_response_complete()
        if self.conn.their_state is h11.SEND_BODY:
            self.loop.call_later(HEAD_SECONDS, self._end_body_of, self.cycle)
        if size := self.transport.get_write_buffer_size():
            self.loop.call_later(STUCK_SECONDS, self._look_again, size)

    def _end_body_of(self, cycle: object) -> None:
        if self.cycle is cycle and self.conn.their_state is h11.SEND_BODY:
            self.transport.close()

    def _look_again(self, before: int) -> None:
        size = self.transport.get_write_buffer_size()
        if size >= before:
            self.transport.abort()
        elif size:
            self.loop.call_later(STUCK_SECONDS, self._look_again, size)

    def _expect_head(self) -> None:
        self._late = self.loop.call_later(HEAD_SECONDS, self._head_is_late)

    def _head_came(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None

    def _head_is_late(self) -> None:
        self._turn_away(Problem("too_slow", f"The request did not arrive within {HEAD_SECONDS:g} s. Try again."))

    def _turn_away(self, problem: Problem) -> None:
        """Answer without the application, and hang up."""
        if self.transport.is_closing():
            return
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            answer = problem.response()
            named = [
                (name.lower().encode(), value.encode()) for name, value in HEADERS.items() if name != "Cache-Control"
            ]
            headers = [*named, *answer.raw_headers, (b"connection", b"close")]
            for event in (
                h11.Response(status_code=answer.status_code, headers=headers),
                h11.Data(data=bytes(answer.body)),
                h11.EndOfMessage(),
            ):
                self.transport.write(self.conn.send(event) or b"")
        self.transport.close()
