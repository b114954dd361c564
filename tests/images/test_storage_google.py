"""gs:// is asked through another client than s3://: the same listings, bytes and sentences come of it."""

import socket
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from gcp_storage_emulator.server import create_server

from samekind.errors import UsageError
from samekind.images import storage_client
from samekind.images.decode import Limits, read
from samekind.images.errors import ImageError
from samekind.images.refs import ImageRef, Skip
from samekind.images.source import list_images

PUBLIC = "GOOGLE_APPLICATION_CREDENTIALS", "STORAGE_EMULATOR_HOST"


@pytest.fixture(scope="module")
def emulator() -> Iterator[str]:
    server = create_server("127.0.0.1", 0, in_memory=True, default_bucket="pictures")
    server.start()
    yield f"http://127.0.0.1:{server._api._httpd.server_port}"
    server.stop()


@pytest.fixture
def put(emulator: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Any]:
    """Puts bytes at a key, and gives the object's uri."""
    use(monkeypatch, emulator, tmp_path)

    def one(key: str, data: bytes) -> str:
        url = f"{emulator}/upload/storage/v1/b/pictures/o?uploadType=media&name={quote(key, safe='')}"
        with urllib.request.urlopen(urllib.request.Request(url, data, method="POST")) as answer:
            assert answer.status == 200
        return f"gs://pictures/{key}"

    yield one
    storage_client.client.cache_clear()


def use(monkeypatch: pytest.MonkeyPatch, endpoint: str, home: Path) -> None:
    """Storage at `endpoint`, and no credentials."""
    for name in PUBLIC:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", endpoint)
    monkeypatch.setattr(storage_client, "PATIENCE", storage_client.Patience(total=1.0))
    storage_client.client.cache_clear()
    storage_client.outage.forget()


def reason(uri: str, limits: Limits | None = None) -> str:
    with pytest.raises(ImageError) as caught:
        read(uri, limits or Limits())
    return caught.value.reason


def test_a_prefix_is_walked_like_a_folder(put: Any) -> None:
    keys = ["photo/a b/ü +%20&=.png", "photo/?q#f.jpg", "sketch/1.png", "0.png"]
    uris = [put(f"walk/{key}", key.encode()) for key in keys]
    for key in ("walk/.hidden/1.png", "walk/notes.md", "walked/1.png"):
        put(key, b"no")
    found = list(list_images("gs://pictures/walk", domain_from_folder=True))
    assert all(isinstance(each, ImageRef) and each.mtime_ns for each in found)
    told = {(each.uri, each.domain, each.size) for each in found if isinstance(each, ImageRef)}
    domains = ["photo", "photo", "sketch", None]
    assert told == {(u, d, len(k.encode())) for u, d, k in zip(uris, domains, keys, strict=True)}
    assert [each.uri for each in found] == sorted(uris)
    assert [read(uri) for uri in uris] == [key.encode() for key in keys]


def test_a_list_names_what_lies_beside_it(put: Any) -> None:
    uri = put("lists/1.png", b"data")
    found = list(list_images(put("lists/all.txt", b"1.png\nno.png\n")))
    assert [(each.uri, type(each)) for each in found] == [(uri, ImageRef), ("gs://pictures/lists/no.png", Skip)]


def test_what_cannot_be_read_is_named(put: Any) -> None:
    uri = put("big.png", b"x" * 1001)
    assert reason(uri, Limits(max_bytes=1000)) == "too_many_bytes"
    assert reason("gs://pictures/no.png") == "vanished"
    assert reason("gs://no-such-bucket/no.png") == "vanished"
    for source in ("gs://pictures/no", "gs://pictures/no/", "gs://no-such-bucket", "gs://no-such-bucket/"):
        with pytest.raises(UsageError):
            list_images(source)


def test_a_storage_that_is_down_is_given_up(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    use(monkeypatch, f"127.0.0.1:{port}", tmp_path)
    assert reason("gs://pictures/1.png") == "url_failed"


def test_credentials_that_are_no_credentials_are_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    use(monkeypatch, "", tmp_path)
    (tmp_path / "key.json").write_text("no key")
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "key.json"))
    with pytest.raises(ImageError, match="GOOGLE_APPLICATION_CREDENTIALS") as caught:
        read("gs://pictures/1.png")
    assert caught.value.reason == "unreadable"


def test_without_credentials_the_storage_is_asked_as_anybody(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    use(monkeypatch, "", tmp_path)
    monkeypatch.setattr(storage_client, "_GOOGLE_METADATA", "metadata.invalid")
    assert not storage_client.has_google_credentials()
    kept = tmp_path / ".config" / "gcloud" / "application_default_credentials.json"
    kept.parent.mkdir(parents=True)
    kept.write_text("{}")
    assert storage_client.has_google_credentials()
