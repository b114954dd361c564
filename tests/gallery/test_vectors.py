"""The derived vectors file: always that of the table's version, whatever happens to it."""

import itertools
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from palette import PaletteRetriever, paint, places

from samekind.errors import SamekindError
from samekind.gallery import derived, vectors
from samekind.gallery.store import Gallery
from samekind.gallery.table import PictureTable, latest_version


def cache(gallery: Gallery, pattern: str = "*") -> list[Path]:
    return sorted(file for file in (gallery.path / "cache").glob(pattern) if file.name != "lock")


def check_whole(path: Path, retriever: PaletteRetriever) -> Gallery:
    """A gallery as a new process would open it: in order of insertion, every vector that of its picture."""
    gallery = Gallery.open(path, retriever)
    snapshot = gallery.snapshot()
    rows = PictureTable.open(path).rows
    assert len(snapshot) == len(snapshot.vectors) == rows
    assert (np.diff(snapshot.seq) > 0).all()
    for uri, vector in zip(snapshot.rows.column("uri").to_pylist(), snapshot.vectors, strict=True):
        np.testing.assert_array_equal(vector, retriever.encode_images([uri])[0])
    return gallery


def test_the_newest_version_is_read_off_the_names_of_files(gallery: Gallery, photos: Path) -> None:
    for seed in range(10, 14):
        paint(photos / f"{seed}.png", seed)
        gallery.add(photos)
        assert latest_version(gallery.path) == PictureTable.open(gallery.path).version == gallery.snapshot().version
    assert latest_version(gallery.path / "nowhere") is None


def test_vectors_are_mapped_not_loaded(gallery: Gallery) -> None:
    assert isinstance(Gallery.open(gallery.path).snapshot().vectors, np.memmap)


def test_new_rows_are_added_to_the_file_and_readers_of_the_old_version_keep_theirs(
    gallery: Gallery, photos: Path, retriever: PaletteRetriever
) -> None:
    old = check_whole(gallery.path, retriever)
    before = np.array(old.snapshot().vectors)
    (file,) = cache(gallery, "*.f32")
    inode = file.stat().st_ino
    paint(photos / "new.png", 99)
    gallery.add(photos)
    check_whole(gallery.path, retriever)
    assert [found.stat().st_ino for found in cache(gallery, "*.f32")] == [inode]
    assert len(cache(gallery)) == 2
    np.testing.assert_array_equal(old.snapshot().vectors, before)
    assert old.rows == 6


def test_a_new_place_of_a_known_content_keeps_the_vectors_file(
    gallery: Gallery, photos: Path, retriever: PaletteRetriever
) -> None:
    before = cache(gallery, "*.f32")
    (photos / "0.png").rename(photos / "z.png")
    gallery.add(photos)
    assert cache(gallery, "*.f32") == before
    check_whole(gallery.path, retriever)


def test_removed_rows_leave_the_file_and_their_seq_may_come_again(
    gallery: Gallery, photos: Path, retriever: PaletteRetriever
) -> None:
    (photos / "deep" / "5.png").unlink()  # the last one inserted
    gallery.add(photos)
    old = check_whole(gallery.path, retriever)
    paint(photos / "deep" / "6.png", 6)
    gallery.add(photos)
    check_whole(gallery.path, retriever)
    (photos / "0.png").unlink()
    gallery.add(photos)
    check_whole(gallery.path, retriever)
    assert old.rows == 5
    assert len(cache(gallery)) == 2


def test_an_order_of_rows_in_the_table_other_than_by_insertion_does_not_matter(
    gallery: Gallery, photos: Path, retriever: PaletteRetriever
) -> None:
    os.utime(photos / "2.png", ns=(0, 1))  # Lance moves a row that it updates to the end
    gallery.add(photos)
    shutil.rmtree(gallery.path / "cache")
    check_whole(gallery.path, retriever)


@pytest.mark.parametrize(
    ("pattern", "what"),
    [
        *itertools.product(["*.f32", "*.arrow", "*"], ["delete", "truncate", "empty"]),
        ("*.arrow", "garble"),  # garbled vectors cannot be told from others
    ],
)
def test_a_missing_or_short_or_garbled_file_is_made_anew(
    gallery: Gallery, retriever: PaletteRetriever, pattern: str, what: str
) -> None:
    for file in cache(gallery, pattern):
        content = file.read_bytes()
        if what == "delete":
            file.unlink()
        else:
            file.write_bytes({"truncate": content[:-5], "empty": b"", "garble": b"x" * len(content)}[what])
    check_whole(gallery.path, retriever)
    check_whole(gallery.path, retriever)
    assert len(cache(gallery)) == 2


def test_a_file_that_an_interrupted_append_made_longer_is_right(
    gallery: Gallery, photos: Path, retriever: PaletteRetriever
) -> None:
    (file,) = cache(gallery, "*.f32")
    with file.open("ab") as longer:
        longer.write(b"half a row")
    check_whole(gallery.path, retriever)
    paint(photos / "new.png", 99)
    gallery.add(photos)
    check_whole(gallery.path, retriever)


def test_the_file_of_another_gallery_that_was_at_the_same_place_is_not_used(
    gallery: Gallery, photos: Path, retriever: PaletteRetriever
) -> None:
    kept = gallery.path.parent / "kept"
    shutil.copytree(gallery.path / "cache", kept)
    shutil.rmtree(gallery.path)
    for seed in range(6):
        paint(photos / f"{seed}.png", seed + 50)
    shutil.rmtree(photos / "deep")
    again = Gallery.open(gallery.path, retriever, create=True)
    again.add(photos)
    shutil.rmtree(again.path / "cache")
    shutil.copytree(kept, again.path / "cache")
    check_whole(gallery.path, retriever)


def test_while_another_process_writes_the_file_a_reader_has_it_in_memory(
    gallery: Gallery, retriever: PaletteRetriever
) -> None:
    for file in cache(gallery):
        file.unlink()
    with derived.busy(gallery.path / "cache") as alone:
        assert alone
        reader = check_whole(gallery.path, retriever)
    assert cache(gallery) == []
    assert not isinstance(reader.snapshot().vectors, np.memmap)


def test_a_version_that_is_tidied_away_while_it_is_read_is_not_insisted_on(
    gallery: Gallery, photos: Path, retriever: PaletteRetriever, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.rmtree(gallery.path / "cache")
    real = vectors._build
    calls = []

    def overtaken(*arguments: object) -> object:
        calls.append(1)
        if len(calls) == 1:
            paint(photos / "new.png", 99)
            monkeypatch.setattr(vectors, "_build", real)
            Gallery.open(gallery.path, retriever).add(photos)
            monkeypatch.setattr(vectors, "_build", overtaken)
            raise SamekindError("a file is gone")
        return real(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(vectors, "_build", overtaken)
    assert Gallery.open(gallery.path, retriever).rows == 7


def test_a_filter_goes_on_with_the_newest_version_when_its_own_is_tidied_away(
    gallery: Gallery, photos: Path, retriever: PaletteRetriever
) -> None:
    from datetime import timedelta

    reader = Gallery.open(gallery.path, retriever)
    assert reader.rows == 6
    paint(photos / "new.png", 99)
    gallery.add(photos)
    assert len(reader.search(text="red", where="width > 0")) == 6
    PictureTable.open(gallery.path).tidy(timedelta(0))
    assert len(reader.search(text="red")) == 6
    assert len(reader.search(text="red", where="width > 0")) == 6, "whose rows are still known"
    assert len(reader.search(text="red", where="width > 1")) == 7
    assert places(reader) == places(gallery)


def test_a_search_without_a_filter_imports_neither_lancedb_nor_torch(gallery: Gallery, photos: Path) -> None:
    program = f"""
import sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
from palette import PaletteRetriever
from samekind.gallery.store import Gallery
gallery = Gallery.open({str(gallery.path)!r}, PaletteRetriever())
assert gallery.search(image={str(photos / "0.png")!r}, k=1, domains=["photo"])[0].uri == {str(photos / "0.png")!r}
print(*({{"lancedb", "torch", "faiss"}} & sys.modules.keys()))
"""
    told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert told.stdout == "\n"
