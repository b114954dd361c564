"""Measures searches in shards on a Ray cluster of this machine beside the same searches in one process.

    python benchmarks/shards.py [--rows 1000 200000 1000000] [--dim 512] [--shards 1 2 4] [--queries 60]

Galleries of random unit vectors; for each number of shards a cluster is started, and searches take turns with those of
the process itself, so that a busy machine is busy for both: of one query, of sixteen at once, and of many queries (by
eight threads; in the process itself one after the other, as BLAS has all processors there). A gallery of 1,000 rows has
nothing to compute: what is left is the way there and back. Then replicas are killed while a thread searches without
pause. Shards share this machine's processors, and so cannot be faster than one process here; what several machines gain
is not measured. Writes benchmarks/results/shards.json.
"""

import argparse
import shutil
import statistics
import tempfile
import threading
import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from machine import facts, headline, write
from materials import make_gallery

from samekind.gallery.schema import Meta
from samekind.gallery.searching import Searchable
from samekind.gallery.shards.replicas import Replicas, spreading, started
from samekind.gallery.shards.sharded import ShardedGallery
from samekind.gallery.store import Gallery

K = 20
BATCH = 16
THREADS = 8
CROWD = 24  # queries that the threads have
ROUNDS = 3
WAIT = 600.0  # seconds for a replica to come back


def main() -> None:
    """Measure, tell, write."""
    options = arguments()
    report: dict[str, Any] = {**facts(), "searches": [], "losses": []}
    print(headline(report))
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        for rows in options.rows:
            made = Path(folder) / str(rows)
            made.mkdir()
            make_gallery(made, rows, Meta("random", "0" * 64, options.dim, "cosine", None, uuid.uuid4().hex, ""))
            for shards in options.shards:
                report["searches"].append(searches(made, shards, options))
                print(report["searches"][-1], flush=True)
                for part in made.glob("cache/part-*"):
                    shutil.rmtree(part)
            if rows == options.lose:
                for replicas in (1, 2):
                    report["losses"].append(losses(made, replicas, options))
                    print(report["losses"][-1], flush=True)
    write(report, options.out)


def arguments() -> argparse.Namespace:
    """What to measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="+", default=[1000, 200_000, 1_000_000])
    parser.add_argument("--dim", type=int, default=512)
    parser.add_argument("--shards", type=int, nargs="+", default=[1, 2, 4])
    parser.add_argument("--queries", type=int, default=60)
    parser.add_argument("--lose", type=int, default=200_000, help="rows of the gallery that replicas are killed of")
    parser.add_argument("--kills", type=int, default=3)
    parser.add_argument("--folder", type=Path, default=None, help="where galleries are made")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "shards.json")
    return parser.parse_args()


def drawn(count: int, dim: int) -> np.ndarray:
    """Unit vectors to ask with."""
    vectors = np.random.default_rng(7).normal(size=(count, dim)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def searches(folder: Path, shards: int, options: argparse.Namespace) -> dict[str, Any]:
    """Both sides in turn, after a look that they answer the same."""
    gallery, queries = Gallery.open(folder), drawn(options.queries, options.dim)
    with spreading("local", shards) as spread:
        began = time.perf_counter()
        sharded = spread(gallery)
        loading = time.perf_counter() - began
        sides: dict[str, Searchable] = {"alone": gallery, "shards": sharded}
        assert sharded.nearest(queries[:4], K) == gallery.nearest(queries[:4], K)
        one: dict[str, list[float]] = {name: [] for name in sides}
        many: dict[str, list[float]] = {name: [] for name in sides}
        crowd: dict[str, list[float]] = {name: [] for name in sides}
        for query in queries:
            for name, side in sides.items():
                one[name].append(timed(lambda side=side, query=query: side.nearest(query[None], K)))
        for _ in range(ROUNDS):
            for name, side in sides.items():
                threads = THREADS if name == "shards" else 1
                many[name].append(timed(lambda side=side: side.nearest(queries[:BATCH], K)))
                crowd[name].append(timed(lambda side=side, threads=threads: by_threads(side, queries[:CROWD], threads)))
        mapped = sum(file.stat().st_size for file in folder.glob("cache/part-*/*"))
    return {
        "rows": len(gallery.snapshot()),
        "dim": options.dim,
        "shards": shards,
        "start_seconds": round(loading, 1),
        "mapped_megabytes": round(mapped / 1e6, 1),
        "one_query_ms": {name: milliseconds(seconds) for name, seconds in one.items()},
        "one_query_more_ms": round(
            1e3 * statistics.median(b - a for a, b in zip(one["alone"], one["shards"], strict=True)), 2
        ),
        f"{BATCH}_queries_ms": {name: round(1e3 * statistics.median(times), 1) for name, times in many.items()},
        "queries_per_second": {name: round(CROWD / statistics.median(times), 1) for name, times in crowd.items()},
    }


def by_threads(side: Searchable, queries: np.ndarray, count: int) -> None:
    """Each query alone, from so many threads."""
    with ThreadPoolExecutor(count) as threads:
        list(threads.map(lambda query: side.nearest(query[None], K), queries))


def losses(folder: Path, replicas: int, options: argparse.Namespace) -> dict[str, Any]:
    """Two shards, of which a replica is killed, several times, while a thread searches without pause."""
    gallery, query = Gallery.open(folder), drawn(1, options.dim)
    expected = gallery.nearest(query, K)
    back, waits, delayed, answered = [], [], [], 0
    with spreading("local", 2), started(gallery, 2, replicas, patience=WAIT) as shards:
        sharded = ShardedGallery(gallery, shards)
        for _ in range(options.kills):
            seconds: list[float] = []
            ended = threading.Event()

            def stream(seconds: list[float] = seconds, ended: threading.Event = ended) -> None:
                while not ended.is_set():
                    began = time.perf_counter()
                    assert sharded.nearest(query, K) == expected
                    seconds.append(time.perf_counter() - began)

            thread = threading.Thread(target=stream)
            thread.start()
            wait(lambda seconds=seconds: len(seconds) >= 30)
            before = processes(shards)
            usual = statistics.median(seconds)
            processes(shards)[0].kill()
            began = time.perf_counter()
            wait(lambda before=before: len(set(processes(shards)) - set(before)) == 1)
            wait(lambda: sharded.alive() == [replicas, replicas])
            back.append(time.perf_counter() - began)
            ended.set()
            thread.join()
            delayed.append(sum(each > 5 * usual for each in seconds))
            waits.append(max(seconds))
            answered += len(seconds)
    return {
        "rows": len(gallery.snapshot()),
        "shards": 2,
        "replicas": replicas,
        "answered": answered,
        "wrong_or_refused": 0,  # the run would have ended
        "seconds_until_replaced": [round(each, 1) for each in back],
        "longest_answer_seconds": [round(each, 2) for each in waits],
        "answers_over_5_times_the_usual": delayed,
    }


def processes(shards: Replicas) -> list[psutil.Process]:
    """Those of the first shard's replicas."""
    named, found = f"ray::ServeReplica:{shards.name}:shard-1", []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            found += [process] if " ".join(process.cmdline()).startswith(named) else []
    return found


def wait(true: Callable[[], bool]) -> None:
    """Until something is so."""
    deadline = time.monotonic() + WAIT
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def timed(function: Callable[[], Any]) -> float:
    """Seconds."""
    began = time.perf_counter()
    function()
    return time.perf_counter() - began


def milliseconds(seconds: list[float]) -> dict[str, float]:
    """Of many times."""
    cut = statistics.quantiles(seconds, n=100)
    return {"p50": round(1e3 * cut[49], 2), "p99": round(1e3 * cut[98], 2)}


if __name__ == "__main__":
    main()
