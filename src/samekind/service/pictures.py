"""Pictures of a gallery by id: read from registered folders alone, with thumbnails kept on disk."""

import asyncio
import hashlib
import logging
import os
import stat
import tempfile
import threading
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Literal

from samekind.images.decode import DEFAULT_LIMITS, read
from samekind.images.errors import ImageError
from samekind.images.refs import is_url
from samekind.retriever.kept import cache_folder, surplus
from samekind.service.decoding import Decoders
from samekind.service.refusals import Changed, Gone, OutsideRoots, Overloaded, Refusal, UnknownItem
from samekind.service.served import Served
from samekind.service.settings import Settings

_ROOM = 0.9  # of the limit is what remains after tidying, so that not every new thumbnail asks for it

_log = logging.getLogger(__name__)


class Pictures:
    """Thumbnails and whole pictures of the galleries that are served.

    Whatever the file system does meanwhile, no other bytes are given out than those that were indexed: their hash
    must be that of the id.
    """

    def __init__(self, decoders: Decoders, settings: Settings, cache: Path | None = None) -> None:
        """`cache` is where derived files are kept; the user's cache folder by default."""
        self._decoders = decoders
        self._settings = settings
        self._kept = _Kept(cache_folder(cache) / "thumbnails", int(settings.thumbnails_mebibytes * 2**20))
        self._making: dict[tuple[str, str, int], asyncio.Task[bytes]] = {}
        self._turns = asyncio.Semaphore(2 * settings.decoders)  # files that are in memory at once
        self._waiting = 0

    async def thumbnail(self, served: Served, item: str, size: Literal[160, 320, 640]) -> bytes:
        """A WebP whose longest side has `size` pixels at most. Raises what `picture` raises.

        One that is kept is given for a file that is gone or has changed too, but not for one at a forbidden place.
        """
        places = await asyncio.to_thread(self._places, served, item)
        if (kept := await asyncio.to_thread(self._known, places, size)) is not None:
            return kept
        key = (served.name, item, size)
        if key not in self._making:
            self._making[key] = asyncio.create_task(self._made(places, size))
            self._making[key].add_done_callback(lambda done: self._forget(key, done))
        return await asyncio.shield(self._making[key])  # who leaves does not spoil it for others

    async def picture(self, served: Served, item: str) -> tuple[bytes, str]:
        """What a browser can show of a picture, and its content type.

        Raises UnknownItem, OutsideRoots, Gone, Changed, and what `Decoders` raises.
        """
        places = await asyncio.to_thread(self._places, served, item)
        async with self._turn():
            return await self._decoders.view(await asyncio.to_thread(places.read))

    def _places(self, served: Served, item: str) -> "_Places":
        gallery = served.gallery
        picture = gallery.picture(item)
        if picture is None:
            raise UnknownItem(item)
        uris = [uri for uri, _ in picture.places]
        roots = [*gallery.roots, *map(str, self._settings.roots)]
        return _Places(item, uris, roots, allow_urls=self._settings.allow_urls)

    def _known(self, places: "_Places", size: int) -> bytes | None:
        places.allowed()
        return self._kept.get(places.item, size)

    async def _made(self, places: "_Places", size: int) -> bytes:
        async with self._turn():
            small = await self._decoders.thumbnail(await asyncio.to_thread(places.read), size)
        await asyncio.to_thread(self._kept.put, places.item, size, small)
        return small

    def _forget(self, key: tuple[str, str, int], done: "asyncio.Task[bytes]") -> None:
        del self._making[key]
        if not done.cancelled():
            done.exception()  # nobody may be left to look at it

    @asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
        """Hold a file in memory; raises Overloaded when too many wait for that."""
        if self._waiting >= self._settings.waiting:
            raise Overloaded(2.0)
        self._waiting += 1
        try:
            async with self._turns:
                yield
        finally:
            self._waiting -= 1


class _Places:
    """Where one picture was found, and what may be read there."""

    def __init__(self, item: str, uris: Sequence[str], roots: Sequence[str], *, allow_urls: bool) -> None:
        self.item = item
        self._uris = uris
        self._roots = roots
        self._allow_urls = allow_urls

    def allowed(self) -> list[str]:
        """Real paths and addresses that may be read; raises OutsideRoots where there is none."""
        roots = [os.path.realpath(root) for root in self._roots]
        found = [place for uri in self._uris if (place := self._allowed(uri, roots)) is not None]
        if not found:
            raise OutsideRoots
        return found

    def read(self) -> bytes:
        """The picture's file from the first place that has it; raises what is wrong with the first place otherwise."""
        wrong: list[Refusal] = []
        for place in self.allowed():
            try:
                data = _fetched(place) if is_url(place) else _content(place)
            except Refusal as error:
                wrong.append(error)
                continue
            if hashlib.sha256(data).hexdigest().startswith(self.item):
                return data
            wrong.append(Changed())
        raise wrong[0]

    def _allowed(self, uri: str, roots: Sequence[str]) -> str | None:
        if is_url(uri):
            return uri if self._allow_urls else None
        try:
            real = os.path.realpath(uri)
        except (OSError, ValueError):  # a zero byte
            return None
        return real if any(os.path.commonpath([real, root]) == root for root in roots) else None


def _content(real: str) -> bytes:
    """All of a regular file without links in its path. What comes of a race with it is caught by the hash."""
    try:
        _regular(os.lstat(real))  # before it is opened: opening a device may do something already
        descriptor = os.open(real, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            found = os.fstat(descriptor)
            _regular(found)
            return file.read(found.st_size)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise Gone from error
    except OSError as error:
        raise Gone("The picture cannot be read any more: the service may not, or its disk has a fault.") from error


def _regular(found: os.stat_result) -> None:
    """Refuse what cannot be the file that was indexed."""
    if not stat.S_ISREG(found.st_mode) or found.st_size > DEFAULT_LIMITS.max_bytes:
        raise Changed


def _fetched(address: str) -> bytes:
    try:
        return read(address, allow_urls=True)
    except ImageError as error:
        raise Gone("The picture cannot be fetched any more from the address where it was indexed.") from error


class _Kept:
    """Thumbnails on disk, by content and size; those that were not asked for the longest make room for new ones.

    For threads. A folder that cannot be used is as one that stays empty.
    """

    def __init__(self, folder: Path, limit: int) -> None:
        self._folder = folder
        self._limit = limit
        self._total: int | None = None  # bytes in the folder, as far as we know
        self._lock = threading.Lock()
        self._complained = False

    def get(self, item: str, size: int) -> bytes | None:
        """A thumbnail, which counts as used from now on."""
        file = self._file(item, size)
        try:
            data = file.read_bytes()
        except OSError:
            return None
        with suppress(OSError):  # one that may only be read will do
            os.utime(file)
        # What a crash has cut off is not shown. Source: RFC 9649, section 2.3.
        return data if len(data) == 8 + int.from_bytes(data[4:8], "little") else None

    def put(self, item: str, size: int, data: bytes) -> None:
        """Keep a thumbnail, if there is room for any."""
        if len(data) > self._limit:
            return
        file = self._file(item, size)
        try:
            file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            _replace(file, data)
            with self._lock:
                self._total = self._size() if self._total is None else self._total + len(data)
                if self._total > self._limit:
                    self._tidy()
        except OSError as error:
            if not self._complained:
                _log.warning("Thumbnails are not kept: %s", error)
            self._complained = True

    def _file(self, item: str, size: int) -> Path:
        return self._folder / item[:2] / f"{item}-{size}.webp"

    def _entries(self) -> list[tuple[float, int, Path]]:
        found = []
        for file in self._folder.glob("*/*"):
            with suppress(FileNotFoundError):  # another service tidies too
                facts = file.stat()
                found.append((facts.st_mtime, facts.st_size, file))
        return found

    def _size(self) -> int:
        return sum(size for _, size, _ in self._entries())

    def _tidy(self) -> None:
        """Down to a part of the limit, the longest unused first."""
        entries = self._entries()
        gone = set(surplus(entries, (), int(self._limit * _ROOM)))
        for file in gone:
            file.unlink(missing_ok=True)
        self._total = sum(size for _, size, file in entries if file not in gone)


def _replace(file: Path, data: bytes) -> None:
    """Write a file whole or not at all; one that a crash of the machine cuts off is found out by its length."""
    descriptor, name = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")
    try:
        with os.fdopen(descriptor, "wb") as temporary:
            temporary.write(data)
        Path(name).replace(file)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
