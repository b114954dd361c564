"""Indexing on a real Ray cluster of several nodes equals indexing here, whatever happens to its parts."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import psutil
import pytest
from palette import PaletteRetriever, paint
from perils import POISON, SLOW, Perilous, facts, paint_sized
from raylets import Raylets, joined

import samekind
from samekind.errors import SamekindError, UsageError
from samekind.gallery import ingest, report
from samekind.gallery.report import IngestReport, Progress
from samekind.gallery.store import Gallery
from samekind.reading.cluster import crew as cluster_crew
from samekind.reading.cluster import work as cluster_work

pytest.importorskip("ray", reason="needs Ray, which is not installed: pip install ray")

HERE = Path(__file__).parent
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def raylets() -> Iterator[Raylets]:
    with joined() as found:
        yield found


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster_work, "CHUNK", 4)
    monkeypatch.setattr(ingest, "COMMIT_ROWS", 8)
    monkeypatch.setattr(report, "TICK", 0.0)


def fill(folder: Path, count: int = 120) -> Path:
    """Pictures of three domains, exact duplicates chunks away, and files that are no pictures."""
    for seed in range(count):
        paint(folder / f"d{seed % 3}" / f"{seed:03}.png", seed % (count - 10))
    (folder / "d0" / "empty.png").touch()
    (folder / "d1" / "text.png").write_text("no picture")
    return folder


def change(folder: Path) -> None:
    """Move, change, double and delete some."""
    for seed in range(0, 60, 4):
        places = [folder / f"d{(seed + n) % 3}" / f"{seed + n:03}.png" for n in range(4)]
        places[0].rename(folder / "d1" / f"moved{seed}.png")
        paint(places[1], 1000 + seed)
        shutil.copy(places[2], folder / "d2" / f"copy{seed}.png")
        places[3].unlink()


def counts(found: IngestReport) -> dict[str, Any]:
    return {name: value for name, value in asdict(found).items() if name != "seconds"}


def compared(one: Gallery, other: Gallery, without: str = "") -> None:
    """Both hold the same: ids, places, domains, sizes and vectors, each picture once."""
    left, right = facts(one), facts(other)
    assert {place for place in right if place[0] != without} == left.keys()
    for place, vector in left.items():
        assert vector == pytest.approx(right[place], abs=1e-6)


def after(moments: dict[int, Callable[[], None]]) -> Callable[[Progress], None]:
    """Does each thing once as many pictures are done."""

    def watch(progress: Progress) -> None:
        for done in [each for each in moments if progress.done >= each]:
            moments.pop(done)()

    return watch


def test_killed_workers_and_nodes_lose_nothing_and_double_nothing(tmp_path: Path, raylets: Raylets) -> None:
    folder = fill(tmp_path / "pictures")
    here = Gallery.open(tmp_path / "here", PaletteRetriever(), create=True)
    there = Gallery.open(tmp_path / "there", PaletteRetriever(), create=True)
    killed = []

    def kill() -> None:
        for worker in raylets.workers(raylets.nodes[0]):
            worker.kill()
            killed.append(worker.pid)

    moments = {8: kill, 24: lambda: raylets.end(raylets.nodes[1]), 40: raylets.begin, 64: kill}
    told = there.add(folder, domain_from_folder=True, ray=raylets.address, progress=after(moments))
    assert counts(told) == counts(here.add(folder, domain_from_folder=True))
    assert len(killed) >= 2
    assert not moments
    compared(here, there)
    skipped = [(gallery.path / "skipped.jsonl").read_text() for gallery in (here, there)]
    assert skipped[0] == skipped[1]

    change(folder)
    told = there.add(folder, domain_from_folder=True, ray=raylets.address)
    assert counts(told) == counts(here.add(folder, domain_from_folder=True))
    assert min(told.moved, told.changed, told.duplicates, told.removed) > 5
    compared(here, there)


def test_a_killed_driver_goes_on_by_the_same_command(tmp_path: Path, raylets: Raylets) -> None:
    folder = fill(tmp_path / "pictures")
    words = [sys.executable, str(HERE / "perils.py"), str(tmp_path / "there"), str(folder), raylets.address]
    driver = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
    assert driver.stdout is not None
    done = next(int(line) for line in driver.stdout if int(line) >= 24)
    driver.kill()
    done = max([done, *map(int, driver.stdout.read().split())])
    driver.wait()
    there = Gallery.open(tmp_path / "there", PaletteRetriever())
    assert done <= sum(len(row["copies"]) + 1 for row in there.snapshot().rows.to_pylist()) < 120
    told = there.add(folder, domain_from_folder=True, ray=raylets.address)
    assert told.unchanged >= done
    here = Gallery.open(tmp_path / "here", PaletteRetriever(), create=True)
    here.add(folder, domain_from_folder=True)
    compared(here, there)
    until(lambda: not [worker for node in raylets.nodes for worker in raylets.workers(node)])


def until(true: Callable[[], bool]) -> None:
    """Wait for it."""
    end = time.monotonic() + 120
    while not true():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_a_picture_that_ends_workers_and_one_that_holds_a_worker_up_cost_nobody_else(
    tmp_path: Path, raylets: Raylets, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster_work, "PATIENCE", 1.0)
    monkeypatch.setattr(cluster_work, "TRIES", 2)
    while len(raylets.nodes) < 2:
        raylets.begin()
    folder = fill(tmp_path / "pictures", 60)
    poison = paint_sized(folder / "d1" / "poison.png", 500, POISON)
    paint_sized(folder / "d1" / "slow.png", 501, SLOW)
    there = Gallery.open(tmp_path / "there", Perilous(tmp_path), create=True)
    told = there.add(folder, domain_from_folder=True, ray=raylets.address)
    assert (tmp_path / "slow").exists()
    skipped = [json.loads(line) for line in (there.path / "skipped.jsonl").read_text().splitlines()]
    (crashed,) = [each for each in skipped if each["reason"] == "crashed"]
    assert crashed["uri"] == str(poison)
    assert crashed["detail"].startswith(f"{poison}: opening it ended the worker 2 times (")
    assert told.skipped == 3
    here = Gallery.open(tmp_path / "here", PaletteRetriever(), create=True)
    assert here.add(folder, domain_from_folder=True).rows == told.rows + 1
    compared(there, here, without=str(poison))


def test_mini_gives_the_same_vectors_there_and_the_command_prints_its_report_alone(
    tmp_path: Path, raylets: Raylets, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    from typer.testing import CliRunner

    from samekind.cli import app

    monkeypatch.setenv("RAY_ADDRESS", raylets.address)
    folder = fill(tmp_path / "pictures", 12)
    words = ["index", "--ray", str(folder), "--domain-from-folder", "--json", "--gallery", str(tmp_path / "there")]
    outcome = CliRunner().invoke(app, words, catch_exceptions=False)
    assert outcome.exit_code == 0, outcome.stderr
    assert json.loads(outcome.stdout)["encoded"] == 12 - 10
    mini = samekind.load("mini")
    here = Gallery.open(tmp_path / "here", mini, create=True)
    here.add(folder, domain_from_folder=True)
    compared(here, Gallery.open(tmp_path / "there", mini))
    assert not capfd.readouterr().out


def test_without_a_free_place_it_ends_with_what_to_do(
    tmp_path: Path, raylets: Raylets, monkeypatch: pytest.MonkeyPatch
) -> None:
    import ray

    monkeypatch.setattr(cluster_crew, "ALONE", 1.0)
    ray.init(address=raylets.address, log_to_driver=False, logging_level="ERROR")
    try:

        @ray.remote(num_cpus=1)
        class Other:
            def here(self) -> None:
                return None

        others = [Other.remote() for _ in raylets.nodes]
        ray.get([each.here.remote() for each in others])
        gallery = Gallery.open(tmp_path / "g", PaletteRetriever(), create=True)
        paint(tmp_path / "p" / "a.png", 1)
        with pytest.raises(SamekindError, match=r"^For 1 s no processor of the Ray cluster was free .* Start nodes"):
            gallery.add(tmp_path / "p", ray=raylets.address)
        assert ray.is_initialized()
    finally:
        ray.shutdown()


def caught_signals() -> int:
    """One bit for each signal that this process has a handler for, in whatever language."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith("SigCgt")), 16)


def running_from(folder: Path) -> list[psutil.Process]:
    """The processes that were told of this folder."""
    return [each for each in psutil.process_iter(["cmdline"]) if str(folder) in " ".join(each.info["cmdline"] or [])]


def test_a_cluster_of_its_own_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import ray

    monkeypatch.setenv("PYTHONPATH", str(HERE))
    monkeypatch.setenv("HOME", str(tmp_path))  # Ray keeps passwords there
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # Ray, joined by a test itself, leaves its own
    environment = dict(os.environ)
    folder = fill(tmp_path / "pictures", 12)
    gallery = Gallery.open(tmp_path / "g", PaletteRetriever(), create=True)
    mine: set[Path] = set()

    def watch(_: Progress) -> None:
        if ray.is_initialized():
            mine.add(Path(ray._private.worker.global_worker.node.get_session_dir_path()).parent)
            assert running_from(*mine)
        assert not caught_signals() & 1 << signal.SIGTERM - 1, "Ray has taken SIGTERM"

    gallery.add(folder, domain_from_folder=True, ray="local", workers=1, progress=watch)
    assert gallery.rows == 2
    (own,) = mine
    assert own.name.startswith("samekind-ray-")
    assert not own.exists()
    assert not (tmp_path / ".ray").exists()
    until(lambda: not running_from(own))
    changed = {name for name in os.environ.keys() | environment if os.environ.get(name) != environment.get(name)}
    assert not changed - {"RAY_USAGE_STATS_ENABLED", "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO"}


@pytest.mark.parametrize(
    ("address", "error", "said"),
    [
        ("127.0.0.1:1", SamekindError, r"at 127.0.0.1:1 cannot be joined: .*refused.* Is it running"),
        ("ray://head:10001", UsageError, "Ray Client"),
        ("photos", UsageError, "'photos' is no address"),
        ("head:66000", UsageError, "ports end at 65535"),
    ],
)
def test_an_address_that_cannot_be_used_is_named(
    tmp_path: Path, address: str, error: type[SamekindError], said: str
) -> None:
    gallery = Gallery.open(tmp_path / "g", PaletteRetriever(), create=True)
    paint(tmp_path / "p" / "a.png", 1)
    with pytest.raises(error, match=said):
        gallery.add(tmp_path / "p", ray=address)
