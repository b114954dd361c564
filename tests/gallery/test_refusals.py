"""What a gallery refuses, each time saying what is wrong, where, and what to do."""

import errno
import fcntl
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from palette import PaletteRetriever, paint, places

from samekind.errors import SamekindError, UsageError
from samekind.gallery import ingest
from samekind.gallery.lock import LOCK_NAME, write_lock
from samekind.gallery.place import write_atomically
from samekind.gallery.refusing import refusals
from samekind.gallery.store import Gallery
from samekind.gallery.table import PictureTable


@contextmanager
def as_nobody() -> Iterator[None]:
    """Without root's rights, for which permissions mean nothing."""
    if os.geteuid():
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of one megabyte."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(disk)], capture_output=True)
    if mounted.returncode:
        pytest.skip("needs the right to mount a small file system")
    yield disk
    subprocess.run(["umount", "--lazy", str(disk)], check=True)


def test_a_folder_that_is_no_gallery_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(SamekindError, match=r"is no gallery.*samekind index PICTURES --gallery"):
        Gallery.open(tmp_path)
    with pytest.raises(SamekindError, match=r"nowhere does not exist.*samekind index"):
        Gallery.open(tmp_path / "nowhere")


def test_another_retrievers_gallery_is_refused_by_both_names(gallery: Gallery) -> None:
    with pytest.raises(SamekindError, match=r"filled by the retriever palette .*those of crayons") as caught:
        Gallery.open(gallery.path, PaletteRetriever("crayons"))
    assert "another gallery" in str(caught.value)


def test_a_newer_schema_is_refused_with_the_upgrade(gallery: Gallery) -> None:
    meta = gallery.path / "gallery.json"
    meta.write_text(meta.read_text().replace('"schema": 1', '"schema": 2'))
    with pytest.raises(SamekindError, match=r"schema 2.*pip install --upgrade samekind"):
        Gallery.open(gallery.path)


def test_an_unknown_space_is_refused(gallery: Gallery) -> None:
    meta = gallery.path / "gallery.json"
    meta.write_text(meta.read_text().replace('"cosine"', '"spherical"'))
    with pytest.raises(SamekindError, match=r"space 'spherical'.*cosine, poincare.*pip install --upgrade samekind"):
        Gallery.open(gallery.path)


def test_a_retriever_of_an_unknown_space_gets_no_gallery(tmp_path: Path, retriever: PaletteRetriever) -> None:
    retriever.space = "spherical"
    with pytest.raises(SamekindError, match=r"palette has vectors of the space 'spherical'"):
        Gallery.open(tmp_path / "g", retriever, create=True)
    assert not (tmp_path / "g").exists()


@pytest.mark.parametrize(
    ("code", "message"),
    [
        (errno.EDQUOT, "no space left"),
        (errno.EROFS, "may not be written"),
        (errno.EIO, "Input/output error\\. Check the disk"),
        (errno.ENOENT, "is damaged"),
    ],
)
def test_what_the_system_reports_is_told_as_what_it_is(tmp_path: Path, code: int, message: str) -> None:
    for error in (OSError(code, os.strerror(code)), RuntimeError(f"lance error: IO: oops (os error {code}), /x.rs:1")):
        with pytest.raises(SamekindError, match=message), refusals(tmp_path):
            raise error


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"schema": 1}', '{"schema": "1"}', "\xff"])
def test_a_garbled_gallery_json_is_called_damage(gallery: Gallery, content: str) -> None:
    (gallery.path / "gallery.json").write_bytes(content.encode("latin-1"))
    with pytest.raises(SamekindError, match=r"is damaged.*gallery\.json.*index again"):
        Gallery.open(gallery.path)


def test_a_gallery_without_gallery_json_is_called_damaged_and_is_not_overwritten(
    gallery: Gallery, retriever: PaletteRetriever
) -> None:
    (gallery.path / "gallery.json").unlink()
    with pytest.raises(SamekindError, match=r"gallery\.json is missing"):
        Gallery.open(gallery.path)
    with pytest.raises(SamekindError, match="is damaged"):
        Gallery.open(gallery.path, retriever, create=True)
    assert PictureTable.open(gallery.path).rows == 6


@pytest.mark.parametrize("victim", ["_versions/*.manifest", "data/*", ""])
@pytest.mark.parametrize("garble", [True, False])
def test_missing_or_garbled_files_of_the_table_are_called_damage(gallery: Gallery, victim: str, garble: bool) -> None:
    shutil.rmtree(gallery.path / "cache")
    table = gallery.path / "pictures.lance"
    if not victim:
        shutil.rmtree(table)
    for file in table.glob(victim) if victim else []:
        if garble:
            file.write_bytes(b"garbage" * 20)
        else:
            file.unlink()
    with pytest.raises(SamekindError, match=r"is damaged.*index again"):
        Gallery.open(gallery.path, PaletteRetriever()).search(text="red")


def test_what_an_interrupted_creation_left_is_no_obstacle(tmp_path: Path, retriever: PaletteRetriever) -> None:
    for number, leave in enumerate(("nothing", "an unfinished table", "an empty table")):
        folder = tmp_path / str(number)
        folder.mkdir()
        (folder / ".gallery.json.x1").write_text("")
        if leave == "an unfinished table":
            (folder / "pictures.lance" / "_versions").mkdir(parents=True)
        elif leave == "an empty table":
            PictureTable.create(folder, retriever.dim)
        assert Gallery.open(folder, retriever, create=True).rows == 0


def test_a_folder_with_other_things_in_it_does_not_become_a_gallery(photos: Path, retriever: PaletteRetriever) -> None:
    before = sorted(photos.rglob("*"))
    with pytest.raises(UsageError, match=r"not empty \(it has 0\.png\).*new or empty folder"):
        Gallery.open(photos, retriever, create=True)
    with pytest.raises(UsageError, match="is a file"):
        Gallery.open(photos / "0.png", retriever, create=True)
    assert sorted(photos.rglob("*")) == before


def test_a_new_gallery_needs_a_retriever(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="needs a retriever"):
        Gallery.open(tmp_path / "g", create=True)


def test_a_second_indexer_is_refused_by_the_process_id_of_the_first(gallery: Gallery, photos: Path) -> None:
    with (
        write_lock(gallery.path),
        pytest.raises(SamekindError, match=rf"process {os.getpid()}\b.*run the same command"),
    ):
        gallery.add(photos)
    assert gallery.add(photos).unchanged == 6


def test_a_lock_that_does_not_say_whose_it_is_is_respected(gallery: Gallery, photos: Path) -> None:
    with (gallery.path / LOCK_NAME).open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(SamekindError, match="another process"):
            gallery.add(photos)


def test_a_gallery_can_be_searched_while_it_is_locked(gallery: Gallery, photos: Path) -> None:
    with write_lock(gallery.path):
        assert Gallery.open(gallery.path, PaletteRetriever()).search(image=photos / "0.png", k=1)[0].uri == str(
            photos / "0.png"
        )


@pytest.mark.parametrize("method", ["append", "update", "delete"])
def test_a_disk_that_fills_up_at_a_commit_is_told_and_changes_nothing(
    gallery: Gallery, photos: Path, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    before = places(gallery)
    if method == "append":
        paint(photos / "new.png", 99)
    elif method == "update":
        shutil.copy(photos / "0.png", photos / "copy.png")
    else:
        (photos / "0.png").unlink()
    with monkeypatch.context() as patch:

        def full(*_: object) -> None:
            raise RuntimeError("lance error: LanceError(IO): No space left on device (os error 28), /somewhere.rs:1:2")

        inner = {"append": "add", "update": "merge_insert", "delete": "delete"}[method]
        patch.setattr(f"lancedb.table.LanceTable.{inner}", full)
        with pytest.raises(SamekindError, match=r"no space left for the gallery.*same command again"):
            gallery.add(photos)
    assert places(gallery) == before
    gallery.add(photos)
    assert places(gallery) != before


def test_a_really_full_disk_is_told_and_changes_nothing(
    small_disk: Path, tmp_path: Path, retriever: PaletteRetriever, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ingest, "BATCH", 1)
    monkeypatch.setattr(ingest, "COMMIT_ROWS", 1)
    for seed in range(60):
        paint(tmp_path / "pictures" / f"{seed:02}.png", seed)
    gallery = Gallery.open(small_disk / "gallery", retriever, create=True)
    (small_disk / "ballast").write_bytes(bytes(900_000))
    told = [0]
    with pytest.raises(SamekindError, match="no space left"):
        gallery.add(tmp_path / "pictures", progress=lambda progress: told.append(progress.done))
    again = Gallery.open(small_disk / "gallery", retriever)
    assert 0 < told[-1] <= again.rows < 60
    seen = places(again)
    (small_disk / "ballast").unlink()
    report = again.add(tmp_path / "pictures")
    assert (again.rows, report.unchanged) == (60, len(seen))
    assert seen.items() <= places(again).items()


def test_a_gallery_on_a_full_disk_can_be_searched(small_disk: Path, photos: Path, retriever: PaletteRetriever) -> None:
    gallery = Gallery.open(small_disk / "gallery", retriever, create=True)
    gallery.add(photos)
    shutil.rmtree(gallery.path / "cache")
    with pytest.raises(OSError, match="No space"):
        (small_disk / "ballast").write_bytes(bytes(2_000_000))
    assert Gallery.open(gallery.path, retriever).search(image=photos / "0.png", k=1)[0].uri == str(photos / "0.png")


def test_a_folder_that_may_not_be_written_to_is_searched_but_not_indexed() -> None:
    folder = Path(tempfile.mkdtemp())  # that of pytest is closed to others
    try:
        folder.chmod(0o755)
        file = paint(folder / "pictures" / "a.png", 1)
        gallery = Gallery.open(folder / "gallery", PaletteRetriever(), create=True)
        gallery.add(file)
        shutil.rmtree(gallery.path / "cache")
        for part in (gallery.path, *gallery.path.rglob("*")):
            part.chmod(0o555 if part.is_dir() else 0o444)
        with as_nobody():
            again = Gallery.open(gallery.path, PaletteRetriever())
            assert again.search(image=file)[0].uri == str(file)
            assert not (gallery.path / "cache").exists()
            with pytest.raises(SamekindError, match=r"may not be written.*permissions"):
                again.add(file)
            with pytest.raises(SamekindError, match=r"may not be written.*--gallery"):
                Gallery.open(folder / "new", PaletteRetriever(), create=True)
    finally:
        for part in folder.rglob("*"):
            part.chmod(0o755)
        shutil.rmtree(folder)


def test_an_empty_gallery_is_refused_for_a_search(tmp_path: Path, retriever: PaletteRetriever) -> None:
    gallery = Gallery.open(tmp_path / "g", retriever, create=True)
    with pytest.raises(SamekindError, match=r"no pictures yet.*samekind index PICTURES --gallery"):
        gallery.search(text="red")


@pytest.mark.parametrize(
    "where", ["widht > 3", "width >", "width", "1", "uri = ", "", "  ", "domain = 3", "no_such(width)"]
)
def test_a_wrong_filter_is_refused_with_the_columns_that_exist(gallery: Gallery, where: str) -> None:
    with pytest.raises(UsageError, match="id, uri, domain, size, width, height, mtime_ns"):
        gallery.search(text="red", where=where)


def test_a_domain_that_no_picture_has_is_refused_with_those_there_are(gallery: Gallery) -> None:
    with pytest.raises(UsageError, match=r"domain foto.*photo"):
        gallery.search(text="red", domains=["photo", "foto"])


@pytest.mark.parametrize("k", [0, -3])
def test_fewer_hits_than_one_is_refused_before_anything_is_encoded(gallery: Gallery, k: int) -> None:
    with pytest.raises(UsageError, match="k must be 1 or more"):
        gallery.search(text="no colour that exists", k=k)


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "a.json"
    write_atomically(file, b"old")

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_atomically(file, b"new")
    assert file.read_bytes() == b"old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.json"]


def test_gallery_json_says_whose_vectors_these_are(gallery: Gallery, retriever: PaletteRetriever) -> None:
    values = json.loads((gallery.path / "gallery.json").read_text())
    assert values["schema"] == 1
    assert values["retriever"] == {
        "name": "palette",
        "sha256": retriever.sha256,
        "dim": 48,
        "space": "cosine",
        "ref": None,
    }
