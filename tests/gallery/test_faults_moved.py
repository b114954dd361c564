"""A gallery that is moved, deleted, replaced, doubled or tidied while it is in use."""

import shutil
from datetime import timedelta
from pathlib import Path

import lancedb
import pyarrow as pa
import pytest
from faults import Disturbed, content, finished, raw
from palette import PaletteRetriever

from samekind.errors import SamekindError
from samekind.gallery import search
from samekind.gallery.store import Gallery
from samekind.gallery.table import PictureTable


def test_two_commits_of_the_same_rows_in_the_same_moment_are_called_damage(
    world: tuple[Path, Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, gallery, _ = world
    real = lancedb.table.LanceTable.add
    with monkeypatch.context() as patch:

        def add(self: lancedb.table.LanceTable, rows: pa.Table) -> object:
            patch.undo()
            raw(gallery).add(rows)
            return real(self, rows)

        patch.setattr(lancedb.table.LanceTable, "add", add)
        with pytest.raises(SamekindError, match="past its lock"):
            Gallery.open(gallery, PaletteRetriever()).add(folder, domain_from_folder=True)
    for use in (lambda opened: opened.add(folder), lambda opened: opened.search(text="red")):
        with pytest.raises(SamekindError, match=r"is damaged .*two processes wrote at once.*index again"):
            use(Gallery.open(gallery, PaletteRetriever()))


def test_a_gallery_that_is_moved_away_while_it_is_indexed_goes_on_where_it_is_now(
    world: tuple[Path, Path, Path],
) -> None:
    folder, gallery, undisturbed = world
    moved = gallery.with_name("moved")
    with pytest.raises(SamekindError, match=r"has been moved or deleted.*run the same command again"):
        Gallery.open(gallery, Disturbed(lambda: gallery.rename(moved))).add(folder, domain_from_folder=True)
    assert not gallery.exists(), "nothing is written to where it was"
    assert finished(moved, folder) == content(undisturbed)


def test_a_gallery_that_is_deleted_while_it_is_indexed_is_not_half_made_again(world: tuple[Path, Path, Path]) -> None:
    folder, gallery, undisturbed = world
    with pytest.raises(SamekindError, match="has been moved or deleted"):
        Gallery.open(gallery, Disturbed(lambda: shutil.rmtree(gallery))).add(folder, domain_from_folder=True)
    assert not gallery.exists()
    fresh = Gallery.open(gallery, PaletteRetriever(), create=True)
    fresh.add(folder, domain_from_folder=True)
    assert {row[:3] for row in content(gallery)} == {row[:3] for row in content(undisturbed)}


def test_another_gallery_at_the_place_of_the_one_that_is_indexed_gets_none_of_its_pictures(
    world: tuple[Path, Path, Path],
) -> None:
    folder, gallery, undisturbed = world

    def replace() -> None:
        gallery.rename(gallery.with_name("moved"))
        Gallery.open(gallery, PaletteRetriever(), create=True)

    with pytest.raises(SamekindError, match="same command again"):
        Gallery.open(gallery, Disturbed(replace)).add(folder, domain_from_folder=True)
    assert content(gallery) == set()
    assert finished(gallery.with_name("moved"), folder) == content(undisturbed)


def test_a_filter_keeps_up_with_an_indexer_that_tidies_again_and_again(
    world: tuple[Path, Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    gallery = world[1]
    opened = Gallery.open(gallery, PaletteRetriever())
    rows, real, left = opened.rows, search.matching, [4]

    def overtaken(folder: Path, version: int, where: str) -> object:
        if left[0]:
            left[0] -= 1
            table = PictureTable.open(gallery)
            table.delete([min(row[0] for row in content(gallery))])
            table.tidy(timedelta(0))
        return real(folder, version, where)

    monkeypatch.setattr(search, "matching", overtaken)
    assert len(opened.search(text="red", k=100, where="width > 0")) == rows - 4
