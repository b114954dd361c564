"""Measures searches in a gallery against a bare faiss flat search of the same vectors, in the same run.

    python benchmarks/search.py [--rows 200000] [--dim 512] [--queries 50] [--batch 64] [-k 20]

Makes a gallery of random unit vectors in a temporary folder, checks that both find the same, and writes
benchmarks/results/search.json. Every figure is the median over the queries, ours and faiss's in turn.
"""

import argparse
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import faiss
import numpy as np
from machine import facts, write
from materials import make_gallery, unit

from samekind.gallery.schema import Meta
from samekind.gallery.store import Gallery


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    for name, default in (("rows", 200_000), ("dim", 512), ("queries", 50), ("batch", 64)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("-k", type=int, default=20)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "search.json")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        result = measure(Path(folder), options)
    threads = {"faiss": faiss.omp_get_max_threads(), "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS")}
    report = {**facts(), "threads": threads, **result}
    print(json.dumps(report, indent=2))
    write(report, options.out)


def measure(folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    """All figures; seconds and megabytes."""
    known = {"name": "random", "sha256": "0" * 64, "space": "cosine", "ref": None, "uuid": "0", "created": ""}
    make_gallery(folder, options.rows, Meta(dim=options.dim, **known))
    first, gallery = timed(lambda: opened(folder))
    again, gallery = timed(lambda: opened(folder))
    memory = anonymous_megabytes()
    rng = np.random.default_rng(1)
    singles = unit(rng, options.queries, options.dim)
    batches = [unit(rng, options.batch, options.dim) for _ in range(5)]
    gallery.nearest(singles[:1], options.k)  # the pages are in memory now, for both sides
    gallery.nearest(batches[0], options.k, where="width >= 0")
    grown = anonymous_megabytes() - memory
    index = faiss.IndexFlatIP(options.dim)
    index.add(np.asarray(gallery.snapshot().vectors))

    def ours(queries: np.ndarray, **filters: Any) -> Callable[[], Any]:
        return lambda: gallery.nearest(queries, options.k, **filters)

    def bare(queries: np.ndarray) -> Callable[[], Any]:
        return lambda: index.search(queries, options.k)

    check(gallery, index, batches[0], options.k)
    one = medians([(ours(query[None]), bare(query[None])) for query in singles])
    many = medians([(ours(queries), bare(queries)) for queries in batches])
    filters: dict[str, dict[str, Any]] = {
        "a quarter of the rows by domain": {"domains": ["sketch"]},
        "a thousandth of the rows by domain": {"domains": ["rare"]},
        "half of the rows by SQL": {"where": "width < 500"},
    }
    return {
        "rows": options.rows,
        "dim": options.dim,
        "k": options.k,
        "one_query": {"queries": options.queries, "seconds": one[0], "faiss": one[1], "ratio": one[0] / one[1]},
        "batch": {"queries": options.batch, "seconds": many[0], "faiss": many[1], "ratio": many[0] / many[1]},
        "filtered_seconds": {
            name: medians([(ours(query[None], **filters[name]),) for query in singles])[0] for name in filters
        },
        "open_seconds": {"vectors file made": first, "vectors file there": again},
        "memory_megabytes": {"vectors on disk": options.rows * options.dim * 4 / 1e6, "in memory for searches": grown},
    }


def opened(folder: Path) -> Gallery:
    """A gallery that is ready to be searched."""
    gallery = Gallery.open(folder)
    gallery.snapshot()
    return gallery


def check(gallery: Gallery, index: "faiss.IndexFlatIP", queries: np.ndarray, k: int) -> None:
    """Both sides find the same scores."""
    scores, _ = index.search(queries, k)
    found = [[hit.score for hit in hits] for hits in gallery.nearest(queries, k)]
    np.testing.assert_allclose(found, scores, atol=1e-5)


def timed(function: Callable[[], Any]) -> tuple[float, Any]:
    """Seconds, and what came back."""
    began = time.perf_counter()
    result = function()
    return time.perf_counter() - began, result


def medians(rounds: list[tuple[Callable[[], Any], ...]]) -> list[float]:
    """Median seconds of each side over rounds in which every side has its turn."""
    seconds = [[timed(side)[0] for side in sides] for sides in rounds]
    return [statistics.median(column) for column in zip(*seconds, strict=True)]


def anonymous_megabytes() -> float:
    """Memory of this process that no file backs."""
    lines = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return float(lines["RssAnon"].split()[0]) / 1e3


if __name__ == "__main__":
    main()
