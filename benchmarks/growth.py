"""Measures how a gallery grows: storage, opening, exact and approximate searches, against rows and against numbers.

    python benchmarks/growth.py --data ../shared/data/pacs [--rows 62500 ...] [--dims 128 256] [--dims-rows 250000]

Vectors: those of the pictures below --data by `mini`, and points between them (`features.py`); fewer numbers are the
first principal components of these, made unit vectors again. Queries: rows that were held out. Seconds are medians.
Writes benchmarks/results/growth.json (see --out).
"""

import argparse
import json
import statistics
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from features import encoded, grown
from machine import facts, write
from materials import make_gallery
from search_ann import anonymous, timed, watched

import samekind
from samekind.gallery.ann.build import Keeper
from samekind.gallery.plan import LEDGER_COLUMNS, Ledger
from samekind.gallery.schema import Meta
from samekind.gallery.store import Gallery
from samekind.gallery.table import PictureTable

TEN, QUERIES = 10, 40


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--data", type=Path, required=True, help="a folder of pictures, or a file of their vectors")
    parser.add_argument("--rows", type=int, nargs="+", default=[62_500, 250_000, 1_000_000])
    parser.add_argument("--dims", type=int, nargs="*", default=[128, 256], help="beside all numbers that there are")
    parser.add_argument("--dims-rows", type=int, default=250_000, help="rows of the galleries of fewer numbers")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "growth.json")
    options = parser.parse_args()
    base = encoded(options.data)
    report: dict[str, Any] = {**facts(), "galleries": []}
    sizes = [(rows, base.shape[1]) for rows in options.rows] + [(options.dims_rows, dim) for dim in options.dims]
    for rows, dim in sizes:
        vectors = grown(reduced(base, dim), rows + QUERIES)
        with tempfile.TemporaryDirectory() as folder:
            told = measure(Path(folder), vectors[:rows], vectors[rows:])
        report["galleries"].append({"rows": rows, "dim": dim, **told})
        print(json.dumps(report["galleries"][-1]), flush=True)
        write(report, options.out)


def reduced(base: np.ndarray, dim: int) -> np.ndarray:
    """The first principal components as unit vectors; all numbers stay as they are."""
    if dim == base.shape[1]:
        return base
    centred = base - base.mean(0)
    axes = np.linalg.eigh(centred.T @ centred)[1][:, : -dim - 1 : -1]
    found = centred @ axes
    return np.ascontiguousarray(found / np.linalg.norm(found, axis=1, keepdims=True), np.float32)


def measure(folder: Path, vectors: np.ndarray, queries: np.ndarray) -> dict[str, Any]:
    """One gallery, from its first row to its index."""
    mini = samekind.load("mini")
    known = {"name": "given", "sha256": "0" * 64, "space": "cosine", "ref": None, "uuid": "0", "created": ""}
    meta = Meta.of(mini) if vectors.shape[1] == mini.dim else Meta(dim=vectors.shape[1], **known)
    (written, _), _ = timed(lambda _: make_gallery(folder, len(vectors), meta, vectors), queries)
    table = disk(folder / "pictures.lance")
    (opened, _), _ = timed(lambda _: Gallery.open(folder).snapshot(), queries)
    (again, _), gallery = timed(lambda _: loaded(folder), queries)
    with watched() as ledger:
        kept = Ledger.read(PictureTable.open(folder).scan(LEDGER_COLUMNS))
    del kept
    before = anonymous()
    exact = [timed(lambda query: gallery.nearest(query[None], TEN), query)[0] for query in queries]
    (many, _), _ = timed(lambda some: gallery.nearest(some, TEN), queries)
    told = {
        "seconds": {"write": written, "first open": opened, "open": again, "batch, each": many / len(queries)},
        "indexer's ledger": ledger,
        "exact": spread(exact),
        "megabytes": {
            "table": table,
            "derived": disk(folder / "cache"),
            "memory of searches": anonymous() - before,
        },
    }
    with watched() as cost:
        ann = Keeper(folder, meta, gallery._newest, lambda: gallery.retriever).keep(True)
    told["index"] = {**cost, **(ann.to_dict() if ann else {})}
    gallery.refresh()
    gallery.answers(queries[:2], TEN, exact=False)
    asked = [timed(lambda query: gallery.answers(query[None], TEN, exact=False), query) for query in queries]
    compared = sum(answer[1] for _, answer in asked)
    true = gallery.nearest(queries, TEN)
    same = [
        len({hit.id for hit in found[0]} & {hit.id for hit in best})
        for (_, (found, _)), best in zip(asked, true, strict=True)
    ]
    told["approximate"] = {
        **spread([took for took, _ in asked]),
        "recall": sum(same) / TEN / len(queries),
        "compared with all": compared,
    }
    return told


def loaded(folder: Path) -> Gallery:
    """A gallery with what searches need in memory."""
    gallery = Gallery.open(folder)
    gallery.snapshot()
    return gallery


def spread(times: list[tuple[float, float]]) -> dict[str, float]:
    """Medians by the clock and of the processors, and the longest but one by the clock."""
    clock, processors = ([time[which] for time in times] for which in (0, 1))
    return {
        "median": statistics.median(clock),
        "longest but one": sorted(clock)[-2],
        "processors": statistics.median(processors),
    }


def disk(folder: Path) -> float:
    """Megabytes of all files below."""
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()) / 1e6


if __name__ == "__main__":
    main()
