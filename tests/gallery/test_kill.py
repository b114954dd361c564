"""An indexer that is killed loses nothing that it told; readers beside one see whole versions only."""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from palette import PaletteRetriever, paint

from samekind.gallery.store import Gallery
from samekind.gallery.table import PictureTable

SCRIPT = Path(__file__).with_name("indexer.py")
KILLS = 20


class Indexers:
    """Starts indexers one after the other; see indexer.py."""

    def __init__(self) -> None:
        pipe = subprocess.PIPE
        self._process = subprocess.Popen([sys.executable, str(SCRIPT)], stdin=pipe, stdout=pipe, text=True)

    def start(self, gallery: Path, folder: Path, seconds: float) -> int:
        """The process id of a new indexer."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{gallery} {folder} {seconds}\n")
        self._process.stdin.flush()
        return int(self.line().removeprefix("pid "))

    def line(self) -> str:
        """The next thing that the indexer tells."""
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()

    def rest(self) -> list[str]:
        """Everything that the indexer tells until it is over."""
        return list(iter(self.line, "over"))

    def close(self) -> None:
        """Needs no more of them."""
        self._process.communicate()


@pytest.fixture
def indexers() -> Iterator[Indexers]:
    """The one process that all indexers come from."""
    found = Indexers()
    yield found
    found.close()


def content(gallery: Path) -> set[tuple[object, ...]]:
    """The rows, without what depends on when they were inserted."""
    rows = pa.Table.from_batches(list(PictureTable.open(gallery).scan(["*"]))).to_pylist()
    assert len({row["seq"] for row in rows}) == len(rows)
    found = set()
    for row in rows:
        del row["seq"]
        row["vector"] = np.array(row["vector"], np.float32).tobytes()
        row["copies"] = tuple(tuple(sorted(copy.items())) for copy in row["copies"])
        found.add(tuple(row.values()))
    assert len(found) == len(rows)
    return found


def change(folder: Path) -> None:
    """Move, change, double and delete some of the first two hundred pictures, and add two hundred."""
    for seed in range(200):
        file = folder / f"d{seed % 3}" / f"{seed:03}.png"
        if seed % 5 == 0:
            file.rename(folder / "d1" / f"moved{seed:03}.png")
        elif seed % 5 == 1:
            paint(file, 1000 + seed)
        elif seed % 5 == 2:
            shutil.copy(file, folder / "d2" / f"copy{seed:03}.png")
        elif seed % 5 == 3:
            file.unlink()
    for seed in range(200, 400):
        paint(folder / f"d{seed % 3}" / f"{seed:03}.png", seed)


@pytest.mark.slow
def test_twenty_random_kills_leave_what_an_undisturbed_run_leaves(tmp_path: Path, indexers: Indexers) -> None:
    moments = random.Random(2)
    folder, killed, undisturbed = tmp_path / "pictures", tmp_path / "killed", tmp_path / "undisturbed"
    for seed in range(200):
        paint(folder / f"d{seed % 3}" / f"{seed:03}.png", seed)
    Gallery.open(killed, PaletteRetriever(), create=True).add(folder, domain_from_folder=True)
    change(folder)
    shutil.copytree(killed, undisturbed)
    report = Gallery.open(undisturbed, PaletteRetriever()).add(folder, domain_from_folder=True)
    assert min(report.new, report.changed, report.moved, report.duplicates, report.removed) >= 40

    unfinished = 0
    for _ in range(KILLS):
        known = content(killed)
        process = indexers.start(killed, folder, 0.03)
        time.sleep(moments.uniform(0, 0.25))
        os.kill(process, signal.SIGKILL)
        told = indexers.rest()
        unfinished += "finished" not in told
        done = max((int(line) for line in told if line.isdigit()), default=0)
        assert done <= len(content(killed) ^ known), "it told more than there is"  # every picture changes a row or two
    assert unfinished >= KILLS // 2, "the kills came too late to mean anything"

    indexers.start(killed, folder, 0)
    assert indexers.rest()[-1] == "finished"
    assert content(killed) == content(undisturbed)
    gallery = Gallery.open(killed, PaletteRetriever())
    assert gallery.rows == len(content(undisturbed))
    leftover = {file.name for file in killed.iterdir()}
    assert leftover == {"gallery.json", "pictures.lance", "cache", "lock", "skipped.jsonl"}


@pytest.mark.slow
def test_readers_see_whole_versions_while_another_process_indexes(tmp_path: Path, indexers: Indexers) -> None:
    folder = tmp_path / "pictures"
    for seed in range(150):
        paint(folder / f"d{seed % 3}" / f"{seed:03}.png", seed)
    retriever = PaletteRetriever()
    expected = {str(file): retriever.encode_images([file])[0] for file in folder.rglob("*.png")}
    indexers.start(tmp_path / "gallery", folder, 0.03)
    assert indexers.line() == "0"  # it has listed what there is
    reader = Gallery.open(tmp_path / "gallery", retriever)
    sizes = []
    while not sizes or sizes[-1] < 150:
        reader.refresh()
        rows = reader.rows
        sizes.append(rows)
        time.sleep(0.01)
        if rows:
            one = reader.snapshot().rows.column("uri")[rows // 2].as_py()
            assert reader.search(image=one, k=1)[0].uri == one
            assert len(reader.search(image=one, k=rows + 1, domains=reader.domains)) == rows
            assert 0 < len(reader.search(image=one, k=200, where="domain = 'd0'")) <= 50
            snapshot = reader.snapshot()
            for uri, vector in zip(snapshot.rows.column("uri").to_pylist(), snapshot.vectors, strict=True):
                np.testing.assert_array_equal(vector, expected[uri])
    assert indexers.rest()[-1] == "finished"
    assert sizes == sorted(sizes)
    assert len(set(sizes)) > 3, "the reader never saw a version in between"
