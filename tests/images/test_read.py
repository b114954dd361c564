"""Files are only read, only regular ones, and every failure has its name."""

import errno
import os
import socket
import stat
import threading
from pathlib import Path

import pytest
from PIL import Image

from samekind.images.decode import ImageError, Limits, open_image, read


def reason(uri: str, **options: object) -> str:
    with pytest.raises(ImageError) as caught:
        read(uri, **options)  # type: ignore[arg-type]
    assert str(caught.value).encode()  # printable
    return caught.value.reason


def test_a_file_comes_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(b"\x00\x01picture")
    assert read(str(path)) == b"\x00\x01picture"


def test_the_limit_of_bytes_is_checked_before_reading(tmp_path: Path) -> None:
    path = tmp_path / "sparse.jpg"
    with path.open("wb") as file:
        file.truncate(1 << 40)  # a terabyte of nothing
    assert reason(str(path)) == "too_many_bytes"
    path.write_bytes(b"12345")
    assert reason(str(path), limits=Limits(max_bytes=4)) == "too_many_bytes"
    assert read(str(path), Limits(max_bytes=5)) == b"12345"


def test_a_file_that_grows_while_it_is_read_stays_within_the_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "grows.jpg"
    path.write_bytes(b"x" * 100)
    honest = os.fstat

    def small(descriptor: int) -> os.stat_result:
        return os.stat_result((*honest(descriptor)[:6], 10, *honest(descriptor)[7:]))

    monkeypatch.setattr(os, "fstat", small)
    monkeypatch.setattr(os, "stat", lambda name: small(os.open(name, os.O_RDONLY)))
    assert reason(str(path), limits=Limits(max_bytes=50)) == "too_many_bytes"


def test_an_empty_file_is_empty(tmp_path: Path) -> None:
    (tmp_path / "e.jpg").touch()
    assert reason(str(tmp_path / "e.jpg")) == "empty"


def test_what_is_gone_has_vanished(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "dangling.jpg").symlink_to(tmp_path / "nothing")
    for name in ("gone.jpg", "no/such/folder.jpg", "file/below.jpg", "dangling.jpg"):
        assert reason(str(tmp_path / name)) == "vanished"


@pytest.mark.parametrize("number", [errno.EACCES, errno.EPERM, errno.EIO, errno.ESTALE])
def test_what_the_system_refuses_is_unreadable(tmp_path: Path, number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(b"x")

    def refuse(*_: object) -> int:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "open", refuse)
    assert reason(str(path)) == "unreadable"


def test_a_link_to_itself_is_unreadable(tmp_path: Path) -> None:
    (tmp_path / "loop.jpg").symlink_to(tmp_path / "loop.jpg")
    assert reason(str(tmp_path / "loop.jpg")) == "unreadable"


@pytest.mark.timeout(10)
def test_folders_pipes_sockets_and_devices_are_no_files_and_do_not_block(tmp_path: Path) -> None:
    (tmp_path / "folder.jpg").mkdir()
    os.mkfifo(tmp_path / "pipe.jpg")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "socket.jpg"))
        for name in ("folder.jpg", "pipe.jpg", "socket.jpg"):
            assert reason(str(tmp_path / name)) == "not_a_file"
    assert reason("/dev/zero") == "not_a_file"
    assert reason("/dev/tty") == "not_a_file"


@pytest.mark.timeout(10)
def test_a_pipe_that_takes_a_files_place_after_the_first_look_does_not_block(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    regular = os.stat(__file__)  # noqa: PTH116
    monkeypatch.setattr(os, "stat", lambda _: regular)
    assert reason(str(tmp_path / "pipe.jpg")) == "not_a_file"


def test_impossible_names_are_bad(tmp_path: Path) -> None:
    assert reason(f"{tmp_path}/zero\0byte.jpg") == "bad_name"
    assert reason(f"{tmp_path}/{'x' * 300}.jpg") == "bad_name"
    assert reason(f"{tmp_path}/\ud83d.jpg") == "bad_name"


def test_names_that_are_no_text_can_be_read_all_the_same(tmp_path: Path) -> None:
    path = os.fsencode(tmp_path) + b"/caf\xe9.jpg"
    Path(os.fsdecode(path)).write_bytes(b"x")
    assert read(os.fsdecode(path)) == b"x"
    assert reason(os.fsdecode(path) + "gone") == "vanished"


def test_urls_are_refused_unless_they_are_asked_for() -> None:
    for url in ("http://example.com/a.jpg", "HTTPS://example.com/a.jpg", "file:///etc/passwd", "ftp://example.com/a"):
        with pytest.raises(ImageError, match="--allow-urls") as caught:
            read(url)
        assert caught.value.reason == "url_refused"
    assert reason("file:///etc/passwd", allow_urls=True) == "url_refused"
    assert reason("http://127.0.0.1:9/a.jpg", allow_urls=True) == "url_refused"


def test_errors_of_decoding_name_the_file(tmp_path: Path) -> None:
    path = tmp_path / "notes.jpg"
    path.write_text("no picture")
    with pytest.raises(ImageError, match=r"notes\.jpg") as caught:
        open_image(str(path))
    assert caught.value.reason == "unsupported"


def test_a_users_picture_is_never_written_to(tmp_path: Path) -> None:
    path = tmp_path / "mine.jpg"
    Image.new("RGB", (900, 900), (1, 2, 3)).save(path)
    os.utime(path, ns=(10**18, 10**18))
    path.chmod(stat.S_IRUSR)
    before, content = path.stat(), path.read_bytes()
    open_image(str(path), target=32)
    after = path.stat()
    assert path.read_bytes() == content
    assert (after.st_mtime_ns, after.st_ctime_ns, after.st_mode) == (
        before.st_mtime_ns,
        before.st_ctime_ns,
        before.st_mode,
    )
    assert sorted(tmp_path.iterdir()) == [path]


def test_files_are_opened_for_reading_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(b"x")
    flags: list[int] = []
    real = os.open

    def spy(name: str, flag: int) -> int:
        flags.append(flag)
        return real(name, flag)

    monkeypatch.setattr(os, "open", spy)
    read(str(path))
    assert len(flags) == 1
    assert flags[0] & os.O_ACCMODE == os.O_RDONLY


def test_no_descriptor_is_left_open(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"x")
    os.mkfifo(tmp_path / "p.jpg")

    def held() -> tuple[int, int]:
        return len(list(Path("/proc/self/fd").iterdir())), threading.active_count()

    files, threads = held()  # what other tests have left may end meanwhile
    for _ in range(20):
        read(str(tmp_path / "a.jpg"))
        reason(str(tmp_path / "p.jpg"))
        reason(str(tmp_path / "a.jpg"), limits=Limits(max_bytes=0))
    assert held()[0] <= files
    assert held()[1] <= threads
