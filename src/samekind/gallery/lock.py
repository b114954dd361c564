"""One indexer at a time: a lock that the kernel drops with the process, however that ends, or a lease."""

import fcntl
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from samekind.errors import SamekindError
from samekind.gallery.lease import leased
from samekind.gallery.place import Place, Prefix
from samekind.gallery.refusing import refusals

LOCK_NAME = "lock"


@contextmanager
def write_lock(place: Place) -> Iterator[Callable[[], None]]:
    """Hold the gallery for writing; raises SamekindError naming the process that holds it.

    Readers take no lock. What is given raises SamekindError where the lock was lost, which only a lease can be.
    """
    if isinstance(place, Prefix):
        with leased(place) as lease:
            yield lease.check
    else:
        with _locked(place):
            yield lambda: None


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """The file stays behind, empty of meaning: only the kernel's lock on it counts."""
    with refusals(folder):
        descriptor = os.open(folder / LOCK_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    try:
        with refusals(folder):  # also where the disk knows no locks
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise SamekindError(
                    f"The gallery {folder} is being indexed by {_holder(descriptor)}. Wait until that has ended, or "
                    "stop it (nothing that it reported as done is lost), then run the same command again."
                ) from error
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, json.dumps({"pid": os.getpid()}).encode(), 0)
            for unfinished in folder.glob(".*.json*.*"):  # `write_atomically`, killed; the lock's holders alone do that
                unfinished.unlink(missing_ok=True)
        yield
    finally:
        os.close(descriptor)


def _holder(descriptor: int) -> str:
    try:
        return f"process {int(json.loads(os.pread(descriptor, 1000, 0))['pid'])}"
    except (ValueError, KeyError, TypeError):
        return "another process"
