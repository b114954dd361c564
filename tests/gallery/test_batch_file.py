"""A file of answers: whatever stops a batch of searches, the same call leaves what an undisturbed one leaves."""

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Container, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from many import ask, filled, paint_sixty, smaller
from palette import PaletteRetriever, paint

from samekind.errors import SamekindError, UsageError
from samekind.gallery.batch import search_all
from samekind.gallery.report import Progress
from samekind.gallery.store import Gallery
from samekind.images.refs import ImageRef
from samekind.reading import opening
from samekind.reading.opening import Outcome, Threads

HERE = Path(__file__).parent


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    smaller(monkeypatch)


@pytest.fixture
def asked(tmp_path: Path) -> Path:
    return ask(tmp_path)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return paint_sixty(tmp_path_factory.mktemp("searched"))


@pytest.fixture
def whole(tmp_path: Path, pictures: Path, asked: Path) -> tuple[Gallery, Path]:
    """A gallery of one's own, and the file of an undisturbed run."""
    shutil.copytree(filled(pictures, PaletteRetriever()).path, tmp_path / "g")
    gallery = Gallery.open(tmp_path / "g", PaletteRetriever())
    search_all(gallery, asked, tmp_path / "whole.jsonl", k=5)
    return gallery, tmp_path / "whole.jsonl"


def torn(whole: Path, size: int, garbage: bytes = b"") -> Path:
    """What a kill leaves that has let so many bytes through."""
    file = whole.with_name("torn.jsonl")
    file.unlink(missing_ok=True)
    file.with_name("torn.jsonl.part").write_bytes(whole.read_bytes()[:size] + garbage)
    file.with_name("torn.jsonl.about.json").write_bytes(whole.with_name("whole.jsonl.about.json").read_bytes())
    return file


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(share=st.floats(0, 1), garbage=st.sampled_from([b"", b"\0\0\0", b'{"query": "', b"nothing\n"]))
def test_wherever_the_file_is_torn_the_same_call_leaves_an_undisturbed_one(
    whole: tuple[Gallery, Path], asked: Path, share: float, garbage: bytes
) -> None:
    gallery, file = whole
    expected = file.read_bytes()
    size = round(share * len(expected))
    lines = expected[:size].count(b"\n")
    resumed = torn(file, size, garbage)
    retriever = gallery.retriever
    assert isinstance(retriever, PaletteRetriever)
    before = retriever.encoded
    found = search_all(gallery, asked, resumed, k=5)
    assert resumed.read_bytes() == expected
    assert found.before == (lines if lines == 40 else lines - lines % 4)
    assert retriever.encoded - before <= 40 - found.before
    assert found.skipped == 3
    assert {each.name for each in file.parent.glob("torn*")} == {"torn.jsonl", "torn.jsonl.about.json"}


def test_the_same_call_once_more_reads_nothing(
    whole: tuple[Gallery, Path], asked: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gallery, file = whole
    before = file.stat().st_mtime_ns
    monkeypatch.setattr(opening, "read", None)
    found = search_all(gallery, asked, file, k=5)
    assert (found.total, found.before, found.skipped) == (40, 40, 3)
    assert file.stat().st_mtime_ns == before
    assert not file.with_name("whole.jsonl.part").exists()


KILLED = """
import os, signal, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from palette import PaletteRetriever
from samekind.gallery import batch, batch_file
from samekind.gallery.store import Gallery
from samekind.retriever import encode

encode.BATCH, batch.BLOCK = 4, 8
write, blocks = os.write, []

def killing(descriptor, data):
    blocks.append(len(data))
    if len(blocks) < 3:
        return write(descriptor, data)
    write(descriptor, data[: len(data) // 2 - 9])
    os.kill(os.getpid(), signal.SIGKILL)

batch_file.os.write = killing
batch.search_all(Gallery.open(sys.argv[2], PaletteRetriever()), sys.argv[3], Path(sys.argv[4]), k=5)
"""


def test_killed_while_it_writes_the_same_call_leaves_an_undisturbed_file(
    whole: tuple[Gallery, Path], asked: Path, tmp_path: Path
) -> None:
    gallery, file = whole
    killed = tmp_path / "killed.jsonl"
    words = [sys.executable, "-c", KILLED, str(HERE), str(gallery.path), str(asked), str(killed)]
    done = subprocess.run(words, check=False, capture_output=True)
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()
    assert not killed.exists()
    part = killed.with_name("killed.jsonl.part")
    assert 16 < part.read_bytes().count(b"\n") < 24
    assert not part.read_bytes().endswith(b"\n")
    assert search_all(gallery, asked, killed, k=5).before >= 16
    assert killed.read_bytes() == file.read_bytes()


def test_a_full_disk_is_told_and_the_same_call_goes_on(
    whole: tuple[Gallery, Path], asked: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gallery, file = whole
    out, write = tmp_path / "full.jsonl", os.write
    written: list[int] = []

    def full(descriptor: int, data: bytes) -> int:
        if len(written) >= 2:
            raise OSError(errno.ENOSPC, "No space left on device")
        written.append(write(descriptor, data[:1000]))
        return written[-1]

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        with pytest.raises(SamekindError, match=r"full.jsonl.part cannot be written: No space .* the same command"):
            search_all(gallery, asked, out, k=5)
    search_all(gallery, asked, out, k=5)
    assert out.read_bytes() == file.read_bytes()


@pytest.mark.parametrize(
    ("other", "said"),
    [
        ({"k": 6}, r"-k was 5, and is 6 now"),
        ({"domains": ["d1"]}, r"--domain was None, and is \['d1'\] now"),
        ({"where": "width > 1"}, r"--where was None, and is width > 1 now"),
        ({"exact": False}, r"--exact was True, and is False now"),
        ({"allow_urls": True}, r"--allow-urls was False, and is True now"),
    ],
    ids=str,
)
@pytest.mark.parametrize("finished", [True, False])
def test_answers_to_another_question_are_refused(
    whole: tuple[Gallery, Path], asked: Path, other: dict[str, Any], said: str, finished: bool
) -> None:
    gallery, file = whole
    out = file if finished else torn(file, 5000)
    with pytest.raises(SamekindError, match=rf"{said}\. Give another --out, or delete \S+ to begin anew"):
        search_all(gallery, asked, out, **{"k": 5, **other})
    assert file.exists() == finished or not finished


def grown(gallery: Gallery, _: Path) -> Gallery:
    paint(gallery.path.parent / "more" / "new.png", 999)
    gallery.add(gallery.path.parent / "more")
    return gallery


def made_anew(gallery: Gallery, _: Path) -> Gallery:
    meta = gallery.path / "gallery.json"
    meta.write_text(meta.read_text().replace(gallery.meta.uuid, "0" * 32))
    return Gallery.open(gallery.path, PaletteRetriever())


def changed(gallery: Gallery, asked: Path) -> Gallery:
    asked.write_text(asked.read_text().replace("asked/02.png", "asked/03.png"))
    return gallery


def shortened(gallery: Gallery, asked: Path) -> Gallery:
    asked.write_text("".join(asked.read_text().splitlines(keepends=True)[:3]))
    return gallery


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (grown, r"the gallery's version, which grows with what is indexed, was \d+, and is \d+ now"),
        (made_anew, r"the gallery was \w+, and is \w+ now"),
        (changed, r"have changed since \S+ was begun, from line 3 on"),
        (shortened, r"have changed since \S+ was begun, from line 4 on"),
    ],
)
@pytest.mark.parametrize("finished", [True, False])
def test_what_has_changed_meanwhile_is_refused(
    whole: tuple[Gallery, Path],
    asked: Path,
    change: Callable[[Gallery, Path], Gallery],
    said: str,
    finished: bool,
) -> None:
    gallery, file = whole
    out = file if finished else torn(file, 9000)
    gallery = change(gallery, asked)
    with pytest.raises(SamekindError, match=rf"{said}\. Give another --out, or delete \S+ to begin anew"):
        search_all(gallery, asked, out, k=5)


def test_more_pictures_than_a_whole_file_answers_are_refused(whole: tuple[Gallery, Path], asked: Path) -> None:
    gallery, file = whole
    asked.write_text(asked.read_text() + '{"uri": "asked/01.png"}\n')
    with pytest.raises(SamekindError, match="from line 41 on"):
        search_all(gallery, asked, file, k=5)


def test_a_file_that_nobody_knows_is_left_alone(whole: tuple[Gallery, Path], asked: Path, tmp_path: Path) -> None:
    gallery, _ = whole
    for name in ("mine.jsonl", "half.jsonl.part"):
        (tmp_path / name).write_text("mine")
        with pytest.raises(SamekindError, match=rf"{name} has answers to another search: nothing tells what was asked"):
            search_all(gallery, asked, tmp_path / name.removesuffix(".part"))
        assert (tmp_path / name).read_text() == "mine"
    assert not (tmp_path / "mine.jsonl.part").exists()
    with pytest.raises(SamekindError, match=r"there/a.jsonl.part cannot be written: No such file"):
        search_all(gallery, asked, tmp_path / "there" / "a.jsonl")


def test_two_do_not_write_one_file(whole: tuple[Gallery, Path], asked: Path, tmp_path: Path) -> None:
    gallery, file = whole
    out = tmp_path / "shared.jsonl"

    def meanwhile(progress: Progress) -> None:
        if progress.done:
            with pytest.raises(SamekindError, match=r"Another process is writing \S+shared.jsonl.part"):
                search_all(gallery, asked, out, k=5)

    search_all(gallery, asked, out, k=5, progress=meanwhile)
    assert out.read_bytes() == file.read_bytes()


def test_one_version_answers_all_while_the_gallery_grows(
    whole: tuple[Gallery, Path], asked: Path, tmp_path: Path
) -> None:
    _, file = whole
    reading, writing = (Gallery.open(tmp_path / "g", PaletteRetriever()) for _ in range(2))
    done: list[int] = []

    def index(progress: Progress) -> None:
        if progress.total is not None and progress.done not in done:
            done.append(progress.done)
            paint(tmp_path / "more" / f"{len(done)}.png", 99 + len(done))  # what is searched for
            writing.add(tmp_path / "more")

    out = tmp_path / "meanwhile.jsonl"
    search_all(reading, asked, out, k=5, where="width = 16", progress=index)
    assert writing.rows == 60 + len(done) >= 65
    lines = [[json.loads(line) for line in each.read_text().splitlines()] for each in (file, out)]
    assert lines[0] == lines[1]
    asked_for = tmp_path / "asked" / "00.png"
    assert writing.search(image=asked_for)[0].score == pytest.approx(1), "what came meanwhile would be the first hit"


def test_a_question_that_is_wrong_opens_no_picture(
    whole: tuple[Gallery, Path], asked: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gallery, _ = whole
    monkeypatch.setattr(opening, "read", None)
    out = tmp_path / "never.jsonl"
    for wrong in ({"k": 0}, {"domains": ["nowhere"]}, {"where": "hue > 3"}):
        with pytest.raises(UsageError):
            search_all(gallery, asked, out, **wrong)
    with pytest.raises(UsageError, match="there is no"):
        search_all(gallery, tmp_path / "nothing", out)
    (tmp_path / "empty").mkdir()
    with pytest.raises(SamekindError, match=r"^No pictures found in"):
        search_all(gallery, tmp_path / "empty", out)
    empty = Gallery.open(tmp_path / "empty gallery", PaletteRetriever(), create=True)
    with pytest.raises(SamekindError, match="has no pictures yet"):
        search_all(empty, asked, out)
    assert not list(tmp_path.glob("never.jsonl*"))


def test_an_interrupt_ends_the_reader_and_keeps_what_was_written(
    whole: tuple[Gallery, Path], asked: Path, tmp_path: Path
) -> None:
    gallery, file = whole
    ended: list[bool] = []

    def reader(retriever: Any, refs: Iterable[ImageRef], known: Container[str]) -> Iterator[Outcome]:
        try:
            yield from Threads(1)(retriever, refs, known)
        finally:
            ended.append(True)

    def interrupt(progress: Progress) -> None:
        if progress.done > 10:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        search_all(gallery, asked, tmp_path / "i.jsonl", k=5, reader=reader, progress=interrupt)
    assert ended == [True]
    assert search_all(gallery, asked, tmp_path / "i.jsonl", k=5).before == 16
    assert (tmp_path / "i.jsonl").read_bytes() == file.read_bytes()
