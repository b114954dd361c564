"""Galleries of pictures in object storage: what is known, changed, renamed or gone there is so here."""

import json
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from palette import PaletteRetriever, paint, places

from samekind.errors import SamekindError
from samekind.gallery.query import Query
from samekind.gallery.store import Gallery

if TYPE_CHECKING:
    from object_storage import Bucket


@pytest.fixture
def picture(tmp_path: Path) -> "Pictures":
    return Pictures(tmp_path / "painted")


class Pictures:
    """Bytes of pictures; other seeds give other contents."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __call__(self, seed: int) -> bytes:
        return paint(self._folder / f"{seed}.png", seed).read_bytes()


@pytest.fixture
def empty(tmp_path: Path, retriever: PaletteRetriever) -> Gallery:
    return Gallery.open(tmp_path / "stored", retriever, create=True)


def held(gallery: Gallery) -> set[tuple[str, str | None]]:
    """All places with their domains."""
    return set().union(*places(gallery).values())


def reasons(gallery: Gallery) -> dict[str, str]:
    lines = (gallery.path / "skipped.jsonl").read_text().splitlines()
    return {entry["uri"]: entry["reason"] for entry in map(json.loads, lines)}


def test_only_what_is_new_or_changed_is_read_again(bucket: "Bucket", picture: Pictures, empty: Gallery) -> None:
    uris = [bucket.put(f"root/{domain}/ü +{n}.png", picture(n)) for n, domain in enumerate(["photo", "sketch", "toy"])]
    source = bucket.uri("root")
    assert empty.add(source, domain_from_folder=True).new == 3
    assert held(empty) == {(uris[0], "photo"), (uris[1], "sketch"), (uris[2], "toy")}
    bucket.s3.requests.clear()
    report = empty.add(source)
    assert (report.unchanged, report.encoded) == (3, 0)
    assert set(bucket.s3.asked("GET")) == {f"/{bucket.name}"}  # lists alone
    bucket.put("root/photo/ü +0.png", picture(10) + b"longer")
    report = empty.add(source)
    assert (report.changed, report.unchanged, report.removed, report.rows) == (1, 2, 0, 3)


def test_what_is_gone_or_renamed_below_the_prefix_is_so_in_the_gallery(
    bucket: "Bucket", picture: Pictures, empty: Gallery
) -> None:
    for n in range(4):
        bucket.put(f"root/{n}.png", picture(n))
    apart = bucket.put("rooted/9.png", picture(9))
    empty.add(bucket.uri("root/"), apart, domain="photo")
    bucket.delete("root/0.png")
    bucket.delete("root/1.png")
    bucket.put("root/new name.png", picture(1))
    copy = bucket.put("root/copy.png", picture(2))
    report = empty.add(bucket.uri("root"))
    assert (report.moved, report.duplicates, report.removed, report.unchanged) == (1, 1, 1, 2)
    kept = {bucket.uri(f"root/{name}.png") for name in ("new name", 2, 3)}
    assert held(empty) == {(uri, "photo") for uri in kept} | {(copy, None), (apart, "photo")}


def test_an_object_that_no_picture_is_called_like_stays_while_it_is_there(
    bucket: "Bucket", picture: Pictures, empty: Gallery
) -> None:
    odd = bucket.put("root/blob", picture(0))
    usual = bucket.put("root/1.png", picture(1))
    empty.add(bucket.put("all.txt", b"root/blob\nroot/1.png\n"))
    assert empty.add(bucket.uri("root")).removed == 0
    assert held(empty) == {(odd, None), (usual, None)}
    bucket.delete("root/blob")
    assert empty.add(bucket.uri("root")).removed == 1
    assert held(empty) == {(usual, None)}


def test_a_prefix_without_pictures_empties_nothing(bucket: "Bucket", picture: Pictures, empty: Gallery) -> None:
    bucket.put("root/0.png", picture(0))
    empty.add(bucket.uri("root"))
    bucket.delete("root/0.png")
    with pytest.raises(SamekindError, match="no"):
        empty.add(bucket.uri("root"))
    bucket.put("root/readme.md", b"moved away")
    with pytest.raises(SamekindError, match="Nothing was changed"):
        empty.add(bucket.uri("root"))
    assert len(held(empty)) == 1


def test_damaged_pictures_are_told_and_the_others_taken(bucket: "Bucket", picture: Pictures, empty: Gallery) -> None:
    good = bucket.put("root/0.png", picture(0))
    cut, noise = bucket.put("root/1.png", picture(1)[:60]), bucket.put("root/2.png", b"noise" * 20)
    report = empty.add(bucket.uri("root"))
    assert (report.new, report.skipped) == (1, 2)
    assert reasons(empty) == {cut: "truncated", noise: "unsupported"}
    assert held(empty) == {(good, None)}


def test_what_cannot_be_read_now_stays_as_it_was(bucket: "Bucket", picture: Pictures, empty: Gallery) -> None:
    uri = bucket.put("root/0.png", picture(0))
    empty.add(bucket.uri("root"))
    before = places(empty)
    bucket.put("root/0.png", picture(1) + b"longer")
    for status, reason in (("403 Forbidden", "unreadable"), ("503 Slow Down", "url_failed")):
        bucket.s3.fault = lambda method, path, status=status: status if path.endswith(".png") else None
        report = empty.add(bucket.uri("root"))
        assert (report.skipped, report.removed) == (1, 0)
        assert reasons(empty) == {uri: reason}
        assert places(empty) == before


def test_a_storage_that_goes_down_loses_nothing_and_the_next_run_completes(
    bucket: "Bucket", picture: Pictures, empty: Gallery
) -> None:
    gone = bucket.put("root/00.png", picture(100))
    empty.add(bucket.uri("root"))
    bucket.delete("root/00.png")
    uris = [bucket.put(f"root/{n:02}.png", picture(n)) for n in range(1, 40)]
    left, lock = [None] * 10, threading.Lock()

    def fault(method: str, path: str) -> None:
        with lock:
            if method == "GET" and path.endswith(".png") and not (left and not left.pop()):
                threading.Thread(target=bucket.s3.stop).start()

    bucket.s3.fault = fault
    report = empty.add(bucket.uri("root/"), workers=2)
    assert report.new >= 10
    assert report.new + report.skipped == 39
    assert set(reasons(empty).values()) == {"url_failed"}
    assert {uri for uri, _ in held(empty)} == set(uris) - set(reasons(empty))  # what is gone was known to be
    with pytest.raises(SamekindError, match="was not asked for"):
        empty.add(bucket.uri("root"))
    assert len(held(empty)) == report.new

    from samekind.images.storage_client import outage

    bucket.s3.fault = None
    bucket.s3.start()
    outage.forget()
    again = empty.add(bucket.uri("root"))
    assert (again.unchanged, again.new, again.skipped) == (report.new, report.skipped, 0)
    assert {uri for uri, _ in held(empty)} == set(uris)
    assert gone not in uris


def test_a_second_look_that_fails_removes_nothing(bucket: "Bucket", picture: Pictures, empty: Gallery) -> None:
    for n in range(2):
        bucket.put(f"root/{n}.png", picture(n))
    empty.add(bucket.uri("root"))
    bucket.delete("root/0.png")
    left = ["503 Slow Down"] * 2 + [None]
    bucket.s3.fault = lambda method, path: left.pop() if left else None
    assert empty.add(bucket.uri("root/")).removed == 0
    assert left == []
    assert empty.add(bucket.uri("root/")).removed == 1


def test_objects_are_queries(bucket: "Bucket", picture: Pictures, empty: Gallery) -> None:
    uris = [bucket.put(f"root/{n}.png", picture(n)) for n in range(3)]
    empty.add(bucket.uri("root"))
    hits = empty.search(query=Query.parse([f"2:{uris[1]}"]), k=1).hits
    assert [hit.uri for hit in hits] == [uris[1]]
    with pytest.raises(SamekindError, match="is not there"):
        empty.search(query=Query.parse([f"image:{bucket.uri('no.png')}"]))
