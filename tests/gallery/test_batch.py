"""Searches for many pictures answer each as a search for it alone does, whatever stops them in between."""

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import weakref
from collections.abc import Callable, Container, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from palette import PaletteRetriever, paint
from PIL import Image

from samekind.errors import SamekindError, UsageError
from samekind.gallery import batch, report
from samekind.gallery.batch import search_all
from samekind.gallery.report import Progress
from samekind.gallery.store import Gallery
from samekind.images.preprocess import Preprocess
from samekind.images.refs import ImageRef
from samekind.reading import opening
from samekind.reading.opening import Outcome, Threads
from samekind.reading.processes import Processes
from samekind.retriever import encode

HERE = Path(__file__).parent


class InTheBall(PaletteRetriever):
    """The same vectors, at various distances from the centre of the ball."""

    def __init__(self) -> None:
        super().__init__("in the ball")
        self.space = "poincare"

    def encode_pixels(self, pixels: np.ndarray, domain: str | None = None) -> np.ndarray:
        lengths = 0.1 + 0.8 * pixels[:, 0, 0, 0].astype(np.float32) / 255
        return super().encode_pixels(pixels, domain) * lengths[:, None]


class Choosy(PaletteRetriever):
    """Finds no vector for pictures that are black in the corner."""

    def encode_pixels(self, pixels: np.ndarray, domain: str | None = None) -> np.ndarray:
        vectors = super().encode_pixels(pixels, domain)
        vectors[pixels[:, 0, 0].max(axis=1) == 0] = 0
        return vectors


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Batches of four, two of them in a block."""
    monkeypatch.setattr(encode, "BATCH", 4)
    monkeypatch.setattr(batch, "BLOCK", 8)
    monkeypatch.setattr(report, "TICK", 0.0)


@pytest.fixture
def asked(tmp_path: Path) -> Path:
    """A manifest of 40 queries: pictures of two domains, one of them twice, and three that are none."""
    for seed in range(30):
        paint(tmp_path / "asked" / f"{seed:02}.png", 100 + seed)
    (tmp_path / "asked" / "text.png").write_text("no picture")
    rows = [{"uri": f"asked/{n % 30:02}.png", "domain": ["photo", "other"][n % 2]} for n in range(37)]
    rows[5:5] = [{"uri": "asked/gone.png"}, {"uri": "asked/text.png"}, {"uri": "http://localhost/a.png"}]
    manifest = tmp_path / "asked.jsonl"
    manifest.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return manifest


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sixty, in three domains."""
    folder = tmp_path_factory.mktemp("searched")
    for seed in range(60):
        paint(folder / "pictures" / f"d{seed % 3}" / f"{seed}.png", seed)
    return folder / "pictures"


def filled(pictures: Path, retriever: PaletteRetriever) -> Gallery:
    """A gallery of them, made once for each retriever."""
    gallery = Gallery.open(pictures.parent / retriever.name, retriever, create=True)
    if not gallery.rows:
        gallery.add(pictures, domain_from_folder=True)
    return gallery


def answers(gallery: Gallery, source: Path, **options: Any) -> list[dict[str, Any]]:
    """What goes to a function."""
    told: list[bytes] = []
    search_all(gallery, source, told.append, **options)
    return [json.loads(line) for line in b"".join(told).splitlines()]


@pytest.mark.parametrize("retriever", [PaletteRetriever(), InTheBall()], ids=["cosine", "poincare"])
@pytest.mark.parametrize(
    "options",
    [{}, {"k": 3, "domains": ["d1", "d2"], "where": "width = 16 AND uri LIKE '%1%'"}, {"k": 100, "exact": False}],
    ids=["plain", "filters", "all"],
)
def test_each_answer_is_that_of_a_search_for_the_picture_alone(
    pictures: Path, asked: Path, retriever: PaletteRetriever, options: dict[str, Any]
) -> None:
    gallery = filled(pictures, retriever)
    listed = [json.loads(line)["uri"] for line in asked.read_text().splitlines()]
    found = answers(gallery, asked, **options)
    assert [Path(each["query"]).name for each in found] == [Path(uri).name for uri in listed]
    assert [(n, each["error"]["reason"]) for n, each in enumerate(found) if "error" in each] == [
        (5, "vanished"),
        (6, "unsupported"),
        (7, "url_refused"),
    ]
    for each in found[:5] + found[8:]:
        alone = gallery.search(image=each["query"], **options).to_json()["hits"]
        assert [{**hit, "score": 0} for hit in each["hits"]] == [{**hit, "score": 0} for hit in alone]
        assert [hit["score"] for hit in each["hits"]] == pytest.approx([hit["score"] for hit in alone], abs=1e-6)
    assert set(retriever.domains[-37:]) == {None}, "queries have no domain"


def test_processes_give_the_same_lines_as_threads(pictures: Path, asked: Path) -> None:
    gallery = filled(pictures, PaletteRetriever())
    assert answers(gallery, asked, reader=Processes(1)) == answers(gallery, asked, reader=Threads(3))


def test_what_the_retriever_finds_no_vector_for_is_told(tmp_path: Path, pictures: Path) -> None:
    gallery = filled(pictures, Choosy())
    paint(tmp_path / "asked" / "a.png", 7)
    Image.new("RGB", (8, 8)).save(tmp_path / "asked" / "black.png")
    first, second = answers(gallery, tmp_path / "asked")
    assert len(first["hits"]) == 20
    assert second["error"]["reason"] == "no_vector"
    assert second["error"]["detail"].endswith("black.png: the retriever palette finds no vector of norm one for it")


def test_pictures_are_listed_and_opened_no_faster_than_they_are_answered(
    tmp_path: Path, pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(opening, "LOOK_AHEAD", 2)
    gallery = filled(pictures, PaletteRetriever())
    for seed in range(60):
        paint(tmp_path / "asked" / f"{seed}.png", seed)
    alive: set[int] = set()
    most = ahead = 0
    prepare = Preprocess.pixels

    def counted(preprocess: Preprocess, image: Image.Image) -> np.ndarray:
        nonlocal most
        pixels = prepare(preprocess, image)
        alive.add(id(pixels))
        weakref.finalize(pixels, alive.discard, id(pixels))
        most = max(most, len(alive))
        return pixels

    def watched(retriever: Any, refs: Iterable[ImageRef], known: Container[str]) -> Iterator[Outcome]:
        taken = 0

        def taking() -> Iterator[ImageRef]:
            nonlocal taken
            for ref in refs:
                taken += 1
                yield ref

        for given_back, outcome in enumerate(Threads(1)(retriever, taking(), known)):
            nonlocal ahead
            ahead = max(ahead, taken - given_back)
            yield outcome

    monkeypatch.setattr(Preprocess, "pixels", counted)
    assert len(answers(gallery, tmp_path / "asked", reader=watched)) == 60
    assert ahead <= 2 + 1 + 1
    assert most <= 4 + ahead + 1


def test_progress_counts_what_is_written(pictures: Path, asked: Path) -> None:
    gallery, told, seen = filled(pictures, PaletteRetriever()), [0], list[Progress]()

    def watch(progress: Progress) -> None:
        assert progress.total is None or progress.done + progress.skipped == told[0]
        seen.append(progress)

    def write(data: bytes) -> None:
        told[0] += data.count(b"\n")

    found = search_all(gallery, asked, write, progress=watch)
    assert (seen[-1].total, seen[-1].done, seen[-1].skipped) == (40, 37, 3)
    assert len({each.done for each in seen}) >= 5
    assert (found.total, found.before, found.skipped, found.exact) == (40, 0, 3, True)
    assert found.first is not None
    assert found.first.reason == "vanished"


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
    assert '"score": 1.0' in json.dumps(answers(writing, asked, k=1))


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
