"""A service for tests: a small gallery, and stand-ins for what decodes and computes, which do so at once."""

import asyncio
import atexit
import base64
import functools
import io
import shutil
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import numpy as np
from fastapi import FastAPI
from palette import PaletteRetriever, paint
from PIL import Image
from starlette.testclient import TestClient

from samekind.gallery.store import Gallery
from samekind.images.decode import decode
from samekind.images.errors import EmptyError
from samekind.images.preprocess import Preprocess
from samekind.service.app import create_app
from samekind.service.batching import Answer, Batcher, Part
from samekind.service.decoding import Decoders
from samekind.service.guard import HEADERS
from samekind.service.metrics import Metrics
from samekind.service.pictures import Pictures
from samekind.service.served import Served
from samekind.service.server import Server, listen
from samekind.service.settings import Settings

TOKEN = "0123456789abcdef-token"  # noqa: S105
SEARCH = "/api/v1/galleries/pictures/search"
FREE = {"searches_per_second": 0.0, "requests_per_second": 0.0}


@functools.cache
def world() -> Path:
    """A folder with twelve pictures of three domains in world/, and a gallery of them in pictures/."""
    folder = Path(tempfile.mkdtemp(prefix="samekind-service-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    for seed in range(12):
        paint(folder / "world" / ("photo", "sketch", "toy")[seed % 3] / f"{seed}.png", seed)
    shutil.copy(folder / "world" / "photo" / "0.png", folder / "world" / "toy" / "again.png")
    Gallery.open(folder / "pictures", PaletteRetriever(), create=True).add(folder / "world", domain_from_folder=True)
    Gallery.open(folder / "empty", PaletteRetriever(), create=True)
    return folder


def picture(seed: int = 0) -> bytes:
    """The bytes of one of them."""
    return (world() / "world" / ("photo", "sketch", "toy")[seed % 3] / f"{seed}.png").read_bytes()


class PlainServed(Served):
    """A gallery that never grows."""

    async def watch(self) -> None:
        pass

    def shown(self, uri: str) -> str:
        return uri.removeprefix(f"{world()}/")


class PlainDecoders(Decoders):
    """Opens pictures here and now; `fault` is raised instead where it is set."""

    fault: Exception | None = None

    def __init__(self) -> None:
        super().__init__(Settings())

    async def start(self) -> None:
        pass

    async def close(self) -> None:
        pass

    async def pixels(self, data: bytes, preprocess: Preprocess) -> np.ndarray:
        if self.fault:
            raise self.fault
        if not data:
            raise EmptyError("there is nothing in it (0 bytes)")
        return preprocess.pixels(decode(data, target=preprocess.target).image)


class PlainBatcher(Batcher):
    """Remembers what it was asked; `fault` is raised instead where it is set."""

    fault: Exception | None = None

    def __init__(self, metrics: Metrics) -> None:
        super().__init__(Settings(), metrics.batch)
        self.asked: list[Sequence[Part]] = []

    async def search(
        self,
        served: Served,
        parts: Sequence[Part],
        k: int,
        offset: int = 0,
        domains: Sequence[str] = (),
        *,
        exact: bool = False,
    ) -> Answer:
        self.asked.append(parts)
        if self.fault:
            raise self.fault
        return await super().search(served, parts, k, offset, domains, exact=exact)


class PlainPictures(Pictures):
    """Pictures as they are on disk; `fault` is raised instead where it is set."""

    fault: Exception | None = None

    def __init__(self) -> None:
        super().__init__(PlainDecoders(), Settings())

    async def picture(self, served: Served, item: str) -> tuple[bytes, str]:
        if self.fault:
            raise self.fault
        snapshot = served.gallery.snapshot()
        row = snapshot.row_of(item)
        assert row is not None
        return Path(snapshot.places(row)[0][0]).read_bytes(), "image/png"

    async def thumbnail(self, served: Served, item: str, size: Literal[160, 320, 640]) -> bytes:
        data, _ = await self.picture(served, item)
        made = io.BytesIO()
        Image.open(io.BytesIO(data)).save(made, "WEBP")
        return made.getvalue()


def application(*, whole: bool = False, **settings: Any) -> FastAPI:
    """The service with stand-ins (or `whole`, as it is), at most with the limits that a test asks for."""
    chosen = Settings(**{**FREE, **settings})
    served = {
        name: PlainServed(name, Gallery.open(world() / name, PaletteRetriever()), chosen)
        for name in ("pictures", "empty")
    }
    app = create_app(served, chosen)
    state = app.state.service
    if whole:
        return app
    state.decoders, state.batcher, state.pictures = PlainDecoders(), PlainBatcher(state.metrics), PlainPictures()
    return app


@contextmanager
def asked(app: FastAPI | None = None, **settings: Any) -> Iterator[TestClient]:
    """A client of a service that is up."""
    with TestClient(app or application(**settings), base_url="http://localhost:8765") as client:
        yield client


@contextmanager
def running(app: FastAPI | None = None, **settings: Any) -> Iterator[tuple[str, int]]:
    """The address of a real server, which is stopped as a signal would."""
    ready = threading.Event()
    with listen("127.0.0.1", 0) as bound:
        server = Server(app or application(**settings), ready.set)
        thread = threading.Thread(target=lambda: asyncio.run(server.run_at(bound)))
        thread.start()
        try:
            assert ready.wait(30)
            yield bound.getsockname()
        finally:
            server.should_exit = True
            thread.join(30)
            assert not thread.is_alive()


def encoded(data: bytes) -> str:
    return base64.b64encode(data).decode()


def posted(client: TestClient, *parts: dict[str, Any], **more: Any) -> dict[str, Any]:
    answer = client.post(SEARCH, json={"terms": list(parts), **more})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def refused(answer: Any) -> tuple[int, str]:
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    assert str(world()) not in answer.text
    return answer.status_code, answer.json()["type"].removeprefix("urn:samekind:problem:")


def slug(answer: Any) -> str:
    """The kind of a problem that has all that every problem has."""
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    told = answer.json()
    assert told["status"] == answer.status_code
    assert told["title"]
    assert told["detail"].endswith(".")
    assert {name: answer.headers[name] for name in HEADERS if name != "Cache-Control"} == {
        name: value for name, value in HEADERS.items() if name != "Cache-Control"
    }
    return told["type"].removeprefix("urn:samekind:problem:")
