"""The bodies of requests: read within limits of size and time before anything is done with them."""

import asyncio
from typing import Final

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from samekind.service.problems import CLOSE, Problem
from samekind.service.settings import Settings

SECONDS: Final = 30.0  # a body must have arrived within
BESIDE: Final = 64 * 1024  # bytes of JSON beside the picture's base64
TOGETHER: Final = 16  # largest pictures that may be in memory at once


class Bodies:
    """Reads each request's body, at most as large as a picture may be (in JSON, its base64), and passes it on whole.

    What is too large is turned away without reading on. Work for a client that goes away is cancelled.
    """

    def __init__(self, app: ASGIApp, settings: Settings, seconds: float = SECONDS) -> None:
        self._app = app
        self._most = settings.max_bytes
        self._seconds = seconds
        self._held = 0  # bytes of all bodies that are in memory

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        body = bytearray()
        try:
            try:
                async with asyncio.timeout(self._seconds):
                    whole = await self._read(Headers(scope=scope), receive, body)
            except TimeoutError:
                raise Problem(
                    "too_slow", f"The request did not arrive within {self._seconds:g} s. Try again.", headers=CLOSE
                ) from None
            if whole:
                await _while_there(self._app, scope, bytes(body), receive, send)
        except Problem as problem:
            await problem.response()(scope, receive, send)
        finally:
            self._held -= len(body)

    async def _read(self, headers: Headers, receive: Receive, body: bytearray) -> bool:
        """Fill `body`; False when the client has gone meanwhile. Raises Problem."""
        most = self._most
        if headers.get("content-type", "").partition(";")[0].strip().lower() == "application/json":
            most = -(-most // 3) * 4 + BESIDE
        announced = headers.get("content-length", "0")
        if announced.isdecimal() and int(announced) > most:
            raise _too_large(most)
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                return False
            chunk = message.get("body", b"")
            if len(body) + len(chunk) > most:
                raise _too_large(most)
            if self._held + len(chunk) > TOGETHER * self._most + BESIDE:
                raise Problem("overloaded", "The service is busy. Try again in 1 s.", retry_after=1.0, headers=CLOSE)
            body += chunk
            self._held += len(chunk)
            if not message.get("more_body", False):
                return True


def _too_large(most: int) -> Problem:
    return Problem("too_many_bytes", f"The request has more than the {most:,} bytes that are taken.", headers=CLOSE)


async def _while_there(app: ASGIApp, scope: Scope, body: bytes, receive: Receive, send: Send) -> None:
    """Run the application with this body, until it has answered or the client has gone."""
    task = asyncio.current_task()
    assert task is not None  # noqa: S101 (we are in a coroutine)
    answered = given = False

    async def replay() -> Message:
        nonlocal given
        if not given:
            given = True
            return {"type": "http.request", "body": body, "more_body": False}
        await asyncio.wait([watcher])
        return {"type": "http.disconnect"}

    async def noted(message: Message) -> None:
        nonlocal answered
        answered = answered or (message["type"] == "http.response.body" and not message.get("more_body", False))
        await send(message)

    async def watch() -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        if not answered:
            task.cancel()

    watcher = asyncio.create_task(watch())
    try:
        await app(scope, replay, noted)
    except asyncio.CancelledError:
        gone = watcher.done() and not watcher.cancelled()
        if not gone or task.uncancel() > 0:  # somebody else wants us to end
            raise
    finally:
        watcher.cancel()
