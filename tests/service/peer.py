"""A client at the level of ASGI, for tests of the layers around the application."""

import asyncio

from stand_in import SEARCH
from starlette.types import Message, Receive, Scope, Send


class Peer:
    """A client at ASGI's level: what it sends, and what it got."""

    def __init__(self, *chunks: bytes, pause: float = 0.0, leaves: bool = False) -> None:
        self.chunks = list(chunks)
        self.pause = pause
        self.leaves = leaves
        self.got: list[Message] = []
        self.asked = 0

    async def receive(self) -> Message:
        self.asked += 1
        await asyncio.sleep(self.pause)
        if not self.chunks:
            await asyncio.sleep(0 if self.leaves else 60)
            return {"type": "http.disconnect"}
        chunk = self.chunks.pop(0)
        return {"type": "http.request", "body": chunk, "more_body": bool(self.chunks)}

    async def send(self, message: Message) -> None:
        self.got.append(message)

    @property
    def status(self) -> int:
        return int(self.got[0]["status"])


def scope(**headers: str) -> Scope:
    listed = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return {"type": "http", "method": "POST", "path": SEARCH, "headers": listed, "client": ("10.0.0.1", 1)}


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    body = (await receive())["body"]
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": body})
