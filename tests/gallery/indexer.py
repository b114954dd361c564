"""Indexes slowly in processes of their own, and tells what is done.

A line `GALLERY FOLDER SECONDS_PER_BATCH` on standard input starts one; it tells `pid N`, how many pictures are done,
and perhaps `finished`; however it ends, `over` follows. All are forked from here, so that each starts at once.
"""

import os
import sys
import time
import warnings
from collections.abc import Callable, Iterable, Iterator
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

from samekind.gallery import commit, ingest, report  # noqa: E402
from samekind.gallery.store import Gallery  # noqa: E402

ingest.BATCH, ingest.COMMIT_ROWS, report.TICK = 4, 8, 0.0
commit._COMMITS = 5


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
    """What a process does."""
    tell(f"pid {os.getpid()}")
    gallery = Gallery.open(path, Slow(float(seconds)), create=True)
    gallery.add(folder, domain_from_folder=True, progress=lambda progress: tell(progress.done))
    tell("finished")


if __name__ == "__main__":
    warnings.simplefilter("ignore", RuntimeWarning)  # lancedb's of forks; it has not been used before ours
    for line in sys.stdin:
        if (process := os.fork()) == 0:
            try:
                index(*line.split())
            finally:
                os._exit(0)
        os.waitpid(process, 0)
        tell("over")
