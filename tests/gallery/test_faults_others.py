"""Others at the same gallery: a second indexer, a disk without locks, and writers that ask for no lock."""

import errno
import fcntl
import os
import signal
from collections.abc import Callable
from pathlib import Path

import lancedb
import pyarrow as pa
import pytest
from faults import Disturbed, Indexers, content, finished, pictures, raw
from palette import PaletteRetriever

from samekind.errors import SamekindError
from samekind.gallery.store import Gallery


@pytest.mark.slow
def test_a_second_indexer_is_refused_until_the_first_has_ended_however_that_ends(
    tmp_path: Path, indexers: Indexers
) -> None:
    folder, gallery = pictures(tmp_path / "pictures", 40), tmp_path / "gallery"
    first = indexers.start("index", gallery, folder, 0.5)
    while indexers.line() != "8":  # it has the lock, and something is done
        pass
    second = Gallery.open(gallery, PaletteRetriever())
    with pytest.raises(
        SamekindError, match=rf"being indexed by process {first}\. Wait until that has ended, or stop it"
    ):
        second.add(folder)
    os.kill(first, signal.SIGKILL)
    indexers.rest()
    assert 8 <= second.add(folder, domain_from_folder=True).unchanged < 40
    assert finished(gallery, folder) == finished(tmp_path / "undisturbed", folder)


def test_a_disk_without_locks_is_told_of(world: tuple[Path, Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*_: object) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", missing)
    opened = Gallery.open(world[1], PaletteRetriever())
    with pytest.raises(SamekindError, match=r"cannot be used: No locks available\. Check the disk"):
        opened.add(world[0])
    assert opened.search(text="red", k=1).hits


def appended(gallery: Path, undisturbed: Path) -> None:
    """A picture that is still to come."""
    mine, theirs = ({row[0] for row in content(each)} for each in (gallery, undisturbed))
    rows = raw(undisturbed).search().where(f"id = '{max(theirs - mine)}'").to_arrow()
    raw(gallery).add(rows.set_column(rows.column_names.index("seq"), rows.schema.field("seq"), pa.array([999])))


DEEDS: dict[str, Callable[[Path, Path], object]] = {
    "append": appended,
    "delete": lambda gallery, _: raw(gallery).delete("domain = 'd1'"),
    "update": lambda gallery, _: raw(gallery).update(values={"domain": "other"}),
    "optimize": lambda gallery, _: raw(gallery).optimize(),
}


@pytest.mark.parametrize("deed", DEEDS)
def test_who_commits_past_the_lock_is_told_of_and_the_same_command_again_puts_things_right(
    world: tuple[Path, Path, Path], deed: str
) -> None:
    folder, gallery, undisturbed = world
    opened = Gallery.open(gallery, Disturbed(lambda: DEEDS[deed](gallery, undisturbed)))
    with pytest.raises(SamekindError, match=r"written to the gallery .*past its lock.*run the same command again"):
        opened.add(folder, domain_from_folder=True)
    content(gallery)  # nothing is there twice
    assert finished(gallery, folder) == content(undisturbed)


@pytest.mark.parametrize("deed", ["append", "delete", "update"])
def test_a_commit_in_the_very_moment_of_ours_is_told_of(
    world: tuple[Path, Path, Path], monkeypatch: pytest.MonkeyPatch, deed: str
) -> None:
    folder, gallery, undisturbed = world
    real = lancedb.table.LanceTable.add
    with monkeypatch.context() as patch:

        def add(self: lancedb.table.LanceTable, rows: pa.Table) -> object:
            patch.undo()
            DEEDS[deed](gallery, undisturbed)
            return real(self, rows)

        patch.setattr(lancedb.table.LanceTable, "add", add)
        with pytest.raises(SamekindError, match="past its lock"):
            Gallery.open(gallery, PaletteRetriever()).add(folder, domain_from_folder=True)
    assert finished(gallery, folder) == content(undisturbed)
