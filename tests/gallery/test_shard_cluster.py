"""Shards on a real Ray cluster: what is lost is replaced while queries go on, and answers stay those of the gallery."""

import json
import shutil
import signal
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np
import psutil
import pytest
from meanwhile import LONG, searching, until
from palette import paint
from rows import appended, clustered, made

import samekind
from samekind.errors import SamekindError, Unavailable
from samekind.gallery.shards.replicas import Replicas, spreading, started
from samekind.gallery.shards.sharded import ShardedGallery
from samekind.gallery.store import Gallery
from samekind.reading.cluster.local import local_cluster

pytest.importorskip("ray.serve", reason="needs Ray Serve, which is not installed: pip install 'ray[serve]'")

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

ROWS, DIM = 3000, 12

Spread = Callable[[Gallery], ShardedGallery]


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """A cluster with four processors, of whatever this machine has."""
    with local_cluster(4) as found:
        yield found


@pytest.fixture(scope="module")
def spread(address: str) -> Iterator[Spread]:
    with spreading(address, 2, patience=LONG) as found:
        yield found


@pytest.fixture
def gallery(tmp_path: Path) -> Gallery:
    return made(tmp_path / "g", clustered(ROWS, DIM))


@pytest.fixture(scope="module")
def queries() -> np.ndarray:
    return clustered(6, DIM, 5)


def replicas_of(shards: Replicas, number: int | None = None) -> list[psutil.Process]:
    """The processes of a shard's replicas, or of all."""
    named = f"ray::ServeReplica:{shards.name}:" + ("" if number is None else f"shard-{number}")
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            found += [process] if " ".join(process.cmdline()).startswith(named) else []
    return found


def test_answers_are_those_of_the_gallery_also_as_it_grows(spread: Spread, gallery: Gallery, queries) -> None:
    (gallery.path / "cache" / "part-1-of-3").mkdir(parents=True)
    sharded = spread(gallery)
    assert sorted(folder.name for folder in gallery.path.glob("cache/part-*")) == ["part-0-of-2", "part-1-of-2"]
    for chosen in ({}, {"k": 2000, "offset": 5}, {"domains": ["photo"]}, {"where": "width > 500", "k": 40}):
        assert sharded.answers(queries, **chosen) == gallery.answers(queries, **chosen)
    with pytest.raises(SamekindError, match="No picture has the domain toy; the gallery has: cartoon, photo, sketch"):
        sharded.answers(queries, domains=["toy"])
    expected = {gallery.version: gallery.answers(queries)}
    ended = threading.Event()

    def grow() -> None:
        for seed in range(5):
            appended(gallery.path, clustered(300, DIM, seed))
            gallery.refresh()
            expected[gallery.version] = gallery.answers(queries)
        ended.set()

    seen: list[tuple[int, object]] = []
    thread = threading.Thread(target=grow)
    thread.start()
    while not ended.is_set() or sharded.newer() is not None:
        sharded = sharded.newer() or sharded
        seen.append((sharded.version, sharded.answers(queries)))
    thread.join()
    assert sharded.rows == ROWS + 5 * 300
    assert all(answer == expected[version] for version, answer in seen)


def test_a_replica_that_is_killed_or_hangs_costs_no_answer_and_is_replaced(
    spread: Spread, gallery: Gallery, queries
) -> None:
    expected = gallery.answers(queries)
    with started(gallery, 2, replicas=2, patience=LONG) as shards:
        sharded = ShardedGallery(gallery, shards)
        before = {process.pid for process in replicas_of(shards)}
        assert len(before) == 4
        with searching(lambda: sharded.answers(queries), expected, clients=2) as searches:
            searches.more(20)
            replicas_of(shards, 1)[0].kill()
            until(lambda: len({process.pid for process in replicas_of(shards, 1)} - before) == 1)
            until(lambda: sharded.alive() == [2, 2])
            searches.more(20)
            replicas_of(shards, 2)[0].suspend()  # as a machine that is gone without a word
            searches.more(20)
        assert not searches.wrong


def test_a_shard_without_replicas_is_waited_for_and_named_when_none_comes(
    spread: Spread, gallery: Gallery, queries
) -> None:
    expected = gallery.answers(queries)
    with started(gallery, 2, patience=LONG) as shards:
        sharded = ShardedGallery(gallery, shards)
        (lost,) = replicas_of(shards, 2)
        lost.kill()
        assert sharded.answers(queries) == expected
        (fresh,) = replicas_of(shards, 2)
        assert fresh.pid != lost.pid
        shutil.move(gallery.path, gallery.path.with_name("elsewhere"))  # no replica can be started now
        fresh.kill()
        shards.patience = 2.0
        with pytest.raises(Unavailable, match="Shard 2 of 2 of the gallery g is lost") as told:
            sharded.answers(queries)
        assert told.value.retry_after > 0
        until(lambda: sharded.alive() == [1, 0])


def test_shards_that_cannot_be_started_say_why(spread: Spread, gallery: Gallery) -> None:
    shutil.move(gallery.path, gallery.path.with_name("elsewhere"))
    with pytest.raises(SamekindError, match=r"cannot be started: .*g does not exist"):
        spread(gallery)


SERVE = "import sys; from samekind.cli import main; sys.exit(main())"


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGKILL])
def test_the_service_takes_its_shards_along_however_it_ends(
    address: str, spread: Spread, tmp_path: Path, signum: signal.Signals
) -> None:
    from ray import serve

    photos = tmp_path / "photos"
    for seed in range(6):
        paint(photos / ("photo", "sketch")[seed % 2] / f"{seed}.png", seed)
    gallery = Gallery.open(tmp_path / "g", samekind.load("mini"), create=True)
    gallery.add(photos, domain_from_folder=True)
    command = [sys.executable, "-c", SERVE, "serve", "--gallery", str(gallery.path), "--port", "0"]
    with subprocess.Popen([*command, "--ray", address, "--shards", "2"], stdout=subprocess.PIPE, text=True) as service:
        assert service.stdout is not None
        told = service.stdout.readline()
        page = f"{told.split()[0]}api/v1"
        asked = json.load(urllib.request.urlopen(f"{page}/galleries/g/search?text=red&k=4", timeout=LONG))
        assert [hit["id"] for hit in asked["hits"]] == [hit.id for hit in gallery.search(text="red", k=4)]
        assert json.load(urllib.request.urlopen(f"{page}/ready", timeout=LONG)) == {"status": "ready"}
        named = f"samekind-{gallery.meta.uuid[:8]}"
        assert any(name.startswith(named) for name in serve.status().applications)
        service.send_signal(signum)
        assert service.wait(LONG) == (0 if signum == signal.SIGINT else -signal.SIGKILL)
    until(lambda: not any(name.startswith(named) for name in serve.status().applications))
