"""Disks that fill up at any point, and disks and files that may not be written to."""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from faults import change, content, pictures
from palette import PaletteRetriever

from samekind.errors import SamekindError
from samekind.gallery import ingest
from samekind.gallery.ann import build as ann_build
from samekind.gallery.store import Gallery


def done(*command: object) -> bool:
    """Whether the system did it."""
    with suppress(FileNotFoundError):
        return subprocess.run([*map(str, command)], capture_output=True).returncode == 0
    return False


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of four megabytes."""
    disk = tmp_path / "disk"
    disk.mkdir()
    if not done("mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", disk):
        pytest.skip("needs the right to mount a small file system")
    yield disk
    subprocess.run(["umount", "--lazy", str(disk)], check=True)


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path, Path]:
    """Pictures that have changed since a gallery was made of them, that gallery, and one that has what is now."""
    monkeypatch.setattr(ingest, "BATCH", 8)
    monkeypatch.setattr(ingest, "COMMIT_ROWS", 16)
    monkeypatch.setattr(ann_build, "FEWEST", 50)
    folder, gallery = pictures(tmp_path / "pictures", 60), tmp_path / "gallery"
    Gallery.open(gallery, PaletteRetriever(), create=True).add(folder, domain_from_folder=True, ann=True)
    change(folder, 60)
    shutil.copytree(gallery, tmp_path / "undisturbed")
    Gallery.open(tmp_path / "undisturbed", PaletteRetriever()).add(folder, domain_from_folder=True)
    return folder, gallery, tmp_path / "undisturbed"


def fill(disk: Path, kibibytes: int) -> Path:
    """Leave no more than so much space."""
    free = shutil.disk_usage(disk).free - 1024 * kibibytes
    ballast = disk / "ballast"
    ballast.write_bytes(bytes(max(0, free)))
    return ballast


def check_nothing_lost(gallery: Path, before: set[tuple[object, ...]], expected: set[tuple[object, ...]]) -> None:
    """There are contents from before and to come, and all that were and will be there."""
    found, was, will = ({row[0] for row in rows} for rows in (content(gallery), before, expected))
    assert was & will <= found <= was | will


@pytest.mark.slow
def test_wherever_a_disk_fills_up_it_is_told_and_with_space_the_same_command_finishes(
    disk: Path, world: tuple[Path, Path, Path]
) -> None:
    folder, begun, undisturbed = world
    expected, gallery, refused = content(undisturbed), disk / "gallery", 0
    for space in (0, 4, 8, 12, 16, 20, 28, 36, 44, 60, 80, 100, 140, 180, 240, 320):
        shutil.copytree(begun, gallery)
        before, ballast = content(gallery), fill(disk, space)
        try:
            Gallery.open(gallery, PaletteRetriever()).add(folder, domain_from_folder=True)
        except SamekindError as error:
            refused += 1
            assert "no space left for the gallery" in str(error), (space, error)  # noqa: PT017
            check_nothing_lost(gallery, before, expected)
        opened = Gallery.open(gallery, PaletteRetriever())
        assert opened.search(text="red", k=1, exact=False)[0].score > 0
        ballast.unlink()
        opened.add(folder, domain_from_folder=True)
        assert content(gallery) == expected, space
        shutil.rmtree(gallery)
    assert refused > 4, "hardly a disk was full"


def search(gallery: Path, uri: str) -> None:
    """All the ways to look into it."""
    opened = Gallery.open(gallery, PaletteRetriever())
    vectors = opened.snapshot().vectors_of([3])
    assert opened.search(image=uri, k=1)[0].uri == uri
    assert opened.nearest(vectors, 5, exact=False) == opened.nearest(vectors, 5)
    assert len(opened.search(text="red", k=100, where="domain = 'd1'")) > 5
    assert opened.domains == ["d0", "d1", "d2"]


@pytest.fixture
def sealed(world: tuple[Path, Path, Path], tmp_path: Path) -> Iterator[Path]:
    """The gallery again, by a mount that allows no writing."""
    sealed = tmp_path / "sealed"
    sealed.mkdir()
    if not done("mount", "--bind", world[1], sealed):
        pytest.skip("needs the right to mount")
    subprocess.run(["mount", "-o", "remount,ro,bind", str(sealed)], check=True)
    yield sealed
    subprocess.run(["umount", "--lazy", str(sealed)], check=True)


@pytest.mark.parametrize("cached", [True, False])
def test_a_gallery_on_a_read_only_disk_is_searched_but_not_indexed(
    world: tuple[Path, Path, Path], sealed: Path, cached: bool
) -> None:
    folder, gallery, undisturbed = world
    if not cached:
        shutil.rmtree(gallery / "cache")
    before = content(sealed)
    search(sealed, str(folder / "d1" / "004.png"))
    with pytest.raises(SamekindError, match=r"sealed may not be written to.*--gallery"):
        Gallery.open(sealed, PaletteRetriever()).add(folder, domain_from_folder=True)
    with pytest.raises(SamekindError, match="may not be written"):
        Gallery.open(sealed / "new", PaletteRetriever(), create=True)
    assert content(sealed) == before
    Gallery.open(gallery, PaletteRetriever()).add(folder, domain_from_folder=True)
    assert content(sealed) == content(undisturbed)


PARTS = ["", "gallery.json", "lock", "skipped.jsonl", "ann.json", "cache"]
PARTS += [f"pictures.lance{part}" for part in ("", "/data", "/_versions", "/_transactions", "/_indices")]


@pytest.mark.parametrize("part", PARTS)
def test_parts_of_a_gallery_that_may_not_be_changed_are_told_and_lose_nothing(
    world: tuple[Path, Path, Path], part: str
) -> None:
    folder, gallery, undisturbed = world
    before, expected = content(gallery), content(undisturbed)
    if not done("chattr", "+i", gallery / part):
        pytest.skip("needs a file system with chattr, and the right to it")
    try:
        try:
            Gallery.open(gallery, PaletteRetriever()).add(folder, domain_from_folder=True)
        except SamekindError as error:
            assert "may not be written to" in str(error)  # noqa: PT017
            check_nothing_lost(gallery, before, expected)
        else:
            assert content(gallery) == expected
        search(gallery, str(folder / "d1" / "004.png"))
    finally:
        done("chattr", "-i", gallery / part)
    Gallery.open(gallery, PaletteRetriever()).add(folder, domain_from_folder=True)
    assert content(gallery) == expected
