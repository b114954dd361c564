"""Pictures are opened in processes as they are in threads, whatever a picture does to its process."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import weakref
from collections.abc import Callable, Container, Iterator, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pyarrow as pa
import pytest
from opening_driver import WORKER
from palette import PaletteRetriever, paint
from PIL import Image

from samekind.errors import SamekindError, UsageError
from samekind.gallery.store import Gallery
from samekind.gallery.table import PictureTable
from samekind.images.preprocess import Preprocess
from samekind.images.refs import ImageRef, Skip
from samekind.reading import processes
from samekind.reading.opening import Opened, Outcome, Reader, Threads
from samekind.reading.processes import Processes

DRIVER = Path(__file__).with_name("opening_driver.py")
LONG = 600.0  # seconds: longer than a test may take


class Cut(PaletteRetriever):
    """Larger pixels, cut from the middle."""

    def __init__(self) -> None:
        super().__init__()
        self.preprocess = Preprocess(32, "shortest", "bicubic", (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))


def workers() -> list[psutil.Process]:
    """Those of this process that open pictures, among what other tests have started here."""
    found = []
    for child in psutil.Process().children():
        with suppress(psutil.NoSuchProcess):  # a zombie is one, too
            found += [child] if "worker" in " ".join(child.cmdline()) else []
    return found


def opened(reader: Reader, files: Sequence[object], known: Container[str] = frozenset()) -> list[Outcome]:
    return list(reader(Cut(), [ImageRef(str(file)) for file in files], known))


def obedient(workers: int = 1, seconds: float = LONG) -> Processes:
    return Processes(workers, False, seconds, WORKER)


def order(folder: Path, *words: object) -> Path:
    """A file that orders a worker about."""
    file = folder / f"{len(list(folder.iterdir()))}.order"
    file.write_text("!" + " ".join(map(str, words)))
    return file


def same(one: Outcome, other: Outcome) -> bool:
    if isinstance(one, Skip) or isinstance(other, Skip):
        return one == other
    facts = ("ref", "digest", "size", "width", "height")
    both = one.pixels is not None and other.pixels is not None
    alike = np.array_equal(one.pixels, other.pixels) if both else one.pixels is other.pixels
    return alike and all(getattr(one, name) == getattr(other, name) for name in facts)


def until(true: Callable[[], object]) -> None:
    """Wait for what happens in another process."""
    while not true():
        time.sleep(0.01)


def gone(pid: int) -> bool:
    """Whether a process has ended, even if nobody has asked for its status."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def held() -> tuple[object, ...]:
    """What a run may not leave behind: processes, files, threads, descriptors and shared memory."""
    files = sorted(each.name for each in Path(tempfile.gettempdir()).iterdir())
    threads = [each.name for each in threading.enumerate() if each.name.startswith("samekind")]
    links = [str(each.readlink()) for each in Path("/proc/self/fd").iterdir() if each.is_symlink()]
    pipes = sum("pipe:" in link or "samekind" in link for link in links)
    return workers(), files, threads, pipes, Path("/proc/self/maps").read_text().count("samekind-")


@pytest.fixture
def clean(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """Nothing is left when the test is over."""
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    before = held()
    yield
    assert held() == before


pytestmark = pytest.mark.usefixtures("clean")


@pytest.fixture
def odd(tmp_path: Path) -> list[object]:
    """Pictures of several formats, and things that are none."""
    files: list[object] = [paint(tmp_path / "odd" / f"{seed}.png", seed) for seed in range(6)]
    folder = tmp_path / "odd"
    for format in ("jpeg", "webp", "gif", "tiff", "avif"):
        Image.effect_noise((90, 60), 80).convert("RGB").save(folder / f"a.{format}")
        files.append(folder / f"a.{format}")
    turned = Image.Exif()
    turned[0x0112] = 6
    Image.effect_noise((90, 60), 80).save(folder / "turned.jpg", exif=turned)
    (folder / "cut.jpg").write_bytes((folder / "turned.jpg").read_bytes()[:300])
    (folder / "empty.png").touch()
    (folder / "text.png").write_text("no picture")
    strange = os.fsdecode(os.fsencode(folder) + b"/\xff\n.png")
    Image.new("RGB", (9, 5)).save(folder / "line.png")
    shutil.copy(folder / "line.png", strange)
    found = [folder / name for name in ("turned.jpg", "cut.jpg", "empty.png", "text.png", "gone.png")]
    return [*files, *found, folder, strange, "https://example.org/a.png", files[0], "a\0b", "x" * 5000]


@pytest.mark.parametrize("workers", [1, 3])
def test_outcomes_are_those_of_threads_in_the_same_order(odd: list[object], workers: int) -> None:
    expected = opened(Threads(2), odd)
    assert {each.reason for each in expected if isinstance(each, Skip)} >= {"truncated", "empty", "url_refused"}
    found = opened(Processes(workers), odd)
    assert [each.ref if isinstance(each, Opened) else each.uri for each in found] == [
        each.ref if isinstance(each, Opened) else each.uri for each in expected
    ]
    assert all(map(same, found, expected))


def rows(gallery: Gallery) -> list[dict[str, Any]]:
    batches = PictureTable.open(gallery.path).scan(["*"])
    return sorted(pa.Table.from_batches(list(batches)).to_pylist(), key=lambda row: row["seq"])


def test_a_gallery_is_row_by_row_that_made_with_threads(tmp_path: Path, shared: Path, odd: list[object]) -> None:
    for domain in ("photo", "art_painting", "cartoon", "sketch"):
        for number, file in enumerate(sorted((shared / "data" / "pacs" / domain / "dog").iterdir())[:12]):
            (tmp_path / "all" / domain).mkdir(parents=True, exist_ok=True)
            shutil.copy(file, tmp_path / "all" / domain)
            if number % 4 == 0:
                shutil.copy(file, tmp_path / "all" / domain / f"copy{number}{file.suffix}")
    shutil.copytree(tmp_path / "odd", tmp_path / "all" / "odd")
    made = []
    for how in ("workers", "processes"):
        gallery = Gallery.open(tmp_path / how, PaletteRetriever(), create=True)
        first = gallery.add(tmp_path / "all", domain_from_folder=True, **{how: 2}).to_json()
        file = tmp_path / "all" / "photo" / "copy0.jpg"
        file.rename(file.with_name("moved.jpg"))
        second = gallery.add(tmp_path / "all", domain_from_folder=True, **{how: 2}).to_json()
        file.with_name("moved.jpg").rename(file)
        reports = [{**report, "seconds": 0} for report in (first, second)]
        made.append((rows(gallery), (gallery.path / "skipped.jsonl").read_text(), reports))
    assert made[0] == made[1]
    assert len(made[0][0]) > 50
    assert made[0][2][0]["duplicates"] >= 12
    assert made[0][2][1]["moved"] == 1


def test_a_content_that_the_gallery_has_is_not_decoded(photos: Path) -> None:
    files = sorted(photos.glob("*.png"))
    (known,) = [each for each in opened(Threads(1), files[:1]) if isinstance(each, Opened)]
    first, second, *_ = opened(Processes(1), files, {known.id})
    assert isinstance(first, Opened)
    assert isinstance(second, Opened)
    assert (first.digest, first.pixels, first.width) == (known.digest, None, 0)
    assert second.pixels is not None


def test_workers_import_little_and_leave_signals_to_who_started_them(tmp_path: Path) -> None:
    (outcome,) = opened(obedient(), [order(tmp_path, "facts")])
    assert isinstance(outcome, Skip)
    facts = json.loads(outcome.detail)
    assert not {"torch", "lancedb", "lance", "samekind.retriever.store", "samekind.clip"} & set(facts["modules"])
    assert facts["ignored"] == ["SIGINT", "SIGTERM"]
    assert facts["group"] != os.getpgrp()
    assert facts["session"] == os.getsid(0)  # which a scheduler may go by


def test_the_order_is_kept_where_later_pictures_are_ready_first(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    files = [order(tmp_path, "wait", mark), order(tmp_path, "noise"), order(tmp_path, "make", mark)]
    found = opened(obedient(2), files)
    assert [each.detail for each in found if isinstance(each, Skip)] == ["waited", "quiet", "made"]


def test_pictures_are_taken_no_faster_than_outcomes_are(
    tmp_path: Path, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "LOOK_AHEAD", 4)
    alive: set[int] = set()
    most = taken = 0
    pixels = processes._Process._pixels

    def counted(process: Any) -> np.ndarray:
        nonlocal most
        found = pixels(process)
        alive.add(id(found))
        weakref.finalize(found, alive.discard, id(found))
        most = max(most, len(alive))
        return found

    def refs() -> Iterator[ImageRef]:
        nonlocal taken
        for number in range(60):
            taken += 1
            yield ImageRef(str(photos / f"{number % 4}.png"))

    monkeypatch.setattr(processes._Process, "_pixels", counted)
    ahead = 4 + 2
    for place, _ in enumerate(Processes(2)(Cut(), refs(), ())):
        assert taken <= place + 1 + ahead
    assert taken == 60
    assert most <= ahead + 3  # with the one asked for and those in hand
    assert opened(Processes(5), []) == []


def test_no_more_processes_than_pictures_are_started(photos: Path) -> None:
    with closing(Processes(8)(Cut(), [ImageRef(str(photos / "0.png"))], ())) as outcomes:  # type: ignore[type-var]
        next(outcomes)
        assert len(workers()) == 1


def test_the_picture_of_a_killed_worker_is_opened_again(tmp_path: Path, photos: Path) -> None:
    files = [photos / "0.png", order(tmp_path, "once", tmp_path / "mark"), photos / "1.png"]
    first, again, last = opened(obedient(2), files)
    assert isinstance(first, Opened)
    assert isinstance(last, Opened)
    assert again == Skip(str(files[1]), "ordered", "opened again")


def test_workers_killed_while_they_wait_are_replaced(photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "LOOK_AHEAD", 0)
    found = []
    refs = [ImageRef(str(photos / f"{number % 4}.png")) for number in range(8)]
    for outcome in Processes(1)(Cut(), refs, ()):  # one, or a picture might be in the hands of two that are killed
        found.append(outcome)
        for child in workers():
            child.kill()
    assert [each.ref for each in found if isinstance(each, Opened)] == refs


def test_a_picture_that_ends_its_worker_each_time_is_skipped_and_all_others_are_there(
    tmp_path: Path, photos: Path
) -> None:
    bad = order(tmp_path, "die")
    files = [photos / "0.png", bad, photos / "1.png", bad, photos / "2.png"]
    found = opened(obedient(2), files)
    assert [isinstance(each, Opened) for each in found] == [True, False, True, False, True]
    assert found[1] == Skip(str(bad), "crashed", f"{bad}: opening it ended the worker 2 times (SIGSEGV)")
    assert all(map(same, found[::2], opened(Threads(1), files[::2])))


def test_what_the_gallery_has_of_a_picture_stays_when_opening_it_crashes(
    tmp_path: Path, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gallery = Gallery.open(tmp_path / "g", PaletteRetriever(), create=True)
    gallery.add(photos, processes=1)
    before = rows(gallery)
    bad = photos / "0.png"
    bad.write_bytes(order(tmp_path, "die").read_bytes())
    monkeypatch.setattr(processes, "Processes", lambda *_: obedient())
    report = gallery.add(photos, processes=1)
    assert (report.skipped, report.removed, rows(gallery)) == (1, 0, before)
    assert json.loads((gallery.path / "skipped.jsonl").read_text())["reason"] == "crashed"


@pytest.mark.parametrize("other", [{"workers": 2}, {"ray": "local"}], ids=str)
def test_processes_exclude_threads_and_clusters(photos: Path, tmp_path: Path, other: dict[str, Any]) -> None:
    gallery = Gallery.open(tmp_path / "g", PaletteRetriever(), create=True)
    with pytest.raises(UsageError, match="give one of them"):
        gallery.add(photos, processes=2, **other)
    with pytest.raises(UsageError, match="processes must be 1 or more"):
        gallery.add(photos, processes=0)


def test_a_picture_that_takes_too_long_is_given_up(tmp_path: Path) -> None:
    bad = order(tmp_path, "hang", tmp_path / "mark")
    (outcome,) = opened(obedient(seconds=0.5), [bad])
    detail = f"{bad}: opening it ended the worker 2 times (it took more than 0.5 s)"
    assert outcome == Skip(str(bad), "crashed", detail)


GARBAGE = """
import sys
from samekind.images.pipes import receive, send
send(sys.stdout.buffer, {"ready": True})
receive(sys.stdin.buffer)
exec(sys.argv[1])
sys.stdout.buffer.flush()
receive(sys.stdin.buffer)
"""


@pytest.mark.parametrize(
    "answer",
    [
        "sys.stdout.buffer.write(b'no message at all')",
        "sys.stdout.buffer.write(b'\\xff' * 2**22)",
        "send(sys.stdout.buffer, {})",
        "send(sys.stdout.buffer, ['known'])",
        "send(sys.stdout.buffer, {'digest': 'a', 'size': 'many', 'width': 1, 'height': 1})",
    ],
)
def test_a_worker_that_answers_nonsense_is_a_worker_that_ended(photos: Path, answer: str) -> None:
    reader = Processes(1, False, LONG, (sys.executable, "-c", GARBAGE, answer))
    (outcome,) = opened(reader, [photos / "0.png"])
    assert isinstance(outcome, Skip)
    assert outcome.reason == "crashed"
    assert "(it answered nonsense)" in outcome.detail


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        ((sys.executable, "-c", "raise SystemExit(3)"), r"ended 3 times as it began \(exit status 3\).*fewer of them"),
        (("/no/such/program",), r"cannot be started: No such file or directory\. Try again"),
    ],
)
def test_workers_that_do_not_start_are_an_error_of_the_run(photos: Path, command: tuple[str, ...], reason: str) -> None:
    with pytest.raises(SamekindError, match=reason):
        opened(Processes(2, False, LONG, command), [photos / "0.png", photos / "1.png"])


def test_without_files_in_memory_one_without_a_name_will_do(photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(_: str) -> int:
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr(os, "memfd_create", refused)
    files = sorted(photos.glob("*.png"))
    assert all(map(same, opened(Processes(2), files), opened(Threads(1), files)))


def test_who_stops_early_waits_for_no_worker(tmp_path: Path, photos: Path) -> None:
    mark = tmp_path / "mark"
    refs = [ImageRef(str(photos / "0.png")), ImageRef(str(order(tmp_path, "hang", mark)))]
    with closing(obedient(2)(Cut(), refs, ())) as outcomes:  # type: ignore[type-var]
        next(outcomes)
        until(mark.exists)
    assert gone(int(mark.read_text()))


def test_an_exception_of_the_listing_ends_the_workers(photos: Path) -> None:
    def refs() -> Iterator[ImageRef]:
        yield ImageRef(str(photos / "0.png"))
        raise RuntimeError("the disk is gone")

    with pytest.raises(RuntimeError, match=r"^the disk is gone$"):
        list(Processes(2)(Cut(), refs(), ()))


def test_an_interrupt_waits_for_no_worker(tmp_path: Path) -> None:
    mark = tmp_path / "mark"

    def interrupt() -> None:
        until(mark.exists)
        os.kill(os.getpid(), signal.SIGINT)

    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # whatever this process was started with
    try:
        threading.Thread(target=interrupt).start()
        with pytest.raises(KeyboardInterrupt):
            opened(obedient(2), [order(tmp_path, "hang", mark)])
    finally:
        signal.signal(signal.SIGINT, before)
    assert gone(int(mark.read_text()))


def driven(*given: object) -> tuple[subprocess.Popen[str], list[int]]:
    """A process that opens pictures in two workers, and they, when the first picture has come."""
    pipe = subprocess.PIPE
    command = [sys.executable, str(DRIVER), *map(str, given)]
    driver = subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, start_new_session=True)
    assert driver.stdout is not None
    lines = iter(driver.stdout.readline, "first\n")
    return driver, [int(line.removeprefix("pid ")) for line in lines]


def test_workers_end_with_a_driver_that_is_killed_even_while_they_hang(tmp_path: Path, photos: Path) -> None:
    mark = tmp_path / "mark"
    # What a picture may take is the time after which a worker that hangs ends of itself.
    driver, workers = driven(1.0, photos / "0.png", order(tmp_path, "hang", mark))
    until(mark.exists)
    driver.kill()
    driver.communicate()
    assert workers
    until(lambda: all(map(gone, [*workers, int(mark.read_text())])))


def test_an_interrupt_of_the_whole_group_is_told_once(tmp_path: Path, photos: Path) -> None:
    mark = tmp_path / "mark"
    driver, workers = driven(LONG, photos / "0.png", order(tmp_path, "hang", mark))
    until(mark.exists)
    os.killpg(driver.pid, signal.SIGINT)
    said, complaints = driver.communicate()
    assert (said, complaints, driver.returncode) == ("interrupted\n", "", 0)
    assert all(map(gone, workers))
