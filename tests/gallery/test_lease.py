"""One indexer at a time in object storage: a killed one is followed at once, an overtaken one can write no more."""

import os
import signal
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from faults import Disturbed, Indexers, change, content, pictures
from palette import PaletteRetriever

from samekind.errors import SamekindError
from samekind.gallery import ingest, lease, table
from samekind.gallery.lease import Lease, Turn, leased
from samekind.gallery.lock import write_lock
from samekind.gallery.place import Prefix, place_of
from samekind.gallery.store import Gallery
from samekind.gallery.table import PictureTable

if TYPE_CHECKING:
    from object_storage import Bucket

FOREVER = 3600.0


@pytest.fixture
def place(bucket: "Bucket", monkeypatch: pytest.MonkeyPatch) -> Prefix:
    """Where a gallery may come; nobody gives signs of life but when a test says so."""
    monkeypatch.setattr(lease, "BEAT", FOREVER)
    monkeypatch.setattr(ingest, "BATCH", 4)
    monkeypatch.setattr(ingest, "COMMIT_ROWS", 4)
    found = place_of(bucket.uri("mine"))
    assert isinstance(found, Prefix)
    return found


def elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """From now on this process is another one, on another machine, and waits for no sign of life."""
    monkeypatch.setattr(lease, "_process", lambda pid: f"other/space/{pid}")
    monkeypatch.setattr(lease, "LEASE", 0.0)


def indexed(place: Prefix | Path, folder: Path, retriever: PaletteRetriever | None = None) -> Gallery:
    gallery = Gallery.open(place, retriever or PaletteRetriever(), create=True)
    gallery.add(folder, domain_from_folder=True)
    return gallery


def test_while_one_writes_the_other_is_told_who_it_is_and_then_goes_on(place: Prefix) -> None:
    with write_lock(place) as held:
        held()
        with (
            pytest.raises(SamekindError, match=f"being indexed by process {os.getpid()} on ") as told,
            write_lock(place),
        ):
            pass
        assert str(place) in str(told.value)
        held()
    with leased(place) as again:
        again.check()


@pytest.mark.parametrize("silent", [False, True])
def test_of_many_that_begin_at_once_one_has_it(place: Prefix, silent: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if silent:  # whoever has it is elsewhere, and has not been heard of
        Lease(place).take()
        elsewhere(monkeypatch)
    leases = [Lease(place) for _ in range(4)]
    begin, taken, told = threading.Barrier(4), list[Lease](), list[str]()

    def begins(one: Lease) -> None:
        begin.wait()
        try:
            one.take()
        except SamekindError as error:
            told.append(str(error))
        else:
            taken.append(one)

    threads = [threading.Thread(target=begins, args=(one,)) for one in leases]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(taken) + len(told) == 4
    assert [holds(one) for one in taken].count(True) == 1
    assert silent or len(taken) == 1  # with no patience at all, one may follow the other


def holds(one: Lease) -> bool:
    try:
        one.check()
    except SamekindError:
        return False
    return True


def test_one_elsewhere_that_gives_a_sign_of_life_is_not_overtaken(
    place: Prefix, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = Lease(place)
    first.take()
    elsewhere(monkeypatch)
    monkeypatch.setattr(lease, "LEASE", FOREVER)

    def sign(_: float) -> None:
        assert first._change(first._row, replace(first._row, beat=first._row.beat + 1))

    monkeypatch.setattr(lease.time, "sleep", sign)
    with pytest.raises(SamekindError, match="is being indexed by process"), write_lock(place):
        pass


def test_one_elsewhere_that_ends_meanwhile_is_followed_without_a_fence(
    place: Prefix, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = Lease(place), Lease(place)
    first.take()
    elsewhere(monkeypatch)
    monkeypatch.setattr(lease, "LEASE", FOREVER)
    monkeypatch.setattr(lease.time, "sleep", lambda _: first.end(clean=True))
    assert not second.take()


def test_after_an_interrupt_or_a_fence_that_failed_there_is_a_fence(
    place: Prefix, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = indexed(place, pictures(tmp_path / "pictures", 6)).path
    version = PictureTable.open(path).version
    with pytest.raises(KeyboardInterrupt), leased(place):
        raise KeyboardInterrupt

    def fails(self: PictureTable) -> None:
        raise SamekindError("away")

    with monkeypatch.context() as patch:
        patch.setattr(PictureTable, "fence", fails)
        with pytest.raises(SamekindError, match="away"), leased(place):
            pass
    for _ in range(2):
        with pytest.raises(SamekindError, match="no pictures"), leased(place):
            raise SamekindError("no pictures")
        assert PictureTable.open(path).version == version + 1


def test_signs_of_life_come_and_leave_little_behind(place: Prefix, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lease, "BEAT", 0.0)
    monkeypatch.setattr(lease, "LEASE", 0.0)
    monkeypatch.setattr(lease, "_BEATS", 3)
    beaten, real = threading.Event(), Lease._tidy

    def tidied(self: Lease) -> None:
        real(self)
        beaten.set()

    monkeypatch.setattr(Lease, "_tidy", tidied)
    with leased(place) as one:
        assert beaten.wait(250)
        one.check()
    assert Lease(place)._read() == Turn(1)
    assert len((place / "lock.lance" / "_versions").names()) <= 3


def test_an_overtaken_writer_is_refused_and_what_it_had_done_stays(
    place: Prefix, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = pictures(tmp_path / "pictures", 20)
    done: list[int] = []

    def overtake() -> None:
        elsewhere(monkeypatch)
        done.append(PictureTable.open(place).rows)
        assert Gallery.open(place, PaletteRetriever()).add(folder, domain_from_folder=True).unchanged == done[0]

    with pytest.raises(SamekindError, match="by now: it took over"):
        indexed(place, folder, Disturbed(overtake))
    assert done[0] > 0
    assert content(str(place)) == content(indexed(tmp_path / "local", folder).path)
    monkeypatch.setattr(lease, "LEASE", FOREVER)
    assert indexed(place, folder).rows == 20  # the other had ended, which the first left as it was


def test_what_was_begun_before_a_fence_is_refused_by_the_storage_itself(
    place: Prefix, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between a writer's look at the version and its commit anything may happen."""
    folder = pictures(tmp_path / "pictures", 6)
    path = indexed(place, folder).path
    before = content(str(place))
    rows = next(PictureTable.open(path).scan(["*"]))
    ids = rows.column("id").to_pylist()
    acts: list[Callable[[PictureTable], None]] = [
        lambda old: old.append(table.pa.Table.from_batches([rows])),
        lambda old: old.update(table.pa.table({"id": ids, "domain": ["x"] * len(ids)})),
        lambda old: old.delete(ids),
    ]
    for act in acts:
        old = PictureTable.open(path)
        PictureTable.open(path).fence()
        with monkeypatch.context() as patch:
            patch.setattr(table, "latest_version", lambda _, version=old.version: version)
            with pytest.raises(SamekindError, match="by now: it took over"):
                act(old)
    assert content(str(place)) == before


def test_a_commit_between_a_look_and_the_fence_stays_and_is_the_last(place: Prefix, tmp_path: Path) -> None:
    folder = pictures(tmp_path / "pictures", 6)
    path = indexed(place, folder).path
    old, new = PictureTable.open(path), PictureTable.open(path)
    gone = next(old.scan(["id"])).column("id").to_pylist()[:2]
    old.delete(gone)
    new.fence()
    assert new.rows == PictureTable.open(path).rows == 4
    with pytest.raises(SamekindError, match="by now: it took over"):
        old.delete(gone)


@pytest.mark.slow
def test_killed_indexers_are_followed_by_the_same_command_and_living_ones_are_not(
    bucket: "Bucket", tmp_path: Path, indexers: Indexers
) -> None:
    folder, uri = pictures(tmp_path / "pictures", 60), bucket.uri("mine")
    known = 0
    for kill in range(4):
        if kill == 2:
            change(folder, 60)
        process = indexers.start("index", uri, folder, 0.02 if kill else 0.2)
        told = 0
        while told < 8:  # it has committed something, and goes on
            told = int(indexers.line())
        if not kill:
            with pytest.raises(SamekindError, match=f"being indexed by process {process} on "):
                Gallery.open(uri, PaletteRetriever()).add(folder, domain_from_folder=True)
        os.kill(process, signal.SIGKILL)
        told = max([told, *(int(line) for line in indexers.rest() if line.isdigit())])
        if kill < 2:
            assert len(content(uri)) >= known + told
            known = len(content(uri))
    indexers.start("index", uri, folder, 0)
    assert indexers.rest()[-1] == "finished"
    assert content(uri) == content(indexed(tmp_path / "local", folder).path)
