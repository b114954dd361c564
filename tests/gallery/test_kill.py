"""An indexer that is killed loses nothing that it told; readers beside one see whole versions only."""

import os
import random
import shutil
import signal
import time
from pathlib import Path

import numpy as np
import pytest
from faults import Indexers, change, content, pictures
from palette import PaletteRetriever

from samekind.gallery.store import Gallery

KILLS = 20


@pytest.mark.slow
def test_twenty_random_kills_leave_what_an_undisturbed_run_leaves(tmp_path: Path, indexers: Indexers) -> None:
    moments = random.Random(2)
    folder, killed, undisturbed = tmp_path / "pictures", tmp_path / "killed", tmp_path / "undisturbed"
    pictures(folder, 200)
    Gallery.open(killed, PaletteRetriever(), create=True).add(folder, domain_from_folder=True)
    change(folder)
    shutil.copytree(killed, undisturbed)
    report = Gallery.open(undisturbed, PaletteRetriever()).add(folder, domain_from_folder=True)
    assert min(report.new, report.changed, report.moved, report.duplicates, report.removed) >= 40

    unfinished = 0
    for _ in range(KILLS):
        known = content(killed)
        process = indexers.start("index", killed, folder, 0.03)
        time.sleep(moments.uniform(0, 0.25))
        os.kill(process, signal.SIGKILL)
        told = indexers.rest()
        unfinished += "finished" not in told
        done = max((int(line) for line in told if line.isdigit()), default=0)
        assert done <= len(content(killed) ^ known), "it told more than there is"  # every picture changes a row or two
    assert unfinished >= KILLS // 2, "the kills came too late to mean anything"

    indexers.start("index", killed, folder, 0)
    assert indexers.rest()[-1] == "finished"
    assert content(killed) == content(undisturbed)
    gallery = Gallery.open(killed, PaletteRetriever())
    assert gallery.rows == len(content(undisturbed))
    leftover = {file.name for file in killed.iterdir()}
    assert leftover == {"gallery.json", "pictures.lance", "cache", "lock", "skipped.jsonl"}


@pytest.mark.slow
def test_readers_see_whole_versions_while_another_process_indexes(tmp_path: Path, indexers: Indexers) -> None:
    folder = tmp_path / "pictures"
    pictures(folder, 150)
    retriever = PaletteRetriever()
    expected = {str(file): retriever.encode_images([file])[0] for file in folder.rglob("*.png")}
    indexers.start("index", tmp_path / "gallery", folder, 0.03)
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
