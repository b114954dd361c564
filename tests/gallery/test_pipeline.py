"""How indexing works: batches, bounded memory, progress, interrupts, and commits that leave few files."""

import json
from pathlib import Path

import numpy as np
import pytest
from palette import PaletteRetriever, Prepared, paint, places

from samekind.gallery import commit, ingest
from samekind.gallery.report import Progress
from samekind.gallery.store import Gallery
from samekind.gallery.table import PictureTable, files
from samekind.reading import opening


def test_batches_are_of_one_domain_each(tmp_path: Path, retriever: PaletteRetriever) -> None:
    listed = []
    for seed in range(90):
        file = paint(tmp_path / "all" / f"{seed:02}.png", seed)
        listed.append(json.dumps({"uri": str(file), "domain": ["photo", "sketch", None][seed % 3]}))
    manifest = tmp_path / "all.jsonl"
    manifest.write_text("\n".join(listed))
    gallery = Gallery.open(tmp_path / "g", retriever, create=True)
    gallery.add(manifest)
    found = {uri: domain for row in places(gallery).values() for uri, domain in row}
    assert {name: list(found.values()).count(name) for name in set(found.values())} == {
        "photo": 30,
        "sketch": 30,
        None: 30,
    }
    assert sorted(retriever.domains, key=str) == sorted(found.values(), key=str)


def test_many_domains_do_not_make_pictures_pile_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    waiting = []
    monkeypatch.setattr(ingest, "WAITING", 10)

    class Watching(PaletteRetriever):
        def encode_pixels(self, pixels: np.ndarray, domain: str | None = None) -> np.ndarray:
            waiting.append(len(pixels))
            return super().encode_pixels(pixels, domain)

    for seed in range(40):
        paint(tmp_path / "all" / f"domain{seed}" / "a.png", seed)
    gallery = Gallery.open(tmp_path / "g", Watching(), create=True)
    report = gallery.add(tmp_path / "all", domain_from_folder=True)
    assert report.rows == 40
    assert len(gallery.domains) == 40
    assert len(waiting) == 40


@pytest.mark.parametrize("workers", [1, 5])
def test_the_pixels_in_memory_do_not_grow_with_the_number_of_pictures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, workers: int
) -> None:
    monkeypatch.setattr(ingest, "BATCH", 2)
    monkeypatch.setattr(ingest, "WAITING", 6)
    monkeypatch.setattr(opening, "LOOK_AHEAD", 4)
    prepared = Prepared(monkeypatch)
    for seed in range(80):
        paint(tmp_path / "all" / f"domain{seed % 9}" / f"{seed}.png", seed)
    gallery = Gallery.open(tmp_path / "g", PaletteRetriever(), create=True)
    assert gallery.add(tmp_path / "all", domain_from_folder=True, workers=workers).rows == 80
    assert prepared.most <= 4 + workers + 6 + 3  # look-ahead, those that wait for others of their domain, those in hand


def test_progress_counts_as_done_only_what_is_committed(
    tmp_path: Path, photos: Path, retriever: PaletteRetriever, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ingest, "COMMIT_ROWS", 2)
    monkeypatch.setattr(ingest, "BATCH", 2)
    monkeypatch.setattr("samekind.gallery.report.TICK", 0.0)
    gallery = Gallery.open(tmp_path / "g", retriever, create=True)
    (photos / "broken.png").write_text("")
    seen: list[Progress] = []

    def check(progress: Progress) -> None:
        seen.append(progress)
        assert PictureTable.open(gallery.path).rows == progress.done

    gallery.add(photos, progress=check)
    assert any(progress.total is None for progress in seen)
    assert {0, 2, 4, 6} <= {progress.done for progress in seen}
    last = seen[-1]
    assert last.done + last.skipped + last.unchanged == last.total == 7
    assert last.eta == 0


def test_an_interrupt_commits_what_is_encoded_and_the_next_run_goes_on(
    tmp_path: Path, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Interrupted(PaletteRetriever):
        def encode_pixels(self, pixels: np.ndarray, domain: str | None = None) -> np.ndarray:
            if self.encoded == 4:
                raise KeyboardInterrupt
            return super().encode_pixels(pixels, domain)

    monkeypatch.setattr(ingest, "BATCH", 2)
    gallery = Gallery.open(tmp_path / "g", Interrupted(), create=True)
    with pytest.raises(KeyboardInterrupt):
        gallery.add(photos)
    again = Gallery.open(tmp_path / "g", PaletteRetriever())
    assert again.rows == 4
    report = again.add(photos)
    assert (report.unchanged, report.new, report.encoded) == (4, 2, 2)


def test_a_failing_retriever_is_not_taken_for_a_damaged_gallery(
    tmp_path: Path, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Failing(PaletteRetriever):
        def encode_pixels(self, pixels: np.ndarray, domain: str | None = None) -> np.ndarray:
            if self.encoded:
                raise RuntimeError("out of memory")
            return super().encode_pixels(pixels, domain)

    monkeypatch.setattr(ingest, "BATCH", 2)
    gallery = Gallery.open(tmp_path / "g", Failing(), create=True)
    with pytest.raises(RuntimeError, match=r"^out of memory$"):
        gallery.add(photos)
    assert gallery.rows == 2


def test_replaced_rows_do_not_stay_on_disk(gallery: Gallery, photos: Path) -> None:
    gallery.add(photos, domain="other")
    (only,) = (gallery.path / "pictures.lance" / "data").iterdir()
    gallery.add(photos, domain="third")
    (other,) = (gallery.path / "pictures.lance" / "data").iterdir()
    assert only != other


def test_many_commits_do_not_leave_many_files(
    tmp_path: Path, retriever: PaletteRetriever, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ingest, "COMMIT_ROWS", 1)
    monkeypatch.setattr(ingest, "BATCH", 1)
    monkeypatch.setattr(commit, "_COMMITS", 10)
    monkeypatch.setattr(commit, "_KEEP", commit.timedelta(0))
    for seed in range(45):
        paint(tmp_path / "all" / f"{seed:02}.png", seed)
    gallery = Gallery.open(tmp_path / "g", retriever, create=True)
    most = 0

    def watch(_: Progress) -> None:
        nonlocal most
        most = max(most, files(gallery.path))

    monkeypatch.setattr("samekind.gallery.report.TICK", 0.0)
    gallery.add(tmp_path / "all", progress=watch)
    assert gallery.rows == 45
    assert most < 35
