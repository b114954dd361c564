"""Where the files that are derived from a gallery are, and how much room those of galleries elsewhere may take."""

import fcntl
import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
from jaxtyping import Float32

from samekind.gallery.place import Place
from samekind.retriever.kept import cache_folder, cache_limit, surplus

CACHE_NAME = "cache"


def derived_folder(place: Place, uuid: str) -> Path:
    """In the gallery's folder; in the user's cache folder for a gallery in object storage, by its address and uuid.

    Galleries that were copied have the same uuid, and what is in the bucket may have been written by anybody.
    """
    if isinstance(place, Path):
        return place / CACHE_NAME
    return _galleries() / hashlib.sha256(f"{place}\n{uuid}".encode()).hexdigest()[:32]


def make_room(folder: Path) -> None:
    """Count a folder of the user's cache as used now, and delete others where all are too much: the longest unused."""
    used = next((each for each in (folder, *folder.parents) if each.parent == _galleries()), None)
    if used is None:
        return
    with suppress(OSError):
        os.utime(used)
        entries = [(each.stat().st_mtime, _size(each), each) for each in _galleries().iterdir()]
        for each in surplus(entries, (used,), cache_limit()):
            shutil.rmtree(each, ignore_errors=True)  # whoever has it mapped keeps it


def _galleries() -> Path:
    return cache_folder() / "galleries"


def _size(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*"))


def write_at(descriptor: int, block: Float32[np.ndarray, "b w"], offset: int) -> None:
    """Write all of a block at an offset."""
    # Not through a map: a full disk must raise, where a write into a mapped hole would end the process.
    data = block.data.cast("B")
    while data:
        written = os.pwrite(descriptor, data, offset)
        data, offset = data[written:], offset + written


@contextmanager
def busy(folder: Path, wait: bool = False) -> Iterator[bool]:
    """Whether we are the only one to write here, after those before us if we `wait`; the lock ends with the block."""
    descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            yield False
        else:
            yield True
    finally:
        os.close(descriptor)
