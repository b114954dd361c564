"""A replica of a shard, as Ray Serve runs it: in a process of its own, on any machine that sees the gallery."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import samekind
from samekind.errors import SamekindError
from samekind.gallery.parts import Part
from samekind.gallery.place import place_of
from samekind.gallery.shards.shard import Edition, Shard, Told

_THREADS = 16  # questions at once, most of which wait for the search that goes on


class Leash:
    """An actor that ends with whoever started it, however that ends."""

    async def hold(self) -> None:
        """Never returns."""
        await asyncio.Event().wait()


class Replica:
    """A shard with its rows loaded."""

    def __init__(self, folder: str, part: Part, version: str, leash: Any, application: str, *_others: Any) -> None:
        """`version` is that of samekind; the other shards are named so that Serve makes one application of all.

        Raises SamekindError for a gallery that cannot be read from here.
        """
        if version != samekind.__version__:
            raise SamekindError(f"A machine of the cluster has samekind {samekind.__version__} instead of {version}.")
        threading.Thread(target=_follow, args=(leash, application), daemon=True).start()
        self._shard = Shard(place_of(folder), part)
        self._shard.load(None)
        self._threads = ThreadPoolExecutor(_THREADS)

    async def ask(self, wanted: Edition | None, what: str, details: tuple[Any, ...]) -> Told:
        """As `Shard.ask`; a version is loaded beside the searches in another."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, self._shard.ask, wanted, what, *details)


def _follow(leash: Any, application: str) -> None:
    """Take the application down when the service that it belongs to is gone without having done so."""
    import ray
    from ray import serve

    try:
        ray.get(leash.hold.remote())
    except ray.exceptions.RayActorError:
        serve.delete(application, _blocking=False)
