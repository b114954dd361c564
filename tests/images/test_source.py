"""Sources of pictures: complete, in a fixed order, and never stopped by one bad entry."""

import os
import socket
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from samekind.errors import UsageError
from samekind.images.source import ImageRef, Skip, list_images


def touch(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"x")


def uris(source: Path, **options: object) -> list[str]:
    """What is found, relative to the source; fails when something was skipped."""
    found = list(list_images(source, **options))  # type: ignore[arg-type]
    assert all(isinstance(item, ImageRef) for item in found), found
    return [item.uri.removeprefix(f"{source}/") for item in found]


def skips(source: Path, **options: object) -> dict[str, str]:
    """Reasons by the last part of the uri."""
    found = list(list_images(source, **options))  # type: ignore[arg-type]
    return {item.uri.rpartition("/")[2]: item.reason for item in found if isinstance(item, Skip)}


def test_a_folder_is_walked_in_the_order_of_its_paths(tmp_path: Path) -> None:
    names = ["b.jpg", "a/z.png", "a/b/c.webp", "a-b/x.gif", "a.jpg", "C.JPEG", "ä.tiff", "a/b.bmp"]
    touch(tmp_path, *names)
    assert uris(tmp_path) == sorted(names)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.lists(st.text("ab-. /Z\n'é", min_size=1, max_size=3), min_size=1, max_size=3), max_size=8))
def test_any_names_come_sorted_and_complete(tmp_path_factory: pytest.TempPathFactory, paths: list[list[str]]) -> None:
    root = tmp_path_factory.mktemp("walk")
    expected = set()
    for parts in paths:
        folders = [part.replace("/", "_") + "_" for part in parts]
        if any(part.startswith(".") for part in folders):
            continue
        touch(root, "/".join(folders) + "/p.jpg")
        expected.add("/".join(folders) + "/p.jpg")
    assert uris(root) == sorted(expected)


def test_a_reference_knows_path_size_and_time(tmp_path: Path) -> None:
    touch(tmp_path, "a.jpg")
    (found,) = list_images(tmp_path, domain="photo")
    stat = (tmp_path / "a.jpg").stat()
    assert found == ImageRef(str(tmp_path / "a.jpg"), "photo", 1, stat.st_mtime_ns)


def test_other_files_and_hidden_ones_are_passed_over(tmp_path: Path) -> None:
    touch(tmp_path, "a.jpg", "readme.txt", "list.csv", "noextension", ".hidden.jpg", ".git/b.jpg", "c/.d/e.jpg", "jpg")
    assert uris(tmp_path) == ["a.jpg"]


def test_a_hidden_folder_is_walked_when_it_is_the_source(tmp_path: Path) -> None:
    touch(tmp_path, ".cache/a.jpg")
    assert uris(tmp_path / ".cache") == ["a.jpg"]


def test_pictures_in_formats_that_are_not_opened_are_not_passed_over_in_silence(tmp_path: Path) -> None:
    touch(tmp_path, "IMG_1.HEIC", "raw.nef", "a.jpg")
    assert skips(tmp_path) == {"IMG_1.HEIC": "unsupported", "raw.nef": "unsupported"}


def test_the_first_folder_below_the_source_is_the_domain(tmp_path: Path) -> None:
    touch(tmp_path, "root.jpg", "photo/dog/1.jpg", "photo/2.jpg", "sketch/dog/deep/3.jpg")
    found = {item.uri.rpartition("/")[2]: item.domain for item in refs(tmp_path, domain_from_folder=True)}
    assert found == {"root.jpg": None, "1.jpg": "photo", "2.jpg": "photo", "3.jpg": "sketch"}
    with pytest.raises(UsageError, match="one"):
        list_images(tmp_path, domain="a", domain_from_folder=True)


def refs(source: Path | str, **options: object) -> list[ImageRef]:
    return [item for item in list_images(source, **options) if isinstance(item, ImageRef)]  # type: ignore[arg-type]


def test_links_to_files_keep_their_own_name(tmp_path: Path) -> None:
    touch(tmp_path, "elsewhere/original", "in/a.jpg")
    (tmp_path / "in/link.jpg").symlink_to(tmp_path / "elsewhere/original")
    assert uris(tmp_path / "in") == ["a.jpg", "link.jpg"]


def test_every_real_folder_is_visited_once_and_loops_end(tmp_path: Path) -> None:
    touch(tmp_path, "in/a/1.jpg", "out/2.jpg")
    (tmp_path / "in/a/up").symlink_to(tmp_path / "in")
    (tmp_path / "in/a/self").symlink_to("self")
    (tmp_path / "in/b").symlink_to(tmp_path / "in/a")
    (tmp_path / "in/out").symlink_to(tmp_path / "out")
    (tmp_path / "out/back").symlink_to(tmp_path / "in")
    assert uris(tmp_path / "in") == ["a/1.jpg", "out/2.jpg"]


def test_a_link_to_a_folder_is_a_source(tmp_path: Path) -> None:
    touch(tmp_path, "real/1.jpg")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    assert uris(tmp_path / "link") == ["1.jpg"]


def test_deep_nesting_ends_well(tmp_path: Path) -> None:
    folders = [f"{tmp_path}{'/d' * depth}" for depth in range(1, 1050)]
    for folder in folders:
        os.mkdir(folder)  # noqa: PTH102
    try:
        with open(folders[-1] + "/1.jpg", "wb"):  # noqa: PTH123
            pass
        assert [item.uri for item in refs(tmp_path)] == [folders[-1] + "/1.jpg"]
    finally:  # what tidies up otherwise is recursive
        os.remove(folders[-1] + "/1.jpg")  # noqa: PTH107
        for folder in reversed(folders):
            os.rmdir(folder)  # noqa: PTH106


def test_names_that_are_no_text_are_reported_and_the_rest_goes_on(tmp_path: Path) -> None:
    touch(tmp_path, "a.jpg", "z.jpg")
    raw = os.fsencode(tmp_path)
    os.close(os.open(raw + b"/m\xff.jpg", os.O_CREAT))
    os.close(os.open(raw + b"/notes\xff.txt", os.O_CREAT))
    os.mkdir(raw + b"/f\xfe")  # noqa: PTH102
    os.close(os.open(raw + b"/f\xfe/x.jpg", os.O_CREAT))
    found = list(list_images(tmp_path))
    assert [item.uri for item in found if isinstance(item, ImageRef)] == [f"{tmp_path}/a.jpg", f"{tmp_path}/z.jpg"]
    bad = [item for item in found if isinstance(item, Skip)]
    assert {(item.uri, item.reason) for item in bad} == {
        (f"{tmp_path}/m\\xff.jpg", "bad_name"),
        (f"{tmp_path}/f\\xfe", "bad_name"),
    }
    assert all((item.uri + item.detail).encode() for item in bad)


def test_a_source_whose_name_is_no_text_is_a_mistake(tmp_path: Path) -> None:
    folder = os.fsdecode(os.fsencode(tmp_path) + b"/f\xff")
    os.mkdir(folder)  # noqa: PTH102
    with pytest.raises(UsageError, match="not UTF-8"):
        list_images(folder)


def test_names_cannot_play_with_the_terminal(tmp_path: Path) -> None:
    name = "red\x1b[31m\u202egpj.jpg"
    (tmp_path / name).symlink_to("nothing")
    (skip,) = list_images(tmp_path)
    assert isinstance(skip, Skip)
    assert skip.uri == f"{tmp_path}/{name}", "the path is what it is"
    assert "red\\x1b[31m\\u202egpj.jpg" in skip.detail


def test_what_is_no_file_is_reported(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    (tmp_path / "dangling.jpg").symlink_to("nothing")
    (tmp_path / "loop.jpg").symlink_to("loop.jpg")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "socket.jpg"))
        expected = {"pipe.jpg": "not_a_file", "socket.jpg": "not_a_file"}
        assert skips(tmp_path) == {**expected, "dangling.jpg": "vanished", "loop.jpg": "unreadable"}


def test_a_folder_with_a_pictures_name_is_a_folder(tmp_path: Path) -> None:
    touch(tmp_path, "album.jpg/1.jpg")
    assert uris(tmp_path) == ["album.jpg/1.jpg"]


def test_a_folder_that_cannot_be_read_is_reported_and_the_rest_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    touch(tmp_path, "a/1.jpg", "locked/2.jpg", "z/3.jpg")
    real = os.scandir

    def refuse(path: str) -> object:
        if path.endswith("locked"):
            raise PermissionError(13, "Permission denied", path)
        return real(path)

    monkeypatch.setattr(os, "scandir", refuse)
    assert [Path(item.uri).name for item in refs(tmp_path)] == ["1.jpg", "3.jpg"]
    assert skips(tmp_path) == {"locked": "unreadable"}
    with pytest.raises(UsageError, match="locked cannot be read"):
        list_images(tmp_path / "locked")


def test_what_vanishes_during_the_walk_is_no_harm(tmp_path: Path) -> None:
    touch(tmp_path, "a/1.jpg", "b/2.jpg", "c/3.jpg")
    found = list_images(tmp_path)
    assert isinstance(next(found), ImageRef)
    (tmp_path / "b/2.jpg").unlink()
    (tmp_path / "b").rmdir()
    (tmp_path / "c/3.jpg").unlink()
    rest = list(found)
    assert [item.reason for item in rest if isinstance(item, Skip)] == ["vanished"]
    assert not any(isinstance(item, ImageRef) for item in rest)


def test_a_large_folder_is_asked_once_and_its_files_only_through_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What makes ten thousand files a matter of a fraction of a second: no call by path for any of them."""
    touch(tmp_path, *(f"{folder}/{number}.jpg" for folder in range(4) for number in range(50)))
    calls: list[str] = []
    for name in ("stat", "lstat", "scandir", "listdir"):
        real = getattr(os, name)
        monkeypatch.setattr(
            os, name, lambda path, *a, real=real, **k: (calls.append(str(path)), real(path, *a, **k))[1]
        )
    assert len(refs(tmp_path)) == 200
    assert len(calls) <= 3 * 5
    assert not any(call.endswith(".jpg") for call in calls)


def test_a_single_file_is_taken_for_a_picture_whatever_its_name(tmp_path: Path) -> None:
    touch(tmp_path, "scan", "a.heic")
    assert refs(tmp_path / "scan", domain="d")[0].domain == "d"
    assert refs(tmp_path / "a.heic", domain_from_folder=True)[0].domain is None


def test_relative_sources_become_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    touch(tmp_path, "a/1.jpg", "b/2.jpg")
    monkeypatch.chdir(tmp_path / "a")
    assert [item.uri for item in refs(".")] == [f"{tmp_path}/a/1.jpg"]
    assert [item.uri for item in refs("../b")] == [f"{tmp_path}/b/2.jpg"]
    assert [item.uri for item in refs("..")] == [f"{tmp_path}/a/1.jpg", f"{tmp_path}/b/2.jpg"]
    assert [item.uri for item in refs("../b//./2.jpg")] == [f"{tmp_path}/b/2.jpg"]


def test_dots_behind_a_link_mean_what_the_system_means_by_them(tmp_path: Path) -> None:
    touch(tmp_path, "real/sub/x", "real/1.jpg", "1.jpg")
    (tmp_path / "link").symlink_to(tmp_path / "real/sub")
    assert refs(f"{tmp_path}/link/../1.jpg")[0].uri == f"{tmp_path}/real/1.jpg"


def test_a_source_that_is_not_there_is_a_mistake_at_once(tmp_path: Path) -> None:
    for name in ("nothing", "nothing.txt", "nothing.csv", "no/such.jpg"):
        with pytest.raises(UsageError, match="there is no"):
            list_images(tmp_path / name)
    with pytest.raises(UsageError, match="cannot be read"):
        list_images("a\0b")


def test_an_empty_folder_has_nothing(tmp_path: Path) -> None:
    assert list(list_images(tmp_path)) == []


def test_a_url_is_a_source_when_urls_are_allowed() -> None:
    url = "https://example.com/a.jpg"
    (skip,) = list_images(url)
    assert isinstance(skip, Skip)
    assert skip.reason == "url_refused"
    assert "--allow-urls" in skip.detail
    assert list(list_images(url, allow_urls=True, domain="web")) == [ImageRef(url, "web")]
    (skip,) = list_images("file:///etc/passwd", allow_urls=True)
    assert isinstance(skip, Skip)
