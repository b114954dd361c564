"""Galleries that are served: named, loaded, and exchanged as they grow while searches go on."""

import asyncio
import logging
import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from palette import PaletteRetriever, paint

from samekind.errors import SamekindError, UsageError
from samekind.gallery.store import Gallery
from samekind.service import served as module
from samekind.service.served import Served, open_served
from samekind.service.settings import Settings

QUICK = Settings(reload_seconds=0.05)


@pytest.fixture
def palettes(monkeypatch: pytest.MonkeyPatch) -> list[PaletteRetriever]:
    """Retrievers are palettes by name; here are those that were loaded."""
    loaded: list[PaletteRetriever] = []

    def load(ref: str | Path) -> PaletteRetriever:
        loaded.append(PaletteRetriever(str(ref)))
        return loaded[-1]

    monkeypatch.setattr("samekind.retriever.store.load", load)
    return loaded


def made(folder: Path, photos: Path, name: str = "palette") -> Path:
    retriever = PaletteRetriever(name)
    retriever.ref = name
    Gallery.open(folder, retriever, create=True).add(photos, domain_from_folder=True)
    return folder


async def until(condition: Callable[[], bool], seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        await asyncio.sleep(0.02)


def test_galleries_are_served_by_the_names_of_their_folders(
    tmp_path: Path, photos: Path, palettes: list[PaletteRetriever]
) -> None:
    folders = [made(tmp_path / one / name, photos) for one, name in (("a", "My Pictures"), ("b", "my-pictures"))]
    folders.append(made(tmp_path / "…", photos, "other"))
    served = open_served(folders, None, QUICK)
    assert list(served) == ["my-pictures", "my-pictures-2", "gallery"]
    assert [each.name for each in served.values()] == list(served)
    assert all(each.gallery.rows == 12 for each in served.values())
    assert [each.name for each in palettes] == ["palette", "other"]  # one for the two galleries that share it
    assert served["my-pictures"].gallery.retriever is served["my-pictures-2"].gallery.retriever


def test_a_given_retriever_is_loaded_once_and_must_fit_every_gallery(
    tmp_path: Path, photos: Path, palettes: list[PaletteRetriever]
) -> None:
    one, two = made(tmp_path / "one", photos), made(tmp_path / "two", photos)
    open_served([one, two], "palette", QUICK)
    assert len(palettes) == 1
    with pytest.raises(SamekindError, match="was filled by the retriever palette"):
        open_served([one, two], "other", QUICK)


def test_no_gallery_and_the_same_one_twice_are_refused(
    tmp_path: Path, photos: Path, palettes: list[PaletteRetriever]
) -> None:
    folder = made(tmp_path / "one", photos)
    (tmp_path / "link").symlink_to(folder)
    with pytest.raises(UsageError, match="more than once"):
        open_served([folder, tmp_path / "link"], None, QUICK)
    with pytest.raises(SamekindError, match="does not exist"):
        open_served([tmp_path / "nothing"], None, QUICK)
    assert not (tmp_path / "nothing").exists()


def test_places_are_shown_from_their_roots_name_on(tmp_path: Path, photos: Path, gallery: Gallery) -> None:
    served = Served("g", gallery, Settings(roots=(tmp_path / "more",)))
    assert served.shown(str(photos / "toy" / "2.png")) == "photos/toy/2.png"
    assert served.shown(str(tmp_path / "more" / "x.png")) == "more/x.png"
    assert served.shown(str(tmp_path / "photos2" / "x.png")) == "x.png"
    assert served.shown("/etc/secret/x.png") == "x.png"
    assert served.shown("https://example.org/a/b.png?c=d") == "https://example.org/a/b.png?c=d"
    assert served.shown("s3://bucket/key.png") == "key.png"


def test_a_root_may_be_the_root_of_all(gallery: Gallery) -> None:
    assert Served("g", gallery, Settings(roots=(Path("/"),))).shown("/etc/x.png") == "etc/x.png"


def test_a_gallery_that_grows_is_exchanged_and_the_old_one_stays_as_it_was(
    tmp_path: Path, photos: Path, gallery: Gallery
) -> None:
    async def run() -> None:
        served = Served("g", Gallery.open(gallery.path, gallery.retriever), QUICK)
        before = served.gallery
        watch = asyncio.create_task(served.watch())
        assert before.rows == 12
        paint(photos / "toy" / "new.png", 99)
        await asyncio.to_thread(gallery.add, photos)
        await until(lambda: served.gallery.rows == 13)
        assert before.rows == 12
        assert served.gallery.version > before.version
        assert served.gallery.retriever is before.retriever
        reloads = served.reloads
        assert reloads >= 1
        await asyncio.sleep(0.3)
        assert served.reloads == reloads  # nothing has happened since
        watch.cancel()

    asyncio.run(run())


def test_an_empty_gallery_is_served_and_fills(tmp_path: Path, photos: Path, retriever: PaletteRetriever) -> None:
    async def run() -> None:
        filling = Gallery.open(tmp_path / "empty", retriever, create=True)
        served = Served("g", Gallery.open(tmp_path / "empty", retriever), QUICK)
        assert served.gallery.rows == 0
        watch = asyncio.create_task(served.watch())
        await asyncio.to_thread(filling.add, photos)
        await until(lambda: served.gallery.rows == 12)
        assert served.gallery.roots == (str(photos),)
        watch.cancel()

    asyncio.run(run())


def test_searches_go_on_without_error_while_the_gallery_grows(
    photos: Path, gallery: Gallery, retriever: PaletteRetriever
) -> None:
    async def run() -> None:
        served = Served("g", Gallery.open(gallery.path, retriever), QUICK)
        watch = asyncio.create_task(served.watch())
        stop = threading.Event()
        found: set[int] = set()

        def searches() -> int:
            count = 0
            while not stop.is_set():
                seen = served.gallery
                hits = seen.search(text="red", k=100)
                assert len(hits) == seen.rows == hits.rows
                found.add(len(hits))
                count += 1
            return count

        going_on = asyncio.create_task(asyncio.to_thread(searches))
        for number in range(8):
            paint(photos / "toy" / f"new{number}.png", 100 + number)
            await asyncio.to_thread(gallery.add, photos)
            await asyncio.sleep(0.05)
        await until(lambda: 20 in found, 30)
        stop.set()
        assert await going_on > 0
        assert found <= set(range(12, 21))
        assert served.reloads >= 1
        watch.cancel()

    asyncio.run(run())


def test_a_gallery_made_anew_for_another_retriever_leaves_the_old_one_with_one_warning(
    photos: Path, gallery: Gallery, retriever: PaletteRetriever, caplog: pytest.LogCaptureFixture
) -> None:
    async def run() -> None:
        served = Served("g", Gallery.open(gallery.path, retriever), QUICK)
        assert served.gallery.rows == 12
        watch = asyncio.create_task(served.watch())
        shutil.rmtree(gallery.path)
        made(gallery.path, photos, "other")
        await asyncio.sleep(0.5)
        assert len(served.gallery.search(text="red", k=100)) == 12
        assert served.reloads == 0
        shutil.rmtree(gallery.path)
        paint(photos / "toy" / "new.png", 99)
        made(gallery.path, photos)  # of the first retriever again, with as many versions as before
        await until(lambda: served.gallery.rows == 13)
        watch.cancel()

    with caplog.at_level(logging.WARNING, module.__name__):
        asyncio.run(run())
    assert sum("was filled by the retriever other" in record.message for record in caplog.records) == 1


def test_a_gallery_that_is_gone_stays_served(gallery: Gallery, retriever: PaletteRetriever) -> None:
    async def run() -> None:
        served = Served("g", Gallery.open(gallery.path, retriever), QUICK)
        assert served.gallery.rows == 12
        watch = asyncio.create_task(served.watch())
        shutil.rmtree(gallery.path)
        await asyncio.sleep(0.3)
        assert len(served.gallery.search(text="red", k=100)) == 12
        assert not watch.done()
        watch.cancel()

    asyncio.run(run())
