"""Pictures by id: those below registered folders, as they were indexed, and nothing else that a disk holds."""

import asyncio
import io
import os
import shutil
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hostile import saved
from palette import PaletteRetriever, paint
from PIL import Image

from samekind.gallery.store import Gallery
from samekind.images.errors import UrlFailedError
from samekind.service import pictures as module
from samekind.service import worker
from samekind.service.decoding import Decoders
from samekind.service.pictures import Pictures
from samekind.service.refusals import Changed, Gone, OutsideRoots, Overloaded, Refusal, UnknownItem
from samekind.service.served import Served
from samekind.service.settings import Settings

if TYPE_CHECKING:
    from object_storage import Bucket


class Inline(Decoders):
    """Decodes at once, here, and counts."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self.thumbnails = 0

    async def thumbnail(self, data: bytes, size: int) -> bytes:
        self.thumbnails += 1
        await asyncio.sleep(0.01)
        return worker.thumbnail(data, size=size)[1]

    async def view(self, data: bytes) -> tuple[bytes, str]:
        return data, "image/png"


class Shop:
    """One gallery and its pictures, shown with these settings."""

    def __init__(self, gallery: Gallery, cache: Path, **changes: Any) -> None:
        settings = Settings(**changes)
        self.served = Served("g", gallery, settings)
        self.decoders = Inline(settings)
        self.pictures = Pictures(self.decoders, settings, cache)

    def item(self, name: str) -> str:
        """The id of the picture with a place that ends so."""
        snapshot = self.served.gallery.snapshot()
        for row, item in enumerate(snapshot.rows.column("id").to_pylist()):
            if any(uri.endswith(name) for uri, _ in snapshot.places(row)):
                return item
        raise AssertionError(name)

    def picture(self, name: str) -> bytes:
        return run(self.pictures.picture(self.served, self.item(name)))[0]

    def thumbnail(self, name: str, size: Any = 160) -> bytes:
        return run(self.pictures.thumbnail(self.served, self.item(name), size))

    def refuses(self, name: str, error: type[Refusal]) -> None:
        """Neither the picture nor a thumbnail, and not a word of where it is."""
        for look in (self.picture, self.thumbnail):
            with pytest.raises(error) as caught:
                look(name)
            assert "/" not in str(caught.value)
            assert name not in str(caught.value)


def run(job: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(job)


@pytest.fixture
def shop(gallery: Gallery, tmp_path: Path) -> Shop:
    return Shop(gallery, tmp_path / "cache")


def test_a_picture_is_the_file_and_its_thumbnail_a_small_webp(shop: Shop, photos: Path) -> None:
    assert shop.picture("toy/2.png") == (photos / "toy" / "2.png").read_bytes()
    small = Image.open(io.BytesIO(shop.thumbnail("toy/2.png")))
    assert (small.format, small.size) == ("WEBP", (16, 12))


def test_an_unknown_id_is_refused_whatever_it_looks_like(shop: Shop) -> None:
    for item in ("0" * 24, "", "..", "../../etc/passwd", "\0", "%2e%2e", "a" * 10_000, shop.item("toy/2.png")[:-1]):
        for job in (shop.pictures.picture(shop.served, item), shop.pictures.thumbnail(shop.served, item, 160)):
            with pytest.raises(UnknownItem) as caught:
                run(job)
            assert len(str(caught.value)) < 200


def link_out(file: Path, outside: Path) -> None:
    outside.write_bytes(file.read_bytes())
    file.unlink()
    file.symlink_to(outside)


def folder_link_out(file: Path, outside: Path) -> None:
    shutil.copytree(file.parent, outside)
    shutil.rmtree(file.parent)
    file.parent.symlink_to(outside)


def folder(file: Path, outside: Path) -> None:
    file.unlink()
    file.mkdir()


def pipe(file: Path, outside: Path) -> None:
    file.unlink()
    os.mkfifo(file)


def device(file: Path, outside: Path) -> None:
    file.unlink()
    file.symlink_to("/dev/zero")


def other_content(file: Path, outside: Path) -> None:
    file.write_bytes(saved())


def longer(file: Path, outside: Path) -> None:
    with file.open("ab") as opened:
        opened.write(b"more")


def emptied(file: Path, outside: Path) -> None:
    file.write_bytes(b"")


def vanished(file: Path, outside: Path) -> None:
    file.unlink()


def folder_vanished(file: Path, outside: Path) -> None:
    shutil.rmtree(file.parent)


def folder_is_a_file(file: Path, outside: Path) -> None:
    shutil.rmtree(file.parent)
    file.parent.write_bytes(b"")


def endless_link(file: Path, outside: Path) -> None:
    file.unlink()
    file.symlink_to(file)


def secret(file: Path, outside: Path) -> None:
    file.unlink()
    file.symlink_to("/etc/passwd")


@pytest.mark.parametrize(
    ("mischief", "error"),
    [
        (link_out, OutsideRoots),
        (folder_link_out, OutsideRoots),
        (device, OutsideRoots),
        (secret, OutsideRoots),
        (folder, Changed),
        (pipe, Changed),
        (other_content, Changed),
        (longer, Changed),
        (emptied, Changed),
        (vanished, Gone),
        (folder_vanished, Gone),
        (folder_is_a_file, Gone),
        (endless_link, Changed),
    ],
)
@pytest.mark.timeout(30)
def test_what_is_not_the_file_that_was_indexed_is_refused(
    shop: Shop, photos: Path, tmp_path: Path, mischief: Callable[[Path, Path], None], error: type[Refusal]
) -> None:
    mischief(photos / "toy" / "2.png", tmp_path / "outside")
    shop.refuses("toy/2.png", error)
    assert shop.picture("photo/0.png")  # and the next picture works


def test_a_file_that_may_not_be_read_is_refused(shop: Shop, monkeypatch: pytest.MonkeyPatch, photos: Path) -> None:
    def denied(path: str, flags: int) -> int:
        raise PermissionError(13, "Permission denied", path)

    monkeypatch.setattr(module.os, "open", denied)
    with pytest.raises(Gone, match="cannot be read") as caught:
        shop.picture("toy/2.png")
    assert str(photos) not in str(caught.value)


def test_a_file_swapped_between_the_look_and_the_opening_gives_nothing_away(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, photos: Path
) -> None:
    lstat = os.lstat

    def swapped(path: str) -> os.stat_result:
        found = lstat(path)
        if path.endswith("toy/2.png"):
            Path(path).unlink()
            Path(path).symlink_to("/etc/passwd")
        return found

    monkeypatch.setattr(module, "_regular", lambda found: None)
    monkeypatch.setattr(module.os, "lstat", swapped)
    item = shop.item("toy/2.png")
    with pytest.raises(Refusal):
        run(shop.pictures.picture(shop.served, item))


def test_a_link_that_stays_within_the_roots_is_followed(shop: Shop, photos: Path) -> None:
    file = photos / "toy" / "2.png"
    file.rename(photos / "moved.png")
    file.symlink_to(photos / "moved.png")
    assert shop.picture("toy/2.png") == (photos / "moved.png").read_bytes()


def test_a_root_may_itself_be_reached_by_a_link(tmp_path: Path, photos: Path, retriever: PaletteRetriever) -> None:
    (tmp_path / "link").symlink_to(photos)
    gallery = Gallery.open(tmp_path / "linked", retriever, create=True)
    gallery.add(tmp_path / "link")
    assert Shop(gallery, tmp_path / "cache").picture("toy/2.png")


def test_a_folder_whose_name_begins_like_a_roots_is_outside(
    tmp_path: Path, photos: Path, gallery: Gallery, retriever: PaletteRetriever
) -> None:
    beside = paint(tmp_path / "photos-private" / "x.png", 50)
    (photos / "toy" / "2.png").unlink()
    (photos / "toy" / "2.png").symlink_to(beside)
    gallery.add(photos)
    Shop(gallery, tmp_path / "cache").refuses("toy/2.png", OutsideRoots)
    allowing = Shop(gallery, tmp_path / "cache", roots=(tmp_path / "photos-private",))
    assert allowing.picture("toy/2.png") == beside.read_bytes()
    assert allowing.thumbnail("toy/2.png")
    Shop(gallery, tmp_path / "cache").refuses("toy/2.png", OutsideRoots)  # a kept thumbnail is no way around it


def test_of_several_places_the_first_that_works_serves(
    tmp_path: Path, photos: Path, retriever: PaletteRetriever
) -> None:
    first, second = photos / "toy" / "2.png", tmp_path / "zoo" / "same.png"
    second.parent.mkdir()
    shutil.copy(first, second)
    gallery = Gallery.open(tmp_path / "both", retriever, create=True)
    gallery.add(photos, second.parent)
    shop = Shop(gallery, tmp_path / "cache")
    content = first.read_bytes()
    other_content(first, tmp_path)
    assert shop.picture("toy/2.png") == content
    second.unlink()
    shop.refuses("toy/2.png", Changed)


def test_addresses_are_fetched_only_where_that_is_allowed(
    tmp_path: Path, gallery: Gallery, monkeypatch: pytest.MonkeyPatch, photos: Path
) -> None:
    content, asked = (photos / "toy" / "2.png").read_bytes(), []

    def read(uri: str, *, allow_urls: bool = False) -> bytes:
        asked.append(uri)
        if "gone" in uri:
            raise UrlFailedError(f"{uri}: 404")
        return content if "same" in uri else b"other"

    monkeypatch.setattr(module, "read", read)
    item = Shop(gallery, tmp_path).item("toy/2.png")
    for place, error in (("same", None), ("other", Changed), ("gone", Gone)):
        address = f"https://example.org/{place}.png"
        for allowed in (False, True):
            places = module._Places(item, [address], ["/"], allow_urls=allowed)
            if not allowed:
                with pytest.raises(OutsideRoots):
                    places.read()
            elif error:
                with pytest.raises(error) as caught:
                    places.read()
                assert "example.org" not in str(caught.value)
            else:
                assert places.read() == content
    assert len(asked) == 3


def test_pictures_in_object_storage_are_shown_like_those_of_addresses(
    bucket: "Bucket", gallery: Gallery, tmp_path: Path
) -> None:
    data = paint(tmp_path / "painted" / "far.png", 50).read_bytes()
    bucket.put("root/far.png", data)
    gallery.add(bucket.uri("root"))
    assert not any(root.startswith("s3:") for root in gallery.roots)
    bucket.s3.requests.clear()
    Shop(gallery, tmp_path / "cache", roots=(Path("/"),)).refuses("far.png", OutsideRoots)
    assert bucket.s3.requests == []
    allowed = Shop(gallery, tmp_path / "cache", allow_urls=True)
    assert allowed.picture("far.png") == data
    bucket.delete("root/far.png")
    allowed.refuses("far.png", Gone)


def test_a_thumbnail_is_made_once_and_found_again(tmp_path: Path, gallery: Gallery, photos: Path) -> None:
    shop = Shop(gallery, tmp_path / "cache")

    async def many() -> list[bytes]:
        item = shop.item("toy/2.png")
        return await asyncio.gather(*(shop.pictures.thumbnail(shop.served, item, 320) for _ in range(20)))

    assert len(set(run(many()))) == 1
    assert shop.decoders.thumbnails == 1
    again = Shop(gallery, tmp_path / "cache")
    assert again.thumbnail("toy/2.png", 320) == shop.thumbnail("toy/2.png", 320)
    assert again.decoders.thumbnails == 0
    again.thumbnail("toy/2.png", 160)
    assert again.decoders.thumbnails == 1
    (photos / "toy" / "2.png").unlink()  # what is kept is by content: the file may have gone
    assert again.thumbnail("toy/2.png", 320)


def test_who_leaves_does_not_spoil_a_thumbnail_for_others(shop: Shop) -> None:
    async def leaving() -> bytes:
        item = shop.item("toy/2.png")
        first = asyncio.create_task(shop.pictures.thumbnail(shop.served, item, 160))
        other = asyncio.create_task(shop.pictures.thumbnail(shop.served, item, 160))
        while not shop.decoders.thumbnails:
            await asyncio.sleep(0.001)
        first.cancel()
        return await other

    assert run(leaving())
    assert shop.decoders.thumbnails == 1


def test_an_error_is_told_to_all_who_wait_and_the_next_try_is_fresh(shop: Shop, photos: Path) -> None:
    content = (photos / "toy" / "2.png").read_bytes()
    vanished(photos / "toy" / "2.png", photos)

    async def many() -> list[Any]:
        item = shop.item("toy/2.png")
        jobs = (shop.pictures.thumbnail(shop.served, item, 160) for _ in range(5))
        return await asyncio.gather(*jobs, return_exceptions=True)

    assert [type(each) for each in run(many())] == [Gone] * 5
    (photos / "toy" / "2.png").write_bytes(content)
    assert shop.thumbnail("toy/2.png")


def kept(cache: Path) -> list[Path]:
    return sorted(file for file in (cache / "thumbnails").rglob("*") if file.is_file())


def test_kept_thumbnails_stay_within_the_cap_and_the_last_used_remain(
    tmp_path: Path, retriever: PaletteRetriever
) -> None:
    (tmp_path / "noise").mkdir()
    for seed in range(40):
        Image.effect_noise((320 + seed, 320), 90).save(tmp_path / "noise" / f"{seed}.png")
    gallery = Gallery.open(tmp_path / "noisy", retriever, create=True)
    gallery.add(tmp_path / "noise")
    shop = Shop(gallery, tmp_path / "cache", thumbnails_mebibytes=1)
    favourite = shop.thumbnail("noise/0.png", 640)
    assert len(favourite) > 50_000  # so that not all fit
    for seed in range(1, 40):
        shop.thumbnail(f"noise/{seed}.png", 640)
        assert shop.thumbnail("noise/0.png", 640) == favourite
        assert sum(file.stat().st_size for file in kept(tmp_path / "cache")) <= 2**20
    assert shop.decoders.thumbnails == 40  # the favourite was made once
    names = {file.name for file in kept(tmp_path / "cache")}
    assert f"{shop.item('noise/39.png')}-640.webp" in names
    assert f"{shop.item('noise/1.png')}-640.webp" not in names
    assert len(names) > 5


def test_nothing_is_kept_without_room(tmp_path: Path, gallery: Gallery) -> None:
    shop = Shop(gallery, tmp_path / "cache", thumbnails_mebibytes=0)
    assert shop.thumbnail("toy/2.png")
    assert kept(tmp_path / "cache") == []


def test_a_cache_that_cannot_be_written_is_done_without(
    tmp_path: Path, gallery: Gallery, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "cache").write_bytes(b"a file")
    shop = Shop(gallery, tmp_path / "cache")
    assert shop.thumbnail("toy/2.png")
    assert shop.thumbnail("photo/0.png")
    assert sum("not kept" in record.message for record in caplog.records) == 1


def test_a_cache_that_can_only_be_read_is_read(
    tmp_path: Path, gallery: Gallery, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = Shop(gallery, tmp_path / "cache").thumbnail("toy/2.png")

    def denied(*_: Any, **__: Any) -> None:
        raise PermissionError(30, "Read-only file system")

    monkeypatch.setattr(module.os, "utime", denied)
    monkeypatch.setattr(module.tempfile, "mkstemp", denied)
    shop = Shop(gallery, tmp_path / "cache")
    assert shop.thumbnail("toy/2.png") == good
    assert shop.decoders.thumbnails == 0
    assert shop.thumbnail("photo/0.png")


def test_a_thumbnail_that_a_crash_has_cut_off_is_made_again(tmp_path: Path, gallery: Gallery) -> None:
    shop = Shop(gallery, tmp_path / "cache")
    good = shop.thumbnail("toy/2.png")
    (file,) = kept(tmp_path / "cache")
    for data in (b"", good[:6], good[:-5]):
        file.write_bytes(data)
        assert shop.thumbnail("toy/2.png") == good
        assert file.read_bytes() == good


def test_kept_thumbnails_are_for_their_owner_alone(tmp_path: Path, gallery: Gallery) -> None:
    Shop(gallery, tmp_path / "cache").thumbnail("toy/2.png")
    (file,) = kept(tmp_path / "cache")
    assert file.stat().st_mode & 0o077 == 0


def test_more_files_than_may_wait_are_not_read(gallery: Gallery, tmp_path: Path) -> None:
    shop = Shop(gallery, tmp_path / "cache", waiting=4, decoders=1)

    async def many() -> list[Any]:
        items = shop.served.gallery.snapshot().rows.column("id").to_pylist()
        jobs = (shop.pictures.thumbnail(shop.served, item, 160) for item in items)
        return await asyncio.gather(*jobs, return_exceptions=True)

    found = run(many())
    assert sum(isinstance(each, bytes) for each in found) >= 4
    assert {type(each) for each in found} == {bytes, Overloaded}
    assert shop.thumbnail("toy/2.png")


def test_with_real_processes_too(gallery: Gallery, tmp_path: Path, photos: Path) -> None:
    async def look() -> None:
        settings = Settings(decoders=1)
        decoders = Decoders(settings)
        await decoders.start()
        shop = Shop(gallery, tmp_path)
        pictures = Pictures(decoders, settings, tmp_path / "cache")
        item = shop.item("toy/2.png")
        data, kind = await pictures.picture(shop.served, item)
        assert (data, kind) == ((photos / "toy" / "2.png").read_bytes(), "image/png")
        assert Image.open(io.BytesIO(await pictures.thumbnail(shop.served, item, 640))).format == "WEBP"
        await decoders.close()

    run(look())
