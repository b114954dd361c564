"""Clocks that go back or ahead, of the machine and of the pictures: nothing is lost, and old versions still go."""

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from faults import Indexers, change, content, pictures
from palette import PaletteRetriever, paint

from samekind.gallery.store import Gallery
from samekind.gallery.table import files

DAY = 24 * 3600
STEPS = (0, 400 * DAY, -400 * DAY, 60, 0, -30 * DAY)  # each clock relative to the true one


@pytest.fixture(scope="module")
def clocked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Indexers]:
    """Processes whose clock is ours."""
    library = tmp_path_factory.mktemp("clock") / "clock.so"
    compiler = shutil.which("cc") or shutil.which("gcc")
    source = Path(__file__).with_name("clock.c")
    if compiler is None or subprocess.run([compiler, "-shared", "-fPIC", "-o", library, source, "-ldl"]).returncode:
        pytest.skip("needs a C compiler")
    found = Indexers(preload=library)
    yield found
    found.close()


def stamps(gallery: Path) -> list[float]:
    """How far the clock was ahead when versions were committed, as the files' names and times cannot tell."""
    import lancedb

    versions = lancedb.connect(gallery).open_table("pictures").list_versions()
    return [version["timestamp"].timestamp() - time.time() for version in versions]


@pytest.mark.slow
def test_a_clock_that_jumps_between_runs_loses_nothing(tmp_path: Path, clocked: Indexers) -> None:
    folder, gallery = pictures(tmp_path / "pictures", 30), tmp_path / "gallery"
    reader = None
    for number, ahead in enumerate(STEPS):
        if number == 1:
            change(folder, 30)
        elif number:
            paint(folder / "d0" / f"new{number}.png", 2000 + number)
            (folder / "d1" / f"{34 + 3 * number:03}.png").unlink()
        clocked.start("index_at", gallery, folder, ahead)
        now, ended = clocked.rest()
        assert (ended, abs(int(now) - time.time() - ahead) < 60) == ("finished", True)
        if number == 1:
            assert max(stamps(gallery)) > DAY, "the table has seen the clock"
        fresh = Gallery.open(gallery, PaletteRetriever())
        uris = fresh.snapshot().rows.column("uri").to_pylist()
        np.testing.assert_array_equal(fresh.snapshot().vectors, PaletteRetriever().encode_images(uris))
        reader = reader or fresh
        assert reader.search(text="red", k=3, where="width > 0")  # at whatever version it is
    undisturbed = Gallery.open(tmp_path / "undisturbed", PaletteRetriever(), create=True)
    undisturbed.add(folder, domain_from_folder=True)
    assert content(gallery) == content(tmp_path / "undisturbed")


@pytest.mark.slow
def test_versions_from_the_future_do_not_pile_up(tmp_path: Path, clocked: Indexers) -> None:
    folder, gallery = pictures(tmp_path / "pictures", 12), tmp_path / "gallery"
    clocked.start("index_at", gallery, folder, 400 * DAY)
    assert clocked.rest()[-1] == "finished"
    counts = []
    for turn in range(30):
        for seed in range(12):
            paint(folder / f"d{seed % 3}" / f"{seed:03}.png", 100 * turn + seed)
        Gallery.open(gallery, PaletteRetriever()).add(folder, domain_from_folder=True)
        counts.append(files(gallery))
    assert max(counts[15:]) <= max(counts[:15]), counts


@pytest.mark.parametrize("ahead", [-400 * DAY, 400 * DAY])
def test_a_picture_is_read_again_whose_time_has_gone_back_or_far_ahead(
    gallery: Gallery, photos: Path, ahead: int
) -> None:
    file = photos / "0.png"
    before = file.stat()
    size, seed = before.st_size, 100
    while paint(file, seed).stat().st_size != size:  # as long as it was, so that its time alone tells
        seed += 1
    os.utime(file, ns=(0, before.st_mtime_ns + ahead * 10**9))
    assert gallery.add(photos).changed == 1
    assert gallery.search(image=file, k=1)[0].uri == str(file)
