"""Pictures in object storage: what is listed, what is read, and what is said when the storage does not play along."""

import csv
import io
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from samekind.errors import SamekindError, UsageError
from samekind.images import storage, storage_client
from samekind.images.decode import Limits, read
from samekind.images.errors import ImageError
from samekind.images.refs import ImageRef, Skip
from samekind.images.source import list_images

if TYPE_CHECKING:
    from object_storage import Bucket

HARD = ("photo/a b/ü +%20&=.png", "photo/?q#f.png", "photo/日本.png", "photo/a'b\"c;d@e:f.png")


def listed(source: str, **options: Any) -> tuple[list[str], dict[str, str]]:
    """The uris in their order, and the reasons of what is left out."""
    found = list(list_images(source, **options))
    uris = [each.uri for each in found if isinstance(each, ImageRef)]
    return uris, {each.uri: each.reason for each in found if isinstance(each, Skip)}


def reason(uri: str, limits: Limits | None = None) -> str:
    with pytest.raises(ImageError) as caught:
        read(uri, limits or Limits())
    assert str(caught.value)
    return caught.value.reason


def test_a_prefix_is_walked_like_a_folder(bucket: "Bucket", tmp_path: Path) -> None:
    names = [
        "b/2.JPG",
        "b/1.png",
        "b-side/1.png",
        "a.png",
        "b/deep/x.webp",
        "b/.hidden.png",
        ".git/x.png",
        "b/notes.md",
    ]
    names += ["b/new.heic", "é/1.png", "B/1.png"]
    for name in names:
        bucket.put(f"root/{name}", b"data")
        (tmp_path / "root" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "root" / name).write_bytes(b"data")
    bucket.put("rooted/no.png", b"data")

    def told(source: str) -> list[tuple[str, str | None]]:
        found = list(list_images(source, domain_from_folder=True))
        return [(e.uri.removeprefix(source), e.domain if isinstance(e, ImageRef) else e.reason) for e in found]

    assert told(bucket.uri("root")) == told(str(tmp_path / "root"))
    assert len(told(bucket.uri("root"))) == 8
    assert listed(bucket.uri("root/")) == listed(bucket.uri("root"))


def test_a_reference_has_the_stamp_and_the_domain(bucket: "Bucket") -> None:
    uri = bucket.put("photo/1.png", b"12345")
    (ref,) = list_images(f"s3://{bucket.name}", domain="shop")
    assert isinstance(ref, ImageRef)
    assert (ref.uri, ref.domain, ref.size) == (uri, "shop", 5)
    assert ref.mtime_ns is not None
    (inside,) = list_images(f"S3://{bucket.name}//", domain_from_folder=True)
    assert inside == ImageRef(uri, "photo", 5, ref.mtime_ns)
    assert list(list_images(uri)) == [ImageRef(uri, None, 5, ref.mtime_ns)]


@pytest.mark.parametrize("key", HARD)
def test_keys_are_taken_as_they_are(bucket: "Bucket", key: str) -> None:
    uri = bucket.put(key, key.encode())
    assert listed(bucket.uri("photo")) == ([uri], {})
    assert listed(uri) == ([uri], {})
    assert read(uri) == key.encode()


def test_keys_that_a_client_would_change_are_not_asked_for(bucket: "Bucket") -> None:
    bucket.put("up.png", b"another object")
    for key in ("a//b.png", "/lead.png", "a/../up.png", "./up.png"):
        bucket.put(f"x/{key}", b"data")
    assert listed(bucket.uri("x")) == (
        [],
        {bucket.uri("x/a//b.png"): "bad_name", bucket.uri("x//lead.png"): "bad_name"},
    )
    assert reason(bucket.uri("x/../up.png")) == "bad_name"
    assert reason(bucket.uri("x/a//b.png")) == "bad_name"
    assert bucket.s3.asked("HEAD") == [f"/{bucket.name}/x"]


def test_three_thousand_objects_come_in_several_answers(bucket: "Bucket") -> None:
    bucket.put_many((f"many/{number:04}.png" for number in range(3000)), b"data")
    uris, _ = listed(bucket.uri("many/"))
    assert uris == [bucket.uri(f"many/{number:04}.png") for number in range(3000)]
    asked = bucket.s3.asked("GET")
    assert set(asked) == {f"/{bucket.name}"}
    assert 3 <= len(asked) < 10  # on a slow machine one is asked for again, but no object is looked at by itself


def test_an_object_beyond_the_cap_is_not_fetched(bucket: "Bucket") -> None:
    uri = bucket.put("big.png", b"x" * 1001)
    assert reason(uri, Limits(max_bytes=1000)) == "too_many_bytes"
    assert bucket.s3.asked("GET") == []
    assert len(read(uri, Limits(max_bytes=1001))) == 1001


def test_nothing_there_and_nothing_in_it(bucket: "Bucket") -> None:
    assert reason(bucket.put("empty.png", b"")) == "empty"
    assert reason(bucket.uri("no.png")) == "vanished"
    assert reason("s3://no-such-bucket/no.png") == "vanished"
    for source in (bucket.uri("no"), bucket.uri("no/"), "s3://no-such-bucket", "s3://no-such-bucket/"):
        with pytest.raises(UsageError, match="no"):
            list_images(source)


@pytest.mark.parametrize(
    ("uri", "told"),
    [
        ("s3://", "bucket's name"),
        ("s3:///key.png", "bucket's name"),
        ("gs://a b/key.png", "bucket's name"),
        ("s3://AKIA:hush@bucket/key.png", "user name"),
        ("s3://bucket/a/../b.png", "empty part"),
    ],
)
def test_what_is_no_address_is_refused_with_a_sentence(uri: str, told: str) -> None:
    with pytest.raises(UsageError, match=told) as caught:
        list_images(uri)
    assert "hush" not in str(caught.value)
    assert reason(uri) == "bad_name"


@pytest.mark.parametrize(
    ("status", "slug", "told"),
    [
        ("403 Forbidden", "unreadable", "AWS_ACCESS_KEY_ID"),
        ("503 Slow Down", "url_failed", "AWS_ENDPOINT_URL"),
        ("400 Bad Request", "unreadable", "cannot be read"),
    ],
)
def test_refusals_of_the_storage_are_named(bucket: "Bucket", status: str, slug: str, told: str) -> None:
    uri = bucket.put("1.png", b"data")
    bucket.s3.fault = lambda method, path: status
    with pytest.raises(ImageError, match=told) as caught:
        read(uri)
    assert caught.value.reason == slug
    with pytest.raises(SamekindError, match=told):
        list_images(uri)


def test_a_listing_that_is_refused_says_so(bucket: "Bucket") -> None:
    bucket.put("root/1.png", b"data")
    bucket.s3.fault = lambda method, path: "403 Forbidden" if method == "GET" else None
    with pytest.raises(SamekindError, match="allowed to list"):
        list_images(bucket.uri("root/"))


def test_credentials_come_from_the_environment_or_are_left_out(
    bucket: "Bucket", monkeypatch: pytest.MonkeyPatch
) -> None:
    uri = bucket.put("1.png", b"data")
    read(uri)
    assert "Credential=key/" in bucket.s3.requests[-1]["HTTP_AUTHORIZATION"]
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    storage_client.client.cache_clear()
    assert reason(uri) == "unreadable"  # as moto lets nobody read without
    assert "HTTP_AUTHORIZATION" not in bucket.s3.requests[-1]


def test_a_passing_failure_is_tried_again(bucket: "Bucket") -> None:
    uri = bucket.put("1.png", b"data" * 100)
    left = [None, "503 Slow Down", None, "503 Slow Down"]
    bucket.s3.fault = lambda method, path: left.pop()
    assert read(uri) == b"data" * 100
    assert left == []


def test_a_storage_that_is_down_is_soon_not_asked_any_more(bucket: "Bucket", monkeypatch: pytest.MonkeyPatch) -> None:
    uri = bucket.put("1.png", b"data")
    bucket.s3.stop()
    for _ in range(2):
        with pytest.raises(ImageError, match="not answered for"):
            read(uri)
    for _ in range(100):
        with pytest.raises(ImageError, match="was not asked for") as caught:
            read(uri)
        assert caught.value.reason == "url_failed"
    bucket.s3.start()
    now = storage_client.time.monotonic() + 601
    monkeypatch.setattr(storage_client.time, "monotonic", lambda: now)
    assert read(uri) == b"data"


def test_a_storage_that_never_answers_does_not_hang(bucket: "Bucket", monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{silent.getsockname()[1]}")
        monkeypatch.setattr(storage_client, "PATIENCE", storage_client.Patience(read=1.0, tries=1))
        assert reason("s3://pictures/1.png") == "url_failed"


def test_the_endpoint_of_the_service_goes_before_the_general_one(
    bucket: "Bucket", monkeypatch: pytest.MonkeyPatch
) -> None:
    uri = bucket.put("1.png", b"data")
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", bucket.s3.url)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    assert read(uri) == b"data"


def manifest(rows: list[tuple[str, str]]) -> bytes:
    text = io.StringIO()
    csv.writer(text).writerows([("uri", "domain"), *rows])
    return text.getvalue().encode()


def test_a_manifest_in_the_bucket_names_what_lies_beside_it(bucket: "Bucket") -> None:
    for key in ("lists/1.png", "lists/deep/2.png", "3.png"):
        bucket.put(key, b"data")
    rows = [("1.png", "photo"), ("deep/2.png", "sketch"), ("../3.png", ""), (bucket.uri("3.png"), "toy")]
    rows += [("../../4.png", ""), ("/etc/5.png", ""), ("no.png", ""), ("s3://elsewhere/6.png", ""), ("deep", "")]
    source = bucket.put("lists/all.csv", manifest(rows))
    found = list(list_images(source, domain="other"))
    refs = [(each.uri, each.domain, each.size) for each in found if isinstance(each, ImageRef)]
    assert refs == [
        (bucket.uri("lists/1.png"), "photo", 4),
        (bucket.uri("lists/deep/2.png"), "sketch", 4),
        (bucket.uri("3.png"), "other", 4),
        (bucket.uri("3.png"), "toy", 4),
    ]
    skips = [(each.reason, each.detail) for each in found if isinstance(each, Skip)]
    assert [slug for slug, _ in skips] == ["bad_name", "bad_row", "vanished", "url_refused", "vanished"]
    assert all(detail.startswith(f"line {6 + n} of {source}: ") for n, (_, detail) in enumerate(skips))


@pytest.mark.parametrize("name", ["list.txt", "list.jsonl", "list.parquet"])
def test_lists_of_all_kinds_may_lie_in_a_bucket(bucket: "Bucket", name: str) -> None:
    import pyarrow
    import pyarrow.parquet

    uri = bucket.put("ü 1.png", b"data")
    parquet = io.BytesIO()
    pyarrow.parquet.write_table(pyarrow.table({"uri": ["ü 1.png"]}), parquet)
    contents = {
        "txt": "\ufeffü 1.png\n".encode(),
        "jsonl": b'{"uri": "\\u00fc 1.png"}\n',
        "parquet": parquet.getvalue(),
    }
    source = bucket.put(name, contents[name.partition(".")[2]])
    assert listed(source) == ([uri], {})


def test_a_list_on_this_machine_needs_leave_to_name_objects(bucket: "Bucket", tmp_path: Path) -> None:
    uri = bucket.put("1.png", b"data")
    source = tmp_path / "list.txt"
    source.write_text(f"{uri}\n")
    assert listed(str(source)) == ([], {uri: "url_refused"})
    assert bucket.s3.requests == []
    assert listed(str(source), allow_urls=True) == ([uri], {})


def test_objects_of_a_list_are_looked_at_in_its_order(bucket: "Bucket", tmp_path: Path) -> None:
    bucket.put_many((f"{number}.png" for number in range(60)), b"data")
    uris = [bucket.uri(f"{number}.png") for number in range(59, -1, -1)]
    source = tmp_path / "list.txt"
    source.write_text("\n".join([*uris, bucket.uri("none.png")]))
    assert listed(str(source), allow_urls=True) == (uris, {bucket.uri("none.png"): "vanished"})


def test_what_is_an_address_in_object_storage() -> None:
    assert storage.is_object("s3://bucket/key")
    assert storage.is_object("GS://bucket")
    assert not storage.is_object("/s3://bucket")
    assert not storage.is_object("https://bucket.s3.amazonaws.com/key")
    assert storage.parse("GS://bucket//a/b/").uri == "gs://bucket/a/b"
