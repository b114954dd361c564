"""A gallery in object storage has the rows and gives the hits of one in a folder, and says what is wrong with it."""

import shutil
import sys
import threading
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from faults import Disturbed, change, content, pictures
from palette import PaletteRetriever

from samekind.errors import SamekindError, UsageError
from samekind.gallery import commit, ingest, table, vectors
from samekind.gallery.derived import derived_folder
from samekind.gallery.lock import write_lock
from samekind.gallery.parts import Part
from samekind.gallery.place import Prefix, place_of
from samekind.gallery.shards.shard import NOWHERE, Shard
from samekind.gallery.store import Gallery
from samekind.gallery.table import PictureTable, files, latest_version
from samekind.images import storage_client
from samekind.images.storage_client import outage
from samekind.service.served import open_served
from samekind.service.settings import Settings

if TYPE_CHECKING:
    from object_storage import Bucket

KEY = "galleries/my own"


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Twenty pictures in three domains, which make several commits."""
    monkeypatch.setattr(ingest, "BATCH", 4)
    monkeypatch.setattr(ingest, "COMMIT_ROWS", 4)
    return pictures(tmp_path / "pictures", 20)


def indexed(where: str | Path, folder: Path, retriever: PaletteRetriever | None = None) -> Gallery:
    gallery = Gallery.open(where, retriever or PaletteRetriever(), create=True)
    gallery.add(folder, domain_from_folder=True)
    return gallery


def keys(bucket: "Bucket", below: str = KEY) -> set[str]:
    """What lies directly below a prefix."""
    return set(Prefix(place_of(bucket.uri(below)).address).names())


def test_rows_and_hits_equal_those_of_a_folder_also_when_pictures_change(
    bucket: "Bucket", world: Path, tmp_path: Path
) -> None:
    stored, local = indexed(bucket.uri(KEY), world), indexed(tmp_path / "local", world)
    for changed in (False, True):
        if changed:
            change(world, 20)
            reports = [each.add(world, domain_from_folder=True).to_json() for each in (stored, local)]
            assert reports[0] | {"seconds": 0} == reports[1] | {"seconds": 0}
            assert min(reports[0][what] for what in ("new", "changed", "moved", "duplicates", "removed")) > 0
        assert content(bucket.uri(KEY)) == content(local.path)
        asked = PaletteRetriever().encode_images([*sorted(world.rglob("*.png"))[:5]])
        fresh = Gallery.open(bucket.uri(KEY))
        for gallery in (stored, fresh):
            for filters in ({}, {"domains": ["d1"]}, {"where": "uri LIKE '%/d2/%'"}):
                assert gallery.nearest(asked, 7, **filters) == local.nearest(asked, 7, **filters)
        assert (fresh.rows, fresh.domain_counts) == (local.rows, local.domain_counts)
    assert keys(bucket) == {"gallery.json", "pictures.lance", "lock.lance", "skipped.jsonl"}
    assert str(stored.path) == bucket.uri(KEY)
    assert indexed(f"{bucket.uri(KEY)}/", world).rows == local.rows


def test_what_searches_map_is_in_the_users_cache_and_that_of_its_version(
    bucket: "Bucket", world: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gallery = indexed(bucket.uri(KEY), world)
    folder = derived_folder(gallery.path, gallery.meta.uuid)
    assert isinstance(gallery.snapshot().vectors, np.memmap)
    before = {file.name for file in folder.iterdir()}
    bucket.s3.requests.clear()
    again = Gallery.open(bucket.uri(KEY), PaletteRetriever())
    assert again.rows == 20
    assert not [path for path in bucket.s3.asked("GET") if "/data/" in path]
    change(world, 20)
    gallery.add(world, domain_from_folder=True)
    assert {file.name for file in folder.iterdir()}.isdisjoint(before - {"lock"})
    # The bucket was put back, and has grown otherwise to the same version.
    monkeypatch.setattr(vectors, "edition", lambda _, version: f"{version} of another time")
    bucket.s3.requests.clear()
    assert Gallery.open(bucket.uri(KEY), PaletteRetriever()).rows == gallery.rows
    assert [path for path in bucket.s3.asked("GET") if "/data/" in path]


def test_other_galleries_make_room_in_the_cache(bucket: "Bucket", world: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAMEKIND_CACHE_GIB", "0")
    one, other = (indexed(bucket.uri(f"galleries/{name}"), world) for name in ("one", "other"))
    folders = [derived_folder(each.path, each.meta.uuid) for each in (one, other)]
    assert [folder.exists() for folder in folders] == [False, True]
    assert one.search(next(world.rglob("*.png")), k=1).hits  # what it has mapped stays


def test_a_reader_at_an_old_version_goes_on_while_another_process_writes_and_tidies(
    bucket: "Bucket", world: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commit, "_COMMITS", 2)
    indexed(bucket.uri(KEY), world)
    reader = Gallery.open(bucket.uri(KEY), PaletteRetriever())
    old, asked = reader.version, PaletteRetriever().encode_texts(["red"])
    before = reader.nearest(asked, 20, where="width > 0")
    change(world, 20)
    writer = indexed(bucket.uri(KEY), world)
    PictureTable.open(writer.path).tidy(timedelta(0))
    assert reader.nearest(asked, 20, where="width > 0") == before
    assert reader.version == old < writer.version
    count = files(writer.path)
    monkeypatch.setattr(table, "_MARGIN", timedelta(0))
    PictureTable.open(writer.path).tidy(timedelta(0))
    assert files(writer.path) < count
    assert reader.nearest(asked, 20, where="width > 1") == writer.nearest(asked, 20)  # the version is gone
    assert content(bucket.uri(KEY)) == content(indexed(world.parent / "local", world).path)


def test_an_index_is_built_and_asked_there(
    bucket: "Bucket", world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from samekind.gallery.ann import build

    monkeypatch.setattr(build, "FEWEST", 10)
    monkeypatch.setattr(ingest, "COMMIT_ROWS", 1000)
    gallery = Gallery.open(bucket.uri(KEY), PaletteRetriever(), create=True)
    report = gallery.add(pictures(tmp_path / "many", 300), domain_from_folder=True, ann=True)
    assert report.ann
    assert report.ann["rows"] == 300
    facts = PictureTable.open(gallery.path).index()
    assert facts is not None
    assert (facts.rows, facts.missing) == (300, 0)
    assert "ann.json" in keys(bucket)
    assert gallery.add(world, domain_from_folder=True, ann=False).ann == {**report.ann, **_refused(gallery)}


def _refused(gallery: Gallery) -> dict[str, Any]:
    from samekind.gallery.ann.record import read_ann

    found = read_ann(gallery.path, gallery.meta.uuid)
    assert found
    assert found.state == "refused"
    return found.to_dict()


def test_its_shards_and_the_service_open_it(
    bucket: "Bucket", world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gallery, local = indexed(bucket.uri(KEY), world), indexed(tmp_path / "local", world)
    shards = [Shard(place_of(bucket.uri(KEY)), Part(number, 2)) for number in range(2)]
    assert [shard.ask(NOWHERE, "facts").value.rows for shard in shards] == [20, 0]
    assert shards[0].ask(NOWHERE, "matching", ["d1"]).value == local.matching(["d1"])
    monkeypatch.setattr("samekind.retriever.store.load", lambda _: PaletteRetriever())
    with pytest.raises(UsageError, match="named more than once"):
        open_served([bucket.uri(KEY), f"{bucket.uri(KEY)}/"], "palette", Settings())
    ((name, served),) = open_served([bucket.uri(KEY)], "palette", Settings()).items()
    assert (name, served.gallery.rows, served.gallery.newer()) == ("my-own", 20, None)
    change(world, 20)
    gallery.add(world, domain_from_folder=True)
    fresh = served.gallery.newer()
    assert fresh is not None
    assert (fresh.rows, fresh.version) == (gallery.rows, gallery.version)


def test_a_bucket_that_is_not_there_or_closed_and_a_wrong_address_are_told(
    bucket: "Bucket", world: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UsageError, match="whole bucket"):
        indexed(f"s3://{bucket.name}/", world)
    with pytest.raises(UsageError, match="should be"):
        indexed("s3://?/gallery", world)
    with pytest.raises(SamekindError, match=r"no-such-bucket/mine cannot be used: there is no bucket no-such-bucket"):
        indexed("s3://no-such-bucket/mine", world)
    with pytest.raises(SamekindError, match=r"does not exist\. Index pictures into a gallery first"):
        Gallery.open(bucket.uri("nowhere"))
    bucket.put("other/notes.txt", b"mine")
    with pytest.raises(UsageError, match=r"not empty \(it has notes.txt\)"):
        indexed(bucket.uri("other"), world)
    gallery = indexed(bucket.uri(KEY), world)
    bucket.s3.fault = lambda method, path: "403 Forbidden"
    acts = (lambda: Gallery.open(bucket.uri(KEY)), lambda: gallery.add(world), lambda: latest_version(gallery.path))
    for act in acts:
        with pytest.raises(SamekindError, match=r"my own may not be used .* AWS_ACCESS_KEY_ID"):
            act()
    bucket.s3.fault = None
    with pytest.raises(SamekindError, match="another gallery"):
        Gallery.open(bucket.uri(KEY), PaletteRetriever("other"))


@pytest.mark.slow
def test_when_the_storage_goes_away_the_same_command_goes_on(bucket: "Bucket", world: Path, tmp_path: Path) -> None:
    gone = Disturbed(bucket.s3.stop)
    with pytest.raises(SamekindError, match=r"my own has not answered .* run the same command again"):
        indexed(bucket.uri(KEY), world, gone)
    bucket.s3.start()
    outage.forget()
    assert 0 < len(content(bucket.uri(KEY))) < 20
    again = Gallery.open(bucket.uri(KEY), PaletteRetriever()).add(world, domain_from_folder=True)
    assert again.unchanged > 0
    assert content(bucket.uri(KEY)) == content(indexed(tmp_path / "local", world).path)


def test_answers_that_are_lost_do_not_double_rows(bucket: "Bucket", world: Path, tmp_path: Path) -> None:
    """The storage has put a version, and whoever did it is told to try again."""
    lost, lock = set[str](), threading.Lock()
    real = bucket.s3._app

    def lossy(environ: dict[str, Any], start: Any) -> Any:
        path = environ["PATH_INFO"]
        with lock:
            first = environ["REQUEST_METHOD"] == "PUT" and path.endswith(".manifest") and path not in lost
            lost.update([path] if first else [])
        if not first:
            return real(environ, start)
        list(real(environ, lambda *_: None))
        start("503 Slow Down", [])
        return [b""]

    bucket.s3._app = lossy  # type: ignore[assignment]
    try:
        indexed(bucket.uri(KEY), world)
    finally:
        bucket.s3._app = real
    assert len(lost) >= 5
    assert content(bucket.uri(KEY)) == content(indexed(tmp_path / "local", world).path)


def test_googles_storage_is_as_good(world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sys.path.insert(0, str(Path(__file__).parents[1]))  # tests are imported by path, and would not find it
    from google_storage import google_storage

    monkeypatch.delenv("GOOGLE_APPLICATION_CREDENTIALS", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    with google_storage() as endpoint:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", endpoint)
        uri = f"gs://pictures/{KEY}"
        indexed(uri, world)
        change(world, 20)
        stored, local = indexed(uri, world), indexed(tmp_path / "local", world)
        assert content(uri) == content(local.path)
        asked = PaletteRetriever().encode_texts(["red"])
        assert stored.nearest(asked, 9, where="width > 0") == local.nearest(asked, 9)
        old = PictureTable.open(stored.path)
        with write_lock(stored.path), pytest.raises(SamekindError, match="being indexed by process"):
            indexed(uri, world)
        PictureTable.open(stored.path).fence()
        monkeypatch.setattr(table, "latest_version", lambda _: old.version)
        with pytest.raises(SamekindError, match="it took over"):
            old.delete(["x"])
    storage_client.client.cache_clear()
    outage.forget()


def test_a_folder_of_that_name_is_still_a_folder(tmp_path: Path, world: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    gallery = indexed("s3:/bucket/mine", world)
    assert gallery.path == tmp_path / "s3:" / "bucket" / "mine"
    shutil.rmtree(tmp_path / "s3:")
