"""Works on galleries in processes of their own, slowly, and tells what is done.

A line on standard input starts one: what it does, a function of `DOES`, and the words for that. It tells `pid N`, then
what the function tells, and perhaps `finished`; however it ends, `over` follows. All are forked from here, so that each
starts at once. Commits and groups are small.
"""

import ctypes
import os
import shlex
import sys
import time
import warnings
from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))


def plain_map(function: Callable[[Any], Any], items: Iterable[Any], *, workers: int, look_ahead: int) -> Iterator[Any]:
    """Stands for the threads of samekind.retriever, which would import torch: seconds, twenty times."""
    yield from map(function, items)


stub = ModuleType("samekind.retriever.encode")
stub.ordered_map = plain_map  # type: ignore[attr-defined]
stub.default_workers = lambda: 1  # type: ignore[attr-defined]
sys.modules["samekind.retriever.encode"] = stub

import lancedb  # noqa: E402, F401 (once, not in every process)
import numpy as np  # noqa: E402
from palette import PaletteRetriever  # noqa: E402

from samekind.cli import main  # noqa: E402
from samekind.errors import SamekindError  # noqa: E402
from samekind.gallery import commit, ingest, report  # noqa: E402
from samekind.gallery.ann import build as ann_build  # noqa: E402
from samekind.gallery.store import Gallery  # noqa: E402
from samekind.gallery.table import PictureTable  # noqa: E402

ingest.BATCH, ingest.COMMIT_ROWS, report.TICK = 4, 8, 0.0
commit._COMMITS = 5
ann_build.FEWEST = 100


class Slow(PaletteRetriever):
    """Takes its time over every batch."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self.seconds = seconds

    def encode_pixels(self, pixels: np.ndarray, domain: str | None = None) -> np.ndarray:
        time.sleep(self.seconds)
        return super().encode_pixels(pixels, domain)


def tell(line: object) -> None:
    """In one write, so that a kill does not cut it."""
    os.write(1, f"{line}\n".encode())


def index(path: str, folder: str, seconds: str) -> None:
    """Index, and tell how many pictures are done."""
    gallery = Gallery.open(path, Slow(float(seconds)), create=True)
    gallery.add(folder, domain_from_folder=True, progress=lambda progress: tell(progress.done))


def command(seconds: str, *words: str) -> None:
    """`samekind WORDS`, whose retriever is slow."""
    store = ModuleType("samekind.retriever.store")
    store.load = lambda _: Slow(float(seconds))  # type: ignore[attr-defined]
    sys.modules["samekind.retriever.store"] = store
    sys.argv = ["samekind", *words]
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    try:
        main()
    except SystemExit as end:
        if end.code:
            raise


def tidy(path: str) -> None:
    """Join small files, and remove old versions."""
    table = PictureTable.open(Path(path))
    tell("begins")
    table.tidy(timedelta(0))


def look(path: str) -> None:
    """Open, which writes the file of vectors."""
    gallery = Gallery.open(path)
    tell("begins")
    gallery.snapshot()


def index_at(path: str, folder: str, seconds: str) -> None:
    """Index while the clock is so many seconds ahead; the library `clock.c` is preloaded."""
    ctypes.CDLL(None).samekind_clock(ctypes.c_long(int(seconds)))
    tell(int(time.time()))
    Gallery.open(path, PaletteRetriever(), create=True).add(folder, domain_from_folder=True)


DOES = {one.__name__: one for one in (index, command, tidy, look, index_at)}

if __name__ == "__main__":
    warnings.simplefilter("ignore", RuntimeWarning)  # lancedb's of forks; it has not been used before ours
    process = 0
    for line in sys.stdin:
        if process:
            os.waitpid(process, 0)
        if (process := os.fork()) == 0:
            try:
                what, *words = shlex.split(line)
                tell(f"pid {os.getpid()}")
                DOES[what](*words)
                tell("finished")
            except SamekindError as error:
                tell(f"refused: {error}")
            finally:
                os._exit(0)
        os.waitid(os.P_PID, process, os.WEXITED | os.WNOWAIT)  # its number stays its own, so that a late kill hits none
        tell("over")
