"""Whatever process is killed, and whenever: the gallery is whole, and the same command makes it what it should be."""

import os
import random
import shutil
import signal
import time
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from faults import Indexers, change, content, pictures
from palette import PaletteRetriever
from rows import appended, clustered, made

from samekind.gallery.ann import build as ann_build
from samekind.gallery.ann.record import read_ann
from samekind.gallery.store import Gallery
from samekind.gallery.table import PictureTable, files

KILLS = 8


def killed(indexers: Indexers, seconds: float, what: str, *words: object) -> bool:
    """Kill a process so many seconds after it began; whether it was not done yet."""
    process = indexers.start(what, *words)
    if what != "command":
        assert indexers.line() == "begins"
    time.sleep(seconds)
    os.kill(process, signal.SIGKILL)
    return "finished" not in indexers.rest()


@pytest.mark.slow
def test_a_killed_command_leaves_what_an_undisturbed_one_leaves_with_its_index(
    tmp_path: Path, indexers: Indexers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ann_build, "FEWEST", 100)
    moments = random.Random(3)
    folder, gallery, undisturbed = pictures(tmp_path / "pictures", 120), tmp_path / "g", tmp_path / "undisturbed"
    words = ("index", folder, "--domain-from-folder", "--ann", "--retriever", "slow", "--gallery")
    indexers.start("command", 0, *words, gallery)
    assert indexers.rest()[-1] == "finished"
    change(folder, 120)
    shutil.copytree(gallery, undisturbed)
    indexers.start("command", 0, *words, undisturbed)
    assert indexers.rest()[-1] == "finished"

    unfinished = 0
    for number in range(KILLS):
        # At first in the midst of pictures, later with the index.
        unfinished += killed(indexers, moments.uniform(0, 0.8), "command", 0.02 if number < 4 else 0, *words, gallery)
        reader = Gallery.open(gallery, PaletteRetriever())
        some = reader.snapshot().vectors_of([0, reader.rows // 2])
        assert reader.nearest(some, 3, exact=False) == reader.nearest(some, 3)
        content(gallery)  # no row is there twice
    assert unfinished, "the kills came too late to mean anything"
    indexers.start("command", 0, *words, gallery)
    assert indexers.rest()[-1] == "finished"
    assert content(gallery) == content(undisturbed)
    ann = read_ann(gallery, Gallery.open(gallery).meta.uuid)
    assert ann is not None
    assert ann.state in ("ready", "exact")
    facts = PictureTable.open(gallery).index()
    assert facts is not None
    assert facts.rows + facts.missing == len(content(gallery))
    PictureTable.open(gallery).tidy(timedelta(0))
    assert len(list((gallery / "pictures.lance" / "_indices").iterdir())) <= facts.parts, "unfinished indices are gone"
    leftover = {file.name for file in gallery.iterdir()}
    assert leftover == {"gallery.json", "pictures.lance", "cache", "lock", "skipped.jsonl", "ann.json"}


def test_what_a_killed_writer_had_begun_goes_with_the_next_run(gallery: Gallery, photos: Path) -> None:
    begun = [gallery.path / name for name in (".skipped.jsonl.a1", ".gallery.json.b2", ".ann.json.c3")]
    staged = gallery.path / "pictures.lance" / "data" / ".tmpX1y2Z3"
    for file in (*begun, staged):
        file.write_text("{")
    gallery.add(photos, domain="other")  # all rows change, so that the table is tidied
    assert not any(file.exists() for file in (*begun, staged))
    assert (gallery.path / "gallery.json").exists()


@pytest.fixture
def scattered(tmp_path: Path) -> Path:
    """A gallery of many small files and old versions."""
    gallery = made(tmp_path / "scattered", clustered(400, 16))
    for seed in range(12):
        appended(gallery.path, clustered(20, 16, seed=seed))
    PictureTable.open(gallery.path).delete([f"{number:024x}" for number in range(0, 400, 7)])
    return gallery.path


@pytest.mark.slow
def test_a_tidying_that_is_killed_loses_nothing_and_the_next_one_cleans_up(
    scattered: Path, tmp_path: Path, indexers: Indexers
) -> None:
    before, moments = content(scattered), random.Random(4)
    for number in range(KILLS):
        gallery = tmp_path / f"g{number}"
        shutil.copytree(scattered, gallery)
        killed(indexers, moments.uniform(0, 0.15), "tidy", gallery)
        assert content(gallery) == before
        PictureTable.open(gallery).tidy(timedelta(0))
        assert content(gallery) == before
        assert files(gallery) <= 4
        (data,) = (gallery / "pictures.lance" / "data").iterdir()
        assert data.suffix == ".lance", "what the killed one had begun is gone"


@pytest.mark.slow
def test_a_search_that_is_killed_leaves_no_wrong_vectors(scattered: Path, indexers: Indexers) -> None:
    moments = random.Random(5)
    table = PictureTable.open(scattered)
    true = {row["id"]: row["vector"] for batch in table.scan(["id", "vector"]) for row in batch.to_pylist()}
    for _ in range(KILLS):
        killed(indexers, moments.uniform(0, 0.1), "look", scattered)
        snapshot = Gallery.open(scattered).snapshot()
        ids = snapshot.rows.column("id").to_pylist()
        assert set(ids) == true.keys()
        np.testing.assert_array_equal(snapshot.vectors, np.array([true[name] for name in ids], np.float32))
        shutil.rmtree(scattered / "cache")
