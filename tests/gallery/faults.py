"""What tests of faults share: the rows of a gallery to compare, changes of its pictures, and processes to kill."""

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import lancedb
import numpy as np
from palette import PaletteRetriever, paint

from samekind.gallery.place import place_of
from samekind.gallery.store import Gallery
from samekind.gallery.table import PictureTable

SCRIPT = Path(__file__).with_name("indexer.py")


class Indexers:
    """Starts processes one after the other; see indexer.py."""

    def __init__(self, preload: Path | None = None) -> None:
        pipe = subprocess.PIPE
        environment = {**os.environ, "LD_PRELOAD": str(preload)} if preload else None
        command = [sys.executable, str(SCRIPT)]
        self._process = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, env=environment)

    def start(self, what: str, *words: object) -> int:
        """The process id of a new one, which does this."""
        assert self._process.stdin is not None
        self._process.stdin.write(shlex.join([what, *map(str, words)]) + "\n")
        self._process.stdin.flush()
        return int(self.line().removeprefix("pid "))

    def line(self) -> str:
        """The next thing that it tells."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, "the processes' parent has ended"
        return line.strip()

    def rest(self) -> list[str]:
        """Everything that it tells until it is over."""
        return list(iter(self.line, "over"))

    def close(self) -> None:
        """Needs no more of them."""
        self._process.communicate()


def content(gallery: str | Path) -> set[tuple[object, ...]]:
    """The rows, without what depends on when they were inserted."""
    rows = [row for batch in PictureTable.open(place_of(gallery)).scan(["*"]) for row in batch.to_pylist()]
    assert len({row["seq"] for row in rows}) == len(rows)
    found = set()
    for row in rows:
        del row["seq"]
        row["vector"] = np.array(row["vector"], np.float32).tobytes()
        row["copies"] = tuple(tuple(sorted(copy.items())) for copy in row["copies"])
        found.add(tuple(row.values()))
    assert len(found) == len({row["id"] for row in rows}) == len(rows)
    return found


def pictures(folder: Path, count: int) -> Path:
    """So many pictures in three domains."""
    for seed in range(count):
        paint(folder / f"d{seed % 3}" / f"{seed:03}.png", seed)
    return folder


def change(folder: Path, count: int = 200) -> None:
    """Move, change, double and delete some of the first `count` pictures, and add as many."""
    for seed in range(count):
        file = folder / f"d{seed % 3}" / f"{seed:03}.png"
        if seed % 5 == 0:
            file.rename(folder / "d1" / f"moved{seed:03}.png")
        elif seed % 5 == 1:
            paint(file, 1000 + seed)
        elif seed % 5 == 2:
            shutil.copy(file, folder / "d2" / f"copy{seed:03}.png")
        elif seed % 5 == 3:
            file.unlink()
    for seed in range(count, 2 * count):
        paint(folder / f"d{seed % 3}" / f"{seed:03}.png", seed)


class Disturbed(PaletteRetriever):
    """Something happens to the gallery before its second batch is encoded."""

    def __init__(self, disturb: Callable[[], object]) -> None:
        super().__init__()
        self.disturb = disturb
        self.calls = 0

    def encode_pixels(self, pixels: np.ndarray, domain: str | None = None) -> np.ndarray:
        vectors = super().encode_pixels(pixels, domain)
        self.calls += 1
        if self.calls == 2:
            self.disturb()
        return vectors


def finished(gallery: str | Path, folder: Path) -> set[tuple[object, ...]]:
    """What the same command again makes of it."""
    opened = Gallery.open(gallery, PaletteRetriever())
    opened.add(folder, domain_from_folder=True)
    snapshot = opened.snapshot()
    uris = snapshot.rows.column("uri").to_pylist()
    np.testing.assert_array_equal(snapshot.vectors, PaletteRetriever().encode_images(uris))
    return content(gallery)


def raw(gallery: Path) -> lancedb.table.Table:
    """The table as a program opens it that knows nothing of samekind."""
    return lancedb.connect(gallery).open_table("pictures")
